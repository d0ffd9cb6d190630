from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.tokenizers.bpe import BPE, falls_apart, learn, marked_symbols, split, train, train_fast
from learnable.errors import CallError, WorldError

WORDS = st.dictionaries(st.text("abc", min_size=1, max_size=12).map(tuple), st.integers(1, 9), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(words=WORDS, merges=st.integers(0, 25), least=st.integers(1, 4))
def test_training_fast_is_training_plainly(words, merges, least):
    assert train_fast(words, merges, least=least) == train(words, merges, least=least)


@pytest.mark.reference
def test_of_few_letters_the_reference_learns_the_same():
    tokenizers = pytest.importorskip("tokenizers")
    texts = [
        word * (1 + number % 3)
        for number, word in enumerate(["abab", "abcab", "cabc", "bcab", "aabb", "abcc", "cbab"] * 5)
    ]
    for least in (1, 4):
        theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
        theirs.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        trainer = tokenizers.trainers.BpeTrainer(vocab_size=24, min_frequency=least, show_progress=False)
        theirs.train_from_iterator(texts, trainer)
        ours = learn(Counter(texts), 24, least=least)
        assert theirs.get_vocab() == ours.vocab


@settings(max_examples=60, deadline=None)
@given(words=st.dictionaries(st.text("ab", min_size=1, max_size=9), st.integers(1, 9), min_size=1, max_size=9))
def test_training_with_marks(words):
    for marks in ({"prefix": "##"}, {"suffix": "</w>"}):
        symbols = {marked_symbols(word, **marks): count for word, count in words.items()}
        prefix = marks.get("prefix", "")
        assert train_fast(symbols, 12, prefix=prefix) == train(symbols, 12, prefix=prefix)


@settings(max_examples=150, deadline=None)
@given(words=WORDS, text=st.text("abc", max_size=120))
def test_reading_fast_is_reading_plainly(words, text):
    model = learn({"".join(word): count for word, count in words.items()}, 30, alphabet="abc")
    ranks = {pair: rank for rank, pair in enumerate(model.merges)}
    assert [model.pieces[token] for token in model.tokens(text)] == split(text, ranks)


def test_the_papers_example():
    words = {("l", "o", "w", "</w>"): 5, ("l", "o", "w", "e", "r", "</w>"): 2,
             ("n", "e", "w", "e", "s", "t", "</w>"): 6, ("w", "i", "d", "e", "s", "t", "</w>"): 3}  # fmt: skip
    merges = train(words, 10)
    assert merges[0] == ("e", "s") and ("l", "o") in merges
    assert {"est</w>", "low"} <= {left + right for left, right in merges}


def test_runs_of_one_letter_are_merged_from_the_left():
    model = BPE({"a": 0, "aa": 1, "aaaa": 2}, [("a", "a"), ("aa", "aa")])
    for count in (1, 2, 3, 7, 39, 41, 1001):
        assert Counter(model.tokens("a" * count)) == Counter(
            [2] * (count // 4) + [1] * (count % 4 // 2) + [0] * (count % 2)
        )


def test_unknown_characters():
    vocab = {"a": 0, "?": 1, "b": 2, "<0xC3>": 3, "<0xA9>": 4}
    assert BPE(vocab, []).tokens("axb") == (0, 2)
    assert BPE(vocab, [], unk_token="?").tokens("axyb") == (0, 1, 1, 2)
    assert BPE(vocab, [], unk_token="?", fuse_unk=True).tokens("axyb") == (0, 1, 2)
    assert BPE(vocab, [], unk_token="?", byte_fallback=True).tokens("aéx") == (0, 3, 4, 1)
    assert BPE(vocab, [], unk_token="?", byte_fallback=True, fuse_unk=True).tokens("xéxy") == (1, 3, 4, 1)


def test_a_single_letter_begins_and_ends_its_word():
    assert BPE({"a": 0, "a</w>": 1}, [], end_of_word_suffix="</w>").tokens("a") == (1,)
    assert BPE({"a": 0, "##a": 1}, [], continuing_subword_prefix="##").tokens("aa") == (0, 1)


def test_a_whole_word_before_the_merges():
    assert BPE({"a": 0, "b": 1, "ab": 2}, [], ignore_merges=True).tokens("ab") == (2,)


def test_what_does_not_belong_together():
    with pytest.raises(WorldError, match="merge 1 makes 'ab' of 'a' and 'b', and 'ab' is no token"):
        BPE({"a": 0, "b": 1}, [("a", "b")])
    with pytest.raises(WorldError, match="unknown token"):
        BPE({"a": 0}, [], unk_token="?")
    with pytest.raises(CallError, match="at least 3 tokens"):
        learn({"abc": 1}, 2)


def test_where_texts_fall_apart():
    assert not falls_apart(["a"]) and not falls_apart(["▁", "a▁"])
