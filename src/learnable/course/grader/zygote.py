"""Processes that have torch already: one that forks for each check (Linux), or one spare that is used once (elsewhere).

A fresh process that imports torch takes over a second, a fork of one that has it takes some milliseconds.

    server ── zygote ── examiner (a fork: trusted, reads the solutions) ── pupils (forks: run the learner's code)
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from learnable.course.grader.confine import new_folder, remove
from learnable.course.grader.wire import Line

FORKS = sys.platform == "linux"
IMPORTS = 4096  # bytes of a lesson's imports that are looked at
TOGETHER = 120  # seconds that an examination may take, then the system ends it
SWEEP = 0.5  # seconds between two looks at what examiners have left
PACKAGES = str(Path(__file__).resolve().parents[3])
# First in the path: of two copies of the package the one that is served runs, with its lessons hidden.
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from learnable.course.grader.zygote import main; main()"


def command(what: str) -> list[str]:
    """How to start this module as a process: isolated, so that no variable and no folder of the user's is looked at."""
    return [sys.executable, "-I", "-W", "ignore", "-c", START, PACKAGES, what]


def environment() -> dict[str, str]:
    """What little such a process needs to know; no token, no home, no accelerator (a fork could not use it)."""
    kept = ("PATH", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "WINDIR")
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    return {name: os.environ[name] for name in kept if name in os.environ} | one | {
        "CUDA_VISIBLE_DEVICES": "", "HOME": tempfile.gettempdir(), "LANG": "C.UTF-8",
    }  # fmt: skip


def main() -> None:
    what = sys.argv[1]
    if what == "zygote":
        zygote()
    elif what == "spare":
        spare()
    else:
        pupil()


def prepare() -> None:
    """Import what exercises use, and take one step, so that everything lazy has happened."""
    import einops  # noqa: F401
    import jaxtyping  # noqa: F401
    import numpy as np  # noqa: F401
    import torch
    from safetensors.torch import save  # noqa: F401

    from learnable.course.grader import examiner, pupil  # noqa: F401
    from learnable.course.grader.confine import readable

    readable()  # found once, known to all forks
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.manual_seed(0)


# ------------------------------------------------------------------------------------------------ one that forks


def zygote() -> None:
    """Fork an examiner for each socket that arrives on standard input; end with whoever started it."""
    line = socket.socket(fileno=os.dup(0))
    hide()
    prepare()
    import gc

    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page
    adopt()
    for number in (signal.SIGINT, signal.SIGTERM):  # the starter hears the terminal's; this one ends when its line does
        signal.signal(number, signal.SIG_IGN)
    known: set[bytes] = set()
    examiners: dict[int, Path] = {}
    while True:
        while not select.select([line], [], [], SWEEP if examiners else None)[0]:
            sweep(examiners)
        imports, handles, _, _ = socket.recv_fds(line, IMPORTS, 1)
        sweep(examiners)
        if not imports:
            end_all(examiners)
            os._exit(0)
        if imports not in known:
            known.add(imports)
            preload(imports.decode(errors="replace"))
        folder = new_folder()
        process = os.fork()
        if process == 0:
            try:
                line.close()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                last_will()
                adopt()
                tempfile.tempdir = str(
                    folder
                )  # whatever becomes of this process, its folders are in one that is removed
                answer(handles[0], handles[0], fork_pupil)
            finally:
                os._exit(0)
        examiners[process] = folder
        for handle in handles:
            os.close(handle)


