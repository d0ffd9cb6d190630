"""Downloads against a real HTTP server on this machine, which can be told to misbehave."""

import contextlib
import errno
import hashlib
import http.server
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from learnable.data import fetch as module
from learnable.data.fetch import fetch, fetch_archive
from learnable.data.registry import DATASETS, Dataset, File
from learnable.errors import CallError, WorldError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """What it does is in its attributes; what it was asked is in `requests`."""

    daemon_threads = True
    url = ""
    requests: list[tuple[str, str | None]]  # paths, and the Range asked for
    content = CONTENT
    ranges = True  # whether it understands Range
    cut_after: int | None = None  # bytes after which it hangs up ...
    cuts = 99  # ... this many times
    status: int | None = None  # answers this and nothing else
    length: int | None = None  # a Content-Length that is a lie
    says_length = True
    wrong_range = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client hung up, as it should


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file.bin")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.status is not None:
            self.send_error(server.status)
            return
        start, total = 0, len(server.content)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges:
            start = int(asked[1])
            if start >= total:
                self.send_error(416)
                return
            self.send_response(206)
            first = 0 if server.wrong_range else start
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.says_length:
            self.send_header("Content-Length", str(len(body) if server.length is None else server.length))
        self.end_headers()
        if server.cut_after is not None and server.cuts > 0:
            server.cuts -= 1
            body = body[: server.cut_after]
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    """A data set `toy` of one file, at home on a server of our own."""
    server = Server(("127.0.0.1", 0), Handler)
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("LEARNABLE_DATA_MIRROR", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    register(monkeypatch, f"{server.url}/file.bin")
    yield server
    server.shutdown()
    server.server_close()


def register(monkeypatch, *urls: str, sha256: str = SHA256, size: int = len(CONTENT)) -> None:
    row = Dataset("a toy", reads="", licence="", files=(File("file.bin", size, sha256, urls),))
    monkeypatch.setitem(DATASETS, "toy", row)


def cached(tmp_path: Path, name: str = "file.bin") -> Path:
    return tmp_path / "home" / "data" / "toy" / name


def test_downloads_once(server, tmp_path):
    path = fetch("toy", "file.bin")
    assert path == cached(tmp_path) and path.read_bytes() == CONTENT
    assert fetch("toy", "file.bin") == path
    assert len(server.requests) == 1
    assert not cached(tmp_path, "file.bin.part").exists()


def test_follows_a_redirect(server, monkeypatch):
    register(monkeypatch, f"{server.url}/moved")
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_a_connection_that_is_cut_is_taken_up_where_it_broke(server):
    server.cut_after, server.cuts = 100_000, 2
    assert fetch("toy", "file.bin").read_bytes() == CONTENT
    ranges = [asked for _, asked in server.requests]
    assert ranges[0] is None and len(ranges) == 3
    assert all(int(asked.removeprefix("bytes=").removesuffix("-")) > 0 for asked in ranges[1:])


def test_a_server_that_always_hangs_up_ends_in_an_error_and_the_next_command_continues(server, tmp_path):
    server.cut_after = 70_000
    with pytest.raises(WorldError, match="cut") as caught:
        fetch("toy", "file.bin")
    part = cached(tmp_path, "file.bin.part")
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT) and f"{kept:,} bytes) is kept" in str(caught.value)
    assert not cached(tmp_path).exists()
    server.cut_after = None
    server.requests.clear()
    assert fetch("toy", "file.bin").read_bytes() == CONTENT
    assert server.requests == [("/file.bin", f"bytes={kept}-")]
    assert not part.exists()


