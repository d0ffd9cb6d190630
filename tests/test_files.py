"""A reader sees the old file or the new one, whatever happens in between."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from disk import small_disk
from learnable.errors import WorldError
from learnable.files import finite, write_aside, write_folder_aside, write_json, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    with write_aside(path) as aside:
        aside.write_text("all of it")
        assert not path.exists() and aside.parent == path.parent
    assert path.read_text() == "all of it" and names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), write_aside(path) as aside:
        aside.write_text("half of")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_the_folder_appears_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "step-1"
    with pytest.raises(KeyboardInterrupt), write_folder_aside(folder) as aside:
        (aside / "a").write_text("a")
        raise KeyboardInterrupt
    assert names(tmp_path) == []
    with write_folder_aside(folder) as aside:
        (aside / "in").mkdir()
        (aside / "in" / "a").write_text("a")
        assert not folder.exists()
    assert (folder / "in" / "a").read_text() == "a" and names(tmp_path) == ["step-1"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    folder = tmp_path / "step-1"
    folder.mkdir()
    (folder / "old").write_text("old")
    with pytest.raises(WorldError, match="exists already; nothing was written"), write_folder_aside(folder) as aside:
        (aside / "new").write_text("new")
    assert names(folder) == ["old"] and names(tmp_path) == ["step-1"]


MESSAGES = {
    errno.ENOSPC: "the disk is full: .*a.txt was not written, what stood there before is unharmed. Make room",
    errno.EDQUOT: "the disk is full",
    errno.EACCES: "cannot be written to .*; choose a folder of your own",
    errno.EPERM: "cannot be written to",
    errno.EROFS: "cannot be written to",
    errno.EIO: "a.txt could not be written: ",
}


@pytest.mark.parametrize("number", MESSAGES)
@pytest.mark.parametrize("when", ["writing", "to disk", "renaming"])
def test_what_the_system_refuses_is_said_in_a_sentence(tmp_path, monkeypatch, number, when):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    if when == "to disk":
        monkeypatch.setattr(os, "fsync", refuse)
    if when == "renaming":
        monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(WorldError, match=MESSAGES[number]), write_aside(path) as aside:
        aside.write_text("new")
        if when == "writing":
            refuse()
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "in the way").write_text("")
    with pytest.raises(WorldError, match="could not be written|exists already"):
        write_text(tmp_path / "in the way" / "a.txt", "text")
    with pytest.raises(WorldError), write_folder_aside(tmp_path / "in the way" / "b"):
        pass
    assert names(tmp_path) == ["in the way"]


def test_a_folder_in_place_of_the_file_is_said(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(WorldError):
        write_text(tmp_path / "a.txt", "text")
    assert names(tmp_path) == ["a.txt"]


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Renamed first, a power cut could leave an empty file under the name of a full one."""
    path, done = tmp_path / "a.txt", []
    real_sync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), real_sync(handle)))
    monkeypatch.setattr(Path, "replace", lambda *both: (done.append("rename"), real_replace(*both))[1])
    write_text(path, "text")
    assert done[:2] == ["sync", "rename"]


def test_text_is_utf8_wherever_it_is_written(tmp_path):
    write_text(tmp_path / "ä b.txt", "ä≥\n")
    assert (tmp_path / "ä b.txt").read_bytes() == "ä≥\n".encode()


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"loss": float("nan"), "more": [1.5, -float("inf")], "ü": True})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {"loss": None, "more": [1.5, None], "ü": True}
    assert text.endswith("}\n") and "ü" in text


def test_what_json_cannot_say_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"model": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == 1 and names(tmp_path) == ["a.json"]


def test_finite_leaves_everything_else_alone():
    value = {"a": [1, 2.5, "nan", None, True, {"b": ()}]}
    assert finite(value) == {"a": [1, 2.5, "nan", None, True, {"b": []}]}


def test_many_writers_leave_one_whole_file(tmp_path):
    path = tmp_path / "a.json"
    threads = [threading.Thread(target=write_json, args=(path, [number] * 2000)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = json.loads(path.read_text())
    assert len(found) == 2000 and len(set(found)) == 1 and names(tmp_path) == ["a.json"]


def test_readers_never_see_half_a_file(tmp_path):
    path, seen, over = tmp_path / "a.json", [], threading.Event()
    write_json(path, [0] * 5000)

    def read():
        while not over.is_set():
            seen.append(len(set(json.loads(path.read_text()))))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        write_json(path, [number] * 5000)
    over.set()
    reader.join()
    assert set(seen) == {1}


def test_a_truly_full_disk_leaves_the_old_file(tmp_path):
    with small_disk(tmp_path / "small") as folder:
        write_text(folder / "a.bin", "old")
        with pytest.raises(WorldError, match="the disk is full"), write_aside(folder / "a.bin") as aside:
            aside.write_bytes(bytes(10_000_000))
        assert (folder / "a.bin").read_text() == "old" and names(folder) == ["a.bin"]
        with pytest.raises(WorldError, match="the disk is full"), write_folder_aside(folder / "step-1") as aside:
            for number in range(100):
                (aside / str(number)).write_bytes(bytes(100_000))
        assert names(folder) == ["a.bin"]


def test_no_part_file_is_left_where_it_cannot_be_removed(tmp_path, monkeypatch):
    """Not even that may hide the error that was first."""

    def refuse(*_, **__):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(RuntimeError, match="first"), write_aside(tmp_path / "a"):
        raise RuntimeError("first")
