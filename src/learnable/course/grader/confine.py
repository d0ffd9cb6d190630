"""What learner's code may do: compute, and write small files into a folder of its own.

Three fences, one behind the other, as far as the system has them (the verdict says what is not held back):

    limits      of computing time, memory, file size (`resource`; POSIX)
    the kernel  Landlock: files outside the folder are not opened but to read Python itself; seccomp: no network,
                no new process, no signal to another one (Linux, x86-64 and ARM64)
    a hook      Python's own audit events, which name what was tried; it stops honest mistakes only

It protects from accidents and from pasted code that means no good; it is no prison for someone who studies it.
"""

import ctypes
import os
import platform
import socket
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

SECONDS = 2  # of computing, for one exercise
WALL = 5  # seconds that one call may take, asleep or awake
BUSY = 4  # times as long, if it computes meanwhile and the machine is busy
MEMORY = 1_500_000_000  # bytes of address space above those of Python and torch
FILE = 1_000_000  # bytes of a file, and of what is printed

NETWORK, PROCESSES, FILES, MEMORY_NAME, TIME = "network", "processes", "files", "memory", "computing time"


class Forbidden(PermissionError):
    """What the hook says; `what` is one of the names above."""

    def __init__(self, what: str, text: str):
        super().__init__(text)
        self.what = what


tried: list[str] = []  # what the hook has stopped


def limit(seconds: int = SECONDS) -> list[str]:
    """Set the limits of this process; what could not be limited."""
    try:
        import resource
    except ImportError:  # Windows
        return [TIME, MEMORY_NAME]
    loose = []

    def at_most(name: str, soft: int, hard: int | None = None) -> bool:
        try:
            number = getattr(resource, name)
            top = resource.getrlimit(number)[1]
            bound = soft if hard is None else hard
            bound = bound if top == resource.RLIM_INFINITY else min(bound, top)
            resource.setrlimit(number, (min(soft, bound), bound))
        except (AttributeError, ValueError, OSError):
            return False
        return True

    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)  # a process that was started, not forked, has already imported torch
    if not at_most("RLIMIT_CPU", used + seconds, used + seconds + 1):
        loose.append(TIME)
    held = sys.platform == "linux" and at_most("RLIMIT_AS", _address_space() + MEMORY)
    if not held:
        loose.append(MEMORY_NAME)
    at_most("RLIMIT_FSIZE", FILE)
    at_most("RLIMIT_CORE", 0)
    at_most("RLIMIT_NPROC", 0)
    at_most("RLIMIT_NOFILE", 256)
    return loose


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def confine(folder: Path) -> list[str]:
    """Raise the fences around this process; the names of what is not held back by more than the hook."""
    loose = []
    allowed = readable()
    if sys.platform == "linux":
        if not _landlock(folder, allowed):
            loose.append(FILES)
        _no_processes()
    else:
        loose.append(FILES)
    for name, works in ((NETWORK, _opens_socket), (PROCESSES, _forks)):
        if works():
            loose.append(name)
    _hook(folder, allowed)
    return loose


def _opens_socket() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _forks() -> bool:
    if not hasattr(os, "fork") or sys.platform != "linux":
        return True
    try:
        child = os.fork()
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


# ------------------------------------------------------------------------------------------------- which files

READ, LIST = 0b1100, 0b1000  # Landlock's: READ_FILE and READ_DIR


@cache
def readable() -> tuple[tuple[Path, int], ...]:
    """What Python and its packages need to be imported, and of ours all but the lessons, which hold the solutions."""
    hidden = Path(__file__).resolve().parents[1] / "lessons"
    places: dict[Path, int] = {}
    stdlib = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    for place in [*stdlib, *(Path(entry) for entry in sys.path if entry)]:
        if place.is_dir():
            places |= dict(_around(place.resolve(), hidden))
    for name in (
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        "/dev/null",
        "/dev/zero",
        "/dev/urandom",
    ):
        place = Path(name).resolve()
        if place.exists():
            places |= dict(_around(place, hidden))
    return tuple(item for item in places.items() if hidden not in (item[0], *item[0].parents))


def _around(place: Path, hidden: Path) -> Iterator[tuple[Path, int]]:
    """The place, with all in it but one folder: rights go down a tree, so what is on the way to it is only listed."""
    if place not in hidden.parents:
        yield place, READ
        return
    yield place, LIST
    for child in place.iterdir():
        if child != hidden and os.access(child, os.R_OK):
            yield from _around(child.resolve() if child.is_symlink() else child, hidden)


# ---------------------------------------------------------------------------------------------------- Landlock

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls, the same on every architecture
FILE_RIGHTS = 0b1_0000_0000_0111 | 1 << 14 | 1 << 15  # execute, write, read; truncate, device commands


