import pytest

from learnable.data.tokenizers.wordpiece import SPECIAL, WordPiece, longest_first, train
from learnable.errors import CallError, WorldError


def test_the_longest_from_the_left_even_where_it_is_a_dead_end():
    vocab = {"[UNK]": 0, "ab": 1, "a": 2, "##bc": 3, "##d": 4}
    assert longest_first("abc", vocab) is None
    assert WordPiece(vocab).tokens("abc") == (0,) and WordPiece(vocab).tokens("abd") == (1, 4)


def test_a_word_that_is_too_long():
    model = WordPiece({"[UNK]": 0, "a": 1, "##a": 2}, max_input_chars_per_word=5)
    assert model.tokens("aaaaa") == (1, 2, 2, 2, 2) and model.tokens("aaaaaa") == (0,)
    assert model.tokens("a" * 10_000_000) == (0,)


def test_a_table_of_another_kind():
    with pytest.raises(WorldError, match="unknown token"):
        WordPiece({"a": 0})


def test_training_finds_what_is_frequent():
    model = train({"walking": 20, "talking": 20, "walk": 30, "talk": 30, "king": 5}, 30)
    assert list(model.vocab)[: len(SPECIAL)] == list(SPECIAL)
    assert "walk" in model.vocab and "##ing" in model.vocab
    with pytest.raises(CallError, match="at least"):
        train({"abc": 1}, 6)
