"""The statistics against SciPy, and against chance itself: simulated experiments in which the truth is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.errors import CallError
from learnable.metrics.compare import _t_quantile, _t_within, bootstrap, mcnemar, paired

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 3))


@pytest.mark.reference
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 8, 29, 30, 200, 1001])
def test_students_t_is_scipys(freedom):
    stats = pytest.importorskip("scipy.stats")
    for t in (0.0, 0.01, 0.5, 1.0, 2.776, 10.0, 500.0):
        assert _t_within(t, freedom) == pytest.approx(1 - 2 * stats.t.sf(t, freedom), abs=1e-12)
    for probability in (0.5, 0.95, 0.99):
        assert _t_quantile(probability, freedom) == pytest.approx(stats.t.ppf((1 + probability) / 2, freedom), rel=1e-9)


@pytest.mark.reference
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=12))
def test_paired_is_scipys_paired_t_test(pairs):
    stats = pytest.importorskip("scipy.stats")
    a, b = {i: pair[0] for i, pair in enumerate(pairs)}, {i: pair[1] for i, pair in enumerate(pairs)}
    ours = paired(a, b)
    spread = torch.tensor(ours.differences, dtype=torch.float64).std()
    if spread <= 1e-9:  # SciPy divides by zero there; the cases below say what we do
        return
    theirs = stats.ttest_rel(list(b.values()), list(a.values()))
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=1e-9)
    low, high = theirs.confidence_interval(0.95)
    assert ours.interval == pytest.approx((low, high), rel=1e-6, abs=1e-6)


def test_one_comparison_by_hand():
    """Differences 1, 2, 3: mean 2, spread 1, error 1/√3, t = 3.4641 with two degrees: p = 0.0742, margin 4.3027/√3."""
    found = paired({0: 10, 1: 10, 2: 10}, {2: 13, 1: 12, 0: 11})
    assert found.differences == (1, 2, 3)
    assert found.mean == 2
    assert found.p_value == pytest.approx(0.0742, abs=1e-4)
    assert found.interval == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert found.verdict.startswith("no difference shown")


def test_turning_the_comparison_round_turns_the_sign_only():
    a, b = {0: 0.1, 1: 0.2, 2: 0.4}, {0: 0.3, 1: 0.5, 2: 0.9}
    there, back = paired(a, b), paired(b, a)
    assert there.mean == pytest.approx(-back.mean)
    assert there.p_value == back.p_value
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_only_shared_seeds_count_whatever_their_order():
    found = paired({3: 1.0, 1: 5.0, 9: 7.0}, {1: 6.0, 3: 3.0, 4: 0.0})
    assert found.seeds == (1, 3)
    assert found.differences == (1.0, 2.0)


def test_too_few_seeds_give_no_interval_and_say_what_to_run():
    none = paired({0: 1.0}, {1: 2.0})
    assert (none.mean, none.interval, none.p_value) == (None, None, None)
    assert "--seed" in none.verdict
    one = paired({4: 1.0}, {4: 2.0, 5: 1.0})
    assert (one.mean, one.interval, one.p_value) == (1.0, None, None)
    assert "--seed 5" in one.verdict
    assert "share no seed" in paired({}, {}).verdict


def test_equal_values():
    same = paired({0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.7})
    assert (same.mean, same.interval, same.p_value) == (0.0, (0.0, 0.0), 1.0)
    assert "equal" in same.verdict


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_equal_differences_claim_nothing(kind):
    """Accuracies of 360 examples, each four better: the differences are equal but for rounding."""
    a, b = torch.tensor([[340, 335], [344, 339]], dtype=kind) / 360
    found = paired(dict(enumerate(a.tolist())), dict(enumerate(b.tolist())), names=("plain", "wide"))
    assert found.mean == pytest.approx(4 / 360, abs=1e-6)
    assert (found.interval, found.p_value) == (None, None)
    assert "wide minus plain is +0.01111 with each of 2 seeds" in found.verdict
    assert "no spread to judge by" in found.verdict and "--seed 2, --seed 3" in found.verdict
    assert not any(claim in found.verdict for claim in ("higher", "interval", "p <", "p ="))


def test_one_example_more_is_a_spread():
    found = paired({0: 340 / 360, 1: 335 / 360, 2: 1 / 360}, {0: 344 / 360, 1: 340 / 360, 2: 5 / 360})
    assert found.p_value is not None and found.p_value < 0.05


@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_a_diverged_seed_is_left_out_and_said(bad):
    found = paired({0: 1.0, 1: bad, 2: 1.0}, {0: 2.0, 1: 2.0, 2: 2.5})
    assert found.seeds == (0, 2)
    assert "without seed 1" in found.verdict


def test_the_interval_covers_the_truth_19_times_in_20_and_chance_is_called_real_once_in_20():
    """3000 experiments of 4 seeds. The binomial's spread is √(0.05 · 0.95 / 3000) = 0.4 %; four of them are allowed."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(3000, 4, generator=generator, dtype=torch.float64)
    b = a + 0.5 + 0.3 * torch.randn(3000, 4, generator=generator, dtype=torch.float64)  # truly 0.5 higher
    null = a + 0.3 * torch.randn(3000, 4, generator=generator, dtype=torch.float64)  # truly no difference
    allowed = 4 * (0.05 * 0.95 / 3000) ** 0.5

    def compare(x, y):
        return [paired(dict(enumerate(p)), dict(enumerate(q))) for p, q in zip(x.tolist(), y.tolist(), strict=True)]

    covered = sum(found.interval[0] <= 0.5 <= found.interval[1] for found in compare(a, b)) / 3000
    assert covered == pytest.approx(0.95, abs=allowed)
    alarms = sum(found.p_value < 0.05 for found in compare(a, null)) / 3000
    assert alarms == pytest.approx(0.05, abs=allowed)


