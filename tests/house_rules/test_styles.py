"""The dark colors stand twice: a style sheet cannot share a rule between a reader's choice and the system's."""

from house_rules.tree import ROOT

CSS = ROOT / "frontend" / "src" / "style" / "base.css"


def rule(selector: str, text: str) -> list[str]:
    """The declarations of the first rule with this selector."""
    body = text[text.index(selector) :].partition("{")[2].partition("}")[0]
    return [line.strip() for line in body.splitlines() if line.strip()]


def test_dark_by_choice_and_dark_by_the_system_are_the_same_colors():
    text = CSS.read_text(encoding="utf-8")
    chosen = rule(':root[data-theme="dark"]', text)
    assert len(chosen) > 20
    assert rule(':root[data-theme="auto"]', text.partition("@media (prefers-color-scheme: dark)")[2]) == chosen
