"""Live source: what a page prints is what stands in the file."""

import subprocess
import sys

import pytest

from learnable.course import source
from learnable.errors import CallError


def test_a_definition_is_printed_as_it_stands_with_its_line():
    found = source.find("learnable.models.vision.lenet:field_padding")
    lines = found.file.read_text(encoding="utf-8").splitlines()
    assert found.text.splitlines() == lines[found.line - 1 : found.line - 1 + len(found.text.splitlines())]
    assert found.path == "src/learnable/models/vision/lenet.py"


def test_methods_constants_decorators_and_comments_above():
    assert source.find("learnable.models.vision.lenet:LeNet.forward").text.startswith("def forward(")
    assert "TABLE_I" in source.find("learnable.models.vision.lenet:TABLE_I").text
    assert source.find("learnable.models.vision.lenet:TABLE_I").text.startswith("# Table I of the paper")
    assert source.find("learnable.train.recipe:Player").text.startswith("@dataclass")


def test_the_docstring_is_found_where_it_is():
    found = source.find("learnable.nn.attention:attend")
    assert found.docstring is not None
    first, last = found.docstring
    lines = found.text.splitlines()
    assert lines[first].strip().startswith('"""') and lines[last].strip().endswith('"""')


@pytest.mark.parametrize(
    "target",
    [
        "learnable.nothing:x",
        "learnable.nn.attention:nothing",
        "os:path",
        "learnable.nn.attention:SelfAttention.nothing",
        ":",
        "learnable..nn:x",
    ],
)
def test_what_is_not_there_is_a_clear_error(target):
    with pytest.raises(CallError):
        source.find(target)


def test_a_file_that_changes_is_read_again(tmp_path, monkeypatch):
    file = tmp_path / "learnable" / "x.py"
    file.parent.mkdir()
    file.write_text("def f():\n    return 1\n", encoding="utf-8")
    monkeypatch.setattr(source, "module_file", lambda module: file)
    assert "return 1" in source.find("learnable.x:f").text
    import os

    file.write_text("def f():\n    return 2\n", encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert "return 2" in source.find("learnable.x:f").text


def test_nothing_heavy_is_imported():
    code = "from learnable.course import source; source.find('learnable.nn.attention:attend'); import sys; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


def test_nothing_is_imported_to_find_a_file():
    target = "learnable.models.vision.lenet:LeNet"
    code = f"import sys; from learnable.course.source import find; find('{target}'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
    assert source.module_file("learnable.models").name == "__init__.py"
    for strange in ("learnable.no.such", "os", "learnable..files", ""):
        with pytest.raises(CallError, match="expected a module of learnable"):
            source.module_file(strange)
