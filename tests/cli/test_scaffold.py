"""`learnable new`, on a copy of the checkout: what it writes is clean, and fails exactly where something is to be written."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from learnable import catalog
from learnable.cli.scaffold import FAMILIES, with_row

ROOT = Path(__file__).parents[2]
STEMS = ("segmentation", "my-new-thing")


class Checkout:
    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "LEARNABLE_HOME": str(folder / "home")}
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "benchmarks", folder / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True,
        )  # fmt: skip

    def new(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "learnable", "new", *words)

    def everything(self) -> dict[Path, bytes]:
        return {
            path: path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and "home" not in path.parts
        }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy with a planned topic and a new one in it."""
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    done = made.new("segmentation")
    assert done.returncode == 0 and "tests/recipes/vision/test_segmentation.py" in done.stdout, done.stderr
    done = made.new("my-new-thing", "--part", "vision", "--title", "My new thing, é", "--json")
    assert done.returncode == 0 and done.stdout.startswith('{"stem": "my-new-thing", "files": ['), done.stderr
    return made


FILES = [
    f"{folder}/{'test_' if folder.startswith('tests') else ''}{stem.replace('-', '_')}.py"
    for stem in STEMS
    for folder in ("src/learnable/models/vision", "src/learnable/recipes/vision", "tests/models/vision", "tests/recipes/vision")
]  # fmt: skip


def test_the_checks_pass(checkout):
    for words in (["ruff", "check", "--no-cache"], ["ruff", "format", "--check", "--no-cache"]):
        done = checkout.python("-m", *words, *FILES, "src/learnable/catalog.py")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_types_and_the_floors_are_kept(checkout):
    done = checkout.python("-m", "mypy", *[file for file in FILES if file.startswith("src")])
    assert done.returncode == 0, done.stdout
    pytest.importorskip("importlinter")
    done = checkout.python(
        "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"
    )
    assert done.returncode == 0 and "0 broken" in done.stdout, done.stdout


@pytest.mark.slow
def test_exactly_what_is_to_be_written_fails(checkout):
    done = checkout.python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES, "tests/house_rules/test_recipes.py", "tests/test_catalog.py",
        "tests/house_rules/test_docstrings.py", "tests/contract", "-k", "segmentation or new_thing or new-thing or catalog or runs",
    )  # fmt: skip
    failed = {re.sub(r".*/|\.py|\[.*/", "", name) for name in re.findall(r"^FAILED (\S+)", done.stdout, re.M)}
    mine = {name for name in failed if re.search(r"segmentation|my.new.thing", name)}
    assert mine == {
        f"test_{stem.replace('-', '_')}::{test}"
        for stem in STEMS
        for test in (
            "test_the_forward_pass_gives_one_row_an_example", "test_it_agrees_with_the_reference",
            "test_it_runs", "test_it_promises_something",
        )
    } | {
        f"{test}[{stem}]"
        for stem in STEMS
        for test in (
            "test_recipes::test_a_recipe_is_one_and_says_what_to_expect",
            "test_catalog::test_a_standing_topic_has_its_paper_first_and_more_to_read",
        )
    }, done.stdout[-3000:]  # fmt: skip
    assert failed - mine == {
        "test_models::test_every_model_of_the_catalog_is_under_contract",  # its row in the contract
        "test_catalog::test_only_the_first_topic_needs_nothing",  # what the new topic needs
        "test_catalog::test_the_whole_course_is_the_table",  # its place in the paths
    }


def test_the_topic_stands_and_can_be_looked_at(checkout):
    for stem in STEMS:
        done = checkout.python("-m", "learnable", "topic", stem, "--json")
        assert done.returncode == 0 and '"stands": true' in done.stdout and f'"{stem}"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    "words, code, says",
    [
        (["segmentation"], 2, "'segmentation' stands already: learnable topic segmentation"),
        (["lenet"], 2, "stands already"),
        (["lenet-sgd", "--part", "vision"], 2, "is a recipe's name already"),
        (["recall", "--part", "transformers"], 1, "exists already; nothing was written"),
        (["nowhere"], 2, "say where it belongs: --part mathematics"),
        (["nowhere", "--part", "visoin"], 2, "expected a part of"),
        (["Nowhere", "--part", "vision"], 2, "expected lower-case words with hyphens between"),
        (["class", "--part", "vision"], 2, "expected lower-case words"),
        (["a_b", "--part", "vision"], 2, "expected lower-case words"),
        (["../up", "--part", "vision"], 2, "expected lower-case words"),
        (["quoted", "--part", "vision", "--title", 'Say "hi"'], 2, "without quotes and backslashes"),
    ],
)
def test_what_cannot_be_added_is_said_and_nothing_is_written(checkout, words, code, says):
    before = checkout.everything()
    done = checkout.new(*words)
    assert done.returncode == code and done.stderr.startswith("error: ") and says in done.stderr, done.stderr
    assert checkout.everything() == before


def test_an_installed_package_takes_no_topics(checkout, tmp_path):
    shutil.copytree(checkout.folder / "src" / "learnable", tmp_path / "site" / "learnable")
    done = subprocess.run(
        [sys.executable, "-m", "learnable", "new", "ssd"], env={**checkout.environment, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "this is an installed package; clone it first" in done.stderr


# The catalog's text

NAMES = {"stem": "x", "name": "X", "model": "learnable.models.vision.x", "recipe": "learnable.recipes.vision.x"}
SOURCE = (ROOT / "src" / "learnable" / "catalog.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("stem", [topic.stem for topic in catalog.topics() if not topic.stands][::8])
def test_a_planned_row_gets_code_and_a_recipe_and_keeps_the_rest(stem):
    row = catalog.find(stem)
    text = with_row(SOURCE, stem, row.part, row.title, row.paper, {**NAMES, "stem": stem})
    ast.parse(text)
    one, other = SOURCE.splitlines(), text.splitlines()
    assert len(other) == len(one) + 2 and len(set(other) - set(one)) == 3


@pytest.mark.parametrize("part", catalog.PARTS)
def test_a_new_row_comes_last_in_its_part(part):
    space: dict[str, object] = {"__name__": "learnable.catalog_changed"}
    exec(compile(with_row(SOURCE, "x", part, "Ein Titel, ü", "Name 2020", NAMES), "catalog.py", "exec"), space)
    topics = [topic for topic in space["TOPICS"] if topic.part == part]  # type: ignore[attr-defined]
    assert topics[-1].stem == "x" and topics[-1].year == 2020 and topics[-1].title == "Ein Titel, ü"
    assert len(space["TOPICS"]) == len(catalog.topics()) + 1  # type: ignore[arg-type]
    assert set(FAMILIES) <= set(catalog.PARTS)
