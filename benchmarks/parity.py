"""How far our models are from the standard ones, with the same weights: `python -m benchmarks.parity` measures and writes it down.

It runs the parity tests that compare outputs and gradients and keeps the largest difference that each of them saw, as a share
of the largest value compared. The result is `learnable/models/parity.json`, which the models' pages quote.
"""

import json
import platform
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from learnable import models
from learnable.files import write_json

ROOT = Path(__file__).parents[1]
RESULT = Path(models.__file__).with_name("parity.json")
LIBRARIES = ("torch", "torchvision", "timm", "transformers")


class Recorder:
    """A plugin of pytest that looks over the shoulder of every comparison."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, Any]] = {}
        self.stem, self.compared = "", False

    def keep(self, dtype: torch.dtype, kind: str, difference: float) -> None:
        self.compared = True
        row = self.row().setdefault(str(dtype).removeprefix("torch."), {"outputs": 0.0, "gradients": 0.0})
        row[kind] = max(row[kind], difference)

    def row(self) -> dict[str, Any]:
        return self.seen.setdefault(self.stem, {"against": [], "comparisons": 0})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Any:
        self.stem, self.compared = item.path.stem.removeprefix("test_"), False
        module, asked = item.module, set[str]()
        skip = pytest.importorskip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                pytest,
                "importorskip",
                lambda name, *more, **named: asked.add(name.split(".")[0]) or skip(name, *more, **named),
            )
            if hasattr(module, "parity"):
                patch.setattr(module.parity, "assert_parity", self.pictures(module.parity.assert_parity))
            elif hasattr(module, "assert_close"):
                patch.setattr(module, "assert_close", self.closeness(module.assert_close, module))
            done = yield
        if self.compared:
            row = self.row()
            row["against"] = sorted({*row["against"], *asked})
            row["comparisons"] += 1
        return done

    def pictures(self, compare: Any) -> Any:
        def watched(
            ours: Any, theirs: Any, form: Any, image: Any, dtype: torch.dtype = torch.float64, train: bool = True
        ) -> Any:
            outputs, gradients = compare(ours, theirs, form, image, dtype, train)
            self.keep(dtype, "outputs", outputs)
            self.keep(dtype, "gradients", gradients)
            return outputs, gradients

        return watched

    def closeness(self, compare: Any, module: Any) -> Any:
        """A comparison says by `atol` how large the values are: it is the test's tolerance times their largest."""

        def watched(actual: Any, expected: Any, *more: Any, **named: Any) -> None:
            compare(actual, expected, *more, **named)
            tolerance = getattr(module, "TOLERANCE", {})
            if named.get("rtol") == 0 and named.get("atol") and actual.dtype in tolerance and actual.numel():
                share = float((actual - expected).detach().abs().max()) / named["atol"] * tolerance[actual.dtype]
                of_gradient = sys._getframe(1).f_locals.get("gradient") is expected
                self.keep(actual.dtype, "gradients" if of_gradient else "outputs", share)

        return watched


def main() -> int:
    """Measure the files that are named, resnet say, or all; a file that fails leaves the record as it was."""
    stems = sys.argv[1:] or sorted(
        path.stem.removeprefix("test_") for path in (ROOT / "tests" / "parity").glob("test_*.py")
    )
    recorder = Recorder()
    files = [str(ROOT / "tests" / "parity" / f"test_{stem}.py") for stem in stems]
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib",
                        "-W", "ignore::pytest.PytestAssertRewriteWarning",
                        f"--rootdir={ROOT}", "-k", "agree", "-m", "not slow", *files], plugins=[recorder])  # fmt: skip
    if code:
        return int(code)
    before = json.loads(RESULT.read_text(encoding="utf-8"))["models"] if RESULT.exists() else {}
    now = {
        stem: {**row, "date": date.today().isoformat(), "versions": {name: version(name) for name in LIBRARIES}}
        for stem, row in recorder.seen.items()
    }
    write_json(RESULT, {"machine": platform.machine(), "models": dict(sorted({**before, **now}.items()))})
    print(f"{RESULT}: {', '.join(now)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
