"""`train` and `verify`."""

import contextlib
import os
import sys
from typing import Any

import typer

from learnable import catalog
from learnable.cli.show import JsonShow, TerminalShow, complain, duration, emit, note, number, say, table
from learnable.errors import CallError, LearnableError, WorldError


def train(recipe: str | None, asked: dict[str, Any], words: list[str], resume: str | None, json: bool) -> None:
    """Train, or go on with a run; then say what came out and what to do with it."""
    if recipe is not None and recipe.startswith("-"):  # a flag that Typer does not know, and no recipe before it
        words, recipe = [recipe, *words], None
    if resume is None and recipe is None:
        raise CallError(
            "expected a recipe to train, say 'learnable train lenet', or --resume RUN; 'learnable list recipes' shows them"
        )
    if resume is not None and (asked or words):
        given = ", ".join([*("--" + key.replace("_", "-") for key in asked), *words])
        raise CallError(f"--resume goes on exactly as the run began; leave out: {given}")
    if recipe is not None:
        _, target = catalog.recipe_row(recipe)
    from learnable.runs import training
    from learnable.runs.configure import parse_settings
    from learnable.runs.run import Run

    if resume is not None and recipe is not None and Run.open(resume, note).recipe_name != recipe:
        raise CallError(
            f"{resume} is a run of {Run.open(resume).recipe_name}, not of {recipe}; say 'learnable train --resume {resume}'"
        )
    first = _first_process()
    show = (JsonShow() if json else TerminalShow()) if first else training.Nobody()
    try:
        if resume is not None:
            run = training.resume(resume, show)
        else:
            assert recipe is not None
            loaded = catalog.load(target)
            own = parse_settings(recipe, loaded, words)
            source = asked.get("data")
            if source and source not in loaded.sources and os.path.exists(os.path.expanduser(source)):  # noqa: PTH110, PTH111
                asked["data"] = os.path.abspath(os.path.expanduser(source))  # noqa: PTH100, PTH111 - resumed from anywhere
            run = training.start(recipe, {**asked, **own}, show)
    except BrokenPipeError:
        raise WorldError("whoever read the output has gone, so the training has ended before its time; "
                         "'learnable runs' shows what it left") from None  # fmt: skip
    except training.Stopped as stopped:
        _end(show)
        if first:
            note(f"stopped and saved; go on with: {training.how_to_resume(stopped.run)}")
        raise typer.Exit(130) from None
    finally:
        _end(show)
    if not first:
        return
    metrics, seconds = run.record["metrics"], run.record["seconds"]
    if json:
        emit({"run": str(run.folder), "metrics": metrics, "seconds": seconds})
        return
    say(
        f"{run.name}  test "
        + "  ".join(f"{key} {number(value)}" for key, value in metrics.items())
        + f"  in {duration(seconds)}"
    )
    _examine(run)
    if run.record["overrides"].get("smoke"):
        say("that was a trial of a few steps; the whole run: learnable train " + run.recipe_name)
    elif run.can_predict:
        say(f"use it:  learnable predict {run.recipe_name} FILE     FILE: {run.recipe.takes}")
        say(f"         learnable evaluate {run.recipe_name}    learnable export {run.recipe_name} --to onnx")
    elif run.can_generate:
        say(f"use it:  learnable generate {run.recipe_name}    learnable evaluate {run.recipe_name}")


def verify(names: list[str], seeds: int, data: str | None, save: bool, json: bool) -> None:
    """Measure again what recipes promise; exit code 1 if one does not keep it."""
    from learnable.runs import verification

    names = names or sorted(catalog.recipe_names())
    for name in names:
        catalog.recipe_row(name)
    outcomes = []
    for name in names:
        try:
            outcome = verification.verify(name, seeds, data, tell=lambda text: None if json else note(text))
        except verification.NoPromise as error:
            if data is None or len(names) == 1:
                raise
            note(str(error))
            continue
        except LearnableError as error:
            complain(f"{name}: {error}")
            raise typer.Exit(1) from None
        outcomes.append(outcome)
        if save:
            note(f"written: {verification.save(outcome)}")
    if json:
        emit([outcome.to_json() for outcome in outcomes])
    else:
        rows = [
            (o.recipe, o.data, o.expected, f"{number(o.mean)} ± {number(o.spread)}" if seeds > 1 else number(o.mean), number(o.worst),
             duration(sum(o.seconds) / len(o.seconds)), "kept" if o.kept else "NOT KEPT")
            for o in outcomes
        ]  # fmt: skip
        table(
            ("recipe", "data", "promise", "measured", "worst", "time", ""), rows, numbers=("measured", "worst", "time")
        )
    if not all(outcome.kept for outcome in outcomes):
        raise typer.Exit(1)


def _examine(run: Any) -> None:
    """After a training, one look by the doctor."""
    from learnable.runs.health import examine

    with contextlib.suppress(LearnableError):
        for diagnosis in examine(run):
            note(f"doctor: {diagnosis.name}. {diagnosis.evidence} {diagnosis.advice}")


def _first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _end(show: Any) -> None:
    if hasattr(show, "end"):
        show.end()
    sys.stdout.flush()
