import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.tokenizers.bpe import BPE, split, train
from learnable.data.tokenizers.merging import Chain, Ranks, merge_all, merge_in_order


def test_pairs_that_overlap_are_taken_from_the_left():
    chain = Chain(np.array([1, 1, 1, 2, 1, 1, 1, 1]))
    assert chain.holding(np.arange(8), 1, 1).tolist() == [0, 4, 6]
    chain.merge(np.array([0, 4, 6]), 9)
    assert chain.symbol[chain.symbol >= 0].tolist() == [9, 1, 2, 9, 9]
    assert chain.around(np.array([4])).tolist() == [3, 4]
    assert Chain(np.array([1, 1, 2, 1, 1, 1])).holding(np.arange(6), 1, 1).tolist() == [0, 3]


@settings(max_examples=200, deadline=None)
@given(
    merges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), unique=True, max_size=12),
    text=st.lists(st.integers(0, 2), max_size=60),
)
def test_any_list_of_pairs_ends_as_place_by_place(merges, text):
    """Also one that no training makes, in which a pair stands before its own parts."""
    pairs = {pair: (rank, 3 + rank % 6) for rank, pair in enumerate(merges)}
    symbols = np.array(text, dtype=np.int64)
    ranks = Ranks(pairs)
    assert merge_all(symbols, ranks).tolist() == merge_in_order(symbols, ranks).tolist()


@settings(max_examples=50, deadline=None)
@given(text=st.text("abcd", min_size=1, max_size=300))
def test_place_by_place_is_the_plain_way(text):
    merges = train({tuple("abcabdabcd"): 3, tuple("bcbcbdda"): 2, tuple("aaaabbbb"): 2}, 15)
    vocab = {token: at for at, token in enumerate(dict.fromkeys([*"abcd", *(a + b for a, b in merges)]))}
    model = BPE(vocab, merges)
    numbers = np.array([vocab[letter] for letter in text])
    plain = [vocab[token] for token in split(text, {pair: rank for rank, pair in enumerate(merges)})]
    assert merge_in_order(numbers, model.ranks).tolist() == merge_all(numbers, model.ranks).tolist() == plain


@pytest.mark.parametrize("kind", ["one letter", "letters at random"])
def test_a_word_ten_times_as_long_takes_some_ten_times_as_long(kind):
    merges = train({tuple("abcabdabcd"): 3, tuple("bcbcbdda"): 2, tuple("aaaabbbb"): 2}, 15)
    vocab = {token: at for at, token in enumerate(dict.fromkeys([*"abcd", *(a + b for a, b in merges)]))}
    ranks = BPE(vocab, merges).ranks
    random = np.random.default_rng(0)

    def seconds(count: int) -> float:
        symbols = np.zeros(count, dtype=np.int64) if kind == "one letter" else random.integers(4, size=count)
        begun = time.perf_counter()
        merge_all(symbols, ranks)
        return time.perf_counter() - begun

    seconds(1000)
    assert seconds(300_000) < 40 * seconds(30_000) + 0.5  # squared, it would be a hundred times
