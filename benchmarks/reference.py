"""The reference: every public name with its signature and docstring, out of the source: `python -m benchmarks.reference FOLDER`.

One page for a floor. Public are the names without a line in front in the modules of FLOORS, as docs/contract.md says; what is
read is the text of the files, so nothing is imported and the order is that in which the code is read.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from learnable.files import write_text

SOURCE = Path(__file__).parents[1] / "src" / "learnable"
FLOORS = {
    "learnable": ("__init__.py", "errors.py", "tensors.py", "home.py"),
    "models": ("models/**/*.py",),
    "nn": ("nn/*.py",),
    "ops": ("ops/*.py",),
    "objectives": ("objectives/*.py",),
    "optim": ("optim/*.py",),
    "sampling": ("sampling/*.py",),
    "metrics": ("metrics/*.py",),
    "adapt": ("adapt/*.py",),
    "weights": ("weights/images.py", "weights/table.py", "weights/checkpoint.py"),
    "export": ("export/*.py",),
    "runs": ("runs/run.py",),
}
KEPT = ("__init__", "forward", "__call__")  # of a class, beside its public methods
Function = ast.FunctionDef | ast.AsyncFunctionDef


def documents() -> dict[str, str]:
    """Every page by the name of its file."""
    pages = {f"{floor}.md": page(floor, files(floor)) for floor in FLOORS}
    listed = "\n".join(f"* [{floor}]({floor}.md)" for floor in FLOORS)
    return {"README.md": f"<!-- Written by `make docs`. -->\n\n# Reference\n\n{listed}\n", **pages}


def files(floor: str) -> list[Path]:
    return [path for pattern in FLOORS[floor] for path in sorted(SOURCE.glob(pattern)) if path.stat().st_size]


def page(floor: str, paths: list[Path]) -> str:
    return (
        "\n\n".join(
            ["<!-- Written by `make docs`. -->", f"# {floor}", *(part for path in paths for part in module(path))]
        )
        + "\n"
    )


def module(path: Path) -> Iterator[str]:
    """A module's heading and docstring, then its classes and functions, each with what it says of itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    yield f"## {name}"
    yield quoted(ast.get_docstring(tree))
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and node.name[0] != "_":
            yield f"### {name}.{node.name}"
            yield entry(node)


def entry(node: Function | ast.ClassDef) -> str:
    """Signatures as Python, the docstring as it stands."""
    lines = [signature(node)]
    if isinstance(node, ast.ClassDef):
        fields = [ast.unparse(each) for each in node.body if isinstance(each, ast.AnnAssign)]
        methods = [
            each for each in node.body if isinstance(each, Function) and (each.name in KEPT or each.name[0] != "_")
        ]
        lines += [f"    {field}" for field in fields]
        for method in methods:
            lines += [f"    @{ast.unparse(each)}" for each in method.decorator_list]
            said = (ast.get_docstring(method) or "").partition("\n")[0]
            lines.append(f"    {signature(method)}" + (f"  # {said}" if said else ""))
    return "```python\n" + "\n".join(lines) + "\n```\n\n" + quoted(ast.get_docstring(node))


def signature(node: Function | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({ast.unparse(node.args)}){result}"


def quoted(text: str | None) -> str:
    return f"```text\n{text.replace('```', chr(39) * 3)}\n```" if text else ""


def main() -> None:
    for name, text in documents().items():
        write_text(Path(sys.argv[1]) / name, text)


if __name__ == "__main__":
    main()
