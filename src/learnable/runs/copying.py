"""A model as plain torch files: its module, what that needs of ours, and its parity test, without Learnable.

The modules are followed from import to import and put beside each other into one package. Source is changed in two places only:
imports, and annotations of shapes, which the standard library's `Annotated` carries on as text:

    x: Float[Tensor, "batch width"]        becomes        x: Annotated[Tensor, "float", "batch width"]
"""

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from learnable import __version__, catalog
from learnable.errors import CallError, WorldError, unknown
from learnable.files import write_folder_aside

SOURCE = Path(__file__).resolve().parents[1]
PACKAGES = {"learnable": "learnable", "PIL": "pillow", "sklearn": "scikit-learn"}  # module -> what pip calls it
LATE = ("huggingface_hub", "requests", "accelerate")  # imported by a function that few call


class Copied(NamedTuple):
    """What was written."""

    folder: Path
    package: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    needs: tuple[str, ...]  # to be installed by pip


def copy(name: str, folder: Path, force: bool = False) -> Copied:
    """Write the model of this name into a folder.

    Args:
        name: a topic's stem (resnet), a class (ResNet), a module (modern_gpt) or a variant (resnet50).
        force: write into a folder that is not empty, too; files of the same name are replaced, others stay.

    Raises:
        CallError: no model of this name.
        WorldError: the folder is not empty, is a file, or cannot be written to.
    """
    modules = _modules(name)
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise WorldError(f"expected a folder to write to, came the file {folder}")
    filled = folder.is_dir() and any(folder.iterdir())
    if filled and not force:
        raise WorldError(f"{folder} is not empty; nothing was written. Choose a new folder, or say --force: files of the same "
                         "name are replaced, others stay.")  # fmt: skip
    package = modules[0].rpartition(".")[2]
    files, tests, needs = _written(modules, package, name)
    if not filled:
        with write_folder_aside(folder) as aside:
            _write(aside, files)
    else:
        with write_folder_aside(folder / f".{package}.new") as aside:
            _write(aside, files)
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / f".{package}.new" / path).replace(folder / path)
        for emptied in sorted((folder / f".{package}.new").rglob("*"), reverse=True):
            emptied.rmdir()
        (folder / f".{package}.new").rmdir()
    return Copied(folder, package, tuple(files), tests, needs)


def names() -> list[str]:
    """Every name by which `copy` knows a model, variants aside."""
    rows = catalog.models()
    return sorted({row.stem for row in rows} | {row.name for row in rows} | {_module(row.target) for row in rows})


def _module(target: str) -> str:
    return target.partition(":")[0].rpartition(".")[2]


def _modules(name: str) -> list[str]:
    """The dotted names of the modules that a name stands for, the one that is called so first."""
    rows = catalog.models()
    for key in (lambda row: row.name, lambda row: _module(row.target), lambda row: row.stem):
        found = dict.fromkeys(row.target.partition(":")[0] for row in rows if key(row) == name)
        if found:
            return sorted(found, key=lambda module: module.rpartition(".")[2] != name.replace("-", "_"))
    from learnable import models  # imports every model, and torch

    try:
        return [models.find(name).module]
    except CallError:
        raise unknown("model", name, [*names(), *models.variants()]) from None


class _Piece(NamedTuple):
    """A file on its way: what it is read from, and what it is called there."""

    module: str  # "learnable.nn.block"; of a test its path within tests/
    source: str
    new: str  # "block"


def _written(modules: list[str], package: str, name: str) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """Every file by its path, which of them are tests, and what pip has to bring for the model."""
    tests = _tests(modules)
    pieces = _followed(modules, {})
    used = {piece.new for piece in pieces.values()}  # by the model; the rest is there for its tests
    pieces = _followed([module for source in tests.values() for module in _ours(ast.parse(source))], pieces)
    renamed = {module: piece.new for module, piece in pieces.items()}
    files = {
        f"{package}/{piece.new}.py": _heading(piece.module, name) + _rewritten(piece.source, renamed, "")
        for piece in pieces.values()
    }
    files[f"{package}/__init__.py"] = _init([pieces[module] for module in modules])
    for test, source in tests.items():
        files[f"tests/{test}"] = _heading(f"tests/parity/{test}", name) + _rewritten(source, renamed, package)
    own = {package, *(Path(path).stem for path in tests), "parity"}
    needs = _foreign((files[f"{package}/{new}.py"] for new in used), own) | {"torch"}
    asked = _foreign(files.values(), own) - needs
    if tests:
        files["tests/conftest.py"] = CONFTEST + (_near("kernels.py") or "")
    main = pieces[modules[0]]
    files["README.md"] = _readme(
        main.new, files[f"{package}/{main.new}.py"], package, name, sorted(needs), sorted(asked), list(tests)
    )
    files["LICENSE"] = _licence()
    return files, tuple(path for path in files if path.startswith("tests/test_")), tuple(sorted(needs))


