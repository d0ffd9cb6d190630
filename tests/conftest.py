"""What every test stands on: a home of its own, one thread, and no skip that goes unseen."""

import os

# Before torch is imported anywhere: two test processes on two cores, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.kernels import install
from hypothesis import settings

install()  # before anything imports torchvision, be it through timm or transformers

# A shell that starts tests in the background has them ignore Ctrl-C, and every process that they start with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

STRICT = os.environ.get("LEARNABLE_STRICT") == "1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, so that no test sees another's runs or the user's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LEARNABLE_HOME", str(folder))
    return folder


@pytest.fixture
def mirror() -> Path:
    """The folder of real data; without it the test is skipped, and says why."""
    folder = os.environ.get("LEARNABLE_DATA_MIRROR")
    if not folder:
        pytest.skip("needs real data: set LEARNABLE_DATA_MIRROR to the folder that holds it")
    return Path(folder)


def _strict(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under LEARNABLE_STRICT=1 a skip is a failure: what was not tested does not count as tested."""
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped, which LEARNABLE_STRICT=1 does not allow: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    _strict(report)
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _strict(report)
    return report  # type: ignore[return-value]
