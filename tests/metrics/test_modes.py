import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.data.examples import Info
from learnable.data.points import around, mixture, ring_centers
from learnable.metrics.modes import SAMPLES, coverage, energy_distance, mode_metrics
from learnable.models.generative.gan import GAN, mlp_gan

LINE = {"centers": [[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0]], "sigma": 1.0}


def on_the_line(*places):
    return torch.tensor([[x, 0.0] for x in places])


def test_coverage_by_hand():
    """Two good points at 0, one good at 10, one at 14 that is nearest to 10 and 4 sigma away from it."""
    found = coverage(on_the_line(0.0, 2.9, 10.0, 14.0), LINE)
    assert (found["modes"], found["quality"]) == (2, 0.75)
    assert_close(found["divergence"], math.log(4) - math.log(2), atol=1e-6, rtol=0)


def test_even_coverage_diverges_by_nothing_and_a_single_mode_by_log_of_all():
    even = coverage(on_the_line(0.0, 10.0, 20.0, 30.0), LINE)
    assert even["modes"] == 4 and abs(even["divergence"]) < 1e-6
    single = coverage(on_the_line(20.0, 20.0, 20.0), LINE)
    assert single["modes"] == 1
    assert_close(single["divergence"], math.log(4), atol=1e-6, rtol=0)


def test_good_means_within_three_sigma_around_not_along_an_axis():
    assert coverage(torch.tensor([[2.9, 0.0]]), LINE)["quality"] == 1
    assert coverage(torch.tensor([[2.9, 2.9]]), LINE)["quality"] == 0


def test_a_stray_point_is_no_mode():
    mostly = on_the_line(*[0.0] * 99, 10.0)
    assert coverage(mostly, LINE)["modes"] == 1  # a fair share is 25 points, a tenth of it 2.5
    assert coverage(on_the_line(*[0.0] * 97, *[10.0] * 3), LINE)["modes"] == 2


def test_the_truth_covers_itself():
    points, _ = around(ring_centers(), 0.02, 4000, seed=5)
    found = coverage(points, {"centers": ring_centers().tolist(), "sigma": 0.02})
    assert found["modes"] == 8
    assert_close(found["quality"], 1 - math.exp(-4.5), atol=0.005, rtol=0)  # a round Gaussian's share within 3 sigma
    assert abs(found["divergence"]) < 1e-5


def test_coverage_agrees_with_its_slow_twin():
    generator = torch.Generator().manual_seed(0)
    points = 20 * torch.rand(200, 2, generator=generator)
    centers = 20 * torch.rand(7, 2, generator=generator)
    counts, good = [0] * 7, [0] * 7
    for x, y in points.tolist():
        distances = [math.hypot(x - a, y - b) for a, b in centers.tolist()]
        nearest = distances.index(min(distances))
        counts[nearest] += 1
        good[nearest] += distances[nearest] <= 3 * 1.0
    found = coverage(points, {"centers": centers.tolist(), "sigma": 1.0})
    assert found["modes"] == sum(number >= 0.1 * 200 / 7 for number in good)
    assert_close(found["quality"], sum(good) / 200, atol=1e-6, rtol=0)
    assert_close(found["divergence"], sum(n / 200 * math.log(n / 200 * 7) for n in counts if n), atol=1e-5, rtol=0)


def test_points_that_are_no_numbers_cover_nothing():
    found = coverage(torch.full((10, 2), math.nan), LINE)
    assert (found["modes"], found["quality"]) == (0, 0)


def test_energy_distance_by_hand():
    """{0, 2} against {1}: 2·1 - (0 + 2 + 2 + 0)/4 - 0 = 1."""
    a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0]])
    assert_close(energy_distance(a, b), torch.tensor(1.0))
    assert_close(energy_distance(b, a), torch.tensor(1.0))


def test_energy_distance_agrees_with_its_slow_twin():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(30, 2, generator=generator), torch.randn(20, 2, generator=generator) + 0.5
    mean = lambda u, v: sum(math.dist(x, y) for x in u.tolist() for y in v.tolist()) / (len(u) * len(v))
    assert_close(energy_distance(a, b).item(), 2 * mean(a, b) - mean(a, a) - mean(b, b), atol=1e-5, rtol=0)


def test_energy_distance_of_equal_samples_is_zero_and_never_negative():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 500, 2, generator=generator)
    assert_close(energy_distance(a, a), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert 0 < energy_distance(a, b) < 0.02 < 1 < energy_distance(a, b + 2)


@pytest.mark.reference
def test_energy_distance_is_scipys_squared():
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(40, 1, generator=generator).double(), torch.rand(30, 1, generator=generator).double()
    assert_close(energy_distance(a, b).item(), stats.energy_distance(a[:, 0], b[:, 0]) ** 2)


class Replay(nn.Module):
    """A generator that gives back the truth: the first two numbers of the noise are the point, turned and stretched."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.02))

    def forward(self, noise):
        centers = ring_centers()
        return centers[torch.arange(len(noise)) % 8] + self.scale * noise[:, :2]


def test_a_perfect_generator_measures_perfect():
    data = mixture("ring", noise=2)
    found = mode_metrics(GAN(Replay(), nn.Identity()), data.test, data.info)
    assert found["modes"] == 8 and found["quality"] > 0.98
    assert found["divergence"] < 1e-3 and found["distance"] < 0.003


def test_without_centers_there_is_a_distance_alone():
    data = mixture("moons", noise=4, count=200)
    assert set(mode_metrics(mlp_gan(4, width=8), data.test, data.info)) == {"distance"}


def test_equal_models_measure_equal_and_nothing_global_is_drawn():
    data = mixture(noise=4, count=200)
    torch.manual_seed(0)
    model = mlp_gan(4, width=8)
    before = torch.get_rng_state()
    first, second = (mode_metrics(model, data.test, data.info) for _ in range(2))
    assert first == second and torch.equal(before, torch.get_rng_state())
    assert first != mode_metrics(model, data.test, data.info, seed=1)
    assert set(first) == {"modes", "quality", "divergence", "distance"} and all(
        type(v) is float for v in first.values()
    )


def test_the_models_own_precision_is_used():
    data = mixture(noise=4, count=200)
    assert math.isfinite(mode_metrics(mlp_gan(4, width=8).double(), data.test, data.info)["distance"])


def test_only_so_many_examples_are_compared(monkeypatch):
    seen = []
    data = mixture(noise=4, count=20_000)
    batch = data.test.batch
    monkeypatch.setattr(data.test, "batch", lambda numbers, draws: seen.append(len(numbers)) or batch(numbers, draws))
    mode_metrics(mlp_gan(4, width=8), data.test, Info(data="ring", width=2, noise=4))
    assert seen == [SAMPLES]
