"""Files of data sets: from the cache, else from a mirror, else from their address; always with the right checksum.

A download that is cut off is kept as `<file>.part` and continued by the next one, also by the next command. (pooch,
which does the rest of this well, cannot continue a download, so the few lines are here, on requests.) No ETag is
kept for it: size and checksum are known beforehand, so a file that changed on its server between two halves is found
out, and the download starts again from zero.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from learnable.data.registry import File, find
from learnable.errors import WorldError, unknown
from learnable.files import write_aside
from learnable.home import data_folder

MIRROR = "LEARNABLE_DATA_MIRROR"
CHUNK = 1 << 18  # bytes
PATIENCE = (10, 30)  # seconds: until a server answers; until the next bytes come
ARCHIVE = 64 << 20  # bytes that an archive may have out of which a single file is taken
TRIES = 4  # per address; a connection that is cut is taken up again


def fetch(dataset: str, file: str, *, progress: bool = True) -> Path:
    """The path of a data set's file on this machine, downloaded if need be. Its content is known to be right.

    Raises:
        CallError: no such data set or file.
        WorldError: it cannot be had: no network, a server's error, a full disk, a wrong checksum; the message says
            what to do. A file with a wrong checksum is set aside as `<file>.bad` and never used.
    """
    entry = next((entry for entry in _entries(dataset) if entry.name == file), None)
    if entry is None:
        raise unknown(f"file of the dataset {dataset}", file, (entry.name for entry in _entries(dataset)))
    path = data_folder() / dataset / entry.name
    if _is_right(path, entry):
        return path
    with _alone(path):
        if _is_right(path, entry):  # another process was faster
            return path
        if path.exists():
            _refuse(path, entry)
        mirrored = _mirrored(dataset, entry)
        if mirrored is not None:
            _copy(mirrored, path, entry)
        else:
            _download(dataset, path, entry, progress)
        _remember(path, entry)
        with contextlib.suppress(OSError):
            _part(path).unlink(missing_ok=True)  # of a download that the mirror made needless
    return path


def fetch_archive(dataset: str, *, subset: bool = False) -> tuple[Path, bool]:
    """The one archive of a data set that also exists as a part of itself, and whether it is the whole one.

    The whole archive goes before the part, whichever is at hand, on this machine or in the mirror; if neither is, the
    whole one is downloaded. With `subset` it is the other way round. Who takes the part must say so to people.

    Raises:
        WorldError: as `fetch`.
    """
    row = find(dataset)
    assert row.subset is not None and len(row.files) == 1, f"{dataset} is no archive with a part"
    ways = [(row.files[0], True), (row.subset, False)]
    for entry, whole in reversed(ways) if subset else ways:
        if (data_folder() / dataset / entry.name).exists() or _mirrored(dataset, entry) is not None:
            return fetch(dataset, entry.name), whole
    return fetch(dataset, row.files[0].name), True


def _entries(dataset: str) -> tuple[File, ...]:
    row = find(dataset)
    return row.files if row.subset is None else (*row.files, row.subset)


def sha256_of(path: Path) -> str:
    """The checksum of a file, as sixty-four hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_right(path: Path, entry: File) -> bool:
    """Whether the file is there with the right checksum; a check is remembered until its size or time changes."""
    with _plain_errors(path):
        if not path.exists():
            return False
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if _note(path).read_text(encoding="utf-8") == _state(path, entry):
                return True
        if sha256_of(path) != entry.sha256:
            return False
        _remember(path, entry)
        return True


def _refuse(path: Path, entry: File) -> NoReturn:
    with _plain_errors(path):
        came = f"{path.stat().st_size:,} bytes with {sha256_of(path)}"
        bad = _set_aside(path, path)
    raise WorldError(f"{path} is not the file that it should be: expected {entry.bytes:,} bytes with the sha256 "
                     f"{entry.sha256}, came {came}. It was renamed to {bad.name} and not used; "
                     "run the same command again to get it anew.")  # fmt: skip


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.checked")


def _state(path: Path, entry: File) -> str:
    seen = path.stat()
    return f"{entry.sha256} {seen.st_size} {seen.st_mtime_ns}\n"


def _remember(path: Path, entry: File) -> None:
    with contextlib.suppress(OSError):  # a cache that may only be read is checked every time
        _note(path).write_text(_state(path, entry), encoding="utf-8")


