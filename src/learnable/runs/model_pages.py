"""A page for each family of published models: what there is, where its weights are, how near it is to the standard one.

Everything is read from where it is kept: variants from the module's tables, weights from the rows of `learnable.weights`,
departures from the module's docstring, parity from `models/parity.json`, which `python -m benchmarks.parity` measures, and speed
from `models/speed.json`, which `python -m benchmarks.models --save` measures.

    python -m learnable.runs.model_pages docs/models        in a checkout: writes all pages as Markdown, and `models/pages.json`

The file in JSON is for those who must not import torch, which the tables of variants need: the course's web server.
"""

import ast
import importlib
import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import Any

from learnable import catalog, models
from learnable.errors import CallError, unknown
from learnable.files import write_json, write_text

SPEED_COLUMNS = ("variant", "against", "forward", "forward + backward", "peak memory")


def families() -> dict[str, list[models.Variant]]:
    """The families by the name of their module (resnet, modern_gpt), each with its variants."""
    found: dict[str, list[models.Variant]] = {}
    for variant in models.variants().values():
        found.setdefault(variant.module.rpartition(".")[2], []).append(variant)
    return found


def family_of(name: str) -> str:
    """The family that a module, a topic's stem, a class or a variant belongs to.

    >>> family_of("resnet50"), family_of("MobileNetV2"), family_of("gpt2")
    ('resnet', 'mobilenet', 'gpt')

    Raises:
        CallError: none; the message names the nearest.
    """
    known = families()
    if name.replace("-", "_") in known:
        return name.replace("-", "_")
    for row in catalog.models():
        family = row.target.partition(":")[0].rpartition(".")[2]
        if name in (row.name, row.stem) and family in known:
            return family
    try:
        return models.find(name).module.rpartition(".")[2]
    except CallError:
        raise unknown("model", name, [*known, *models.variants()]) from None


def page(name: str) -> dict[str, Any]:
    """All that is known of a family, as numbers and text.

    Raises:
        CallError: no such family.
    """
    family = family_of(name)
    variants = families()[family]
    module = importlib.import_module(variants[0].module)
    text = ast.get_docstring(ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))) or ""
    stems = [row.stem for row in catalog.models() if row.target.startswith(f"{module.__name__}:")]
    return {
        "stem": family,
        "title": text.splitlines()[0],
        "topic": stems[0] if stems else None,
        "module": module.__name__,
        "papers": section(text, "Papers?"),
        "departures": section(text, "Differs"),
        "variants": [described(variant) for variant in variants],
        "weights": [_weights(row) for variant in variants for row in models.published(variant.name)],
        "parity": parity().get(family),
        "speed": speed([variant.name for variant in variants]),
    }


def described(variant: models.Variant) -> dict[str, Any]:
    config = variant.config
    return {"name": variant.name, "class": variant.family, "parameters": variant.parameters,
            "settings": str(config) if isinstance(config, int | dict) else re.sub(r"^\w+\((.*)\)$", r"\1", repr(config))}  # fmt: skip


def _weights(row: Any) -> dict[str, Any]:
    seen = row.preprocessing
    prepared = seen and {"size": seen.size, "resized": round(seen.size / seen.crop), "mean": list(seen.mean),
                         "std": list(seen.std), "interpolation": seen.interpolation}  # fmt: skip
    return {
        "name": row.name,
        "variant": row.variant,
        "licence": row.licence,
        "top1": row.top1,
        "preprocessing": prepared,
    }


def section(text: str, heading: str) -> str:
    r"""What a module's docstring says behind a word at the margin, in one line.

    >>> section("A model.\n\nPaper    One,\n         two\nDiffers  nothing", "Papers?")
    'One, two'
    """
    found = re.search(rf"^{heading} +(.*(?:\n +.*)*)", text, re.M)
    return " ".join(found[1].split()) if found else ""


def parity() -> dict[str, Any]:
    """The measured differences by family."""
    file = importlib.resources.files("learnable").joinpath("models/parity.json")
    rows: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["models"]
    return rows


def parity_lines(row: dict[str, Any] | None) -> list[str]:
    """The measured differences in sentences."""
    if row is None:
        return ["Not measured."]
    against = _and(row["against"]) or "a twin written out"
    lines = [
        f"Largest difference to {against} with the same random weights at toy size, as a share of the largest value, "
        f"over {row['comparisons']} comparisons ({row['date']}, torch {row['versions']['torch']}):"
    ]
    return lines + [
        f"{kind}: outputs {row[kind]['outputs']:.1e}, gradients {row[kind]['gradients']:.1e}"
        for kind in ("float32", "float64")
        if kind in row
    ]


