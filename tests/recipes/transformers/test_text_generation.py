import torch

from learnable.data.examples import Info, TextWindows
from learnable.recipes.transformers import text_generation
from learnable.recipes.transformers.text_generation import RECIPE, evaluate, example, small, ways

INFO = Info(data="toy", alphabet=tuple("\nabcdefg"), context=8)


def test_the_example_fits_the_model():
    (tokens,) = example(INFO)
    assert small(INFO, depth=1, width=16, heads=2)(tokens).shape == (2, 8, 8)


def test_every_way_is_measured_and_so_are_people(monkeypatch):
    for name, number in {"PIECES": 4, "GIVEN": 6, "NEW": 20, "SEARCHED": 2}.items():
        monkeypatch.setattr(text_generation, name, number)
    torch.manual_seed(0)
    model = small(INFO, depth=1, width=16, heads=2)
    windows = TextWindows(torch.randint(8, (200,)), 8)
    metrics = evaluate(model, windows, INFO)
    names = ["human", *ways(), "beam"]
    assert {f"{what}_{name}" for what in ("repeated", "distinct", "bits") for name in names} < set(metrics)
    assert RECIPE.expected.metric in metrics
    assert metrics["bits_greedy"] <= metrics["bits_pure"]
    assert all(0 <= metrics[f"repeated_{name}"] <= 1 and 0 < metrics[f"distinct_{name}"] <= 1 for name in names)
    assert evaluate(model, windows, INFO) == metrics  # the dice are its own


def test_a_short_text_has_no_beginnings():
    model = small(INFO, depth=1, width=16, heads=2)
    assert set(evaluate(model, TextWindows(torch.randint(8, (60,)), 8), INFO)) == {
        "loss",
        "perplexity",
        "bits_per_character",
    }


def test_text_is_written():
    model = small(INFO, depth=1, width=16, heads=2)
    pieces = list(RECIPE.stream(model, INFO, "abc", count=9, seed=0, temperature=1.0, top_p=0.9))
    assert RECIPE.generate(model, INFO, "abc", count=9, seed=0, temperature=1.0, top_p=0.9)["text"] == "abc" + "".join(
        pieces
    )
