import gzip
import json
from dataclasses import replace

import pytest
import torch

from learnable.data import translation
from learnable.data.examples import Info
from learnable.data.translation import (
    END,
    PADDING,
    SPECIAL,
    START,
    UNKNOWN,
    TextPairs,
    decode,
    encode,
    sentence_pairs,
)
from learnable.errors import CallError, WorldError

LETTERS = Info("toy", alphabet=(*SPECIAL, *"abcd "), context=8)
SENTENCES = ["ein Hund läuft.\ta dog runs.", "eine Katze läuft.\ta cat runs.", "ein Hund schläft.\ta dog sleeps."]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(f"{i} {line}" for i in range(20) for line in SENTENCES), encoding="utf-8")
    return path


@pytest.fixture
def few_dates(monkeypatch):
    monkeypatch.setattr(translation, "DATES", (200, 20, 20))


def test_dates_are_letters_with_a_beginning_and_an_end(few_dates):
    data = sentence_pairs()
    batch = data.train.batch(torch.tensor([3, 0]), {})
    for row, (source, target) in enumerate((data.train.texts[3], data.train.texts[0])):
        assert decode(batch["source"][row].tolist(), data.info) == source
        assert decode(batch["target"][row].tolist(), data.info) == target
        assert batch["target"][row, 0] == START and batch["target"][row, -1] == END
    assert data.info.alphabet[:4] == SPECIAL and data.info.more["prompt"] == "March 5, 1999"


def test_a_batch_is_as_wide_as_its_longest_text():
    rows = [torch.tensor([4, END]), torch.tensor([4, 5, 6, END]), torch.tensor([5, 5, END])]
    pairs = TextPairs(rows, rows, [("a", "a")] * 3)
    assert pairs.batch(torch.tensor([0, 2]), {})["source"].tolist() == [[4, END, PADDING], [5, 5, END]]
    assert pairs.batch(torch.tensor([1]), {})["source"].dtype == torch.int64


def test_a_file_of_pairs(file):
    data = sentence_pairs(str(file), pieces=60)
    assert data.info.data == "file pairs.tsv" and data.info.vocab <= 60
    assert [len(part) for part in (data.train, data.valid, data.test)] == [54, 3, 3]
    for part in (data.train, data.valid, data.test):
        for i, (source, target) in enumerate(part.texts):
            batch = part.batch(torch.tensor([i]), {})
            assert decode(batch["source"][0].tolist(), data.info) == source
            assert decode(batch["target"][0].tolist(), data.info) == target


@pytest.mark.parametrize(
    "content, message",
    [
        ("one\ttwo\nthree", "line 2: expected two texts divided by one tab"),
        ("one\ttwo\tthree", "line 1: expected two texts"),
        ("one\t ", "line 1: expected two texts"),
        ("a\tb\n" * 3, "has 3 pairs"),
        ("a\tb\n" * 30, "has 1 different sources"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, message):
    (tmp_path / "pairs.txt").write_text(content)
    with pytest.raises(WorldError, match=message):
        sentence_pairs(str(tmp_path / "pairs.txt"))


def test_a_wrong_call_is_refused(file):
    with pytest.raises(CallError, match="did you mean 'dates'"):
        sentence_pairs("date")
    with pytest.raises(CallError, match="context of at least 2"):
        sentence_pairs(context=1)
    with pytest.raises(
        CallError, match="expected a vocabulary of at least .* single symbols and 4 special tokens, came 8"
    ):
        sentence_pairs(str(file), pieces=8)
    with pytest.raises(WorldError, match="no pair .* context of 3|cannot be used for testing"):
        sentence_pairs(str(file), pieces=60, context=3)


def test_text_goes_there_and_back():
    assert encode("ab", LETTERS).tolist() == [4, 5, END]
    assert decode(encode("dab a", LETTERS).tolist(), LETTERS) == "dab a"
    assert decode([START, 4, UNKNOWN, END, 5], LETTERS) == "a\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "came an empty one"),
        ("  \n", "came an empty one"),
        ("abé", "came 'é'"),
        ("abcdabcd", "at most 7 tokens, .* came 8"),
    ],
)
def test_what_cannot_be_read_is_said(text, message):
    with pytest.raises(CallError, match=message):
        encode(text, LETTERS)


def test_composed_and_decomposed_letters_are_the_same():
    info = replace(LETTERS, alphabet=(*SPECIAL, "ä"))
    assert encode("a\u0308", info).tolist() == encode("ä", info).tolist() == [4, END]


def test_pieces_are_learned_from_the_training_part(file):
    data = sentence_pairs(str(file), pieces=60)
    letters = {letter for pair in data.train.texts for text in pair for letter in text} | {" "}
    alphabet, merges = data.info.alphabet, data.info.more["merges"]
    assert set(alphabet[4 : 4 + len(letters)]) == letters and len(alphabet) == 60
    assert {left + right for left, right in merges} == set(alphabet[4 + len(letters) :])
    saved = Info.from_json(json.loads(json.dumps(data.info.to_json())))
    for text in ("eine Katze schläft.", "a Cat?"):
        assert encode(text, saved, strict=False).tolist() == encode(text, data.info, strict=False).tolist()
    assert len(encode("a cat runs.", data.info)) < len("a cat runs.")
    with pytest.raises(CallError, match="trained on, came 'C'"):
        encode("a Cat", data.info)


def test_what_occurs_once_is_no_piece(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(f"{i}{i}{i} {'wx' * (i == 3)}\tabc {chr(97 + i)}z" for i in range(20)))
    pieces = sentence_pairs(str(path), pieces=400).info.alphabet
    assert " abc" in pieces and "wxwx" not in pieces and "az" not in pieces


def test_multi30k_is_read_as_its_authors_cut_it(monkeypatch, tmp_path):
    def fetch(dataset, file):
        path = tmp_path / file
        path.write_bytes(gzip.compress(f"{file}\n".encode() * translation.PARTS[file.rsplit(".", 2)[0]]))
        return path

    monkeypatch.setattr(translation, "fetch", fetch)
    assert translation.multi30k("val") == [("val.de.gz", "val.en.gz")] * 1014
    monkeypatch.setitem(translation.PARTS, "val", 3)
    monkeypatch.setattr(translation, "fetch", lambda dataset, file: tmp_path / file)
    with pytest.raises(WorldError, match="expected 3 pairs in val of multi30k, came 1014 and 1014"):
        translation.multi30k("val")


@pytest.mark.slow
def test_multi30k_itself(mirror):
    data = sentence_pairs("multi30k", pieces=300, context=200)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [29_000, 1_014, 1_000]
    assert data.info.vocab == 300
    for i in range(0, 1000, 97):
        batch = data.test.batch(torch.tensor([i]), {})
        assert (decode(batch["source"][0].tolist(), data.info), decode(batch["target"][0].tolist(), data.info)) == (
            data.test.texts[i]
        )