def _followed(modules: list[str], pieces: dict[str, _Piece]) -> dict[str, _Piece]:
    """These modules and all that they import of ours, beside what there is already."""
    pieces, waiting = dict(pieces), list(modules)
    taken = {piece.new for piece in pieces.values()}
    first = not pieces
    while waiting:
        module = waiting.pop(0)
        if module in pieces:
            continue
        source = SOURCE.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text(encoding="utf-8")
        asked_for = first and module in modules
        *_, floor, stem = module.split(".")
        new = stem if asked_for or (floor != "weights" and stem not in taken) else f"{floor}_{stem}"
        taken.add(new)
        pieces[module] = _Piece(module, source, new)
        waiting += _ours(ast.parse(source))
        if asked_for:  # what their examples use comes along
            named = re.findall(r">>> from (learnable[.\w]+) import", source)
            waiting += [found for found in named if _is_module(found)]
    return pieces


def _ours(tree: ast.AST) -> list[str]:
    """The modules of ours that a file imports, anywhere in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "learnable":
            found += [
                module if _is_module(module) else node.module
                for module in (f"{node.module}.{each.name}" for each in node.names)
            ]
    return [module for module in dict.fromkeys(found) if _is_module(module)]


def _is_module(name: str) -> bool:
    return SOURCE.joinpath(*name.split(".")[1:]).with_suffix(".py").is_file()


def _rewritten(source: str, renamed: dict[str, str], package: str) -> str:
    """The same text, importing from the copy (from the tests by the package's name, within the package relatively)."""
    shapes: set[str] = set()
    edits: list[tuple[int, int, str]] = []  # from, to, text
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            begin, end = place(node.lineno, node.col_offset), place(node.end_lineno or 0, node.end_col_offset or 0)
            root = node.module.split(".")[0]
            if node.module in renamed:
                edits.append((begin, begin + len(f"from {node.module}"), f"from {package}.{renamed[node.module]}"))
            elif root == "learnable" or node.module == "parity":
                lines = [_import(node.module, each, renamed, package) for each in node.names]
                edits.append((begin, end, ("\n" + " " * node.col_offset).join(lines)))
            elif node.module == "jaxtyping":
                shapes |= {each.name for each in node.names}
                edits.append((begin, end, "from typing import Annotated"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in shapes:
            assert isinstance(node.slice, ast.Tuple)
            name, shape = node.value, node.slice.elts[1]
            edits.append(
                (place(name.lineno, name.col_offset), place(name.lineno, name.col_offset) + len(name.id), "Annotated")
            )
            where = place(shape.lineno, shape.col_offset)
            edits.append((where, where, f'"{name.id.lower()}", '))
    text = source.encode()
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new.encode() + text[end:]
    # What is left are docstrings and comments that name a module.
    return re.sub(
        r"\blearnable((?:\.\w+)+)",
        lambda match: _named(match[0], renamed, package or next(iter(renamed.values()))),
        text.decode().replace("'learnable[hub]'", "huggingface-hub"),
    )


def _named(dotted: str, renamed: dict[str, str], package: str) -> str:
    for module, new in renamed.items():
        if dotted == module or dotted.startswith(f"{module}."):
            return f"{package}.{new}{dotted.removeprefix(module)}"
    return dotted


def _import(module: str, each: ast.alias, renamed: dict[str, str], package: str) -> str:
    if module == "parity":  # the tests' own helper lies beside them
        return f"import {each.name}" + (f" as {each.asname}" if each.asname else "")
    new = renamed[f"{module}.{each.name}"]
    said = each.asname or each.name
    return f"from {package or '.'} import {new}" + (f" as {said}" if said != new else "")


def _tests(modules: list[str]) -> dict[str, str]:
    """The parity tests that look at these modules, and the helpers that they import: name -> text."""
    stems = {module.rpartition(".")[2] for module in modules} | {
        row.stem.replace("-", "_") for row in catalog.models() if row.target.partition(":")[0] in modules
    }
    found: dict[str, str] = {}
    for stem in sorted(stems):
        text = _near(f"test_{stem}.py")
        if text is not None and set(_ours(ast.parse(text))) & set(modules):
            found[f"test_{stem}.py"] = text
    for text in list(found.values()):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "parity":
                found |= {f"{each.name}.py": _near(f"{each.name}.py") or "" for each in node.names}
    return found


def _near(name: str) -> str | None:
    """A file of the parity tests: in an installed package they lie in it, in a checkout beside it."""
    checkout = SOURCE.parents[1]
    for path in (SOURCE / "_parity" / name, checkout / "tests" / "parity" / name, checkout / "benchmarks" / name):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None


def _foreign(sources: Iterable[str], own: set[str]) -> set[str]:
    """What pip has to bring."""
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
            elif (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "importorskip"
            ):
                found |= {
                    each.value.split(".")[0]
                    for each in node.args[:1]
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
    return {PACKAGES.get(name, name) for name in found - set(sys.stdlib_module_names) - own - set(LATE)}


def _heading(origin: str, name: str) -> str:
    place = origin if "/" in origin else f"src/{origin.replace('.', '/')}.py"
    return (f"# {place} of Learnable {__version__}, Apache-2.0 (see LICENSE); imports and annotations of shapes were changed\n"
            f"# by `learnable copy {name}`.\n")  # fmt: skip


def _public(source: str) -> Iterator[str]:
    """The classes, functions and tables of a file, in its order."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_":
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id.isupper() and target.id[0] != "_":
                    yield target.id


def _init(pieces: list[_Piece]) -> str:
    lines = [f'"""{(ast.get_docstring(ast.parse(pieces[0].source)) or "").splitlines()[0]}"""\n']
    public = [(piece.new, list(_public(piece.source))) for piece in pieces]
    lines += [f"from .{new} import {', '.join(each)}" for new, each in public]
    return "\n".join([*lines, "", f"__all__ = {[name for _, each in public for name in each]!r}", ""])


def _example(source: str) -> str:
    """The first doctest of the first model, which is how it is built and called."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Attribute) and base.attr == "Module" for base in node.bases
        ):
            lines = re.findall(r"^(?:>>>|\.\.\.) ?(.*)$", ast.get_docstring(node) or "", re.M)
            if lines and node.name[0] != "_":
                return "\n".join(lines)
    return ""


def _readme(
    new: str, source: str, package: str, name: str, needs: list[str], asked: list[str], tests: list[str]
) -> str:
    """Where it comes from, what it needs, how it is used; `source` is the model's file as it was written."""
    text = ast.get_docstring(ast.parse(source)) or ""
    public = [each for each in _public(source) if re.search(rf"\b{each}\b", _example(source))]
    example = "\n".join(
        [
            "import torch",
            *([f"from {package} import {', '.join(public)}"] if public else []),
            "",
            _example(source),
        ]
    )
    parts = [
        f"# {text.splitlines()[0]}",
        f"Written by `learnable copy {name}` of Learnable {__version__}, under the Apache License 2.0 (LICENSE). The files do not need\n"
        f"Learnable; `{package}/{new}.py` is the model, the others are what it needs to be built, loaded and saved.",
        f"    pip install {' '.join(needs)}",
        f"```python\n{example}\n```",
    ]
    if tests:
        parts.append(dedent(f"""\
            The parity test compares outputs and gradients with the field's standard implementation, with the same weights:

                pip install {' '.join(asked)}
                python -m pytest tests"""))  # fmt: skip
    return "\n\n".join([*parts, f"```text\n{text}\n```"]) + "\n"


def _licence() -> str:
    checkout = SOURCE.parents[1] / "LICENSE"
    if checkout.is_file() and (SOURCE.parents[1] / "pyproject.toml").is_file():
        return checkout.read_text(encoding="utf-8")
    text = importlib.metadata.distribution("learnable").read_text("licenses/LICENSE")
    if text is None:
        raise WorldError("the licence is missing from this installation of Learnable; install it again")
    return text


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


CONFTEST = '''"""Puts the package beside this folder within reach, and makes a torchvision work that was built for another torch."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    config.addinivalue_line("markers", "reference: compares with the field's standard implementation")
    install()


'''
