"""What the processes of the grader are given: nothing of ours."""

import sys

import pytest

from learnable.course.grader.zygote import command, environment


def test_they_are_isolated_and_know_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNABLE_HOME", "secret")
    monkeypatch.setenv("ANY_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "secret")
    known = environment()
    assert "secret" not in known.values()
    assert known["CUDA_VISIBLE_DEVICES"] == "" and known["OMP_NUM_THREADS"] == "1"
    assert command("zygote")[:2] == [sys.executable, "-I"]
