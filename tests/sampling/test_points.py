import json
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.data.examples import Info
from learnable.data.points import mixture
from learnable.errors import CallError
from learnable.models.generative.gan import mlp_gan
from learnable.sampling.points import SHADES, draw_points, text_scatter


def trained():
    torch.manual_seed(0)
    return mlp_gan(4, width=8), mixture(noise=4, count=100).info


def test_points_are_plain_json_and_as_many_as_asked():
    model, info = trained()
    made = draw_points(model, info, count=7, seed=3)
    assert json.loads(json.dumps(made)) == made
    assert len(made["points"]) == 7 and all(len(point) == 2 for point in made["points"])


def test_a_seed_is_a_sample():
    model, info = trained()
    before = torch.get_rng_state()
    one, same, other = (draw_points(model, info, count=5, seed=seed) for seed in (3, 3, 4))
    assert one == same != other
    assert torch.equal(before, torch.get_rng_state())


def test_temperature_spreads_the_noise():
    info = Info(data="toy", width=2, noise=2)
    model = nn.Linear(2, 2)
    nn.init.eye_(model.weight)
    nn.init.ones_(model.bias)
    at = lambda temperature: torch.tensor(draw_points(model, info, count=5, seed=0, temperature=temperature)["points"])
    assert_close(at(0.5) - 1, 0.5 * (at(1.0) - 1))
    assert_close(at(0.0), torch.ones(5, 2))


def test_points_are_told_in_the_tables_own_units():
    info = Info(data="toy", width=2, noise=2)
    own = Info(data="toy", width=2, noise=2, more={"shift": [100.0, -1.0], "scale": [5.0, 0.1]})
    model = nn.Linear(2, 2)
    plain = torch.tensor(draw_points(model, info, count=5, seed=0)["points"])
    told = torch.tensor(draw_points(model, own, count=5, seed=0)["points"])
    assert_close(told, plain * torch.tensor([5.0, 0.1]) + torch.tensor([100.0, -1.0]))


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"temperature": -1.0}, {"temperature": math.nan}, {"prompt": "a cat"}], ids=str
)
def test_what_cannot_be_made_is_refused(wrong):
    model, info = trained()
    with pytest.raises(CallError):
        draw_points(model, info, **{"count": 5, "seed": 0, **wrong})


def test_a_scatter_by_hand():
    picture = text_scatter([(0, 0), (4, 2), (2, 1), (4, 0)], columns=5, rows=3).split("\n")
    assert picture == [
        "+-----+",
        "|    @|",
        "|  @  |",
        "|@   @|",
        "+-----+",
        "x from 0 to 4, y from 0 to 2; 4 points",
    ]


def test_darker_is_more():
    points = [(0, 0)] * 1 + [(1, 0)] * 10 + [(2, 0)] * 100
    row = text_scatter(points, columns=3, rows=1).split("\n")[1]
    assert row[1] == SHADES[0] and row[3] == SHADES[-1] and row[2] == SHADES[4]  # 10 is half way by the logarithm


def test_every_line_is_as_wide_as_the_frame():
    points, _ = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
    lines = text_scatter(points.tolist()).split("\n")
    assert len(lines) == 27 and {len(line) for line in lines[:-1]} == {62}


def test_a_single_point_stands_in_the_middle():
    assert text_scatter([(3, 3)], columns=5, rows=3).split("\n")[2] == "|  @  |"


def test_points_that_are_no_numbers_are_said():
    assert "2 more are not finite" in text_scatter([(0, 0), (1, 1), (math.nan, 0), (0, math.inf)])
    assert "diverged" in text_scatter([(math.nan, math.nan)])
