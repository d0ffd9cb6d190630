"""The course as files: whole, relative, and careful with what stands there already."""

import json
import re
from pathlib import Path

import pytest

from learnable import catalog
from learnable.errors import WorldError
from learnable.web import app as web
from learnable.web import site


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    if not (web.STATIC / "main.js").exists():
        pytest.skip("the front end is not built: make frontend")
    out = tmp_path_factory.mktemp("site") / "deep" / "course"
    recorded: list[str] = []
    patch = pytest.MonkeyPatch()
    # The recording itself is tested with the labs; here only that every lab has one.
    patch.setattr(
        site, "_record_lab", lambda stem, name, place: (recorded.append(f"{stem}/{name}"), site.write_text(place, "{}"))
    )
    patch.setenv("LEARNABLE_HOME", str(tmp_path_factory.mktemp("home")))
    try:
        told = site.write(out, False, lambda text: None)
    finally:
        patch.undo()
    assert told["pages"] > len(catalog.topics()) and recorded
    return out


def test_every_address_is_relative_and_leads_to_a_file(written):
    for page in written.rglob("*.html"):
        text = re.sub(r"<(script type|pre).*?</(script|pre)>", "", page.read_text(encoding="utf-8"), flags=re.S)
        for link in re.findall(r'(?:href|src|data-recording)="([^"]*)"', text):
            if re.match(r"(https?:|data:|mailto:|#)", link):
                continue
            assert not link.startswith("/"), (page, link)
            target = (page.parent / link.partition("#")[0].partition("?")[0]).resolve()
            assert target.is_file() and target.is_relative_to(written), (page.name, link)


def test_pages_know_that_they_are_static_and_hold_nothing_of_the_user(written):
    text = (written / "index.html").read_text(encoding="utf-8")
    assert "data-static" in text and "You were reading" not in text
    assert "/home/" not in text and str(Path.home()) not in text


def test_the_published_models_have_their_pages(written):
    linked = set(
        re.findall(r'href="(?:\./)?(models/[\w-]+\.html)"', (written / "models.html").read_text(encoding="utf-8"))
    )
    assert linked == {f"models/{name}.html" for name in web.model_pages()} and len(linked) > 10
    text = (written / "models" / "resnet.html").read_text(encoding="utf-8")
    assert "25,557,032" in text and 'href="../models.html"' in text


def test_hits_of_the_search_lead_to_files(written):
    entries = json.loads((written / "search.json").read_text(encoding="utf-8"))
    assert len(entries) > 100
    for entry in entries:
        if "://" not in entry["href"]:
            assert (written / entry["href"].partition("#")[0]).is_file(), entry["href"]


def test_nothing_of_somebody_else_is_replaced(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WorldError, match="no course of ours"):
        site.write(tmp_path, True, print)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    (tmp_path / site.MARK).write_text("")
    with pytest.raises(WorldError, match="--overwrite"):
        site.write(tmp_path, False, print)
    with pytest.raises(WorldError):
        site.write(tmp_path / "mine.txt", True, print)


def test_a_course_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    out = tmp_path / "course"
    out.mkdir()
    (out / site.MARK).write_text("")
    (out / "old.html").write_text("old")

    def half(folder, say):
        (folder / "new.html").write_text("new")
        raise WorldError("the disk is full")

    monkeypatch.setattr(site, "_fill", half)
    with pytest.raises(WorldError):
        site.write(out, True, print)
    assert (out / "old.html").read_text() == "old" and not (out / "new.html").exists()

    def whole(folder, say):
        (folder / "new.html").write_text("new")
        return 1

    monkeypatch.setattr(site, "_fill", whole)
    site.write(out, True, print)
    assert (out / "new.html").exists() and not (out / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["course"]
