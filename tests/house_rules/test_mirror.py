"""What the catalog names exists, and tests mirror the tree, so that each is found by the name of the other."""

import inspect

import pytest

from house_rules.tree import TESTS, is_private, modules
from learnable import catalog

# Folders of tests that look at many modules at once.
ACROSS = {"parity", "contract", "house_rules"}

# Modules without a test file of their own, and why.
WITHOUT_A_TEST: dict[str, str] = {
    "learnable.course.exercise": "a declaration; every lesson's exercises are tried in course/test_exercises.py",
    "learnable.web.children": "the processes behind web/runs.py, tested through its routes in web/test_runs.py",
}

# A lesson's own files, which its folder's name keeps from being imported: labs, exercises and figures of all lessons are
# tried by course/test_labs.py, test_exercises.py and test_figures.py.
LESSONS = "learnable.course.lessons."

# Test files of no single module, and what they look at.
WITHOUT_A_MODULE: dict[str, str] = {
    "web/browser/test_way.py": "two minutes of a learner's way, in a browser",
    "web/browser/test_pages.py": "every page in a browser",
    "web/browser/test_shell.py": "the front end's shell in a browser",
    "web/browser/test_static.py": "the static site in a browser",
    "web/browser/test_troubles.py": "what goes wrong in a browser",
    "test_hubconf.py": "hubconf.py, which torch.hub wants at the root",
    "test_reference.py": "docs/reference, which benchmarks/reference.py writes",
    "test_models.py": "the front door, which is the package learnable.models itself",
    "recipes/vision/test_small_networks.py": "the recipes of six published networks, which one test fits to any data",
    "train/test_processes.py": "loop, batches and machine together: two processes end where one does",
}

TARGETS = [
    (topic.stem, target)
    for topic in catalog.topics()
    if topic.stands
    for target in (*topic.code, *topic.recipes.values())
]


@pytest.mark.parametrize("stem, target", TARGETS, ids=[f"{stem}-{target}" for stem, target in TARGETS])
def test_what_the_catalog_names_exists(stem: str, target: str):
    found = catalog.load(target)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__module__ == target.partition(":")[0], "named where it is defined, where its source is found"


@pytest.mark.parametrize("model", catalog.models(), ids=lambda model: model.name)
def test_what_the_catalog_calls_a_model_is_one(model: catalog.Model):
    from torch import nn

    found = catalog.load(model.target)
    assert inspect.isclass(found) and issubclass(found, nn.Module)
    assert found.__bases__ == (nn.Module,), "a model inherits nn.Module and nothing else"


def test_no_two_models_share_a_name():
    names = [model.name for model in catalog.models()]
    assert len(set(names)) == len(names)


def test_every_file_of_models_is_named_in_the_catalog():
    named = {target.partition(":")[0] for _, target in TARGETS}
    models = {name for name in modules() if name.startswith("learnable.models.") and not is_private(name)}
    assert models <= named, f"the catalog has no row for {sorted(models - named)}"


def test_every_file_of_recipes_is_named_in_the_catalog():
    named = {target.partition(":")[0] for _, target in TARGETS}
    recipes = {name for name in modules() if name.startswith("learnable.recipes.") and not is_private(name)}
    assert recipes <= named, f"the catalog has no row for {sorted(recipes - named)}"


def mirrored(module: str) -> str:
    """The test file of a module, from the folder of tests."""
    *folders, name = module.split(".")[1:]
    return "/".join([*folders, f"test_{name}.py"])


TESTED = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
PUBLIC = {mirrored(name): name for name in modules() if not is_private(name) and not name.startswith(LESSONS)}


def test_every_module_has_its_test_file():
    missing = {name for file, name in PUBLIC.items() if file not in TESTED}
    assert missing <= set(WITHOUT_A_TEST), f"no test file for {sorted(missing - set(WITHOUT_A_TEST))}"


def test_every_test_file_has_its_module():
    alone = {file for file in TESTED if file not in PUBLIC and file.split("/")[0] not in ACROSS}
    assert alone <= set(WITHOUT_A_MODULE), f"no module for {sorted(alone - set(WITHOUT_A_MODULE))}"


def test_the_exceptions_are_needed():
    """An exception that nothing needs any more is struck from the list."""
    assert all(mirrored(name) not in TESTED and name in PUBLIC.values() for name in WITHOUT_A_TEST)
    assert all(file in TESTED and file not in PUBLIC for file in WITHOUT_A_MODULE)
    assert all(reason for reason in (*WITHOUT_A_TEST.values(), *WITHOUT_A_MODULE.values()))
