"""The recipes of convolution: the engine's network learns and is its twin's, and shifted pictures are what they say."""

from dataclasses import replace

import numpy as np
import torch

from learnable.data.examples import TensorExamples
from learnable.data.images import labeled_images
from learnable.recipes.vision.convolution import DENSE, RECIPE, SHARED, SHIFTS, moved
from learnable.train.workbench import Workbench


def test_a_few_steps_help_and_the_twin_says_the_same():
    data = labeled_images(None)
    saved: dict[str, np.ndarray] = {}
    first: list[float] = []
    bench = Workbench(data, report=lambda step, steps, numbers: first.append(numbers["loss"]),
                      save=lambda step, arrays: saved.update(arrays))  # fmt: skip
    metrics = RECIPE.run(bench, **{**RECIPE.run_settings, "steps": 25})
    assert first[-1] < 0.97 * first[0]
    twin = RECIPE.model(data.info)
    twin.load_state_dict({name: torch.tensor(saved[name]) for name in twin.state_dict()})
    assert abs(RECIPE.evaluate(twin.eval(), data.test, data.info)["accuracy"] - metrics["accuracy"]) < 1e-6


def test_both_have_as_many_weights():
    info = labeled_images(None).info
    shared, dense = (sum(p.numel() for p in recipe.model(info).parameters()) for recipe in (SHARED, DENSE))
    assert (shared, dense) == (61_706, 61_225)


class Finder(torch.nn.Module):
    """Says whether the light is at its place."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        lit = image[:, 0, 10, 10]
        return torch.stack([1 - lit, lit], dim=1)


def test_pictures_are_moved_by_hand():
    """A point at (10, 10) that is moved is no longer there; one at (8, 10) is there once, moved down by two."""
    data = labeled_images(None)
    info = replace(data.info, classes=("away", "there"))
    for place, share in (((10, 10), 0.0), ((8, 10), 1 / 8), ((10, 13), 1 / 8)):
        image = torch.zeros(4, 1, 28, 28)
        image[:, 0, place[0], place[1]] = 1
        metrics = moved(Finder(), TensorExamples({"image": image, "label": torch.ones(4, dtype=torch.int64)}), info)
        assert metrics["shifted"] == share and metrics["accuracy"] == float(place == (10, 10))
    assert len(set(SHIFTS)) == 8
