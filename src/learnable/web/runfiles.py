"""Runs as the files that they are, read without torch: what `learnable.runs.run.Run` says of a run, said by a server.

    record(folder)     run.json; where that is torn, the copy in the newest checkpoint
    status(folder)     as Run.status: a run that says 'running' and whose lock nobody holds is 'interrupted'
    Tail(folder)       the lines of metrics.jsonl as they come
    curves(rows)       the whole history, thinned for a screen
    views(facts)       examples.json as something to be looked at
    doctor(folder)     what is wrong with it

A name of a run comes out of an address, so it is checked here before it becomes a path: `folder_of`.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from learnable.course import quoting
from learnable.course.views import Cloud, Images, Picture, Points, Table, Text, Token, Tokens, View
from learnable.errors import CallError, WorldError
from learnable.files import finite
from learnable.runs.lock import busy
from learnable.train.doctor import diagnose

RECIPE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
WHEN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
MOST = 500  # points that a curve keeps
SPARK = 40  # of one in the list of runs
LARGEST = 50_000_000  # bytes of a metrics.jsonl that are read: a hundred times the longest run of the course

Row = dict[str, Any]


def folder_of(home: Path, recipe: str, when: str) -> Path:
    """The folder of a run by its name.

    Raises:
        CallError: there is none of that name inside the runs folder.
    """
    missing = CallError(f"no run '{recipe[:64]}/{when[:64]}'; the page Runs lists all that there are")
    if not (RECIPE.fullmatch(recipe) and WHEN.fullmatch(when)):
        raise missing
    parent = (home / "runs").resolve()
    folder = home / "runs" / recipe / when
    if not folder.is_dir() or folder.resolve() != parent / recipe / when:  # a link that leads elsewhere is none of ours
        raise missing
    return folder


def name_of(folder: Path) -> str:
    """RECIPE/WHEN."""
    return f"{folder.parent.name}/{folder.name}"


def folders(home: Path, recipe: str | None = None) -> list[Path]:
    """The folders of all runs, or of a recipe's, the newest first."""
    runs = home / "runs"
    if not runs.is_dir() or (recipe is not None and not RECIPE.fullmatch(recipe)):
        return []
    parents = [runs / recipe] if recipe else [path for path in runs.iterdir() if RECIPE.fullmatch(path.name)]
    found = [
        path
        for parent in parents
        if parent.is_dir()
        for path in parent.iterdir()
        if WHEN.fullmatch(path.name) and path.is_dir() and any(path.iterdir())
    ]
    return sorted(found, key=_age, reverse=True)


def record(folder: Path) -> Row:
    """What run.json says.

    Raises:
        WorldError: neither it nor a copy in a checkpoint can be read.
    """
    try:
        return _record(folder / "run.json")
    except (OSError, ValueError, TypeError) as error:
        for step in sorted(folder.glob("step-*/state.json"), key=_step, reverse=True):
            try:
                return _checked(json.loads(step.read_text(encoding="utf-8"))["run"])
            except (OSError, ValueError, TypeError, KeyError):
                continue
        raise WorldError(f"{name_of(folder)} is damaged: its run.json cannot be read ({error}) and no checkpoint has a "
                         "copy. Its folder can be removed.") from error  # fmt: skip


def status(folder: Path, known: Row | None = None) -> str:
    """finished, stopped, diverged, running, interrupted; or damaged."""
    try:
        said = str((known or record(folder))["status"])
    except WorldError:
        return "damaged"
    return "interrupted" if said == "running" and not busy(folder) else said


def rows(folder: Path) -> list[Row]:
    """All whole lines of metrics.jsonl."""
    return Tail(folder).read()


class Tail:
    """The lines of metrics.jsonl as they are written; a line that is not whole yet waits for its end.

    A run that is resumed cuts the file back to its checkpoint: then `again` is true, and what `read` gives is all of it.
    """

    def __init__(self, folder: Path):
        self.file = folder / "metrics.jsonl"
        self.place = 0
        self.identity: int | None = None
        self.again = False

    def read(self) -> list[Row]:
        """What has come since the last time."""
        try:
            with self.file.open("rb") as file:
                about = os.fstat(file.fileno())
                self.again = self.identity is not None and (about.st_ino != self.identity or about.st_size < self.place)
                if self.again:
                    self.place = 0
                self.identity = about.st_ino
                file.seek(max(self.place, about.st_size - LARGEST))
                start = file.tell()
                content = file.read(LARGEST)
        except FileNotFoundError:
            return []
        whole = content.rfind(b"\n") + 1
        self.place = start + whole
        return list(_rows(content[:whole]))


