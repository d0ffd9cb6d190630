"""Every public module says what it is, and so does everything that the catalog offers to read."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from house_rules.tree import SOURCE, is_private, modules
from learnable import catalog

MODULES = [name for name in modules() if not is_private(name)]
CODE = [target for topic in catalog.topics() for target in topic.code]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is(name: str):
    text = ast.get_docstring(ast.parse(modules()[name].read_text(encoding="utf-8")))
    assert text and text.splitlines()[0].endswith((".", ":", "?")), "the first line is a sentence"


@pytest.mark.parametrize("target", CODE)
def test_what_the_catalog_offers_says_what_it_is(target: str):
    found = catalog.load(target)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert (found.__doc__ or "").strip() and not (found.__doc__ or "").startswith(f"{found.__name__}(")


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_docstring_with_a_backslash_is_raw(path: Path):
    r"""Or \t and \b within a formula become a tab and a bell."""
    source = path.read_text(encoding="utf-8")
    for line, literal in docstrings(source):
        assert "\\" not in literal or literal[0] in "rR", f"line {line}"


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and literal, quotes included, of each docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                yield first.lineno, ast.get_source_segment(source, first.value) or ""


def test_the_rule_sees_a_backslash():
    assert [literal[0] for _, literal in docstrings('"""a \\theta"""\n\ndef f():\n    r"""b"""\n')] == ['"', "r"]
