import torch

from learnable.data.examples import Info, TextWindows
from learnable.recipes.transformers.modern_gpt import RECIPE, example, small
from learnable.train.recipe import smoke

INFO = Info(data="toy", alphabet=tuple("\nabcdefg"), context=16)


def test_the_model_follows_from_the_data():
    model = small(INFO, depth=1, width=16, heads=2)
    assert (model.config.vocab, model.config.context) == (8, 16)


def test_the_example_fits_the_model():
    (tokens,) = example(INFO)
    assert small(INFO, depth=1, width=16, heads=2)(tokens).shape == (2, 16, 8)


def test_its_parts_fit_each_other():
    """Text in, a few steps, numbers and text out; the first loss is that of guessing and the last one is lower."""
    recipe = smoke(RECIPE)
    text = torch.tensor([1, 2, 3, 4, 5, 6, 7, 0] * 20)
    torch.manual_seed(0)
    windows, model = TextWindows(text, 16), recipe.model(INFO, depth=1, width=16, heads=2)
    (player,) = recipe.players
    optimizer = player.optimizer(model, player.learning_rate)
    before = recipe.evaluate(model, windows, INFO)
    for _ in range(8):
        optimizer.zero_grad()
        player.objective(model, windows.batch(torch.arange(16), {}))["total"].backward()
        optimizer.step()
    after = recipe.evaluate(model, windows, INFO)
    assert set(after) == {"loss", "perplexity", "bits_per_character"} and RECIPE.expected.metric in after
    assert after["loss"] < before["loss"] < 1.1 * torch.tensor(8.0).log()
    written = recipe.generate(model, INFO, "abc", count=30, seed=0, temperature=0.8)["text"]
    assert written.startswith("abc") and len(written) == 33
