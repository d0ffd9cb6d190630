"""The library's own source as text: found with `ast`, so that nothing is imported and a page cannot drift from the code."""

import ast
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from learnable.errors import CallError

PACKAGE = Path(__file__).resolve().parents[1]


class Source(NamedTuple):
    """A definition as it stands in its file."""

    target: str  # "module:name"
    file: Path
    path: str  # as a checkout names it: src/learnable/...
    line: int  # the first one, counted from 1
    text: str
    docstring: tuple[int, int] | None  # lines of the text, counted from 0, that a reader may fold


def find(target: str) -> Source:
    """The source of "module:name", where a name may be a class, a function, a method ("Class.method") or a constant.

    >>> print(find("learnable.models.vision.lenet:field_padding").text.splitlines()[0])
    def field_padding(size: int) -> int:

    Raises:
        CallError: there is no such module, or no such name in it.
    """
    module, _, name = target.partition(":")
    file = module_file(module)
    return _find(target, name, file, file.stat().st_mtime_ns)


def module_file(module: str) -> Path:
    """Where a module of this package lies.

    Raises:
        CallError: nowhere.
    """
    root, *rest = module.split(".")
    if root == "learnable" and all(
        rest
    ):  # `importlib.util.find_spec` would import the packages above it, and torch with them
        place = PACKAGE.joinpath(*rest)
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                return file
    raise CallError(f"expected a module of learnable, came {module!r}")


@lru_cache(maxsize=512)
def _find(target: str, name: str, file: Path, changed: int) -> Source:
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    node = _look_up(ast.parse(text), name)
    if node is None:
        raise CallError(f"{file.name} has no {name!r} at its top, or in its class")
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    while first > 1 and lines[first - 2].lstrip().startswith("#"):  # a comment right above belongs to it
        first -= 1
    assert node.end_lineno is not None
    taken = lines[first - 1 : node.end_lineno]
    package = file.parts[-1 - file.parts[::-1].index("learnable") :]
    return Source(target, file, "/".join(("src", *package)), first, "\n".join(_dedent(taken)), _docstring(node, first))


def _look_up(tree: ast.AST, name: str) -> ast.stmt | None:
    """A dotted name, from the outside in."""
    node: ast.AST = tree
    for part in name.split("."):
        for child in getattr(node, "body", ()):
            if part in _names(child):
                node = child
                break
        else:
            return None
    return node if isinstance(node, ast.stmt) else None


def _names(node: ast.stmt) -> tuple[str, ...]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return (node.name,)
        case ast.Assign():
            return tuple(target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
    return ()


def _dedent(lines: list[str]) -> list[str]:
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[indent:] for line in lines]


def _docstring(node: ast.stmt, first: int) -> tuple[int, int] | None:
    match getattr(node, "body", None):
        case [ast.Expr(value=ast.Constant(value=str())) as found, *_]:
            assert found.end_lineno is not None
            return (found.lineno - first, found.end_lineno - first)
    return None
