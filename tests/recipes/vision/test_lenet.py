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


@pytest.mark.parametrize("recipe", [RECIPE, SGD, FAST], ids=["lenet", "lenet-sgd", "fastnet"])
def test_the_catalog_knows_it(recipe: Recipe):
    from importlib import import_module

    addresses = find("lenet").recipes.values()
    found = [getattr(import_module(module), name) for module, name in (address.split(":") for address in addresses)]
    assert recipe in found


@pytest.mark.parametrize("recipe, kind", [(RECIPE, LeNet), (SGD, LeNet), (PAPER, LeNet1998), (FAST, FastNet)], ids=ALL)
def test_the_model_follows_from_the_data(recipe: Recipe, kind: type):
    info = Info("made up", classes=("a", "b", "c"), image=(3, 40, 40))
    model = recipe.model(info)
    assert type(model) is kind
    assert recipe.example is not None
    assert model(*recipe.example(info)).shape == (2, 3)


@pytest.mark.parametrize("name", ALL)
def test_a_few_steps_learn_something(name: str):
    """Guessing has 10 % right; the slow one is only asked not to be worse."""
    before, after = trained(ALL[name], 0), trained(ALL[name], 40)
    assert after["loss"] < before["loss"]
    if name != "lenet-sgd":
        assert after["accuracy"] > 0.4


@pytest.mark.slow
def test_the_fast_one_keeps_its_promise_on_the_embedded_digits():
    recipe = replace(FAST, steps=200)  # a third of it is enough for them
    assert recipe.expected.kept(trained(recipe, recipe.steps)["accuracy"])


@pytest.mark.slow
def test_labels_that_were_shuffled_cannot_be_learned():
    """What it scores, it scores because of the pictures: with labels at random the test part is guessed."""

    def shuffled(source: str | None, **settings: int):
        data = RECIPE.data(source, **settings)
        columns = dict(data.train.columns)
        columns["label"] = columns["label"][torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))]
        return replace(data, train=TensorExamples(columns))

    assert trained(replace(FAST, data=shuffled), 60)["accuracy"] < 0.25
    assert trained(FAST, 60)["accuracy"] > 0.8


def test_channels_last_is_the_same_function():
    info = Info("made up", classes=("a", "b"), image=(1, 28, 28))
    torch.manual_seed(0)
    model = FAST.model(info).eval()
    plain = FastNet(2)
    plain.load_state_dict(model.state_dict())
    picture = torch.rand(3, 1, 28, 28)
    assert model.get_parameter("c3.weight").is_contiguous(memory_format=torch.channels_last)
    assert_close(model(picture), plain.eval()(picture))


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])
@pytest.mark.slow
def test_reads_the_real_files(source: str, mirror):
    data = RECIPE.data(source, **RECIPE.data_settings)
    assert (len(data.train), len(data.valid), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.info.image == (1, 28, 28) and len(data.info.classes) == 10
    assert source in RECIPE.sources and source in RECIPE.promises
