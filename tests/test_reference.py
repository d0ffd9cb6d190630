"""The reference in docs/ says what the code says."""

import ast

from benchmarks import reference

from house_rules.tree import ROOT


def test_the_written_reference_is_fresh():
    """If not: make docs."""
    folder = ROOT / "docs" / "reference"
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    now = reference.documents()
    assert written.keys() == now.keys()
    assert [name for name in now if written[name] != now[name]] == []


def test_an_entry_is_signature_and_docstring():
    method = '    def f(self, y: str = "z") -> None:\n        """Does."""\n    def _g(self): ...\n'
    source = 'class A(B):\n    """Says."""\n    x: int = 1\n' + method
    [node] = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    assert reference.entry(node) == (
        "```python\nclass A(B):\n    x: int = 1\n    def f(self, y: str='z') -> None  # Does.\n```\n\n```text\nSays.\n```"
    )


def test_every_name_of_a_floor_is_there():
    text = reference.documents()["models.md"]
    assert "### learnable.models.create" in text and "### learnable.models.vision.resnet.ResNet" in text
