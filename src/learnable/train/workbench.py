"""What a program (a recipe that brings its own loop) is given to work with: data, a place to report and a place to save."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from learnable.data.examples import Data

Arrays = Mapping[str, np.ndarray]


def _nothing(*_: object) -> None:
    pass


@dataclass
class Workbench:
    """The defaults run a program for itself, as a test or a notebook does: nothing is shown and nothing is kept."""

    data: Data
    seed: int = 0
    start: tuple[int, dict[str, np.ndarray]] | None = None  # the step and the arrays of the last checkpoint
    report: Callable[[int, int, Mapping[str, float]], None] = field(
        default=_nothing
    )  # step, steps, numbers: call it each step
    save: Callable[[int, Arrays], None] = field(default=_nothing)  # step and everything that must not be lost
    interrupted: Callable[[], bool] = field(default=lambda: False)

    @property
    def stopping(self) -> bool:
        """Whether the user has asked to stop: save and return."""
        return self.interrupted()