def _rows(content: bytes) -> Iterator[Row]:
    for line in content.decode("utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            if isinstance(row["step"], int):
                yield row
        except (ValueError, KeyError, TypeError):  # torn by a kill
            continue


def flat(row: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of a row by name; of the validation part as `valid.loss`.

    >>> flat({"step": 3, "loss": 0.5, "seconds": 1.0, "valid": {"loss": 0.6}})
    {'loss': 0.5, 'valid.loss': 0.6}
    """
    numbers: dict[str, float | None] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            numbers |= {f"{key}.{inner}": each for inner, each in value.items() if _is_number(each)}
        elif key not in ("step", "seconds", "steps") and _is_number(value):
            numbers[key] = value
    return numbers


def curves(history: Sequence[Row], most: int = MOST) -> dict[str, dict[str, list[Any]]]:
    """Every metric as {"x": steps, "y": values}, of each at most `most` points, the first and the last among them."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row in history:
        for name, value in flat(row).items():
            curve = found.setdefault(name, {"x": [], "y": []})
            curve["x"].append(row["step"])
            curve["y"].append(value)
    return {name: {axis: thinned(values, most) for axis, values in curve.items()} for name, curve in found.items()}


def thinned(values: list[Any], most: int) -> list[Any]:
    """Evenly chosen entries, the first and the last among them.

    >>> thinned(list(range(10)), 4)
    [0, 3, 6, 9]
    """
    if len(values) <= most:
        return values
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def seconds_left(history: Sequence[Row], steps: int) -> float | None:
    """By the pace of the last rows; None while that is not known."""
    last = [row for row in history[-20:] if _is_number(row.get("seconds"))]
    if not last or steps <= 0:
        return None
    first = last[0] if len(last) > 1 else {"step": 0, "seconds": 0.0}
    if last[-1]["step"] <= first["step"]:
        return None
    pace = (last[-1]["seconds"] - first["seconds"]) / (last[-1]["step"] - first["step"])
    return round(max(0.0, pace * (steps - last[-1]["step"])), 1)


def summary(folder: Path) -> Row:
    """A run in a list: what it was, how it went, and a curve in small; of a damaged one, that it is."""
    try:
        return _summary(folder, record(folder))
    except WorldError as error:
        reason = str(error)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        reason = f"{name_of(folder)} is damaged: what is written in it is not what a run writes ({error})"
    return {
        "run": name_of(folder),
        "recipe": folder.parent.name,
        "when": folder.name,
        "status": "damaged",
        "error": reason,
    }


def _summary(folder: Path, known: Row) -> Row:
    metric, curve = _main_curve(curves(rows(folder), SPARK))
    metrics = known.get("metrics") or {}
    goal = promised(known).get("metric") or next(iter(metrics), "")
    return finite({
        "run": name_of(folder), "recipe": folder.parent.name, "when": folder.name, "status": status(folder, known),
        "started": known.get("started"), "seconds": known.get("seconds"), "seed": known.get("seed"),
        "data": known["info"].get("data", ""), "overrides": known["overrides"], "metrics": metrics,
        "trained_on": (known.get("data") or {}).get("train"),
        "metric": goal, "value": metrics.get(goal), "curve": metric, "spark": curve,
        "smoke": bool(known["overrides"].get("smoke")),
    })  # fmt: skip


def details(folder: Path) -> Row:
    """All that a page shows of a run.

    Raises:
        WorldError: it is damaged.
    """
    try:
        return _details(folder, record(folder))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise WorldError(
            f"{name_of(folder)} is damaged: what is written in it is not what a run writes ({error})"
        ) from error


def _details(folder: Path, known: Row) -> Row:
    history = rows(folder)
    now = status(folder, known)
    steps = int(known.get("planned") or known.get("steps") or 0)
    info = known["info"]
    return finite({
        "run": name_of(folder), "recipe": folder.parent.name, "when": folder.name, "status": now,
        "record": {key: known.get(key) for key in ("overrides", "seed", "started", "seconds", "data", "machine", "versions")},
        "data": info.get("data", ""), "metrics": known.get("metrics"), "steps": steps,
        "step": history[-1]["step"] if history else 0,
        "history": curves(history), "left": seconds_left(history, steps) if now == "running" else None,
        "expected": promised(known), "uses": uses(info), "examples": examples(folder), "doctor": doctor(folder, known),
    })  # fmt: skip


def recording(folder: Path, frames: int = 40) -> Row:
    """A run as the page would have seen it, for pages without a server: {"messages"}, as the live socket says them.

    Raises:
        WorldError: it is damaged.
    """
    about = details(folder)
    history = thinned(rows(folder), 200)
    begin = {"run": about["run"], "recipe": about["recipe"], "steps": about["steps"], "status": "running", "step": 0,
             "history": {}, "expected": about["expected"], "record": about["record"]}  # fmt: skip
    pieces = [history[len(history) * i // frames : len(history) * (i + 1) // frames] for i in range(frames)]
    going = [
        {"rows": [{"step": row["step"], **flat(row)} for row in piece], "step": piece[-1]["step"]}
        for piece in pieces
        if piece
    ]
    end = {key: about[key] for key in ("status", "metrics", "doctor", "examples", "step")}
    return finite({"messages": [begin, *going, end]})


def uses(info: Mapping[str, Any]) -> Row:
    """What a trained model can be asked, by what its data was like."""
    more = info.get("more") or {}
    if info.get("image") and info.get("classes"):
        return {"predict": "picture", "ink": more.get("ink"), "classes": list(info["classes"])}
    if more.get("columns"):
        return {"predict": "table", "columns": list(more["columns"])}
    if info.get("alphabet") and info.get("classes"):
        return {"predict": "line", "example": "a3 f7 k1 f?"}
    if info.get("tokenizer") and (info.get("classes") or "unigram" in more):
        return {}  # it reads texts, and writes none
    if info.get("alphabet") or info.get("tokenizer"):
        return {"generate": "text"}
    return {"generate": "points"} if info.get("noise") else {}


def promised(known: Mapping[str, Any]) -> Row:
    """What was measured of this recipe on the same data, beside which a result is put; empty where nothing was."""
    data = str(known["info"].get("data", "")).split(" ")[0]
    try:
        found = quoting.result(str(known["recipe"]), data)
    except CallError:
        return {}
    row = {key: found.get(key) for key in ("metric", "expected", "mean", "spread", "date", "data")}
    seconds = found.get("seconds") or []
    return {**row, "values": list((found.get("values") or {}).values()),
            "seconds": sum(seconds) / len(seconds) if seconds else None,
            "same_settings": not set(known["overrides"]) - {"data", "seed", "device"}}  # fmt: skip


def doctor(folder: Path, known: Row | None = None) -> list[dict[str, str]]:
    """What is wrong with a run by its curves, and what to do; nothing where nothing is to be seen."""
    known = known or record(folder)
    info = known["info"]
    facts = {
        "classes": len(info.get("classes") or ()) or len(info.get("alphabet") or ()) or _pieces(info) or None,
        "status": status(folder, known),
        "steps": known.get("planned") or known.get("steps"),
        "learning_rate": known["overrides"].get("learning_rate"),
    }
    try:
        found = diagnose(rows(folder), facts)
    except (KeyError, TypeError, ValueError):  # rows that nobody of ours has written
        return []
    return [{"name": one.name, "evidence": one.evidence, "advice": one.advice} for one in found]


def examples(folder: Path) -> Row | None:
    """The newest examples with what the model thinks of them: {"step", "views", "text"}; None where there are none."""
    try:
        facts = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
        return {"step": int(facts["step"]), "views": [view.to_json() for view in views(facts)]}
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def views(facts: Mapping[str, Any]) -> list[View]:
    """What `learnable.runs.examples` wrote, as views."""
    kind = facts["kind"]
    if kind == "images":
        right = f"{facts['right']} of {facts['asked']} validation pictures are right"
        found: list[View] = [Images(
            title=f"What it says: {right}", summary=f"Always the same pictures, with the model's answer. {right}.",
            items=[_picture(item) for item in facts["items"]], scale="ink", low=0, high=255,
        )]  # fmt: skip
        if facts["wrong"]:
            found.append(Images(
                title="Wrong with most confidence", summary="The wrong answers of which the model is surest, with the truth.",
                items=[_picture(item) for item in facts["wrong"]], scale="ink", low=0, high=255,
            ))  # fmt: skip
        return found
    if kind == "text":
        return [Text(title="What it writes", text=facts["text"], code=True, summary="A sample of the model's text.")]
    if kind == "points":
        clouds = [
            Cloud(name=name, x=[x for x, *_ in facts[key]], y=[y for _, y, *_ in facts[key]], color=color)
            for name, key, color in (("data", "real", "data"), ("made", "points", "model"))
            if facts[key] and len(facts[key][0]) >= 2
        ]
        return [Points(title="What it makes", clouds=clouds, summary="Points of the data and of the generator.")]
    if kind == "lines":
        said: list[View] = [
            Table(
                title=f"What it answers: {facts['right']} of {facts['asked']} validation lines are right",
                summary="Lines with a question, the right answer and the model's.",
                columns=("line", "right", "answer", "sure"),
                rows=[
                    (" ".join(item["words"]), item["truth"], item["prediction"], f"{item['probability']:.0%}")
                    for item in facts["items"]
                ],
                highlight=[i for i, item in enumerate(facts["items"]) if item["truth"] != item["prediction"]],
            )
        ]
        first = facts["items"][0]
        if "attention" in first:
            tokens = [Token(text=word, weight=weight, color="key", note=f"{weight:.0%}")
                      for word, weight in zip(first["words"], first["attention"], strict=True)]  # fmt: skip
            said.append(Tokens(title="Where the first question looks", tokens=tokens,
                               summary="The darker a word, the more attention it gets."))  # fmt: skip
        return said
    return []


def _pieces(info: Mapping[str, Any]) -> int:
    """How many tokens the tokenizer of this data has."""
    try:
        return len(info["tokenizer"]["model"]["vocab"])
    except (KeyError, TypeError):
        return 0


def _picture(item: Mapping[str, Any]) -> Picture:
    right = item["truth"] == item["prediction"]
    pixels = item["pixels"]
    if isinstance(pixels[0][0], list):
        pixels = [[[value / 255 for value in pixel] for pixel in row] for row in pixels]
    return Picture(
        pixels=pixels, label=f"{item['prediction']} {'✓' if right else '✗'}",
        note=f"{item['probability']:.0%}" + ("" if right else f", is {item['truth']}"),
        color="3" if right else "backward",
    )  # fmt: skip


def _main_curve(found: Mapping[str, dict[str, list[Any]]]) -> tuple[str, list[Any]]:
    """The curve that tells most: a loss of the training, or whatever there is."""
    names = [name for name in found if name.endswith("loss") and not name.startswith("valid.")] or list(found)
    return (names[0], found[names[0]]["y"]) if names else ("", [])


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _checked(value: Any) -> Row:
    missing = [key for key in ("recipe", "overrides", "seed", "info", "status") if key not in value]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if not isinstance(value["overrides"], dict) or not isinstance(value["info"], dict):
        raise ValueError("its overrides and info are no tables")
    return dict(value)


def _record(file: Path) -> Row:
    return _checked(json.loads(file.read_text(encoding="utf-8")))


def _step(file: Path) -> int:
    number = file.parent.name.removeprefix("step-")
    return int(number) if number.isdigit() else -1


def _age(folder: Path) -> tuple[str, int, str]:
    stem, _, again = folder.name[17:].partition("-")
    return folder.name[:17] + stem, int(again) if again.isdigit() else 0, str(folder)


def age_in_seconds(file: Path) -> float:
    """Since it was last written; 0 if it is gone."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return 0.0
