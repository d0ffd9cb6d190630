"""The recipes of LeNet: their parts fit, smoke runs learn, and the promise is kept on what a test can afford."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from learnable.catalog import find
from learnable.data.examples import Info, TensorExamples
from learnable.models.vision.fastnet import FastNet
from learnable.models.vision.lenet import LeNet, LeNet1998
from learnable.recipes.vision.lenet import FAST, PAPER, RECIPE, SGD
from learnable.train.batches import Batches
from learnable.train.loop import Team, train
from learnable.train.machine import Machine
from learnable.train.recipe import Recipe

ALL = {"lenet": RECIPE, "lenet-sgd": SGD, "lenet-1998": PAPER, "fastnet": FAST}


def trained(recipe: Recipe, steps: int) -> dict[str, float]:
    """The recipe's own parts through the loop, and what the test part says about it."""
    data = recipe.data(None, **recipe.data_settings)
    torch.manual_seed(0)
    model = recipe.model(data.info, **recipe.model_settings)
    team = Team(model, recipe.players, Machine("cpu"))
    for _ in train(team, Batches(data.train, recipe.batch_size, seed=0), steps=steps, clip=recipe.clip):
        pass
    return recipe.evaluate(model, data.test, data.info)