def _landlock(folder: Path, allowed: Iterable[tuple[Path, int]]) -> bool:
    """Landlock by its system calls: https://docs.kernel.org/userspace-api/landlock.html"""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1
    fields = [rights] + ([0b11] if version >= 4 else []) + ([0b11] if version >= 6 else [])  # TCP; signals, sockets
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = libc.syscall(CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for place, may in [*allowed, (folder, rights)]:
            may &= rights
            if not place.is_dir():
                may &= 0b111 | 1 << 14
            handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
            libc.syscall(ADD, rules, 1, struct.pack("=Qi", may, handle), 0)
            os.close(handle)
        if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
            return False
        return libc.syscall(RESTRICT, rules, 0) == 0
    finally:
        os.close(rules)


# ----------------------------------------------------------------------------------------------------- seccomp

NOT_PERMITTED, NO_SUCH_CALL = 1, 38
THREAD = 0x10000  # CLONE_THREAD
CALLS: dict[str, dict[str, Any]] = {
    "x86_64": {
        "arch": 0xC000003E,
        "clone": 56,
        "clone3": 435,
        "never": (41, 57, 58, 59, 101, 165, 248, 249, 250, 272, 298, 308, 310, 311, 321, 322, 323, 424, 425, 434, 438),
        "self": (62, 129, 200, 234, 297, 302),
    },
    "aarch64": {
        "arch": 0xC00000B7,
        "clone": 220,
        "clone3": 435,
        "never": (198, 221, 117, 40, 217, 218, 219, 97, 241, 268, 270, 271, 280, 281, 282, 424, 425, 434, 438),
        "self": (129, 130, 131, 138, 240, 261),
    },
}
# never: socket, fork, vfork, execve, ptrace, mount, add_key, request_key, keyctl, unshare, perf_event_open, setns,
#        process_vm_readv, process_vm_writev, bpf, execveat, userfaultfd, pidfd_send_signal, io_uring_setup, pidfd_open,
#        pidfd_getfd.   self: kill, tkill, tgkill, both sigqueueinfo, prlimit64, only to this process


def _no_processes() -> bool:
    """A filter of system calls: no socket, no process, no signal to others. Threads may be."""
    calls = CALLS.get(platform.machine())
    if calls is None or sys.maxsize < 2**32:
        return False
    allow, refuse = 0x7FFF0000, 0x00050000

    def load(offset: int) -> tuple[int, int, int, int]:
        return (0x20, 0, 0, offset)

    def equal(value: int, yes: int, no: int) -> tuple[int, int, int, int]:
        return (0x15, yes, no, value)

    def answer(value: int) -> tuple[int, int, int, int]:
        return (0x06, 0, 0, value)

    denied = answer(refuse | NOT_PERMITTED)
    program = [load(4), equal(calls["arch"], 1, 0), denied, load(0)]
    program += [(0x35, 0, 1, 0x40000000), denied]  # the x32 numbers of x86-64
    for number in calls["never"]:
        program += [equal(number, 0, 1), denied]
    program += [
        equal(calls["clone3"], 0, 1),
        answer(refuse | NO_SUCH_CALL),
    ]  # libc then asks for clone, whose flags show
    program += [equal(calls["clone"], 0, 4), load(16), (0x45, 0, 1, THREAD), answer(allow), denied]
    for number in calls["self"]:
        program += [equal(number, 0, 5), load(16), equal(os.getpid(), 2, 0), equal(0, 1, 0), denied, answer(allow)]
    program.append(answer(allow))
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0):
        return False
    made = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    return libc.prctl(22, 2, ctypes.byref(made), 0, 0) == 0


# ---------------------------------------------------------------------------------------------------- the hook


def _hook(folder: Path, allowed: Iterable[tuple[Path, int]]) -> None:
    own = str(folder.resolve()) + os.sep
    roots = (own, *(str(place) for place, rights in allowed if rights == READ))
    listed = (*roots, *(str(place) for place, _ in allowed))
    here = os.path.realpath

    def refuse(what: str, text: str) -> None:
        if what not in tried:
            tried.append(what)
        raise Forbidden(what, text)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if not isinstance(path, str | bytes):
                return  # a descriptor that is open already
            place = here(os.fsdecode(path))
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else False
            writes = writes or (isinstance(mode, str) and any(letter in mode for letter in "wax+"))
            inside = place.startswith(own)
            if inside or place == os.devnull or (not writes and place.startswith(roots)):
                return
            refuse(FILES, f"an exercise {'writes' if writes else 'reads'} no files outside its own folder: {place}")
        elif event in ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
                       "os.chmod", "os.chown", "os.listdir", "os.scandir", "shutil.rmtree"):  # fmt: skip
            for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
                if isinstance(path, str | bytes | os.PathLike):
                    place = here(os.fsdecode(path)) + os.sep
                    if not place.startswith(own) and not (
                        event in ("os.listdir", "os.scandir") and place.startswith(listed)
                    ):
                        refuse(FILES, f"an exercise leaves files outside its own folder alone: {place[:-1]}")
        elif event.startswith("socket.") and event not in ("socket.gethostname",):
            refuse(NETWORK, "an exercise needs no network")
        elif event in ("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system", "os.startfile",
                       "subprocess.Popen", "os.spawn"):  # fmt: skip
            refuse(PROCESSES, "an exercise starts no other processes")
        elif event in ("os.kill", "os.killpg") and arguments[0] not in (0, os.getpid()):
            refuse(PROCESSES, "an exercise leaves other processes alone")

    sys.addaudithook(watch)


def new_folder() -> Path:
    """A folder of its own for one exercise."""
    return Path(tempfile.mkdtemp(prefix="learnable-exercise-")).resolve()
