"""What no file may say, and that links between the documents lead somewhere."""

import re
from pathlib import Path

import pytest

from house_rules.tree import ROOT, files, texts
from learnable import __version__

# Written in pieces, so that this file does not say them either.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.$}])/(?:" + "work/|root/|home/[a-z]|Users/[a-z]|tmp/[a-z]" + ")",
    "the host of a package registry": r"(?:pypi|pythonhosted|npmjs|anaconda)" + r"\.(?:org|com)|crates[.]io",
    "a mark of unfinished work": r"\b(?:TO" + "DO|FIX" + r"ME)\b",
    "a paper that is not in the repository": r"\b(?:CURRICULUM|DESIGN|STYLE|LESSON|BRIEF|KNOWN-TO-WORK)" + r"\.md",
    "a stopgap for text": "(?i)lorem " + "ipsum|coming " + "soon",
}  # fmt: skip

TEXTS = texts()
MARKDOWN = sorted(path for path in files() if path.suffix == ".md")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_says(what: str):
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in TEXTS.items()
        for match in re.finditer(FORBIDDEN[what], text)
    ]
    assert not found, f"{what}: {found}"


def test_the_rules_find_what_they_look_for():
    assert re.search(FORBIDDEN["a path of one machine"], "see /" + "home/ann/x")
    assert re.search(FORBIDDEN["a path of one machine"], '"/' + 'work/main"')
    assert not re.search(FORBIDDEN["a path of one machine"], "course/work/sheet and $HOME/" + "tmp/a")
    assert re.search(FORBIDDEN["the host of a package registry"], "https://pypi." + "org/simple")
    assert re.search(FORBIDDEN["a mark of unfinished work"], "# TO" + "DO: more")


def test_text_files_end_with_a_line_and_hold_no_tabs():
    for name, text in TEXTS.items():
        assert not text or text.endswith("\n"), name
        if name.endswith((".py", ".toml", ".yml", ".md")):
            assert "\t" not in text, name
            assert "\r" not in text, name


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(path: Path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", address):
            place = path.parent / address.partition("#")[0]
            assert place.exists(), address
            assert ROOT in (place.resolve(), *place.resolve().parents), f"{address} leads out of the repository"


def test_the_documents_name_the_version_that_is_here():
    assert f"\nversion: {__version__}\n" in TEXTS["CITATION.cff"]
    assert re.search(
        rf"^## \[{re.escape(__version__)}\] - (unreleased|\d{{4}}-\d\d-\d\d)$", TEXTS["CHANGELOG.md"], re.M
    )
