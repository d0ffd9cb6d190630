"""A tiny recipe for tests of what carries recipes: points on two sides of a line, learned in a second."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from learnable import catalog
from learnable.data.examples import Batch, Data, Examples, Info, TensorExamples
from learnable.optim.schedules import warmup_cosine
from learnable.train.recipe import AnyRecipe, Expected, Metrics, Player, Recipe


def points(source: str | None = None, *, count: int = 256) -> Data:
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    columns = {"point": x, "label": (x.sum(1) > 0).long()}
    part = TensorExamples(columns)
    return Data(Info(data=source or "line", classes=("below", "above"), width=2), part, part, part)


def network(info: Info, *, hidden: int = 8) -> nn.Module:
    return nn.Sequential(nn.Linear(info.width, hidden), nn.Tanh(), nn.Linear(hidden, len(info.classes)))


def classify(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"total": nn.functional.cross_entropy(model(batch["point"]), batch["label"])}


@torch.no_grad()
def measure(model: nn.Module, examples: Examples, info: Info) -> Metrics:
    batch = examples.batch(torch.arange(len(examples)), {})
    model.eval()
    logits = model(batch["point"])
    right = (logits.argmax(1) == batch["label"]).double().mean().item()
    return {"accuracy": right, "loss": nn.functional.cross_entropy(logits, batch["label"]).item()}


def adamw(module: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), rate)


RECIPE = Recipe(
    model=network,
    data=points,
    players=(Player(classify, adamw, 1e-2, warmup_cosine),),
    batch_size=32,
    steps=40,
    every=10,
    evaluate=measure,
    expected=Expected("accuracy", minutes=0.01, at_least=0.8),
    model_settings={"hidden": 8},
    data_settings={"count": 256},
)


def install(monkeypatch: pytest.MonkeyPatch, recipe: AnyRecipe | None = None, **changes: object) -> None:
    """Put the toy into the catalog under the name `toy`."""
    recipe = replace(recipe or RECIPE, **changes)
    row = replace_row(catalog.find("lenet"))
    real_row, real_load, real_names = catalog.recipe_row, catalog.load, catalog.recipe_names
    monkeypatch.setattr(catalog, "recipe_row", lambda name: (row, "toy:RECIPE") if name == "toy" else real_row(name))
    monkeypatch.setattr(catalog, "load", lambda target: recipe if target == "toy:RECIPE" else real_load(target))
    monkeypatch.setattr(catalog, "recipe_names", lambda: real_names() | {"toy"})


def replace_row(topic: catalog.Topic) -> catalog.Topic:
    return topic._replace(recipes={"toy": "toy:RECIPE"})