def _mirrored(dataset: str, entry: File) -> Path | None:
    folder = os.environ.get(MIRROR)
    path = Path(folder).expanduser() / dataset / entry.name if folder else None
    return path if path is not None and path.is_file() else None


def _copy(source: Path, path: Path, entry: File) -> None:
    """Copy from the mirror. What is wrong there stays there: it is not ours to rename."""
    try:
        came = sha256_of(source)
    except OSError as error:
        raise WorldError(f"{source} in the mirror cannot be read: {error.strerror or error}; "
                         f"mend it or unset {MIRROR} to download.") from error  # fmt: skip
    if came != entry.sha256:
        raise WorldError(
            f"{source} in the mirror is not the file that it should be: expected {entry.bytes:,} bytes with the sha256 "
            f"{entry.sha256}, came {source.stat().st_size:,} bytes with {came}. It was not used; replace it, or unset "
            f"{MIRROR} to download."
        )
    with write_aside(path) as aside:
        shutil.copyfile(source, aside)
        if sha256_of(aside) != entry.sha256:
            raise WorldError(f"{source} changed while it was copied; nothing was kept. Run the same command again.")


class _Failed(Exception):
    """One address did not give the file; the next may."""


def _download(dataset: str, path: Path, entry: File, progress: bool) -> None:
    """Get the file from the first of its addresses that has it."""
    failures = []
    for url in entry.urls:
        try:
            if "#" in url:
                return _download_member(url, path, entry)
            return _download_from(url, path, entry, progress)
        except _Failed as failure:
            failures.append(f"  {url}: {failure}")
    part = _part(path)
    kept = f"What has come so far ({_size(part):,} bytes) is kept and will be continued.\n" if _size(part) else ""
    mirror = os.environ.get(MIRROR)
    raise WorldError(
        f"{entry.name} of {dataset} ({entry.bytes:,} bytes) could not be downloaded:\n"
        + "\n".join(failures)
        + f"\n{kept}Run the same command again, or download the file by other means and put it at\n  {path}\n"
        + f"or name a folder that has {dataset}/{entry.name} by {MIRROR}"
        + (f" (it is {mirror}, which has not)." if mirror else ".")
    )


def _download_from(url: str, path: Path, entry: File, progress: bool) -> None:
    """Get the file from one address, continuing what is there of it, and rename it once it is known to be right."""
    part = _part(path)
    reason = "what was continued does not fit together"
    for _ in range(TRIES):
        before = _size(part)
        try:
            resumed = before == entry.bytes or _continue(url, part, entry, progress)
        except _CutOff as cut:
            if _size(part) == before:  # nothing came: the next try would bring nothing either
                raise _Failed(str(cut)) from cut
            reason = str(cut)
            continue
        with _plain_errors(part):
            came = sha256_of(part)
            if came == entry.sha256:
                part.replace(path)
                return
            if not resumed:
                _set_aside(part, path)
                raise _Failed(f"wrong checksum: expected the sha256 {entry.sha256}, came {came}; "
                              f"it was set aside as {path.name}.bad and not used")  # fmt: skip
            part.unlink()  # its two halves may be of two different files: once more, from zero
    raise _Failed(f"{reason} (tried {TRIES} times)")


def _download_member(url: str, path: Path, entry: File) -> None:
    """Get a file out of a zip archive, `archive.zip#member`; the archive is small and is not kept."""
    import io
    import zipfile

    import requests

    address, _, member = url.partition("#")
    try:
        with requests.get(address, stream=True, timeout=PATIENCE) as response:
            if response.status_code != 200:
                raise _Failed(f"the server answered {response.status_code} {response.reason}")
            archive = io.BytesIO()
            for chunk in response.iter_content(CHUNK):
                archive.write(chunk)
                if archive.tell() > ARCHIVE:
                    raise _Failed(f"expected an archive of at most {ARCHIVE:,} bytes, the server sends more")
        with zipfile.ZipFile(archive) as opened:
            if opened.getinfo(member).file_size != entry.bytes:
                raise _Failed(f"expected {entry.bytes:,} bytes in {member}, came {opened.getinfo(member).file_size:,}")
            content = opened.read(member)
    except requests.RequestException as error:
        raise _Failed(_shortly(error)) from error
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise _Failed(f"it is no zip archive with {member} in it") from error
    came = hashlib.sha256(content).hexdigest()
    if came != entry.sha256:
        raise _Failed(f"wrong checksum: expected the sha256 {entry.sha256}, came {came}")
    with _plain_errors(path):
        _part(path).write_bytes(content)
        _part(path).replace(path)


