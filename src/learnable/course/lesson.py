"""Where a lesson lies, and its Python files as modules.

A lesson's folder is called by its topic's stem, which may have a hyphen in it, so no `import` statement can name its files.
"""

import importlib.util
import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from learnable import catalog

PACKAGE = Path(str(files("learnable")))


def folder(stem: str) -> Path:
    """The folder of a topic's lesson, whether or not it has been written.

    >>> folder("self-attention").parts[-3:]
    ('lessons', 'transformers', 'self-attention')

    Raises:
        CallError: no such topic.
    """
    return PACKAGE / catalog.find(stem).lesson


def load(file: Path) -> ModuleType:
    """Run a lesson's `lab.py`, `exercise.py` or `figures.py`, and give what it defines.

    Raises:
        Exception: whatever the file raises.
    """
    name = "_".join(["learnable_lesson", *file.parts[-3:-1], file.stem]).replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look up annotations, and `inspect` the source of a function
    spec.loader.exec_module(module)
    return module
