"""`doctor`: of an installation and of a run."""

import importlib.metadata
import importlib.util
import platform
import shutil
import sys

import typer

from learnable.cli.show import emit, note, say, table
from learnable.errors import LearnableError


def run(name: str, json: bool) -> None:
    """Print what is wrong with a run and what to do."""
    from learnable.runs.health import examine
    from learnable.runs.run import Run

    patient = Run.open(name, note)
    found = examine(patient)
    if json:
        emit([{"name": d.name, "evidence": d.evidence, "advice": d.advice} for d in found])
        return
    if not found:
        say(f"{patient.name}: nothing wrong to be seen in {len(patient.rows())} rows of metrics")
    for diagnosis in found:
        say(f"{diagnosis.name}\n  seen:  {diagnosis.evidence}\n  do:    {diagnosis.advice}")


def installation(json: bool) -> None:
    """Look at what a run needs: Python, PyTorch, the home folder, room on the disk. Exit code 1 if something is wrong."""
    rows = [_python(), _torch(), _home(), _disk(), *(_extra(module, what) for module, what in EXTRAS.items())]
    if json:
        emit([{"what": what, "state": state, "found": found} for what, state, found in rows])
    else:
        table(("what", "state", "found"), rows)
    if any(state == "wrong" for _, state, _ in rows):
        raise typer.Exit(1)


EXTRAS = {
    "onnxruntime": "export to ONNX: pip install \"learnable[onnx]\"",
    "onnxscript": "export to ONNX: pip install \"learnable[onnx]\"",
    "huggingface_hub": "weights by name: pip install \"learnable[hub]\"",
}  # fmt: skip

Row = tuple[str, str, str]


def _python() -> Row:
    fits = sys.version_info >= (3, 11)
    return (
        "python",
        "ok" if fits else "wrong",
        platform.python_version() + ("" if fits else ": 3.11 or newer is needed"),
    )


def _torch() -> Row:
    try:
        import torch

        devices = [
            "cpu",
            *(["cuda"] if torch.cuda.is_available() else []),
            *(["mps"] if torch.backends.mps.is_available() else []),
        ]
        total = float(torch.ones(64, 64).matmul(torch.ones(64, 64)).sum())
        if total != 64.0**3:
            return (
                "torch",
                "wrong",
                f"{torch.__version__} multiplies wrongly: 64³ came out as {total}; install it again",
            )
        return "torch", "ok", f"{torch.__version__}, {', '.join(devices)}, {torch.get_num_threads()} threads"
    except (ImportError, OSError) as error:
        return "torch", "wrong", f"cannot be imported ({error}); install it again: pip install --force-reinstall torch"


def _home() -> Row:
    from learnable.home import home

    try:
        return "home", "ok", str(home())
    except LearnableError as error:
        return "home", "wrong", str(error)


def _disk() -> Row:
    from learnable.home import home

    try:
        free = shutil.disk_usage(home()).free
    except (LearnableError, OSError) as error:
        return "disk", "wrong", str(error)
    enough = free > 2**30
    return (
        "disk",
        "ok" if enough else "wrong",
        f"{free / 2**30:.1f} GiB free" + ("" if enough else "; make room: a run may need 1 GiB"),
    )


def _extra(module: str, what: str) -> Row:
    name = module.replace("_", "-")
    if importlib.util.find_spec(module) is None:
        return name, "absent", what
    return name, "ok", importlib.metadata.version(name)
