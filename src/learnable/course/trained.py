"""Trained models for labs that look inside one: the learner's own, or a small one that a lab trains once."""

import contextlib
import hashlib
from collections.abc import Callable, Generator
from pathlib import Path

from torch import nn

from learnable import tensors
from learnable.course.lab import Progress
from learnable.errors import LearnableError
from learnable.files import write_aside
from learnable.home import home
from learnable.runs.run import Run, runs


def learners_own(
    recipe: str, fits: Callable[[Run], bool] = lambda run: True, best: Callable[[Run], float] = lambda run: 0.0
) -> Run | None:
    """The latest finished run of a recipe whose model can be loaded; smoke runs have learned nothing and do not count.

    Args:
        fits: whether a run's data and model are such as the lab can show.
        best: runs with a higher value are taken before later ones.
    """
    found = []
    for number, folder in enumerate(runs(recipe)):
        try:
            run = Run(folder)
            if run.status == "finished" and not run.record["overrides"].get("smoke") and fits(run):
                found.append((best(run), number, run))
        except (LearnableError, KeyError, TypeError, AttributeError):  # damaged, or of another time
            continue
    for _, _, run in sorted(found, key=lambda row: row[:2], reverse=True):
        try:
            run.model  # noqa: B018 - loaded here, where one that cannot be is passed over
        except LearnableError:
            continue
        return run
    return None


def kept(
    lab: Path, name: str, model: nn.Module, training: Generator[Progress, None, None]
) -> Generator[Progress, None, nn.Module]:
    """Train a lab's small model once: its weights lie in the home folder until the lab's file changes.

    Args:
        lab: the `lab.py` that says how it is trained.
        name: under which it is kept.
        model: as it was built, untrained.
        training: what trains it, when nothing is kept.
    """
    folder = home() / "labs"
    file = folder / f"{name}-{hashlib.sha256(lab.read_bytes()).hexdigest()[:16]}.safetensors"
    try:
        model.load_state_dict(tensors.read(file))
    except (LearnableError, RuntimeError, OSError):  # none yet, damaged, or of another time
        yield from training
        with contextlib.suppress(LearnableError, OSError):  # a lab works where nothing can be written, too
            folder.mkdir(exist_ok=True)
            for old in folder.glob(f"{name}-*.safetensors"):
                old.unlink(missing_ok=True)
            with write_aside(file) as aside:
                tensors.write(aside, model.state_dict())
    return model.eval()
