"""Imports run downwards over the floors, as `pyproject.toml` draws them."""

import subprocess
import sys

import pytest

from house_rules.tree import ROOT


def test_imports_keep_to_the_floors():
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