class _CutOff(Exception):
    """The connection failed; what has come stays, and another try may bring the rest."""


def _continue(url: str, part: Path, entry: File, progress: bool) -> bool:
    """Append to `part` what is missing. Returns whether it began with bytes of an earlier download."""
    import requests
    from urllib3.exceptions import HTTPError

    with _plain_errors(part):
        start = _size(part)
        if start > entry.bytes:
            part.unlink()
            start = 0
        if shutil.disk_usage(part.parent).free < entry.bytes - start:
            raise WorldError(
                f"the disk is too full: {entry.name} needs {entry.bytes - start:,} bytes more in {part.parent}. "
                "Make room, then run the same command again."
            )
    # The bytes as they are in the file: unpacking a .gz on the way would change its checksum.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as response:
            if response.status_code == 416:  # it has no such range: the file there is shorter than what we have
                part.unlink(missing_ok=True)
                raise _CutOff("the server's file is shorter than what was downloaded before")
            if response.status_code not in (200, 206):
                raise _Failed(f"the server answered {response.status_code} {response.reason}")
            if (
                response.status_code == 206
                and response.headers.get("Content-Range") != f"bytes {start}-{entry.bytes - 1}/{entry.bytes}"
            ):
                part.unlink(missing_ok=True)  # not the rest that was asked for: once more, from zero
                raise _CutOff(f"the server's file is not the one of {entry.bytes:,} bytes")
            if response.status_code == 200:  # a server that sends everything, asked for or not
                start = 0
                length = response.headers.get("Content-Length", str(entry.bytes))
                if length != str(entry.bytes):
                    raise _Failed(f"expected {entry.bytes:,} bytes, the server offers {length}")
            with _progress(entry, start, progress) as advance, _opened(part, "ab" if start else "wb") as write:
                came = start
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    came += len(chunk)
                    if came > entry.bytes:
                        raise _Failed(f"expected {entry.bytes:,} bytes, the server sends more")
                    write(chunk)
                    advance(len(chunk))
        if came < entry.bytes:
            raise _CutOff(f"cut short: {came:,} of {entry.bytes:,} bytes")
    except (requests.RequestException, HTTPError) as error:
        raise _CutOff(_shortly(error)) from error
    return start > 0


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _set_aside(file: Path, path: Path) -> Path:
    """Keep a wrong file as `<file>.bad`: somebody may want to see what it is, such as a login page."""
    return file.replace(path.with_name(path.name + ".bad"))


def _shortly(error: Exception) -> str:
    """What went wrong, without the five exceptions that it is wrapped in."""
    import requests

    text = str(error)
    if "NameResolution" in text or "getaddrinfo" in text:
        return "its name is not known here: is there a network?"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in text:
        return "no answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let it through"
    if "refused" in text:
        return "the connection was refused"
    if isinstance(error, requests.exceptions.ConnectionError) and "Max retries" in text:
        return f"no connection: is there a network? ({text.rpartition(': ')[2][:80]})"
    return f"the connection was cut ({type(error).__name__})"


@contextlib.contextmanager
def _opened(part: Path, mode: str) -> Iterator[Callable[[bytes], None]]:
    """A function that appends to `part`, with the disk's errors in plain words: the network has errors of its own."""
    with _plain_errors(part):
        file = part.open(mode)

    def write(chunk: bytes) -> None:
        with _plain_errors(part):
            file.write(chunk)

    try:
        yield write
    finally:
        with _plain_errors(part):
            file.close()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time gets this file; the others wait and then find it. The lock ends with its process."""
    from filelock import FileLock

    with _plain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorldError(
                f"the disk is full: {path.name} could not be written whole into {path.parent}. What has come is kept; "
                "make room, then run the same command again."
            ) from error
        raise WorldError(
            f"{path} cannot be read or written ({error.strerror or error}); mend the permissions of {path.parent}, "
            "or set LEARNABLE_HOME to a folder of your own."
        ) from error


@contextlib.contextmanager
def _progress(entry: File, start: int, wanted: bool) -> Iterator[Callable[[int], object]]:
    """One line with rate and time left, gone when it is done; none where standard error is not a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(entry.name, total=entry.bytes, completed=start)
        yield lambda count: bar.advance(task, count)