@pytest.mark.parametrize("quirk", ["ranges", "wrong_range"])
def test_a_server_that_sends_something_else_than_the_rest_starts_again_from_zero(server, tmp_path, quirk):
    setattr(server, quirk, not getattr(server, quirk))
    part = cached(tmp_path, "file.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_a_part_of_another_file_is_found_out_by_the_checksum(server, tmp_path):
    part = cached(tmp_path, "file.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    assert fetch("toy", "file.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]


@pytest.mark.parametrize("left", [len(CONTENT), len(CONTENT) + 5])
def test_a_part_that_is_whole_or_longer(server, tmp_path, left):
    part = cached(tmp_path, "file.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes((CONTENT + bytes(5))[:left])
    assert fetch("toy", "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == (0 if left == len(CONTENT) else 1)


def test_a_file_that_became_shorter_on_its_server(server, tmp_path):
    server.content = CONTENT[:500]
    part = cached(tmp_path, "file.bin.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(WorldError, match=f"expected {len(CONTENT):,} bytes, the server offers 500"):
        fetch("toy", "file.bin")
    assert not cached(tmp_path).exists()


def test_a_wrong_file_is_set_aside_and_never_used(server, tmp_path):
    server.content = bytes(len(CONTENT))
    with pytest.raises(WorldError, match="wrong checksum") as caught:
        fetch("toy", "file.bin")
    assert SHA256 in str(caught.value) and hashlib.sha256(server.content).hexdigest() in str(caught.value)
    assert not cached(tmp_path).exists() and not cached(tmp_path, "file.bin.part").exists()
    assert cached(tmp_path, "file.bin.bad").read_bytes() == server.content
    server.content = CONTENT
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_the_wrong_length(server, tmp_path, change, says_length):
    server.content, server.says_length = (CONTENT + b"!")[: len(CONTENT) + change], says_length
    with pytest.raises(WorldError, match=r"is shorter|offers|sends more"):
        fetch("toy", "file.bin")
    assert not cached(tmp_path).exists()


def test_a_length_that_is_a_lie(server, tmp_path):
    server.content, server.length = CONTENT[:300], len(CONTENT)
    with pytest.raises(WorldError, match="is shorter"):
        fetch("toy", "file.bin")
    assert not cached(tmp_path).exists()


@pytest.mark.parametrize("status", [404, 500, 403])
def test_a_servers_error(server, tmp_path, status):
    server.status = status
    with pytest.raises(WorldError, match=f"answered {status}") as caught:
        fetch("toy", "file.bin")
    message = str(caught.value)
    assert server.url in message and str(cached(tmp_path)) in message and "LEARNABLE_DATA_MIRROR" in message


def test_the_second_address_is_tried(server, monkeypatch):
    register(monkeypatch, f"{server.url}/moved-away-404", f"{server.url}/file.bin")
    server.status = None
    original = Handler.do_GET
    monkeypatch.setattr(
        Handler, "do_GET", lambda self: self.send_error(404) if self.path.endswith("404") else original(self)
    )
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_no_network(server, monkeypatch, tmp_path):
    register(monkeypatch, "http://127.0.0.1:1/file.bin", "http://no-such-host.invalid/file.bin")
    with pytest.raises(WorldError) as caught:
        fetch("toy", "file.bin")
    message = str(caught.value)
    assert "127.0.0.1:1" in message and "no-such-host.invalid" in message
    assert str(cached(tmp_path)) in message and "LEARNABLE_DATA_MIRROR" in message
    assert "Traceback" not in message and "HTTPConnectionPool" not in message
    cached(tmp_path).write_bytes(CONTENT)  # what the message told the user to do
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_a_file_out_of_an_archive(server, monkeypatch, tmp_path):
    import io
    import zipfile

    def archive(name, content):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as zipped:
            zipped.writestr(name, content)
        return made.getvalue()

    def answer(content, status=200):
        response = requests.Response()
        response.status_code, response.reason, response.raw = status, "so so", io.BytesIO(content)
        monkeypatch.setattr(requests, "get", lambda url, **more: asked.append(url) or response)

    asked = []
    register(monkeypatch, "https://nowhere.invalid/all.zip#inner/file.bin")
    for content, said in (
        (b"no archive", "it is no zip archive with inner/file.bin"),
        (archive("other", CONTENT), "it is no zip archive with inner/file.bin"),
        (archive("inner/file.bin", CONTENT[:-1]), "bytes in inner/file.bin"),
        (archive("inner/file.bin", CONTENT[::-1]), "wrong checksum"),
    ):
        answer(content)
        with pytest.raises(WorldError, match=said):
            fetch("toy", "file.bin")
        assert not cached(tmp_path).exists()
    answer(b"", status=404)
    with pytest.raises(WorldError, match="answered 404"):
        fetch("toy", "file.bin")
    answer(archive("inner/file.bin", CONTENT))
    assert fetch("toy", "file.bin").read_bytes() == CONTENT
    assert set(asked) == {"https://nowhere.invalid/all.zip"}


def test_the_mirror_is_used_and_nothing_is_asked(server, monkeypatch, tmp_path):
    monkeypatch.setenv("LEARNABLE_DATA_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "file.bin").write_bytes(CONTENT)
    cached(tmp_path).parent.mkdir(parents=True)
    cached(tmp_path, "file.bin.part").write_bytes(b"begun")
    assert fetch("toy", "file.bin") == cached(tmp_path)
    assert cached(tmp_path).read_bytes() == CONTENT and server.requests == []
    assert not cached(tmp_path, "file.bin.part").exists()


def test_a_mirror_without_the_file_falls_through(server, monkeypatch, tmp_path):
    monkeypatch.setenv("LEARNABLE_DATA_MIRROR", str(tmp_path))
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_a_wrong_file_in_the_mirror_is_refused_and_left_there(server, monkeypatch, tmp_path):
    monkeypatch.setenv("LEARNABLE_DATA_MIRROR", str(tmp_path))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "file.bin").write_bytes(b"something else")
    with pytest.raises(WorldError, match="in the mirror is not the file"):
        fetch("toy", "file.bin")
    assert not cached(tmp_path).exists() and (tmp_path / "toy" / "file.bin").read_bytes() == b"something else"


def test_a_cached_file_that_changed_is_noticed_and_set_aside(server, tmp_path):
    path = fetch("toy", "file.bin")
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(WorldError, match=r"renamed to file\.bin\.bad and not used"):
        fetch("toy", "file.bin")
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_a_check_is_remembered(server, monkeypatch):
    fetch("toy", "file.bin")
    monkeypatch.setattr(module, "sha256_of", lambda path: pytest.fail("hashed again"))
    fetch("toy", "file.bin")


def test_a_check_of_an_older_version_of_the_data_set_does_not_count(server, monkeypatch):
    fetch("toy", "file.bin")
    register(monkeypatch, f"{server.url}/file.bin", sha256="0" * 64)
    with pytest.raises(WorldError, match="not the file"):
        fetch("toy", "file.bin")


def test_ctrl_c_leaves_the_part(server, monkeypatch, tmp_path):
    @contextlib.contextmanager
    def pressed_at_the_third_chunk(*args):
        chunks = []

        def advance(count):
            chunks.append(count)
            if len(chunks) == 3:
                raise KeyboardInterrupt

        yield advance

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_progress", pressed_at_the_third_chunk)
        patch.setattr(module, "CHUNK", 1000)
        fetch("toy", "file.bin")
    assert cached(tmp_path, "file.bin.part").stat().st_size == 3000
    assert fetch("toy", "file.bin").read_bytes() == CONTENT
    assert server.requests[-1] == ("/file.bin", "bytes=3000-")


def test_a_full_disk_keeps_what_has_come(server, monkeypatch, tmp_path):
    original = Path.open

    def opened(self, mode="r", *args, **kwargs):
        file = original(self, mode, *args, **kwargs)
        if not self.name.endswith(".part"):
            return file

        class Full:
            def write(self, chunk):
                file.write(chunk[:10])
                raise OSError(errno.ENOSPC, "No space left on device")

            def close(self):
                file.close()

        return Full()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(WorldError, match="the disk is full"):
            fetch("toy", "file.bin")
    assert cached(tmp_path, "file.bin.part").stat().st_size == 10
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_a_disk_without_room_is_not_even_tried(server, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(WorldError, match="needs 512,000 bytes more"):
        fetch("toy", "file.bin")
    assert server.requests == []


def test_a_cache_that_cannot_be_written_to(server, tmp_path):
    cached(tmp_path).parent.parent.mkdir(parents=True)
    cached(tmp_path).parent.write_text("a file where the folder should be")
    with pytest.raises(WorldError, match="LEARNABLE_HOME"):
        fetch("toy", "file.bin")


def test_a_cache_without_permission(server, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refused)  # root, who runs some tests, may write everywhere
    with pytest.raises(WorldError, match=r"Permission denied.*mend the permissions"):
        fetch("toy", "file.bin")


def test_a_cache_that_may_only_be_read_still_serves(server, monkeypatch):
    fetch("toy", "file.bin")
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *args: pytest.fail("locked"))
    module._note(fetch("toy", "file.bin")).unlink()
    monkeypatch.setattr(Path, "write_text", lambda *args, **kwargs: (_ for _ in ()).throw(PermissionError()))
    assert fetch("toy", "file.bin").read_bytes() == CONTENT


def test_threads_that_fetch_at_once_download_once(server):
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(fetch("toy", "file.bin"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(paths) == 4 and len(server.requests) == 1


def test_processes_that_fetch_at_once_download_once(server, tmp_path):
    script = (
        "import sys; from learnable.data.registry import *; from learnable.data.fetch import fetch\n"
        "size, sha256, url = int(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        "DATASETS['toy'] = Dataset('', '', '', files=(File('file.bin', size, sha256, (url,)),))\n"
        "print(fetch('toy', 'file.bin'))"
    )
    command = [sys.executable, "-c", script, str(len(CONTENT)), SHA256, f"{server.url}/file.bin"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == [str(cached(tmp_path))] * 2
    assert len(server.requests) == 1


def test_unknown_names(server):
    with pytest.raises(CallError, match="did you mean 'mnist'"):
        fetch("mnits", "file.bin")
    with pytest.raises(CallError, match=r"did you mean 'file\.bin'"):
        fetch("toy", "file.bim")


def test_the_progress_bar_shows_and_goes(server, monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fetch("toy", "file.bin")
    assert "file.bin" in terminal.getvalue()


@pytest.fixture
def divided(monkeypatch, tmp_path, server):
    """A data set that is one archive, of which a mirror may have a part."""
    whole = File("toy.tar.gz", len(CONTENT), SHA256, (server.url,))
    part = File("toy-subset.tar.gz", 4, hashlib.sha256(b"part").hexdigest(), ())
    monkeypatch.setitem(DATASETS, "toy", Dataset("a toy", "a:b", "none", files=(whole,), subset=part))
    mirror = tmp_path / "mirror"
    (mirror / "toy").mkdir(parents=True)
    monkeypatch.setenv("LEARNABLE_DATA_MIRROR", str(mirror))
    return mirror / "toy"


def test_the_part_is_taken_where_only_it_is_there(divided, server):
    (divided / "toy-subset.tar.gz").write_bytes(b"part")
    for subset in (False, True):
        path, whole = fetch_archive("toy", subset=subset)
        assert path.read_bytes() == b"part" and not whole
    assert not server.requests


def test_the_whole_goes_before_the_part_unless_the_part_is_asked_for(divided, server):
    (divided / "toy-subset.tar.gz").write_bytes(b"part")
    (divided / "toy.tar.gz").write_bytes(CONTENT)
    path, whole = fetch_archive("toy")
    assert path.name == "toy.tar.gz" and whole
    path, whole = fetch_archive("toy", subset=True)
    assert path.name == "toy-subset.tar.gz" and not whole
    assert not server.requests


def test_the_whole_is_downloaded_where_nothing_is_at_hand(divided, server):
    for subset in (False, True):
        path, whole = fetch_archive("toy", subset=subset)
        assert path.name == "toy.tar.gz" and whole
    assert len(server.requests) == 1


def test_a_part_with_the_wrong_checksum_is_not_taken(divided):
    (divided / "toy-subset.tar.gz").write_bytes(b"torn")
    with pytest.raises(WorldError, match="not the file that it should be"):
        fetch_archive("toy")
