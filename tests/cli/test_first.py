import subprocess
import sys
from dataclasses import replace

import pytest

from learnable import catalog
from learnable.cli import first
from learnable.runs import training


@pytest.fixture
def quick(monkeypatch):
    """LeNet, four steps long."""
    _, target = catalog.recipe_row("lenet")
    short = replace(catalog.load(target), steps=4, every=2, batch_size=16)
    real = catalog.load
    monkeypatch.setattr(catalog, "load", lambda name: short if name == target else real(name))


def test_the_first_minute_trains_and_then_reads_six_digits(quick, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["learnable"])
    first.main()
    out = capfd.readouterr().out
    assert "Digits that it has never seen" in out and "%)" in out and "learnable topic lenet" in out
    pictures = out.split("what it says:")[1].split("On from here")[0].strip("\n").splitlines()
    assert max(map(len, pictures)) <= 120 and len(pictures) >= 8


def test_the_second_time_nothing_is_trained(quick, capfd, monkeypatch):
    run = training.start("lenet")
    first.main()
    assert f"It has been trained before: {run.name}" in capfd.readouterr().out


def test_a_mistake_is_a_sentence_here_too(home):
    home.write_text("")
    done = subprocess.run([sys.executable, "-m", "learnable.cli.first"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: the folder") and "Traceback" not in done.stderr
