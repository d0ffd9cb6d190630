"""Learnable: a deep-learning course that runs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnable import models as models
    from learnable.runs.run import Run

__version__ = "0.1.0"


def load(name: str) -> "Run":
    """Open a trained model: by RECIPE (its latest run), RECIPE/WHEN, or the path of a run's folder.

    The run's `model` is an ordinary `nn.Module`, ready to use; `predict`, `generate` and `evaluate` do what the command line does.

        run = learnable.load("lenet")
        run.model(images)              # (batch, 1, 28, 28) -> logits (batch, 10)
        run.predict("my-digit.png")    # {"prediction": "7", "probabilities": {...}}

    Raises:
        CallError: no such recipe.
        WorldError: no such run, or nothing in it can be read.
    """
    from learnable.runs.run import Run

    return Run.open(name)


def __getattr__(name: str) -> Any:
    """`learnable.models` without an import of its own; torch comes only then."""
    if name == "models":
        import importlib

        return importlib.import_module("learnable.models")
    raise AttributeError(f"module 'learnable' has no attribute {name!r}")
