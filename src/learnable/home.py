"""The one folder that holds all that belongs to the user: `~/learnable`, or `$LEARNABLE_HOME`.

runs/        what trainings leave behind
data/        verified downloads
exercises/   the learner's own files
"""

import os
from pathlib import Path

from learnable.errors import WorldError


def home() -> Path:
    """The user's folder, made when it is missing.

    Raises:
        WorldError: the folder cannot be made, read or written.
    """
    try:
        folder = Path(os.environ.get("LEARNABLE_HOME") or "~/learnable").expanduser().absolute()
    except RuntimeError as error:  # ~nobody, or a user without a home
        raise WorldError(f"there is no home folder ({error}); set LEARNABLE_HOME to a folder of your own.") from error
    return _usable(folder)


def runs_folder() -> Path:
    """Where trainings leave their runs: `runs/<recipe>/<when>/`."""
    return _usable(home() / "runs")


def data_folder() -> Path:
    """Where verified downloads are kept: `data/<dataset>/<file>`."""
    return _usable(home() / "data")


def exercises_folder() -> Path:
    """The learner's own files: `exercises/<stem>.py`."""
    return _usable(home() / "exercises")


def _usable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorldError(f"the folder {folder} cannot be made ({error.strerror}); "
                         "set LEARNABLE_HOME to a folder of your own.") from error  # fmt: skip
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise WorldError(f"the folder {folder} cannot be read and written; mend its permissions, "
                         "or set LEARNABLE_HOME to a folder of your own.")  # fmt: skip
    return folder
