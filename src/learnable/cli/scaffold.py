"""`learnable new STEM`: the files of a topic on every floor, ready to be filled in.

What it writes passes `make check`, and fails the tests exactly where something is still to be written: the model's forward
pass, its parity with a reference, its row in the contract, its recipe's promise.
"""

import ast
import keyword
import re
from importlib import resources
from pathlib import Path

from learnable import catalog
from learnable.cli.show import emit, say
from learnable.errors import CallError, WorldError
from learnable.files import write_text

STEM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

# Where a part's models live.
FAMILIES = {
    "foundations": "vision", "training": "vision", "vision": "vision", "sequences": "language", "transformers": "language",
    "generative": "generative", "self-supervised": "vision",
}  # fmt: skip

MODEL = '''r"""{title}: one sentence on the idea.

Paper    {paper}
Letters  their letters and our names
Differs  what is not as in the paper, and why
"""

from jaxtyping import Float
from torch import Tensor, nn


class {name}(nn.Module):
    """What goes in, what comes out, in one sentence.

    >>> {name}(inputs=2, outputs=3).outputs
    3
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.inputs = inputs
        self.outputs = outputs
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        raise NotImplementedError("yours to write: the figure of the paper, box for box")
'''

RECIPE = '''"""{title}: what the run shows.

Run it       learnable train {stem}
Takes        not measured yet
"""

from functools import partial

from torch import Tensor, nn

from learnable.data.examples import Batch, Data, Examples, Info
from {model} import {name}
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.train.recipe import Expected, Metrics, Player, Recipe


def network(info: Info) -> nn.Module:
    return {name}(inputs=info.width, outputs=len(info.classes))


def data(source: str | None = None) -> Data:
    raise NotImplementedError("yours to write: what it learns from; move it to learnable.data when it stands")


def objective(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    raise NotImplementedError("yours to write: what it wants; move it to learnable.objectives when it stands")


def evaluate(model: nn.Module, examples: Examples, info: Info) -> Metrics:
    raise NotImplementedError("yours to write: what is measured; move it to learnable.metrics when it stands")


RECIPE = Recipe(
    model=network,
    data=data,
    players=(Player(objective, partial(adamw, weight_decay=0.01), learning_rate=1e-3, schedule=warmup_cosine),),
    steps=1000,
    batch_size=64,
    evaluate=evaluate,
    expected=Expected("accuracy", at_least=0.0, minutes=0.0),
)
'''

MODEL_TEST = '''import torch

from {model} import {name}


def test_the_forward_pass_gives_one_row_an_example():
    assert {name}(inputs=2, outputs=3)(torch.zeros(5, 2)).shape == (5, 3)


def test_it_agrees_with_the_reference():
    """Same weights in, same outputs and gradients out."""
    raise NotImplementedError("yours to write: see tests/parity, and name the reference")
'''

RECIPE_TEST = '''from {recipe} import RECIPE
from learnable.runs import training


def test_it_runs():
    assert training.start("{stem}", {{"smoke": True}}).status == "finished"


def test_it_promises_something():
    """A promise that everything keeps is none."""
    assert not RECIPE.expected.kept(0.0)
'''


