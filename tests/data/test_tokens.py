import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.examples import Info
from learnable.data.text import characters, cut
from learnable.data.tokenizers import formats
from learnable.data.tokenizers.cleaning import Lowercase
from learnable.data.tokenizers.learning import learn_bpe, learn_wordpiece
from learnable.data.tokens import (
    learned,
    of_bytes,
    opening,
    to_pieces,
    to_text,
    to_tokens,
    tokenized,
    tokenized_like,
    tokenizer_of,
    usual,
)
from learnable.errors import CallError, WorldError

STORY = "".join(f"Der Koch Nr. {i % 37} schnitt {i} Zwiebeln, und die Köchin sah zu.\n" for i in range(400))


@pytest.fixture
def book(tmp_path):
    file = tmp_path / "book.txt"
    file.write_text(STORY, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def info():
    return Info("toy", tokenizer=formats.to_json(learned(STORY, 300)), context=16)


def test_characters_are_the_default(book):
    ours, plain = tokenized(str(book), context=16), characters(str(book), context=16)
    assert ours.info == plain.info and ours.info.tokenizer == {} and ours.info.cutter is None
    assert torch.equal(ours.test.tokens, plain.test.tokens)


def test_byte_pairs_of_ones_own_text(book):
    data = tokenized(str(book), context=16, tokenizer="bpe", vocab=320)
    assert data.info.vocab == len(data.info.cutter) == 320 and data.info.alphabet == ()
    assert data.train.tokens.dtype == torch.int16 and int(data.train.tokens.max()) < 320
    parts = [to_text(part.tokens, data.info) for part in (data.train, data.valid, data.test)]
    plain = characters(str(book), context=16)
    assert "".join(parts) == STORY and data.info.more == {"characters": str(len(plain.test.tokens))}
    assert len(data.test.tokens) < len(plain.test.tokens) / 2
    assert data.train.batch(torch.tensor([0]), {})["tokens"].shape == (1, 17)


def test_the_test_part_teaches_nothing(tmp_path):
    file = tmp_path / "two.txt"
    file.write_text("abcd " * 1900 + "zyxw " * 100, encoding="utf-8")
    data = tokenized(str(file), context=8, tokenizer="bpe")
    assert "abcd" in data.info.cutter.numbers and not any("zy" in token for token in data.info.cutter.numbers)


def test_what_is_kept_of_it_is_plain_json(info):
    again = Info.from_json(json.loads(json.dumps(info.to_json())))
    assert again == info and again.vocab == 300
    assert again.cutter.encode("Köchin") == info.cutter.encode("Köchin")


def test_an_old_run_says_nothing_of_tokenizers():
    value = Info("toy", alphabet=("a", "b"), context=4).to_json()
    del value["tokenizer"]
    old = Info.from_json(value)
    assert old.vocab == 2 and old.cutter is None and to_text(to_tokens("ab", old), old) == "ab"


def test_another_text_by_the_same_tokenizer(book, tmp_path):
    data = tokenized(str(book), context=16, tokenizer="bpe")
    other = tmp_path / "other.txt"
    other.write_text("日本語の文章です。" * 200, encoding="utf-8")  # nothing of it was ever seen
    like = tokenized_like(str(other), data.info)
    assert like.info is data.info
    assert to_text(like.test.tokens, like.info) == other.read_text(encoding="utf-8")[-90:]
    assert torch.equal(tokenized_like(str(book), data.info).train.tokens, data.train.tokens)


def test_somebody_elses_tokenizer(book, tmp_path):
    mine = learn_bpe("und die und der " * 50, 270, special=["<|endoftext|>"])
    formats.save(mine, tmp_path / "tokenizer.json")
    formats.save_byte_pairs(mine, tmp_path)
    for place in (tmp_path, tmp_path / "tokenizer.json", tmp_path / "vocab.json"):
        data = tokenized(str(book), context=16, tokenizer=str(place))
        assert data.info.vocab == 265 and to_text(data.test.tokens, data.info) == cut(STORY, 16)[2]
    said = "a<|endoftext|>b"
    assert to_text(to_tokens(said, data.info), data.info) == said  # special tokens are part of the text


def test_a_tokenizer_that_changes_the_text_is_refused(book, tmp_path):
    formats.save(learn_wordpiece(STORY, 300), tmp_path / "words.json")
    lower = learn_bpe(STORY, 260)
    lower.normalizer = Lowercase()
    formats.save(lower, tmp_path / "lower.json")
    for name in ("words.json", "lower.json"):
        with pytest.raises(CallError, match="gives every text back as it was"):
            of_bytes(str(tmp_path / name))


@pytest.mark.parametrize(
    "wishes, message",
    [
        ({"tokenizer": "bpe", "vocab": 256}, r"a --vocab from 257 \(every byte is a token\) to 2,\d\d\d .*came 256"),
        ({"tokenizer": "bpe", "vocab": -1}, "came -1"),
        ({"tokenizer": "bpe", "vocab": 100_000}, "came 100000"),
        ({"tokenizer": "bpe", "vocab": 2000}, r"at most \d+, as text book.txt has no more pairs to merge"),
        ({"tokenizer": "bpr"}, "no tokenizer 'bpr'; did you mean 'bpe'"),
        ({"vocab": 500}, "for --tokenizer bpe"),
        ({"tokenizer": "bpe", "context": 0}, "a context of at least 1 token, came 0"),
        ({"context": 0}, "a context of at least 1"),
    ],
)
def test_wishes_that_cannot_be(book, wishes, message):
    with pytest.raises(CallError, match=message):
        tokenized(str(book), **wishes)


def test_a_text_that_is_long_enough_by_characters_only(book):
    with pytest.raises(WorldError, match=r"its smallest part has \d+ tokens, and a context of 900 needs 901"):
        tokenized(str(book), tokenizer="bpe", context=900)


def test_of_a_short_text_fewer_are_learned_than_is_usual(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("to be or not to be " * 30, encoding="utf-8")
    assert 257 < tokenized(str(file), context=4, tokenizer="bpe").info.vocab < 512


def test_a_few_tokens_for_a_short_text_many_for_a_long_one():
    sizes = [usual(10**power) for power in range(10)]
    assert sizes == sorted(sizes) and sizes[0] == 512 and sizes[-1] == 8192


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(info, text):
    tokens = to_tokens(text, info)
    assert to_text(tokens, info) == text == "".join(to_pieces(iter(tokens), info))


def test_never_half_a_character(info):
    tokens = to_tokens("a語b", info).tolist()
    assert list(to_pieces(tokens, info)) == ["a", "語", "b"]
    assert to_text(tokens[:3], info) == "a�"


def test_half_a_surrogate_pair(info):
    with pytest.raises(CallError, match="half a character: U\\+D800"):
        to_tokens("\ud800", info)


def test_what_stands_before_a_text(info):
    assert opening(info) == opening(Info("", alphabet=("\n", "a"))) == "\n"
    assert opening(Info("", alphabet=("a", "b"))) == "a"


def test_an_alphabet_is_a_tokenizer_too(info):
    letters = Info("toy", alphabet=tuple(sorted(set(STORY))))
    cutter = tokenizer_of(letters)
    assert cutter.encode(STORY[:90]) == to_tokens(STORY[:90], letters).tolist()
    assert cutter.decode(cutter.encode(STORY[:90])) == STORY[:90]
    assert tokenizer_of(info) is info.cutter
    for other in (Info("digits", classes=("0", "1")), Info("pairs", alphabet=("a",), classes=("0",))):
        with pytest.raises(CallError, match="has no tokenizer"):
            tokenizer_of(other)
