"""The whole loop, record and checkpoints included, against a bare training step with the same clipping.

For a GPT whose step takes 20 ms or more there is a bound; for LeNet, whose step takes a few, the ratio is reported.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter

BOUNDS = {"gpt: whole loop / bare step": 1.05}
ROUNDS, STEPS = 3, 40


def whole(name: str, recipe: object) -> Callable[[], float]:
    """Seconds of a real run, from its own record: batches, steps, lines of metrics and a checkpoint in the middle."""
    from learnable import catalog
    from learnable.runs import training

    catalog.load = lambda target: recipe  # type: ignore[assignment]

    def run() -> float:
        return float(training.start(name, {"device": "cpu"}).record["seconds"])

    return run


def bare(recipe: object) -> Callable[[], float]:
    """The same steps written out: the next batch, objective, backward, clip, step, clear."""
    import torch
    from torch import nn

    from learnable.train.batches import Batches

    data = recipe.data(None, **recipe.data_settings)  # type: ignore[attr-defined]
    player = recipe.players[0]  # type: ignore[attr-defined]

    def run() -> float:
        model = recipe.model(data.info, **recipe.model_settings)  # type: ignore[attr-defined]
        optimizer = player.optimizer(model, player.learning_rate)
        parameters = list(model.parameters())
        batches = Batches(data.train, recipe.batch_size, seed=0)  # type: ignore[attr-defined]
        model.train()
        start = perf_counter()
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = player.learning_rate * player.schedule(step, STEPS)
            loss = player.objective(model, batches.at(step)[0])["total"]
            loss.backward()
            if recipe.clip is not None:  # type: ignore[attr-defined]
                nn.utils.clip_grad_norm_(parameters, recipe.clip)  # type: ignore[attr-defined]
            optimizer.step()
            optimizer.zero_grad()
        assert torch.isfinite(loss)
        return perf_counter() - start

    return run


def measure() -> dict[str, float]:
    from learnable import catalog

    load = catalog.load
    numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LEARNABLE_HOME"] = folder
        for name in ("gpt", "lenet"):
            recipe = load(catalog.recipe_row(name)[1])
            recipe = replace(recipe, steps=STEPS, epochs=0, every=STEPS // 2, evaluate=lambda model, examples, info: {})
            one, other = whole(name, recipe), bare(recipe)
            one(), other()
            times = [(one(), other()) for _ in range(ROUNDS)]
            mine, reference = (median(column) for column in zip(*times, strict=True))
            numbers[f"{name}: whole loop / bare step"] = mine / reference
            numbers[f"{name}: bare step, milliseconds"] = 1000 * reference / STEPS
    return numbers


def main() -> None:
    for name, value in measure().items():
        print(f"{name}: {value:.3f}" + (f" (bound {BOUNDS[name]:.2f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
