"""A lesson as a notebook: valid, whole, and it runs from top to bottom in Jupyter."""

import json
import re

import pytest

from learnable.course import notebook, page
from learnable.errors import CallError, WorldError


@pytest.mark.parametrize("stem", page.lessons())
def test_it_runs_from_top_to_bottom(stem, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("LEARNABLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    made = nbformat.reads(json.dumps(notebook.notebook(stem)), 4)
    nbformat.validate(made)
    client.NotebookClient(made, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("still to be written" in output.get("text", "") for output in outputs)
    words = [re.sub(r"```.*?```", "", cell.source, flags=re.S) for cell in made.cells if cell.cell_type == "markdown"]
    assert not any(mark in text for text in words for mark in ("[[", "\\sym", ":::"))


def test_a_right_answer_in_a_notebook_passes(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNABLE_HOME", str(tmp_path))

    def output_size(size: int, kernel: int, padding: int = 0, stride: int = 1) -> int:
        return (size + 2 * padding - kernel) // stride + 1

    notebook.exercise("lenet/output_size", output_size)
    said = capsys.readouterr().out
    assert "✗" not in said and said.count("✓") == 5


def test_nothing_is_overwritten_unasked(tmp_path):
    file = tmp_path / "mine.ipynb"
    file.write_text("mine")
    with pytest.raises(WorldError, match="--overwrite"):
        notebook.write("lenet", file)
    assert file.read_text() == "mine"
    notebook.write("lenet", file, overwrite=True)
    assert json.loads(file.read_text())["nbformat"] == 4


def test_other_files_and_planned_topics_are_refused(tmp_path):
    with pytest.raises(CallError, match=r"\.ipynb"):
        notebook.write("lenet", tmp_path / "x.html")
    with pytest.raises(CallError, match="not written yet"):
        notebook.notebook("resnet")
    with pytest.raises(CallError, match="no topic"):
        notebook.notebook("nothing")


def test_prose_keeps_links_and_maths():
    assert (
        notebook.prose(r"a^[see [this](http://x) and $y$.] $\sym{a}{\hat{y}}$")
        == r"a (see [this](http://x) and $y$.) $\hat{y}$"
    )
