import json

import pytest

from learnable.course.progress import FILE, Progress


def test_today_begins_with_a_topic(learnable):
    items = learnable("today", "--json").json[0]["items"]
    assert items[0]["kind"] == "topic" and items[0]["command"].startswith("learnable open ")
    said = learnable("today", "--minutes", "10")
    assert said.code == 0 and said.out.splitlines()[0] == "do\tminutes\twhat\twhy"
    for minutes in ("0", "1441", "x"):
        assert learnable("today", "--minutes", minutes).code == 2


def test_progress_is_shown(learnable, home):
    Progress(home).visit("lenet", position=0.5, seconds=90)
    found = learnable("progress", "--json").json[0]
    assert found["pages"][0]["stem"] == "lenet" and found["path"] == "whole-course"
    said = learnable("progress")
    assert "lenet\t50%\t1:30 min" in said.out and "The whole course" in said.out


def test_progress_goes_to_another_machine(learnable, home, tmp_path):
    Progress(home).visit("lenet", position=0.5, seconds=90)
    file = tmp_path / "out.json"
    assert "1 pages" in learnable("progress", "--export", file).out
    assert learnable("progress", "--export", "-").json[0]["pages"] == json.loads(file.read_text())["pages"]
    assert learnable("progress", "--export", file).code == 0, "an older export may be replaced"
    (home / FILE).unlink()
    assert "1 pages" in learnable("progress", "--import", file).out
    assert "Nothing in it is new" in learnable("progress", "--import", file).out
    assert Progress(home).page("lenet").position == 0.5


def test_a_file_that_is_no_export_is_neither_read_nor_replaced(learnable, home, tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear aunt")
    assert "is no export" in learnable("progress", "--export", file).error and file.read_text() == "Dear aunt"
    assert learnable("progress", "--import", file).code == 2
    file.write_bytes(b"\xff\xfe\x00")
    assert learnable("progress", "--import", file).code == 2
    assert "there is no file" in learnable("progress", "--import", tmp_path / "nothing").error
    assert learnable("progress", "--import", tmp_path).code == 1
    assert "came both" in learnable("progress", "--import", file, "--export", file).error
    assert not (home / FILE).exists()


@pytest.mark.parametrize("words", [("progress",), ("today",), ("review",)])
def test_a_damaged_file_is_told_on_standard_error(learnable, home, words):
    home.mkdir()
    (home / FILE).write_bytes(b"\0" * 5000)
    said = learnable(*words)
    assert said.code == 0 and "set aside as progress.db.damaged-" in said.err
    said = learnable(*words, "--json")
    assert said.json and "set aside" in said.err


def test_search_finds_and_says_where(learnable):
    found = learnable("search", "lenett", "--json").json[0]
    assert found[0]["stem"] == "lenet" and found[0]["kind"] == "topic"
    assert "topics/lenet\ttopic\tLeNet" in learnable("search", "lenet").out
    assert len(learnable("search", "network", "--limit", "2", "--json").json[0]) == 2
    assert "Nothing speaks of" in learnable("search", "xyzzyxyzzy").out
    assert learnable("search", "?!").code == 2 and learnable("search").code == 2