def speed(names: list[str]) -> dict[str, Any] | None:
    """How fast and how large these variants are against the standard ones, where that was measured, and on what machines."""
    file = importlib.resources.files("learnable").joinpath("models/speed.json")
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    rows = {name: told["models"][name] for name in names if name in told["models"]}
    return {"where": _machines(rows), "models": rows} if rows else None


def _machines(rows: dict[str, Any]) -> str:
    """The machines of some measured variants; where there are several, which is whose.

    >>> on = {"threads": 2, "processor": "Abacus", "date": "1998-11-01", "versions": {"torch": "2.13.0"}}
    >>> _machines({"a": {"on": on}, "b": {"on": on}, "c": {"on": on | {"threads": 1}}})
    'a and b: 2 threads of an Abacus, 1998-11-01, torch 2.13.0; c: 1 threads of an Abacus, 1998-11-01, torch 2.13.0'
    """
    found: dict[str, list[str]] = {}
    for name, row in rows.items():
        on = row["on"]
        machine = f"{on['threads']} threads of an {on['processor']}, {on['date']}, torch {on['versions']['torch']}"
        found.setdefault(machine, []).append(name)
    return "; ".join(machine if len(found) == 1 else f"{_and(names)}: {machine}" for machine, names in found.items())


def speed_line(told: dict[str, Any] | None) -> str:
    """What was measured, in a sentence."""
    if told is None:
        return "Not measured."
    return ("Ours over theirs, below 1 is faster or smaller: 8 pictures of 224x224 or 4 texts of 256 tokens, float32 "
            f"({told['where']}; `python -m benchmarks.models`).")  # fmt: skip


def speed_rows(told: dict[str, Any] | None) -> list[tuple[str, ...]]:
    """Variant, whose, and the three ratios."""
    return [
        (name, row["against"], *(f"{row[kind]:.2f}" for kind in ("forward", "forward + backward", "memory")))
        for name, row in (told["models"] if told else {}).items()
    ]


def _and(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + "".join(words[-1:])


def prepared(seen: dict[str, Any] | None) -> str:
    """How pictures were made ready, in a few words."""
    if seen is None:
        return ""
    mean, std = (", ".join(f"{number:g}" for number in seen[key]) for key in ("mean", "std"))
    return f"short side {seen['resized']}, cut {seen['size']}, {seen['interpolation']}; mean {mean}; std {std}"


def markdown(name: str) -> str:
    """The page of a family as Markdown."""
    told = page(name)
    example = told["variants"][0]["name"]
    said, *numbers = parity_lines(told["parity"])
    said += "\n" if numbers else ""
    parts = [
        "<!-- Written by `make docs`. -->",
        f"# {told['title']}",
        '```python\nfrom learnable import models\n\nmodel = models.create("' + example + '")\n```',
        f"{told['papers']}\n\nCode: `{told['module']}`" + (f"; topic: `{told['topic']}`" if told["topic"] else ""),
        "## Variants",
        _table(("variant", "class", "parameters", "settings"),
               [(v["name"], v["class"], f"{v['parameters']:,}", f"`{v['settings']}`") for v in told["variants"]]),
        "## Published weights",
        _table(("`from_pretrained`", "variant", "licence", "top-1, %", "pictures"),
               [(f"`{w['name']}`", w["variant"], w["licence"], w["top1"] or "", prepared(w["preprocessing"])) for w in told["weights"]])
        if told["weights"] else "None are known here.",
        "## Parity",
        said + "".join(f"\n* {line}" for line in numbers),
        "## Speed and memory",
        speed_line(told["speed"]),
        *([_table(SPEED_COLUMNS, speed_rows(told["speed"]))] if told["speed"] else []),
        "## Known departures",
        told["departures"] or "None are known.",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in lines)


def index() -> str:
    """The page of the pages."""
    rows = [
        (f"[{family}]({family}.md)", page(family)["title"].partition(":")[0], len(variants),
         f"{min(v.parameters for v in variants):,} to {max(v.parameters for v in variants):,}",
         sum(len(models.published(v.name)) for v in variants))
        for family, variants in families().items()
    ]  # fmt: skip
    return "\n\n".join([
        "<!-- Written by `make docs`. -->",
        "# Models",
        "Every variant is built by `learnable.models.create(NAME)`; `learnable model NAME` shows its page in the terminal.",
        _table(("family", "", "variants", "parameters", "weights known"), rows),
    ]) + "\n"  # fmt: skip


def documents() -> dict[str, str]:
    """Every page by the name of its file."""
    return {"README.md": index(), **{f"{family}.md": markdown(family) for family in families()}}


def table() -> dict[str, Any]:
    """Every page by the name of its family, as `models/pages.json` has them."""
    return {family: page(family) for family in families()}


def main() -> None:
    folder = Path(sys.argv[1])
    write_json(Path(models.__file__).with_name("pages.json"), table())
    for name, text in documents().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    main()
