"""The command line as a user meets it: words in; exit code, standard output and standard error out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from learnable.cli.main import app, main

# Typer gives these functions another context than its own documentation says; what they call is checked.
for command in (app.registered_callback, *app.registered_commands):
    command.callback.__no_type_check__ = True  # type: ignore[union-attr]


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """Every line of standard output, which must be JSON without NaN and infinity."""
        assert self.out.endswith("\n")
        return [json.loads(line, parse_constant=pytest.fail) for line in self.out.splitlines()]

    @property
    def error(self) -> str:
        """The one sentence on standard error; nothing is on standard output, and no traceback anywhere."""
        assert "Traceback" not in self.err and self.err.startswith("error: "), self.err
        return self.err.removeprefix("error: ").strip()


@pytest.fixture
def learnable(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process: `learnable("runs", "--json").json`."""

    def call(*words: object) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["learnable", *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            main()
        return Said(int(leaving.value.code or 0), *capfd.readouterr())

    return call


@pytest.fixture
def process(home: Path) -> Callable[..., Said]:
    """Run a command in a process of its own, with these environment variables."""

    def call(*words: object, **environment: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "learnable", *map(str, words)],
            env={**os.environ, **environment}, capture_output=True, timeout=240,
        )  # fmt: skip
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call
