"""`evaluate`, `predict`, `generate`, `export`, `serve`: what a trained model is for."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from learnable.cli.show import aside, complain, emit, note, number, say, table
from learnable.errors import CallError, LearnableError

FEW = 12  # classes whose whole table of confusions fits on 80 columns
SHOWN = 10  # else: pairs of classes that are confused most often


def evaluate(name: str, data: str | None, json: bool) -> None:
    """Print the metrics on the test part; of a classifier of pictures, what it takes for what and where its mistakes are."""
    from learnable.runs.looking import look, write_or_say
    from learnable.runs.run import Run

    run = Run.open(name, note)
    test = run.test_part(data)
    metrics = run.recipe.evaluate(run.model, test, run.info)
    seen = look(run, test)
    page = write_or_say(seen, test, run) if seen else None
    if json:
        more = {"confusion": seen.confusion, "mistakes": str(page) if page else None} if seen else {}
        emit({"metrics": metrics, **more})
        return
    say(f"{run.name} on the test part of {data or run.info.data}")
    table(("metric", "value"), [(key, number(value)) for key, value in metrics.items()], numbers=("value",))
    if seen is not None and len(seen.classes) <= FEW:
        say("what is (rows) taken for what (columns)")
        for line in confusion_lines(seen.classes, seen.confusion):
            say(line)
    elif seen is not None and seen.confused:
        rows = [(truth, taken, count) for truth, taken, count in seen.confused[:SHOWN]]
        table(("what is", "taken for", "times"), rows, numbers=("times",))
    if page:
        say(f"its surest mistakes: {page}")


def confusion_lines(classes: Sequence[str], confusion: Sequence[Sequence[int]], width: int = 80) -> list[str]:
    """A table of confusions in plain text, at most so wide; a 0 beside the diagonal is a dot.

    >>> confusion_lines(("cat", "dog"), [[12, 0], [3, 9]])
    ['     cat  dog', 'cat   12    .', 'dog    3    9']
    """
    digits = max(len(str(count)) for row in confusion for count in row)
    names = min(max(map(len, classes)), 14)
    room = (width - names) // len(classes) - 2
    cell = max(digits, min(room, max(map(len, classes))))
    head = " " * names + "".join(f"  {name[:cell]:>{cell}}" for name in classes)
    body = [
        f"{name[:names]:<{names}}"
        + "".join(f"  {'.' if not count and row != column else count:>{cell}}" for column, count in enumerate(counts))
        for row, (name, counts) in enumerate(zip(classes, confusion, strict=True))
    ]
    return [head, *body]


def predict(
    name: str,
    files: list[Path],
    texts: list[str],
    json: bool,
    explanation: Path | None = None,
    layer: str | None = None,
    plain: bool = False,
) -> None:
    """Print what the model says to each file and each text; with `explanation`, draw where it saw it, by Grad-CAM.

    A person is told of a file that cannot be read and gets the other answers, with exit code 1; a program gets all or nothing.
    """
    from learnable.runs.run import Run

    if not files and not texts:
        raise CallError("expected files to be asked about, or --text; say learnable predict RUN FILE")
    run = Run.open(name, note)
    run.plain = plain
    run.model  # noqa: B018 - a run without a model is one error, not one for each file
    if layer is not None and explanation is None:
        raise CallError("--layer says where --explain looks; add --explain OUT.png")
    if explanation is not None:
        if texts or len(files) != 1:
            raise CallError(f"--explain draws one picture; expected one FILE, came {len(files) + len(texts)} things")
        _explain(run, files[0], explanation, layer, json)
        return
    if texts and "text" not in run.recipe.takes:
        raise CallError(f"{run.recipe_name} takes {run.recipe.takes}, not --text")
    with tempfile.TemporaryDirectory() as folder:
        asked = [(str(file), file) for file in files]
        for number, text in enumerate(texts):
            if not text.strip():
                raise CallError("expected a text behind --text, came nothing but space")
            own = Path(folder) / f"{number}.txt"
            own.write_text(text, encoding="utf-8", errors="replace")
            asked.append((text, own))
        if json:
            emit([{"file": title, **run.predict(file)} for title, file in asked])
            return
        _ask(run, asked)


def _explain(run: Any, file: Path, out: Path, layer: str | None, json: bool) -> None:
    from learnable.runs.looking import explain

    answer = {"file": str(file), **explain(run, file, out, layer)}
    if json:
        emit([answer])
        return
    aside(run.described)
    _show([answer])
    say(f"where it saw it (Grad-CAM, layer {answer['layer']}): {out}")


def _ask(run: Any, asked: list[tuple[str, Path]]) -> None:
    answers, broken = [], 0
    aside(run.described)
    for title, file in asked:
        try:
            answers.append({"file": title, **run.predict(file)})
        except CallError:
            raise
        except LearnableError as error:
            complain(str(error))
            broken += 1
    if answers:
        _show(answers)
        if run.info.data == "digits":
            aside("it has seen small scans of a few hands only; for digits of your own: learnable train "
                  f"{run.recipe_name} --data mnist")  # fmt: skip
    if broken:
        raise typer.Exit(1)


def _show(answers: list[dict[str, Any]]) -> None:
    rows = []
    for answer in [one for file in answers for one in _one_by_one(file)]:
        likely = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[:3]
        rows.append((answer["file"], answer["prediction"], "  ".join(f"{key} {value:.1%}" for key, value in likely)))
    table(("file", "prediction", "most likely"), rows)
    for answer in answers:
        if "attention" in answer:
            looked = "  ".join(
                f"{word} {weight:.0%}" for word, weight in answer["attention"].items() if weight >= 0.005
            )
            say(f"{answer['file']}: it looked at  {looked}")


def _one_by_one(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """A file of many rows as so many answers."""
    if not isinstance(answer["prediction"], list):
        return [answer]
    pairs = zip(answer["prediction"], answer["probabilities"], strict=True)
    return [
        {"file": f"{answer['file']}:{row}", "prediction": p, "probabilities": q}
        for row, (p, q) in enumerate(pairs, start=1)
    ]


def generate(
    name: str, prompt: str | None, count: int, seed: int, temperature: float | None, wishes: dict[str, Any], json: bool
) -> None:
    """Print what the model makes."""
    from learnable.runs.run import Run

    if wishes.get("beams") is not None and temperature is not None:
        raise CallError("--beams looks for the likeliest text and --temperature throws dice; leave one of them out")
    run = Run.open(name, note)
    if wishes.get("draft") is not None:
        smaller = Run.open(wishes["draft"], note)
        if not smaller.can_stream:
            raise CallError(
                f"expected as a draft a model that writes text, came {smaller.name}; train a smaller one of this kind"
            )
        wishes = wishes | {"draft": (smaller.model, smaller.info)}
    heat = 1.0 if temperature is None else temperature
    made = run.generate(prompt=prompt, count=count, seed=seed, temperature=heat, **wishes)
    if not json:
        aside(run.described)
    if json:
        emit(made)
    elif "text" in made:
        say(made["text"])
    else:
        from learnable.sampling.points import text_scatter

        say(text_scatter(made["points"]))


def export(name: str, to: str, out: Path | None, overwrite: bool, json: bool) -> None:
    """Write the model in another format, and say how it was checked."""
    from learnable.runs.leaving import SUFFIXES, leave
    from learnable.runs.run import Run

    run = Run.open(name, note)
    path = out or Path(run.recipe_name + SUFFIXES[to])
    written = leave(run, to, path, overwrite=overwrite)
    tried = ", ".join(written.tried)
    if json:
        emit(
            {
                "path": str(written.path),
                "bytes": written.size,
                "difference": written.difference,
                "tried": list(written.tried),
            }
        )
    else:
        say(
            f"{written.path}: {written.size:,} bytes, at most {written.difference:.1e} from the original; tried: {tried}"
        )


def serve(name: str, host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    from learnable.runs.run import Run
    from learnable.serve.app import serve as run_server

    run = Run.open(name, note)
    if not (run.can_predict or run.can_generate):
        raise CallError(f"{run.recipe_name} neither predicts nor generates, so there is nothing to serve")
    run_server(run, host, port)