def sweep(examiners: dict[int, Path]) -> None:
    """Collect examiners that are done, with their folders; end what they have left behind, which is ours by adoption."""
    with contextlib.suppress(ChildProcessError):
        while (process := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if process in examiners:
                remove(examiners.pop(process))
    for process in children() - examiners.keys():
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def end_all(examiners: dict[int, Path]) -> None:
    """End every child, and those that each leaves."""
    folders = list(examiners.values())
    examiners.clear()
    end_orphans()
    for folder in folders:
        remove(folder)


def children() -> set[int]:
    """The processes whose parent this one is; only one that is not collected yet has a number that is not given anew."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def preload(imports: str) -> None:
    """Import here, once, what a lesson imports of the library; learner's code could import it too."""
    for line in imports.splitlines():
        if line.startswith(("from learnable.", "import learnable.")):
            with contextlib.suppress(Exception):  # its examiner will say what is wrong
                exec(line, {})


def fork_pupil() -> Any:
    """A fork of this process that will run learner's code."""
    from learnable.course.grader.examiner import Pupil

    ours, theirs = socket.socketpair()
    folder = new_folder()
    printed = os.open(folder.parent, os.O_TMPFILE | os.O_RDWR) if hasattr(os, "O_TMPFILE") else _printed()
    process = os.fork()
    if process == 0:
        try:
            from learnable.course.grader.pupil import serve

            ours.close()
            os.setsid()
            last_will()
            signal.alarm(0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            number = theirs.detach()
            serve(Line(number, number), folder, printed)
        finally:
            os._exit(70)
    theirs.close()
    number = ours.detach()
    return Pupil(Line(number, number), process, folder, printed)


def last_will() -> None:
    """This process ends when the one that forked it does."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def adopt() -> None:
    """What a child leaves behind becomes ours, so that it can be ended (PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def hide() -> None:
    """No other process of the user may look into this one or its forks (PR_SET_DUMPABLE)."""
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def end_orphans() -> None:
    """End all children, and what becomes a child by that."""
    for _ in range(100):
        found = children()
        if not found:
            return
        for child in found:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def answer(reading: int, writing: int, start: Callable[[], Any], patience: int = TOGETHER) -> None:
    """Read one request, examine, write the verdict: JSON with its length in front, both ways."""
    length = int.from_bytes(_exactly(reading, 8), "little")
    request = json.loads(_exactly(reading, length))
    if hasattr(signal, "alarm"):
        signal.alarm(patience)
    try:
        from learnable.course.grader.examiner import examine

        verdict = examine(request, start)
    except Exception:
        verdict = {"fault": traceback.format_exc()[-4000:]}
    data = json.dumps(readable_text(verdict)).encode()
    view = memoryview(len(data).to_bytes(8, "little") + data)
    while view:
        view = view[os.write(writing, view) :]
    if start is fork_pupil:
        end_orphans()


def readable_text(value: Any) -> Any:
    r"""The same with every text such that UTF-8 can be made of it: half of a surrogate pair becomes a question mark.

    >>> readable_text({"message": ["half \ud800"]})
    {'message': ['half ?']}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {readable_text(key): readable_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [readable_text(item) for item in value]
    return value


def _exactly(handle: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = os.read(handle, count - len(data))
        if not piece:
            os._exit(0)  # nobody asks any more
        data += piece
    return data


# ------------------------------------------------------------------------------------------ one that is used once


def spare() -> None:
    """Where forks are not to be had: import torch, start a pupil that does the same, wait for one request."""
    reading, writing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    warm = [start_pupil()]
    prepare()
    os.write(writing, b"!")
    answer(reading, writing, lambda: warm.pop() if warm else start_pupil())
    os._exit(0)


def start_pupil() -> Any:
    """A process that imports torch and then runs learner's code; it speaks over its standard input and output."""
    from learnable.course.grader.examiner import Pupil

    printed, folder = _printed(), new_folder()
    popen = subprocess.Popen(
        [*command("pupil"), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=printed,
        env=environment(), cwd=folder, start_new_session=os.name == "posix", bufsize=0,
    )  # fmt: skip
    assert popen.stdin is not None and popen.stdout is not None
    line = Line(os.dup(popen.stdout.fileno()), os.dup(popen.stdin.fileno()))
    popen.stdin.close()
    popen.stdout.close()
    return Pupil(line, popen.pid, folder, printed, popen)


def pupil() -> None:
    from learnable.course.grader.pupil import serve

    line = Line(os.dup(0), os.dup(1))
    printed = os.dup(2)
    if FORKS:
        last_will()
    prepare()
    serve(line, Path(sys.argv[2]), printed)


def _printed() -> int:
    handle, path = tempfile.mkstemp(prefix="learnable-printed-")
    if os.name == "posix":
        Path(path).unlink()
    return handle
