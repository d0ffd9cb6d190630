"""The recipes in short: the parts fit, and what they are there to show can already be seen."""

from dataclasses import replace

import pytest
import torch

from learnable.data.examples import Info
from learnable.metrics.recall import most_frequent
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.recipes.transformers.self_attention import MEAN, RECIPE, example


def trained(recipe, data, steps):
    """The recipe by a loop of four lines, its own pace squeezed into so many steps."""
    torch.manual_seed(0)
    (player,) = recipe.players
    model = recipe.model(data.info, **recipe.model_settings)
    optimizer = player.optimizer(model, player.learning_rate)
    order = torch.randperm(len(data.train))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = player.learning_rate * player.schedule(step, steps)
        batch = data.train.batch(order[step * recipe.batch_size : (step + 1) * recipe.batch_size], {})
        optimizer.zero_grad()
        player.objective(model, batch)["total"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
    return model


def test_attention_finds_what_a_mean_has_lost():
    data = RECIPE.data(None, **RECIPE.data_settings)
    attention, mean = (trained(recipe, data, steps=150) for recipe in (RECIPE, MEAN))
    found = RECIPE.evaluate(attention, data.test, data.info)["accuracy"]
    lost = MEAN.evaluate(mean, data.test, data.info)["accuracy"]
    assert found >= 0.99
    assert lost < most_frequent(data.test, data.info) + 0.1 < 0.5
    batch = data.test.batch(torch.arange(500), {})
    looked_at = attention.weights(batch["tokens"])[:, :-1].argmax(dim=1)
    asked_for = (batch["tokens"][:, :-1, 0] == batch["tokens"][:, -1:, 0]).int().argmax(dim=1)
    assert (looked_at == asked_for).float().mean() > 0.98


def test_the_two_differ_in_the_model_alone():
    assert replace(MEAN, model=RECIPE.model, expected=RECIPE.expected) == RECIPE


@pytest.mark.parametrize("recipe, kind", [(RECIPE, AttentionRecall), (MEAN, MeanRecall)])
@pytest.mark.parametrize("pairs, keys, values", [(8, 26, 10), (26, 26, 10), (2, 2, 1), (1, 5, 3)])
def test_the_model_follows_from_the_data(recipe, kind, pairs, keys, values):
    letters, digits = tuple("abcdefghijklmnopqrstuvwxyz"[:keys]), tuple("0123456789"[:values])
    info = Info("pairs", alphabet=letters, classes=digits, context=pairs)
    model = recipe.model(info, width=8)
    assert isinstance(model, kind)
    (tokens,) = example(info)
    assert tokens.shape == (2, pairs + 1, 2)
    assert model(tokens).shape == (2, values)
    assert model(tokens.flatten()[torch.randperm(tokens.numel())].reshape(tokens.shape)).isfinite().all()


def test_both_are_of_one_size():
    info = Info("pairs", alphabet=tuple("abcdefghijklmnopqrstuvwxyz"), classes=tuple("0123456789"), context=8)
    sizes = [sum(p.numel() for p in r.model(info, **r.model_settings).parameters()) for r in (RECIPE, MEAN)]
    assert sizes == [19_722, 19_722]
