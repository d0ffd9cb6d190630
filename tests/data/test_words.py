import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.words import SPECIAL, Lexicon, Rows, framed, learn_words, words_of
from learnable.errors import CallError, WorldError

TOY = Lexicon((*SPECIAL, "c", "cat", "##s", "##a", "##t"))


@given(st.text(max_size=40))
def test_words_are_those_of_bert(text):
    """Of everything but what its rules for Chinese, control characters and marks beyond ASCII add to these."""
    words = words_of(text)
    assert all(word and word == word.strip() for word in words)
    assert all(word.isalnum() or len(word) == 1 for word in words)


@pytest.mark.reference
def test_the_published_list_cuts_english_as_transformers_does(mirror, tmp_path):
    transformers = pytest.importorskip("transformers")
    file = mirror / "bert-base-uncased" / "vocab.txt"
    lexicon = Lexicon(file.read_text(encoding="utf-8").splitlines())
    theirs = transformers.BertTokenizer(vocab=str(file))
    lines = (mirror / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8").splitlines()[:400]
    lines += ["Unaffable  naïve café, 3.14% of_x #1 (don't!)", "a" * 101 + " b", "x" * 99]
    for line in lines:
        assert lexicon.encode(line) == theirs(line, add_special_tokens=False)["input_ids"], line
        assert lexicon.frame(line, 512) == theirs(line)["input_ids"]


def test_a_word_is_cut_from_the_left_into_the_longest_pieces():
    assert TOY.encode("Cats cast") == [6, 7, 5, 8, 7, 9]
    assert TOY.encode("cat dog cat") == [6, TOY.unknown, 6]
    assert TOY.encode("") == [] and TOY.decode([6, 7, 6]) == "cats cat"


def test_a_frame_cuts_what_does_not_fit():
    assert TOY.frame("cat cat cat", 4) == [TOY.first, 6, 6, TOY.last]
    rows = framed(["cat", "cat cats"], TOY, 6)
    assert rows.tolist() == [[2, 6, 3, 0, 0, 0], [2, 6, 6, 7, 3, 0]]


def test_a_list_that_was_learned_here_can_write_what_it_was_learned_from():
    texts = ["the cat sat on the mat", "def __init__(self): pass", "Ärger, 12"]
    lexicon = Lexicon(learn_words(texts, 400))
    for text in texts:
        assert lexicon.unknown not in lexicon.encode(text)
        assert lexicon.decode(lexicon.encode(text)) == " ".join(words_of(text))
    assert lexicon.encode("cat") == [lexicon.place["cat"]]
    assert lexicon.encode("tat") == [lexicon.place[piece] for piece in ("t", "##a", "##t")]


def test_the_commonest_words_are_learned_whatever_the_order_of_the_texts():
    texts = [f"word{i % 50} the" for i in range(200)] + ["rare"]
    shuffled = random.Random(0).sample(texts, len(texts))
    assert learn_words(texts, 60) == learn_words(shuffled, 60)
    assert (
        "the" in learn_words(texts, 60) and "rare" not in learn_words(texts, 60) and len(learn_words(texts, 60)) == 60
    )


def test_too_small_a_vocabulary():
    with pytest.raises(CallError, match="expected a vocabulary of more than"):
        learn_words(["a b c"], 5)


def test_a_list_without_the_special_tokens():
    with pytest.raises(WorldError, match=r"\[MASK\] is missing"):
        Lexicon(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat"))


def test_a_batch_is_as_long_as_its_longest_text():
    rows = Rows(
        torch.tensor([[2, 6, 3, 0, 0], [2, 6, 6, 3, 0], [2, 6, 6, 6, 3]]), 0, {"label": torch.tensor([7, 8, 9])}
    )
    batch = rows.batch(torch.tensor([1, 0]), {})
    assert batch["tokens"].tolist() == [[2, 6, 6, 3], [2, 6, 3, 0]] and batch["label"].tolist() == [8, 7]
    assert len(rows) == 3 and rows.draw(2, torch.Generator()) == {}


def test_a_text_of_ten_thousand_letters_is_one_unknown_word():
    assert TOY.encode("c" * 10_000) == [TOY.unknown]
