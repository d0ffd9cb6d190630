"""A lesson's folder and files."""

import dataclasses
import sys

import pytest

from learnable.course.lesson import folder, load
from learnable.errors import CallError


def test_the_folder_is_called_by_the_stem():
    assert (folder("self-attention") / "lesson.md").is_file()
    assert not folder("resnet").exists()
    with pytest.raises(CallError, match="no topic"):
        folder("nothing")


def test_a_file_is_run_from_a_folder_that_import_cannot_name(tmp_path):
    file = tmp_path / "a-part" / "a-stem" / "lab.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 3\n"
    )
    module = load(file)
    assert dataclasses.asdict(module.A()) == {"x": 3} and sys.modules[module.__name__] is module
    del sys.modules[module.__name__]
