import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.tokenizers.unigram import Unigram, best_cut, digamma, expected_uses, maximized, pruned, seeds, train
from learnable.errors import CallError, WorldError

SCORES = st.dictionaries(
    st.text("ab", min_size=1, max_size=4), st.floats(-9, -0.1).map(lambda x: round(x, 3)), min_size=1, max_size=9
)


def every_cut(text):
    for cuts in product([False, True], repeat=max(0, len(text) - 1)):
        ends = [at + 1 for at, cut in enumerate(cuts) if cut] + [len(text)]
        yield [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=150, deadline=None)
@given(scores=SCORES, text=st.text("abc", min_size=1, max_size=8))
def test_the_best_cut_is_the_best_of_all(scores, text):
    def price(cut):
        return sum(scores.get(token, -20.0 if len(token) == 1 else -math.inf) for token in cut)

    assert price(best_cut(text, scores, -20.0)) == pytest.approx(max(price(cut) for cut in every_cut(text)))


@settings(max_examples=100, deadline=None)
@given(scores=SCORES, text=st.text("abc", max_size=30))
def test_the_fast_twin_cuts_the_same(scores, text):
    model = Unigram([("<unk>", 0.0), *scores.items()], 0, skipped=[0])
    assert model.cut(text) == best_cut(text, scores, model.unknown)


@settings(max_examples=80, deadline=None)
@given(scores=SCORES, text=st.text("ab", min_size=1, max_size=7))
def test_expected_uses_are_those_of_all_cuts(scores, text):
    likely = {}
    for cut in every_cut(text):
        if all(token in scores for token in cut):
            likely[tuple(cut)] = math.exp(sum(scores[token] for token in cut))
    uses = expected_uses({text: 3}, scores)
    for token in scores:
        wanted = sum(3 * cut.count(token) * p for cut, p in likely.items()) / (sum(likely.values()) or 1)
        assert uses[token] == pytest.approx(wanted, abs=1e-12)


def test_expectation_maximization_raises_the_likelihood():
    texts = {"abab": 5, "abc": 7, "cab": 3}
    scores = seeds(texts, 20)

    def likelihood(scores):
        total = 0.0
        for text, times in texts.items():
            total += times * math.log(sum(math.exp(sum(map(scores.__getitem__, cut))) for cut in every_cut(text)
                                          if all(token in scores for token in cut)))  # fmt: skip
        return total

    before = likelihood(scores)
    uses = expected_uses(texts, scores)
    plain = {token: math.log(use / sum(uses.values())) for token, use in uses.items() if use > 0}
    assert likelihood(plain) > before
    assert set(maximized(uses, {"a", "b", "c"})) <= set(scores)


def test_a_letter_stays_however_rarely_it_is_used():
    assert maximized({"a": 0.1, "ab": 0.1, "bc": 3.0, "c": 0.0}, {"a", "c"}).keys() == {"a", "bc"}


def test_tokens_that_are_always_used_do_not_say_what_an_unknown_letter_costs():
    table = [("<unk>", 0.0), ("a", -1.0), ("self", -20.0)]
    assert Unigram(table, 0, skipped=[0], always=[2]).unknown == -11


def test_pruning_keeps_what_the_text_would_miss():
    texts = {"abab": 50, "xy": 1}
    scores = {"a": -3.0, "b": -3.0, "x": -3.0, "y": -3.0, "ab": -2.0, "xy": -2.0, "abab": -2.5}
    assert set(pruned(texts, scores, 5)) == {"a", "b", "x", "y", "abab"}


def test_digamma():
    assert digamma(1.0) == pytest.approx(-0.5772156649, abs=1e-9) and digamma(10.0) == pytest.approx(
        2.2517525890, abs=1e-9
    )


def test_training_keeps_letters_and_size():
    words = {"▁walking": 20, "▁talking": 20, "▁walk": 30, "▁talk": 30, "▁king": 5}
    model = train(words, 20)
    assert len(model.list) <= 20 and set("▁walkingt") <= set(model.scores)
    assert "".join(model.pieces[token] for token in model.tokens("▁walking")) == "▁walking" and "▁walk" in model.scores
    with pytest.raises(CallError, match="at least"):
        train(words, 5)


def test_what_is_unknown():
    assert Unigram([("?", 0.0), ("a", -1.0)], 0).tokens("axya") == (1, 0, 1)
    with pytest.raises(CallError, match="'x' is in no token"):
        Unigram([("a", -1.0)]).tokens("x")
    with pytest.raises(WorldError, match="unk_id"):
        Unigram([("a", -1.0)], 3)
    spelled = Unigram([("?", 0.0), ("<0xC3>", 0.0), ("<0xA9>", 0.0)], 0, byte_fallback=True, skipped=[0, 1, 2])
    assert spelled.tokens("é") == (1, 2) and spelled.tokens("éx") == (0,)  # as the reference: all of them or none


@pytest.mark.reference
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_the_name_of_the_unknown_token_in_a_text(byte_fallback):
    tokenizers = pytest.importorskip("tokenizers")
    rows = [("<unk>", 0.0), ("a", -1.0), *((f"<0x{byte:02X}>", -3.0) for byte in range(256))]
    theirs = tokenizers.models.Unigram(rows, unk_id=0, byte_fallback=byte_fallback)
    ours = Unigram(rows, unk_id=0, byte_fallback=byte_fallback)
    for text in ("<unk>", "a<unk>a", "x<unk>", "<unk>é", "<unk><unk>", "axa"):
        assert list(ours.tokens(text)) == [token.id for token in theirs.tokenize(text)], text