def new(stem: str, part: str | None, title: str | None, json: bool) -> None:
    """Write a topic's files and its row, all or nothing.

    Raises:
        CallError: a stem of the wrong form, a topic that stands already, or a new one without its part.
        WorldError: this is no checkout, or a file is there already.
    """
    if not STEM.fullmatch(stem) or keyword.iskeyword(stem):
        raise CallError(f"expected lower-case words with hyphens between, like 'transfer-learning', came '{stem}'")
    planned = {topic.stem: topic for topic in catalog.topics()}
    if stem in planned and planned[stem].stands:
        raise CallError(f"'{stem}' stands already: learnable topic {stem}")
    if stem in planned:
        part, title, paper = planned[stem].part, planned[stem].title, planned[stem].paper
    else:
        if part is None:
            raise CallError(f"'{stem}' is not in the plan; say where it belongs: --part {', '.join(catalog.PARTS)}")
        if part not in catalog.PARTS:
            raise CallError(f"expected a part of {', '.join(catalog.PARTS)}, came '{part}'")
        title, paper = title or stem.replace("-", " ").capitalize(), "Name and Name 2026"
    if any(mark in title for mark in '"\\\n'):
        raise CallError(f"expected a title of plain words, without quotes and backslashes, came {title!r}")
    if stem in catalog.recipe_names():
        raise CallError(f"'{stem}' is a recipe's name already: learnable train {stem}")
    package = Path(str(resources.files("learnable")))
    root = package.parents[1]
    if not (root / "pyproject.toml").is_file() or not (root / "tests").is_dir():
        raise WorldError(
            "a topic is added to a checkout of the project, and this is an installed package; clone it first"
        )

    module, family, folder = stem.replace("-", "_"), FAMILIES.get(part, "vision"), part.replace("-", "_")
    names = {
        "stem": stem, "title": title, "paper": paper, "name": "".join(word.capitalize() for word in stem.split("-")),
        "model": f"learnable.models.{family}.{module}", "recipe": f"learnable.recipes.{folder}.{module}",
    }  # fmt: skip
    files = {
        package / "models" / family / f"{module}.py": MODEL,
        package / "recipes" / folder / f"{module}.py": RECIPE,
        root / "tests" / "models" / family / f"test_{module}.py": MODEL_TEST,
        root / "tests" / "recipes" / folder / f"test_{module}.py": RECIPE_TEST,
    }
    there = [str(file.relative_to(root)) for file in files if file.exists()]
    if there:
        raise WorldError(f"{', '.join(there)} exists already; nothing was written")
    table = package / "catalog.py"
    changed = with_row(table.read_text(encoding="utf-8"), stem, part, title, paper, names)
    for file, text in files.items():
        for parent in (file.parent, *file.parent.parents):
            if parent == package or package not in parent.parents:
                break
            if not (parent / "__init__.py").exists():
                write_text(parent / "__init__.py", "")
        write_text(file, text.format(**names))
    write_text(table, changed)

    written = [str(file.relative_to(root)) for file in (*files, table)]
    if json:
        emit({"stem": stem, "files": written})
        return
    say(f"{title}: written\n" + "\n".join(f"  {file}" for file in written))
    say("Next: the model's forward pass, its parity test, its row in tests/contract/rows/, then the recipe.\n"
        "'make check' passes now, and 'make test' fails exactly where something is yours to write.")  # fmt: skip


def with_row(source: str, stem: str, part: str, title: str, paper: str, names: dict[str, str]) -> str:
    """The catalog's text with code and recipe in the topic's row, or with a new row at the end of its part."""
    stands = f'code=("{names["model"]}:{names["name"]}",),\n          recipes={{"{stem}": "{names["recipe"]}:RECIPE"}}'
    rows = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Topic"
        and len(node.args) > 2
    ]
    lines = source.splitlines(keepends=True)

    def text_until(node: ast.Call) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        before = sum(map(len, lines[: node.end_lineno - 1]))
        return before + len(lines[node.end_lineno - 1].encode()[: node.end_col_offset].decode())

    for row in rows:
        if ast.literal_eval(row.args[0]) == stem:
            end = text_until(row) - 1
            return f"{source[:end]},\n          {stands}{source[end:]}"
    last = [row for row in rows if ast.literal_eval(row.args[2]) == part][-1]
    end = text_until(last)
    year = re.search(r"\d{4}", paper)
    fresh = (f'Topic("{stem}", "{title}", "{part}", 1, "intermediate", Minutes(10, 5, 10, 4),\n          (), "{paper}", '
             f"{year[0] if year else 2026},\n          {stands})")  # fmt: skip
    return f"{source[:end]},\n    {fresh}{source[end:]}"
