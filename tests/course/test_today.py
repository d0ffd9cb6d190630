import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from learnable import catalog
from learnable.course import cards, page, today
from learnable.course.progress import Progress
from learnable.errors import CallError

NOON = 1_790_078_400.0


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "home", lambda: NOON)


@pytest.fixture(autouse=True)
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three lessons of our own, so that it does not matter which are written."""
    monkeypatch.setattr(page, "folder", lambda stem: tmp_path / "lessons" / stem)
    monkeypatch.setattr(page, "_pages", {})
    for stem in ("autodiff", "lenet", "gan"):
        folder = tmp_path / "lessons" / stem
        folder.mkdir(parents=True)
        text = "# Title\n\nFirst words.\n\n## Why it works\n\nSome more words.\n\n## What goes wrong\n\nAnd some at the end.\n"
        (folder / "lesson.md").write_text(text)
        rows = [f'[[card]]\nid = "card-{number}"\nfront = "Front"\nback = "Back"\n' for number in range(8)]
        (folder / "cards.toml").write_text("\n".join(rows))


def kinds(progress: Progress, minutes: int = 60) -> list[tuple[str, str]]:
    return [(item["kind"], item["href"]) for item in today.plan(progress, minutes)]


def test_it_begins_with_the_first_topic_that_stands(progress):
    assert kinds(progress, 300) == [("topic", "topics/autodiff"), ("topic", "topics/lenet"), ("topic", "topics/gan")]
    first = today.plan(progress, 300)[0]
    assert first["why"] == "next on the path “The whole course”" and first["command"] == "learnable open autodiff"


def test_what_is_due_comes_first_then_what_was_begun(progress):
    progress.visit("autodiff", done=True)
    progress.visit("lenet", position=0.5, section="why-it-works")
    progress.attempt("lenet", "size", False)
    progress.attempt("autodiff", "order", True)
    items = today.plan(progress, 300)
    assert [(item["kind"], item["href"]) for item in items] == [
        ("cards", "cards"), ("page", "topics/lenet#why-it-works"), ("exercise", "topics/lenet#exercise"), ("topic", "topics/gan"),
    ]  # fmt: skip
    assert items[0]["title"] == "8 cards" and items[0]["why"].startswith("8 new:")
    assert items[1]["why"] == "you are in the middle of it, at “Why it works”"
    assert (
        items[2]["why"] == "begun and not passed yet, 1 attempt" and items[2]["command"] == "learnable check lenet/size"
    )


@pytest.mark.parametrize("minutes", [1, 2, 5, 10, 30, 60, 300])
def test_it_fits_the_minutes(progress, minutes):
    progress.visit("autodiff", done=True)
    progress.visit("lenet", position=0.5)
    progress.attempt("lenet", "size", False)
    items = today.plan(progress, minutes)
    assert items and sum(item["minutes"] for item in items) <= minutes and all(item["minutes"] >= 1 for item in items)


def test_with_little_time_there_are_fewer_cards(progress):
    for stem in ("autodiff", "lenet"):
        cards.enter(progress, stem)
    assert today.plan(progress, 1)[0]["title"] == "3 of 10 cards"


@pytest.mark.parametrize("minutes", [0, -5, 1441])
def test_minutes_have_ends(progress, minutes):
    with pytest.raises(CallError, match="expected 1 to 1440 minutes"):
        today.today(progress.home, minutes)


def test_a_path_is_chosen_and_followed(progress):
    today.choose(progress, "want-vision")
    assert kinds(progress, 300) == [("topic", "topics/lenet")]
    with pytest.raises(CallError, match="did you mean 'want-vision'"):
        today.choose(progress, "want-visions")
    progress.choose("path", "a-path-of-another-version")
    assert today.chosen(progress).name == "whole-course"


def test_nothing_is_left_when_all_is_done(progress):
    for stem in ("autodiff", "lenet", "gan"):
        progress.visit(stem, position=1, done=True)
    for flash in cards.deck().values():
        cards.rate(progress, flash.stem, flash.id, 4)
    assert today.plan(progress, 300) == [] and today.resume(progress) is None


def test_progress_of_a_topic_that_is_no_more_does_no_harm(progress):
    progress.visit("phlogiston", position=0.5)
    progress.attempt("phlogiston", "weigh", False)
    progress.visit("resnet", position=0.5)  # planned
    assert today.resume(progress) is None and kinds(progress)[0][0] == "topic"


@pytest.mark.parametrize("position, section", [(0.0, ""), (0.3, "Why it works"), (0.99 - 1e-9, "What goes wrong")])
def test_a_section_is_guessed_from_the_position(progress, position, section):
    progress.visit("lenet", position=position)
    found = today.resume(progress)
    assert (found["stem"], found["section"], found["position"]) == ("lenet", section, position)


def test_a_mistake_in_a_lesson_does_not_keep_the_start_page_from_opening(progress, tmp_path):
    (tmp_path / "lessons" / "lenet" / "lesson.md").write_text("# Title\n\n::: mistake\n")
    progress.visit("lenet", position=0.5, section="why-it-works")
    assert today.start_context(progress.home)["continue"]["section"] == ""


def test_the_start_page_knows_all(progress, tmp_path):
    progress.visit("autodiff", position=1, done=True)
    progress.visit("lenet", position=0.5)
    run(progress.home, "lenet", "2026-09-22-100000", metrics={"accuracy": 0.98})
    context = today.start_context(progress.home)
    assert context["counts"] == {
        "topics": 3,
        "done": 1,
        "planned": len(catalog.topics()) - 3,
        "cards_due": 8,
        "runs": 1,
        "days": 1,
    }
    assert (
        context["continue"]["stem"] == "lenet"
        and context["path"]["name"] == "whole-course"
        and context["notice"] is None
    )
    rows = {row["stem"]: row for leg in context["path"]["legs"] for row in leg["topics"]}
    assert rows["autodiff"]["done"] and rows["lenet"]["next"] and not rows["resnet"]["stands"]
    assert [way["name"] for way in context["paths"] if way["chosen"]] == ["whole-course"]
    assert context["recent_runs"][0]["value"] == 0.98
    json.dumps(context)
    assert set(today.start_context(None)) == set(context), "the static site asks without a home"


def test_every_path_has_its_page(progress):
    for name in catalog.paths():
        assert today.path_context(progress.home, name)["path"]["title"]
        assert today.path_context(None, name)["chosen"] == "whole-course"
    with pytest.raises(CallError, match="no path"):
        today.path_context(progress.home, "nowhere")


# ------------------------------------------------------------------------------------------------ runs


def run(home: Path, recipe: str, when: str, **record: object) -> Path:
    folder = home / "runs" / recipe / when
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"recipe": recipe, "status": "finished", **record}))
    return folder


def test_the_latest_run_is_first_and_damaged_ones_are_left_out(tmp_path):
    run(tmp_path, "lenet", "2026-09-20-100000")
    run(tmp_path, "gan", "2026-09-22-100000", metrics={"modes": 8})
    (run(tmp_path, "lenet", "2026-09-23-100000") / "run.json").write_text("{")
    (run(tmp_path, "lenet", "2026-09-24-100000") / "run.json").write_text("[]")
    assert [one["name"] for one in today.runs(tmp_path)] == ["gan/2026-09-22-100000", "lenet/2026-09-20-100000"]


def test_a_run_that_nobody_is_at_is_interrupted(tmp_path):
    folder = run(tmp_path, "lenet", "2026-09-20-100000", status="running")
    assert today.runs(tmp_path)[0]["status"] == "interrupted"
    holder = f"from filelock import FileLock; import sys\nwith FileLock({str(folder / '.lock')!r}): print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert today.runs(tmp_path)[0]["status"] == "running"
        other.communicate()
    with FileLock(folder / ".lock"):
        pass


def test_none_of_it_imports_torch():
    code = "import sys; from learnable.course import today, search, cards; from pathlib import Path\n" \
           "today.start_context(Path(sys.argv[1])); search.index(); sys.exit('torch' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code, os.environ["LEARNABLE_HOME"]]).returncode == 0
