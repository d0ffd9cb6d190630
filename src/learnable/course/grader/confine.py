"""What learner's code may do: compute, and print.

Three fences, one behind the other, as far as the system has them (the verdict says what is not held back):

    limits      of computing time, memory, file size (`resource`; POSIX)
    the kernel  Landlock: no file is made or written to, none is read but Python itself; seccomp: no network, no new
                process, nothing that reaches another one, no file's mode, owner or times (Linux, x86-64 and ARM64)
    a hook      Python's own audit events, which name what was tried; it stops honest mistakes only

It protects from accidents and from pasted code that means no good; it is no prison for someone who studies it.
"""

import contextlib
import ctypes
import os
import platform
import shutil
import socket
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any

SECONDS = 2  # of computing, for one exercise
WALL = 5  # seconds that one call may take, asleep or awake
TOTAL = 10  # seconds that all calls of one exercise may take together
BUSY = 4  # times as long as one call, if it computes meanwhile and the machine is busy
MEMORY = 1_500_000_000  # bytes of address space above those of Python and torch
FILE = 1_000_000  # bytes of what is printed

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
    # Landlock knows opening, making and removing; modes, owners and times of files are seccomp's to keep.
    if sys.platform != "linux" or not all([_landlock(folder, allowed), _seccomp()]):
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
    entries = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    entries += [Path(entry) for entry in sys.path if entry]
    system = [Path(name) for name in ("/lib", "/lib64", "/usr/lib", "/usr/lib64")]
    hidden = _lessons([*entries, *system])
    places: dict[Path, int] = {}
    for entry in entries:
        if entry.is_dir():
            places |= dict(_around(entry.resolve(), hidden))
    for entry in (*system, *map(Path, ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom"))):
        if entry.exists():
            places |= dict(_around(entry.resolve(), hidden))
    return tuple((place, may) for place, may in places.items() if not hidden & {place, *place.parents})


def _lessons(entries: Iterable[Path]) -> frozenset[Path]:
    """The lessons of the package that runs, and of every other copy that stands where packages are."""
    found = {Path(__file__).resolve().parents[1] / "lessons"}
    for entry in entries:
        for pattern in ("", "python3*/site-packages/", "python3*/dist-packages/"):
            found |= {place.resolve() for place in entry.glob(f"{pattern}learnable/course/lessons")}
    return frozenset(found)


def _around(place: Path, hidden: Set[Path]) -> Iterator[tuple[Path, int]]:
    """The place, with all in it but these folders: rights go down a tree, so what is on the way to them is only listed."""
    if not any(place in folder.parents for folder in hidden):
        yield place, READ
        return
    yield place, LIST
    for child in place.iterdir():
        if child not in hidden and os.access(child, os.R_OK):
            yield from _around(child.resolve() if child.is_symlink() else child, hidden)


# ---------------------------------------------------------------------------------------------------- Landlock

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls, the same on every architecture


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
        for place, may in [*allowed, (folder, READ)]:  # the folder is empty and stays so: no disk is filled
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
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # its sign, and its column in what follows

CLONE, CLONE3 = (56, 220), (435, 435)

# Numbers of system calls (x86-64, ARM64); None where there is no such call.
NEVER: dict[str, tuple[int | None, int | None]] = {
    # network and new programs
    "socket": (41, 198), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "io_uring_setup": (425, 425),
    # other processes: looking into them, sending to them, slowing them down
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "perf_event_open": (298, 241),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # memory and queues that outlive a process
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # files' modes, owners, times and attributes, which Landlock leaves alone
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "file_setattr": (469, 469), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "fanotify_mark": (301, 263),
    # the system itself, where the server runs as root
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "userfaultfd": (323, 282),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "sethostname": (170, 161), "setdomainname": (171, 162),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "acct": (163, 89), "syslog": (103, 116), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "vhangup": (153, 58), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip

SELF = {  # only to this process: the first argument is its number, or 0
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "prlimit64": (302, 261),
}  # fmt: skip

PRCTL, FCNTL, IOCTL = (157, 167), (72, 25), (16, 29)
NOT_BY_PRCTL = (1, 4, 36)  # PR_SET_PDEATHSIG, which ends it with its parent; PR_SET_DUMPABLE; PR_SET_CHILD_SUBREAPER
NOT_BY_FCNTL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: the system would send signals on its behalf
ONLY_BY_IOCTL = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # is it a terminal, how wide, how much; closing, waiting


def _seccomp() -> bool:
    """A filter of system calls: no socket, no process, no reach to others. Threads may be."""
    if platform.machine() not in MACHINES or sys.maxsize < 2**32:
        return False
    architecture, column = MACHINES[platform.machine()]
    allow, refuse = 0x7FFF0000, 0x00050000
    Line = tuple[int, int, int, int]

    def load(offset: int) -> Line:
        return (0x20, 0, 0, offset)

    def equal(value: int, yes: int, no: int) -> Line:
        return (0x15, yes, no, value)

    def answer(value: int) -> Line:
        return (0x06, 0, 0, value)

    denied, allowed = answer(refuse | NOT_PERMITTED), answer(allow)

    def where(call: tuple[int | None, int | None], block: list[Line]) -> list[Line]:
        """For this system call, these lines, which end with an answer."""
        number = call[column]
        return [] if number is None else [equal(number, 0, len(block)), *block]

    def among(offset: int, values: Sequence[int], inside: Line, outside: Line) -> list[Line]:
        """An answer by one argument."""
        tests = [equal(value, len(values) - at, 0) for at, value in enumerate(values)]
        return [load(offset), *tests, outside, inside]

    first, second = 16, 24  # where the arguments are
    program = [load(4), equal(architecture, 1, 0), denied, load(0)]
    program += [(0x35, 0, 1, 0x40000000), denied]  # the x32 numbers of x86-64
    for call in NEVER.values():
        program += where(call, [denied])
    program += where(CLONE3, [answer(refuse | NO_SUCH_CALL)])  # libc then asks for clone, whose flags show
    program += where(CLONE, [load(first), (0x45, 0, 1, THREAD), allowed, denied])
    for call in SELF.values():
        program += where(call, among(first, (os.getpid(), 0), allowed, denied))
    program += where(PRCTL, among(first, NOT_BY_PRCTL, denied, allowed))
    program += where(FCNTL, among(second, NOT_BY_FCNTL, denied, allowed))
    program += where(IOCTL, among(second, ONLY_BY_IOCTL, allowed, denied))
    program.append(allowed)
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        return False
    made = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    return libc.prctl(22, 2, ctypes.byref(made), 0, 0) == 0  # PR_SET_SECCOMP


# ---------------------------------------------------------------------------------------------------- the hook


CHANGES = frozenset({"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
                     "os.utime", "os.setxattr", "os.removexattr", "os.chflags", "shutil.rmtree"})  # fmt: skip


def _hook(folder: Path, allowed: Iterable[tuple[Path, int]]) -> None:
    own = str(folder.resolve()) + os.sep
    roots = tuple(str(place) for place, rights in allowed if rights == READ)
    listed = tuple(str(place) for place, _ in allowed)
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
            if place == os.devnull or (not writes and place.startswith((own, *roots))):
                return
            refuse(FILES, f"an exercise {'writes no files' if writes else 'reads no files of yours'}: {place}")
        elif event in CHANGES:
            refuse(FILES, f"an exercise leaves files alone: {os.fsdecode(arguments[0])}"
                   if isinstance(arguments[0], str | bytes | os.PathLike) else "an exercise leaves files alone")  # fmt: skip
        elif event in ("os.listdir", "os.scandir"):
            if isinstance(arguments[0], str | bytes | os.PathLike):
                place = here(os.fsdecode(arguments[0])) + os.sep
                if not place.startswith((own, *listed)):
                    refuse(FILES, f"an exercise looks into no folders of yours: {place[:-1]}")
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


def remove(folder: Path) -> None:
    """The folder with all that is in it, however deep; what cannot be removed stays."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
