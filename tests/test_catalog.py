"""The table of topics is whole: every row holds together with the others, and so do the paths and the resources."""

import re
import subprocess
import sys

import pytest

from learnable import catalog
from learnable.catalog import KINDS, LEVELS, PARTS, Path, Resource, Topic
from learnable.errors import CallError

TOPICS = catalog.topics()
STANDING = [topic for topic in TOPICS if topic.stands]
PATHS = catalog.paths()
TARGET = re.compile(r"learnable(\.[a-z][a-z0-9_]*)+:[A-Za-z_][A-Za-z0-9_]*")


def test_the_five_topics_of_the_beginning_stand():
    assert {topic.stem for topic in STANDING} >= {"autodiff", "lenet", "self-attention", "gpt", "gan"}


def test_stems_are_unique_and_fit_the_command_line():
    stems = [topic.stem for topic in TOPICS]
    assert len(set(stems)) == len(stems)
    for stem in stems:
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", stem), stem


def test_the_parts_come_one_after_the_other():
    assert list(dict.fromkeys(topic.part for topic in TOPICS)) == list(PARTS)
    places = [list(PARTS).index(topic.part) for topic in TOPICS]
    assert places == sorted(places)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.stem)
def test_a_row_is_whole(topic: Topic):
    assert topic.weight in (1, 2, 3)
    assert topic.level in LEVELS
    assert min(topic.minutes) >= 0
    assert topic.title and topic.lesson == f"course/lessons/{topic.part}/{topic.stem}"
    cited = int(topic.paper[-4:])
    assert 0 <= cited - topic.year <= 3, "a paper is public at most a few years before it is cited"
    assert bool(topic.recipes) <= topic.stands, "a recipe needs code"
    for target in (*topic.code, *topic.recipes.values()):
        assert TARGET.fullmatch(target), target


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.part != "projects"], ids=lambda topic: topic.stem)
def test_a_lesson_takes_twenty_to_forty_minutes(topic: Topic):
    assert 20 <= topic.minutes.total <= 40


def test_what_a_topic_needs_stands_above_it():
    """So the table's order is a topological one, there is no circle, and no part needs a later part."""
    above: set[str] = set()
    for topic in TOPICS:
        assert len(set(topic.prerequisites)) == len(topic.prerequisites), topic.stem
        assert set(topic.prerequisites) <= above, f"{topic.stem} needs {set(topic.prerequisites) - above} first"
        above.add(topic.stem)


def test_only_the_first_topic_needs_nothing():
    assert [topic.stem for topic in TOPICS if not topic.prerequisites] == ["arrays"]


def test_recipe_names_are_unique():
    names = [name for topic in TOPICS for name in topic.recipes]
    assert len(set(names)) == len(names)


def test_find_knows_planned_topics_too():
    assert catalog.find("lenet").stands
    assert not catalog.find("stable-diffusion").stands


def test_an_unknown_topic_is_answered_with_the_nearest():
    with pytest.raises(CallError, match="did you mean 'gpt'"):
        catalog.find("gtp")


def test_order_puts_what_is_needed_first_and_each_once():
    assert catalog.order(["gpt", "lenet", "gpt", "arrays"]) == ("arrays", "lenet", "gpt")
    assert catalog.order([]) == ()
    with pytest.raises(CallError, match="no topic 'lenett'"):
        catalog.order(["lenett"])


def test_order_of_everything_is_the_table():
    assert catalog.order(topic.stem for topic in reversed(TOPICS)) == tuple(topic.stem for topic in TOPICS)


def test_before_names_all_that_a_topic_builds_on():
    assert catalog.before("arrays") == ()
    assert catalog.before("perceptron") == ("arrays", "linear-algebra")
    for topic in TOPICS:
        assert topic.stem not in catalog.before(topic.stem)


def test_a_recipe_leads_to_its_topic():
    topic, target = catalog.recipe_row("gan")
    assert topic.stem == "gan" and TARGET.fullmatch(target)
    with pytest.raises(CallError, match="no recipe 'lennet'; did you mean 'lenet'"):
        catalog.recipe_row("lennet")


def test_models_are_the_classes_among_the_code():
    rows = {model.name: model for model in catalog.models()}
    assert rows["LeNet"] == ("LeNet", "lenet", "learnable.models.vision.lenet:LeNet")
    assert {"GPT", "GAN"} <= set(rows)
    assert all(model.target.startswith("learnable.models.") for model in rows.values())


