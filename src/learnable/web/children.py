"""Trainings as processes of their own, which outlive the page and the server, and questions to trained models.

A training is `python -m learnable train ... --json` in a session of its own: neither a closed browser nor Ctrl-C at the
server reaches it. What it prints goes to files below `runs/.web/`, so that another server on the same home finds it while
it is still importing or downloading; from its first line on it is a run like any other, and the lock in the run's folder
says whether anybody is at it.

A question (predict, generate, evaluate, export, compare) is a command that ends by itself, or is ended.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from learnable.errors import CallError, LearnableError, WorldError
from learnable.runs.lock import busy
from learnable.web import runfiles

AT_ONCE = 2  # trainings: each wants all cores
QUESTIONS, WAITING = 2, 8  # commands at once, and how many may stand in line
ANSWER = 4_000_000  # bytes that a command may say
KEPT = 24 * 3600.0  # seconds that the words of a training are kept


class Refused(LearnableError):
    """The request is right, and not now: something else is going on."""

    def __init__(self, message: str, run: str | None = None):
        super().__init__(message)
        self.run = run


class TooBusy(LearnableError):
    """There is no room for another one."""


class TooSlow(LearnableError):
    """A command did not answer in time."""


@dataclass(frozen=True)
class Start:
    """A training on its way from the button to its first step."""

    id: str
    recipe: str
    resumes: str  # the run that it goes on with; "" is a new one
    process: int
    born: str  # when the process was, by which another one of the same number is told from it
    began: float
    folder: Path

    @property
    def run(self) -> str | None:
        """The run that it has become: its first line on standard output names the folder."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            with (self.folder / f"{self.id}.out").open(encoding="utf-8", errors="replace") as file:
                line = file.readline()
            if line.endswith("\n"):
                return runfiles.name_of(Path(json.loads(line)["run"]))
        return None

    @property
    def alive(self) -> bool:
        return _birth(self.process) == self.born

    @property
    def said(self) -> str:
        """The last words on standard error: how far a download is, or why it has ended."""
        with contextlib.suppress(OSError):
            lines = (self.folder / f"{self.id}.err").read_bytes()[-4000:].decode("utf-8", errors="replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def state(self) -> dict[str, Any]:
        """For the page: starting, running (then `run` is its name), or failed with the reason."""
        run, alive = self.run, self.alive
        if run is None and not alive:
            run = self.run  # it may have said it with its last breath
        state = "running" if run else "starting" if alive else "failed"
        about = {
            "start": self.id,
            "recipe": self.recipe,
            "run": run,
            "state": state,
            "seconds": round(time.time() - self.began, 1),
        }
        if state == "failed":
            reason = self.said.removeprefix("error: ") or "it ended without a word; it may have been killed"
            return {**about, "error": f"the training did not begin: {reason}"}
        return {**about, "said": self.said if state == "starting" else ""}


class Trainings:
    """All trainings on one home folder, whoever has started them."""

    def __init__(self, home: Path):
        self.home = home
        self.folder = home / "runs" / ".web"

    def begin(self, recipe: str, words: Sequence[str], resumes: Path | None = None, again: bool = False) -> Start:
        """Start a training, or go on with one.

        Args:
            words: what follows `learnable train`.
            again: even though one of the same recipe is going on.

        Raises:
            Refused: this recipe is being trained already.
            TooBusy: two trainings are going on.
            WorldError: the folder cannot be written to.
        """
        self._make_folder()
        with self._alone():
            going = self.going_on()
            same = next((one for one in going if one["recipe"] == recipe), None)
            if resumes is not None and (busy(resumes) or any(one["run"] == runfiles.name_of(resumes) for one in going)):
                raise Refused(f"{runfiles.name_of(resumes)} is being trained already", runfiles.name_of(resumes))
            if same is not None and not again and resumes is None:
                raise Refused(f"{recipe} is being trained already ({same['run'] or 'it is just starting'}); watch that one, "
                              "or ask for another one beside it", same["run"])  # fmt: skip
            if len(going) >= AT_ONCE:
                names = " and ".join(one["run"] or one["recipe"] for one in going)
                raise TooBusy(f"{len(going)} trainings are going on already ({names}), and more at once would only be slower; "
                              "wait for one, or stop it")  # fmt: skip
            return self._spawn(recipe, words, runfiles.name_of(resumes) if resumes else "")

    def going_on(self) -> list[dict[str, Any]]:
        """Trainings that somebody is at: {"recipe", "run"}, the run being None while it is only starting."""
        found, processes = [], set()
        for folder in runfiles.folders(self.home):
            with contextlib.suppress(LearnableError):
                known = runfiles.record(folder)
                if runfiles.status(folder, known) == "running":
                    found.append({"recipe": folder.parent.name, "run": runfiles.name_of(folder)})
                    processes.add(known.get("process"))
        coming = [
            {"recipe": start.recipe, "run": start.resumes or None}
            for start in self.starts()
            if start.process not in processes and start.run is None and start.alive
        ]
        return [*found, *coming]

    def starts(self) -> list[Start]:
        """Those of the last day, the newest last."""
        found = []
        for file in self.folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                known = json.loads(file.read_text(encoding="utf-8"))
                found.append(Start(folder=self.folder, **known))
        return sorted(found, key=lambda start: start.began)

    def find(self, number: str) -> Start:
        """Raises CallError where there is no such start."""
        for start in self.starts():
            if start.id == number:
                return start
        raise CallError(f"no training was started under '{number[:40]}' in the last day")

    def stop(self, folder: Path) -> None:
        """Ask a training to save and end. Once: a second signal would end it without saving.

        Raises:
            Refused: nobody is at it.
            WorldError: it is being trained by somebody who cannot be asked from here.
        """
        with self._alone():
            known = runfiles.record(folder)
            now = runfiles.status(folder, known)
            if now != "running":
                raise Refused(
                    f"{runfiles.name_of(folder)} is {now}: there is nothing to stop", runfiles.name_of(folder)
                )
            process = known.get("process")
            if not isinstance(process, int) or process <= 1 or not _is_ours(process):
                raise WorldError(
                    f"{runfiles.name_of(folder)} is being trained by another program; stop it there, with Ctrl-C"
                )
            asked = folder / ".stopping"
            birth = f"{process} {_birth(process)}"
            if asked.is_file() and asked.read_text(encoding="utf-8") == birth:
                return
            asked.write_text(birth, encoding="utf-8")
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT)

    def cancel(self, start: Start) -> None:
        """End a training that has not become a run yet; one that has is stopped."""
        run = start.run
        if run is not None:
            self.stop(runfiles.folder_of(self.home, *run.split("/")))
        elif start.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(start.process, signal.SIGTERM)

    def _spawn(self, recipe: str, words: Sequence[str], resumes: str) -> Start:
        number = uuid.uuid4().hex[:12]
        command = [sys.executable, "-m", "learnable", "train", *words, "--json"]
        try:
            with (self.folder / f"{number}.out").open("wb") as out, (self.folder / f"{number}.err").open("wb") as err:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.home, env=self.environment(),
                    start_new_session=True, close_fds=True,
                )  # fmt: skip
        except OSError as error:
            raise WorldError(f"the training could not be started: {error.strerror or error}") from error
        threading.Thread(target=process.wait, name=f"wait-{number}", daemon=True).start()  # or it stays a zombie
        start = Start(number, recipe, resumes, process.pid, _birth(process.pid), time.time(), self.folder)
        known = {key: getattr(start, key) for key in ("id", "recipe", "resumes", "process", "born", "began")}
        (self.folder / f"{number}.json").write_text(json.dumps(known), encoding="utf-8")
        return start

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LEARNABLE_HOME": str(self.home), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in self.folder.iterdir():
                if file.name != ".lock" and runfiles.age_in_seconds(file) > KEPT:
                    file.unlink(missing_ok=True)
        except OSError as error:
            raise WorldError(
                f"{self.folder} cannot be written to ({error.strerror}); make room, or mend its permissions"
            ) from error

    @contextlib.contextmanager
    def _alone(self) -> Any:
        """Two tabs, two servers, one home: one after the other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=10)
        except Timeout:
            raise TooBusy("another page is starting or stopping a training just now; try again") from None
        try:
            yield
        finally:
            lock.release()


class Questions:
    """Commands that answer in JSON, a few at once."""

    def __init__(self, trainings: Trainings):
        self.trainings = trainings
        self.room = asyncio.Semaphore(QUESTIONS)
        self.waiting = 0

    async def ask(self, *words: str, seconds: float = 120.0) -> Any:
        """What `learnable WORDS --json` prints.

        Raises:
            CallError, WorldError: what the command complained about.
            TooBusy, TooSlow: too many questions; no answer in time.
        """
        if self.waiting >= WAITING:
            raise TooBusy(f"{WAITING} questions are waiting already; try again in a moment")
        self.waiting += 1
        try:
            async with self.room:
                return await self._ask(words, seconds)
        finally:
            self.waiting -= 1

    async def _ask(self, words: Sequence[str], seconds: float) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "learnable", *words, "--json", stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=self.trainings.home,
            env=self.trainings.environment(), start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate()
        except TimeoutError:
            raise TooSlow(f"no answer within {seconds:g} seconds, so the question was given up") from None
        finally:
            if process.returncode is None:  # too slow, or nobody waits for the answer any more
                with contextlib.suppress(ProcessLookupError):
                    if os.name == "posix":
                        os.killpg(process.pid, signal.SIGKILL)
                    else:
                        process.kill()
                await process.wait()
        if process.returncode:
            lines = [line for line in err.decode("utf-8", errors="replace").splitlines() if line.strip()] or [
                "no message"
            ]
            reason = next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1]).removeprefix(
                "error: "
            )
            raise (CallError if process.returncode == 2 else WorldError)(reason[:2000])
        if len(out) > ANSWER:
            raise WorldError(f"the answer has {len(out):,} bytes, more than {ANSWER:,}; ask for less")
        return json.loads(out.decode("utf-8").splitlines()[-1])


def _birth(process: int) -> str:
    """When a process began, in words of the system; "" if there is none (or it only waits to be forgotten)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in ("Z", "X") else fields[19]
    except (OSError, IndexError):
        if Path("/proc/self").exists():
            return ""
    try:  # elsewhere
        found = subprocess.run(["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, timeout=5)
        return found.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _is_ours(process: int) -> bool:
    """Whether it is a training: its number may belong to somebody else by now."""
    try:
        return b"learnable" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists() and bool(_birth(process))
