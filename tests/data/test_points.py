import math

import pytest
import torch
from torch.testing import assert_close

from learnable.data import points as module
from learnable.data.points import (
    MIXTURES,
    TOYS,
    circles,
    grid_centers,
    in_own_units,
    mixture,
    moons,
    ring_centers,
    spirals,
    xor,
)
from learnable.errors import CallError, WorldError


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_a_toy_is_a_function_of_its_seed(toy):
    points, labels = toy(60, seed=1)
    again, labels_again = toy(60, seed=1)
    other, _ = toy(60, seed=2)
    assert torch.equal(points, again) and torch.equal(labels, labels_again)
    assert not torch.equal(points, other)


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_classes_are_balanced_and_shuffled(toy):
    points, labels = toy(600)
    assert points.shape == (600, 2) and points.dtype == torch.float32
    assert len(set(labels.bincount().tolist())) == 1
    assert not torch.equal(labels, torch.arange(600) % (int(labels.max()) + 1))


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_toys_leave_the_global_random_state_alone(toy):
    before = torch.get_rng_state()
    toy(60)
    assert torch.equal(before, torch.get_rng_state())


def test_moons_are_half_circles():
    points, labels = moons(200, noise=0.0)
    upper, lower = points[labels == 0], points[labels == 1]
    assert_close(upper.norm(dim=1), torch.ones(100))
    assert (upper[:, 1] > -1e-6).all()
    assert_close((lower - torch.tensor([1.0, 0.5])).norm(dim=1), torch.ones(100))
    assert (lower[:, 1] < 0.5 + 1e-6).all()


def test_circles_differ_by_radius():
    points, labels = circles(200, noise=0.0, inner=0.5)
    assert_close(points.norm(dim=1), torch.where(labels == 0, 1.0, 0.5))
    assert_close(points.mean(dim=0), torch.zeros(2), atol=1e-6, rtol=0)  # a point twice would pull to its side


def test_spirals_turn_as_often_as_they_say():
    points, labels = spirals(400, turns=2.0, noise=0.0)
    arm = points[labels == 0]
    arm = arm[arm.norm(dim=1).argsort()]
    angle = torch.atan2(arm[:, 1], arm[:, 0])
    turned = torch.remainder(angle[1:] - angle[:-1], 2 * math.pi).sum()
    assert_close(float(turned), 4 * math.pi, atol=1e-2, rtol=0)


def test_xor_is_the_sign_of_the_product():
    points, labels = xor(400, noise=0.0)
    assert torch.equal(labels, (points.prod(dim=1) < 0).long())


def test_centers_by_hand():
    assert_close(ring_centers()[:3], torch.tensor([[2.0, 0.0], [math.sqrt(2), math.sqrt(2)], [0.0, 2.0]]))
    assert grid_centers().tolist()[0] == [-4.0, -4.0] and grid_centers().tolist()[-1] == [4.0, 4.0]
    assert {name: sigma for name, (_, sigma) in MIXTURES.items()} == {"ring": 0.02, "grid": 0.05}
    assert len(grid_centers()) == 25 and grid_centers().tolist()[1] == [-4.0, -2.0]


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_has_the_centers_and_the_spread_that_it_says(name):
    data = mixture(name, noise=3, count=10_000)
    assert data.info.data == name and (data.info.width, data.info.noise) == (2, 3)
    points = data.train.batch(torch.arange(len(data.train)), {})["point"]
    centers = torch.tensor(data.info.more["centers"])
    nearest = torch.cdist(points, centers).argmin(dim=1)
    away = points - centers[nearest]
    assert_close(away.std(dim=0), torch.full((2,), data.info.more["sigma"]), rtol=0.05, atol=0)
    assert (nearest.bincount() > 0.8 * len(points) / len(centers)).all()


def test_parts_share_no_point_and_info_survives_json():
    data = mixture(count=1000)
    parts = [part.batch(torch.arange(len(part)), {})["point"] for part in (data.train, data.valid, data.test)]
    assert [len(part) for part in parts] == [600, 200, 200]
    assert len(torch.cat(parts).unique(dim=0)) == 1000
    assert type(data.info).from_json(data.info.to_json()).more == data.info.more


def test_noise_is_drawn_new_by_the_loops_generator():
    data = mixture(noise=4, count=100)
    generator = torch.Generator().manual_seed(0)
    first = data.train.batch(torch.arange(5), data.train.draw(5, generator))
    second = data.train.batch(torch.arange(5), data.train.draw(5, generator))
    assert first["noise"].shape == (5, 4) and first["point"].shape == (5, 2)
    assert torch.equal(first["point"], second["point"]) and not torch.equal(first["noise"], second["noise"])


def test_a_table_is_standardized_by_its_training_part_and_told_in_its_own_units(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(200, 2, generator=generator).double() * torch.tensor([5.0, 0.1]) + torch.tensor([100.0, -3.0])
    monkeypatch.setattr(module, "_table", lambda path: own)
    path = tmp_path / "mine.csv"
    path.touch()
    data = mixture(str(path))
    points = data.train.batch(torch.arange(len(data.train)), {})["point"]
    assert_close(points.mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
    assert_close(points.std(dim=0), torch.ones(2))
    assert "centers" not in data.info.more and data.info.data == "table mine.csv"
    back = in_own_units(points.double(), data.info)
    assert torch.cdist(back, own).min(dim=1).values.max() < 1e-4
    toy = mixture("moons").info
    assert in_own_units(points, toy) is points


def test_a_column_that_never_changes_is_left_alone(tmp_path, monkeypatch):
    own = torch.stack([torch.arange(50.0), torch.full((50,), 7.0)], dim=1).double()
    monkeypatch.setattr(module, "_table", lambda path: own)
    data = mixture(str(tmp_path / "mine.csv"))
    points = data.train.batch(torch.arange(len(data.train)), {})["point"]
    assert points.isfinite().all() and data.info.more["scale"][1] == 1.0


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(f"{i},{i * i}" for i in range(40)))
    data = mixture(str(path))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [24, 8, 8]
    path.write_text("\n".join(f"{i},{i * i}" for i in range(5)))
    with pytest.raises(WorldError, match="holds 5 points, at least 20"):
        mixture(str(path))
    with pytest.raises(WorldError):
        mixture(str(tmp_path / "missing.csv"))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(CallError, match="did you mean 'ring'"):
        mixture("rign")
    with pytest.raises(CallError, match="noise ≥ 1"):
        mixture(noise=0)