@pytest.mark.reference
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_mcnemar_is_the_exact_binomial_test(answers):
    stats = pytest.importorskip("scipy.stats")
    a, b = torch.tensor(answers).T
    found = mcnemar(a, b)
    tosses = found.only_a + found.only_b
    assert tosses == int((a != b).sum())
    expected = stats.binomtest(found.only_a, tosses, 0.5).pvalue if tosses else 1.0
    assert found.p_value == pytest.approx(expected, abs=1e-12)


def test_mcnemar_counts_only_disagreement_and_names_the_better():
    a = torch.tensor([True] * 500 + [True] * 30 + [False] * 5)
    b = torch.tensor([True] * 500 + [False] * 30 + [True] * 5)
    found = mcnemar(a, b, names=("lenet", "mlp"))
    assert (found.only_a, found.only_b) == (30, 5)
    assert "lenet is better" in found.verdict
    assert mcnemar(b, a).p_value == found.p_value
    assert mcnemar(a, a).p_value == 1.0
    with pytest.raises(CallError, match="same examples"):
        mcnemar(a, b[1:])


def test_mcnemar_takes_a_large_test_part():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 20_000, generator=generator) < 0.5
    assert 0 < mcnemar(a, b).p_value <= 1


def test_mcnemar_calls_chance_real_at_most_once_in_20():
    """Being exact it is careful: below 5 %, and for 40 disagreements not far below."""
    generator = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 2000, 80, generator=generator) < 0.5
    alarms = sum(mcnemar(x, y).p_value < 0.05 for x, y in zip(a, b, strict=True)) / 2000
    assert 0.02 < alarms < 0.05 + 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_the_bootstrap_covers_the_truth():
    """300 test parts of 60 examples, true mean 0. Percentiles are known to be a little narrow: 93 to 95 %."""
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(300, 60, generator=generator)
    covered = 0
    for i, part in enumerate(parts):
        low, high = bootstrap(part, resamples=300, seed=i)
        covered += low <= 0 <= high
    allowed = 4 * (0.05 * 0.95 / 300) ** 0.5
    assert 0.935 - allowed < covered / 300 < 0.95 + allowed


def test_the_bootstrap_repeats_itself_and_takes_any_statistic():
    values = torch.arange(100.0)
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3) != bootstrap(values, seed=4)
    low, high = bootstrap(values, lambda sample: float(sample.median()))
    assert 35 < low < 50 < high < 65
    narrow = bootstrap(values, level=0.5)
    wide = bootstrap(values, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    with pytest.raises(CallError, match="at least 2"):
        bootstrap(values[:1])
    with pytest.raises(CallError, match="between 0 and 1"):
        bootstrap(values, level=95)
