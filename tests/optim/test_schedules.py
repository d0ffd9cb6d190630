import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR

from learnable.optim.schedules import constant, hold_then_fall, noam, noam_peak, one_cycle, thawing, warmup_cosine

SCHEDULES = [constant, warmup_cosine, one_cycle, noam, hold_then_fall]


def theirs(make, steps, rate=1.0):
    """The rates that torch's scheduler sets for each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], rate)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.reference
@pytest.mark.parametrize("steps, warmup", [(50, 0.3), (100, 0.3), (40, 0.1), (1000, 0.25)])
@pytest.mark.parametrize("start, end", [(0.04, 1e-4), (0.1, 0.01)])
def test_one_cycle_is_torchs(steps, warmup, start, end):
    """Torch counts its peak at `warmup * steps - 1` and its end at the last step; ours at `warmup * steps` and just after."""
    ours = [one_cycle(step, steps, warmup=warmup, start=start, end=end) for step in range(steps)]
    total, peak = steps + 1, round(warmup * steps)
    reference = theirs(
        lambda optimizer: OneCycleLR(optimizer, max_lr=1.0, total_steps=total, pct_start=(peak + 1) / total,
                                     div_factor=1 / start, final_div_factor=start / end, cycle_momentum=False),
        steps,
        rate=start,
    )  # fmt: skip
    assert ours == pytest.approx(reference, rel=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_the_cosine_is_torchs(floor):
    steps, rising = 200, 1  # a warm-up of no steps at all is one step at the peak
    reference = theirs(lambda optimizer: CosineAnnealingLR(optimizer, steps - rising, eta_min=floor), steps - rising)
    ours = [warmup_cosine(step, steps, warmup=0.0, floor=floor) for step in range(steps)]
    assert ours[0] == 1 and ours[1:] == pytest.approx(reference, rel=1e-9)


@pytest.mark.reference
def test_rising_and_falling_are_torchs():
    steps, rising = 100, 20
    reference = theirs(
        lambda optimizer: SequentialLR(
            optimizer,
            [
                LinearLR(optimizer, 1 / rising, 1.0, total_iters=rising - 1),
                CosineAnnealingLR(optimizer, steps - rising),
            ],
            [rising],
        ),
        rising,
    )
    assert [warmup_cosine(step, steps, warmup=0.2) for step in range(rising)] == pytest.approx(reference)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100, 2500])
def test_a_share_is_between_0_and_1_and_the_first_step_moves(schedule, steps):
    shares = [schedule(step, steps) for step in range(steps)]
    assert all(0 <= share <= 1 for share in shares) and shares[0] > 0
    assert max(shares) > 0.95 or steps < 4


@pytest.mark.parametrize("schedule", [warmup_cosine, one_cycle])
def test_it_rises_and_then_falls(schedule):
    shares = [schedule(step, 100) for step in range(100)]
    peak = shares.index(max(shares))
    assert shares[:peak] == sorted(shares[:peak]) and shares[peak:] == sorted(shares[peak:], reverse=True)


def test_values_by_hand():
    assert warmup_cosine(0, 100, warmup=0.1) == pytest.approx(0.1)
    assert warmup_cosine(9, 100, warmup=0.1) == 1
    assert warmup_cosine(55, 100, warmup=0.1) == pytest.approx(0.5)
    assert warmup_cosine(55, 100, warmup=0.1, floor=0.2) == pytest.approx(0.6)
    assert warmup_cosine(100, 100, floor=0.2) == pytest.approx(0.2)
    assert one_cycle(15, 100) == pytest.approx((0.04 + 1) / 2)
    assert one_cycle(30, 100) == 1
    assert one_cycle(65, 100) == pytest.approx((1 + 1e-4) / 2)
    assert one_cycle(100, 100) == pytest.approx(1e-4)
    assert constant(0, 1) == constant(99, 100) == 1


def test_a_longer_run_has_the_same_shape():
    """Steps are shares of the whole: what half the run has seen does not depend on its length."""
    for schedule in (warmup_cosine, one_cycle):
        assert schedule(50, 100) == pytest.approx(schedule(5000, 10_000), abs=0.01)
    assert not math.isclose(warmup_cosine(5, 100), warmup_cosine(5, 1000))


@pytest.mark.parametrize("width, warmup, steps", [(512, 4000, 100_000), (64, 10, 100)])
def test_noam_is_the_papers_formula(width, warmup, steps):
    for step in (0, 1, warmup // 2, warmup - 2, warmup - 1, warmup, 3 * warmup, steps - 1):
        theirs = width**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)
        ours = noam_peak(width, warmup) * noam(step, steps, warmup=warmup / steps)
        assert ours == pytest.approx(theirs, rel=1e-9)


def test_noam_without_warm_up_begins_at_its_peak():
    assert noam(0, 100, warmup=0.0) == 1.0


def test_hold_then_fall_by_hand():
    """Held for two of five steps; then thirds of the way down, of which the last step's end would be zero."""
    assert [hold_then_fall(step, 5) for step in range(5)] == pytest.approx([1, 1, 1, 2 / 3, 1 / 3])
    assert [hold_then_fall(step, 4, fall=1.0) for step in range(4)] == pytest.approx([1, 0.75, 0.5, 0.25])


def test_parts_wake_from_the_last_to_the_first():
    shares = [thawing(step, 100, parts=4, every=0.2, schedule=constant) for step in range(100)]
    assert [sum(row) for row in shares] == [1] * 20 + [2] * 20 + [3] * 20 + [4] * 40
    assert all(list(row) == sorted(row) for row in shares)


def test_those_that_are_awake_follow_one_schedule():
    for step in (0, 7, 35, 99):
        awake = [share for share in thawing(step, 100, parts=3, every=0.3) if share]
        assert set(awake) <= {warmup_cosine(step, 100)}