def test_load_imports_what_a_row_names():
    assert catalog.load("learnable.errors:CallError") is CallError
    with pytest.raises(AttributeError):
        catalog.load("learnable.errors:Nothing")


def test_listing_the_course_imports_neither_torch_nor_toml():
    code = (
        "import sys; before = set(sys.modules); from learnable import catalog; "
        "catalog.topics(); catalog.find('gpt'); catalog.models(); catalog.recipe_row('gpt'); "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before} & "
        "{'torch', 'numpy', 'tomllib', 'dataclasses', 'inspect', 'importlib.resources'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_named_paths_are_there():
    assert set(PATHS) >= {
        "whole-course", "41-hours", "hundred-days", "interview-in-two-weeks",
        "know-machine-learning", "want-language-models", "want-vision",
    }  # fmt: skip


@pytest.mark.parametrize("path", PATHS.values(), ids=lambda path: path.name)
def test_a_path_can_be_walked(path: Path):
    """Every topic comes after what it builds on; what is not taught on the way is named as assumed."""
    known = {catalog.find(stem).stem for stem in path.assumes}
    assert len(known) == len(path.assumes)
    for stem in path.topics:
        missing = set(catalog.find(stem).prerequisites) - known
        assert not missing, f"{stem} comes before {missing}"
        assert stem not in known, f"{stem} twice, or taught though it is assumed"
        known.add(stem)
    assert path.title and path.whom


@pytest.mark.parametrize("path", PATHS.values(), ids=lambda path: path.name)
def test_the_hours_of_a_path_are_those_of_its_topics(path: Path):
    for leg in path.legs:
        minutes = sum(catalog.find(stem).minutes.total for stem in leg.topics)
        assert 0.8 * 60 * leg.hours <= minutes <= 60 * leg.hours, f"{leg.title}: {minutes} minutes in {leg.hours} hours"
    assert path.hours == sum(leg.hours for leg in path.legs)
    if path.days:
        assert path.hours / path.days <= 2, "more than two hours a day is no plan"


def test_no_path_assumes_what_it_never_uses():
    for path in PATHS.values():
        used = {needed for stem in path.topics for needed in catalog.find(stem).prerequisites}
        used |= {needed for stem in path.assumes for needed in catalog.find(stem).prerequisites}
        assert set(path.assumes) <= used, f"{path.name}: {set(path.assumes) - used}"


def test_the_whole_course_is_the_table():
    assert PATHS["whole-course"].topics == tuple(topic.stem for topic in TOPICS)
    assert [leg.title for leg in PATHS["whole-course"].legs] == list(PARTS.values())
    assert set(PATHS["hundred-days"].topics) == set(PATHS["whole-course"].topics)


def test_the_route_of_41_hours_has_its_eight_legs():
    assert [leg.hours for leg in PATHS["41-hours"].legs] == [6, 6, 4, 4, 6, 5, 4, 6]
    assert PATHS["41-hours"].hours == 41


@pytest.mark.parametrize("row", catalog.resources(), ids=lambda row: row.title)
def test_a_resource_is_whole(row: Resource):
    assert row.kind in KINDS and row.level in LEVELS
    assert row.title and row.author and row.why.endswith(".")
    assert row.year == 0 or 1700 < row.year < 2100
    assert re.fullmatch(r"https?://[^\s]+", row.address)
    assert re.fullmatch(r"|\d{4}-\d{2}-\d{2}", row.checked)
    assert len(catalog.order(row.topics)) == len(row.topics), "each topic once"


def test_no_resource_is_listed_twice():
    addresses = [
        row.address.removeprefix("https://").removeprefix("http://").rstrip("/") for row in catalog.resources()
    ]
    assert len(set(addresses)) == len(addresses)
    titles = [(row.kind, row.title) for row in catalog.resources()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("topic", STANDING, ids=lambda topic: topic.stem)
def test_a_standing_topic_has_its_paper_first_and_more_to_read(topic: Topic):
    rows = catalog.resources(topic.stem)
    assert rows[0].kind == "paper"
    assert len(rows) >= 6
    assert len({row.kind for row in rows}) >= 4


def test_resources_of_an_unknown_topic():
    with pytest.raises(CallError, match="no topic 'gann'"):
        catalog.resources("gann")


def test_rows_cannot_be_changed():
    with pytest.raises(AttributeError):
        TOPICS[0].title = "else"  # type: ignore[misc]
    with pytest.raises(TypeError):
        TOPICS[0].recipes["mine"] = "learnable.errors:unknown"  # type: ignore[index]
