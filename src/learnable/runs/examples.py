"""What a model says while it learns, for whoever watches: `examples.json` in the run's folder, new at each evaluation.

A curve says how much is wrong, these say what: digits with the model's opinion of them, a piece of text it writes, points
that it makes, lines that it answers. They are taken from the validation part, the same ones each time.

Watching must not change what is watched: no random number of the training is drawn, no failure here is a failure of the
run, and what it costs is counted: an album that has used up its fiftieth of the time waits for its next turn.
"""

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learnable.data.examples import Data
from learnable.files import finite
from learnable.metrics.classification import watching
from learnable.train.recipe import AnyRecipe

SHARE = 0.015  # of the run's time that it may cost
LOOKED_AT = 256  # examples of the validation part that are asked about
FIXED, WRONG = 8, 8  # of these are shown: always the same ones, and those that are most surely wrong
PIXELS = 48  # a larger picture is thinned until its longer side is no longer than that
LETTERS, POINTS, LINES = 120, 400, 5

Facts = dict[str, Any]


class Album:
    """Keeps `examples.json` up to date as a training goes on.

    Args:
        seconds: how long the run has worked.
    """

    def __init__(self, folder: Path, recipe: AnyRecipe, data: Data, seconds: Callable[[], float]):
        self.file = folder / "examples.json"
        self.recipe = recipe
        self.data = data
        self.seconds = seconds
        self.begun = seconds()
        self.spent = 0.0
        self.last = 0.0

    def keep(self, model: nn.Module, step: int) -> None:
        """Ask the model and write down what it says, if there is time for it."""
        if self.spent + self.last > SHARE * (self.seconds() - self.begun):
            return
        before = time.perf_counter()
        state = torch.get_rng_state()
        with contextlib.suppress(Exception):  # a picture less is no harm; a training that ends for a picture is
            facts = opinions(model, self.recipe, self.data)
            if facts is not None:
                _replace(self.file, {"step": step, **facts})
        torch.set_rng_state(state)
        self.last = time.perf_counter() - before
        self.spent += self.last


def opinions(model: nn.Module, recipe: AnyRecipe, data: Data) -> Facts | None:
    """What the model says to a few examples, by the kind of its data; None where there is nothing to be shown."""
    info = data.info
    with watching(model), torch.inference_mode():
        if info.noise and recipe.generate is not None:
            return _points(model, recipe, data)
        if info.vocab and not info.classes and recipe.generate is not None:
            prompt = str(info.more.get("prompt", ""))  # a translator needs a text; others begin one
            made = recipe.generate(model, info, prompt, count=LETTERS, seed=0, temperature=0.8)
            return {"kind": "text", "text": str(made["text"])}
        if info.alphabet and info.classes:
            return _lines(model, data)
        if info.image is not None and info.classes:
            return _pictures(model, data)
    return None


def _pictures(model: nn.Module, data: Data) -> Facts:
    batch = _first(data, LOOKED_AT)
    images, labels = batch["image"], batch["label"].tolist()
    chosen, sure = _answers(model(_for(model, images)))
    wrong = sorted((i for i in range(len(labels)) if chosen[i] != labels[i]), key=lambda i: -sure[i])
    names = data.info.classes

    def item(i: int) -> Facts:
        return {"pixels": _pixels(images[i]), "truth": names[labels[i]], "prediction": names[chosen[i]],
                "probability": round(sure[i], 4)}  # fmt: skip

    return {
        "kind": "images",
        "items": [item(i) for i in range(min(FIXED, len(labels)))],
        "wrong": [item(i) for i in wrong[:WRONG]],
        "asked": len(labels),
        "right": len(labels) - len(wrong),
    }


def _lines(model: nn.Module, data: Data) -> Facts:
    """Associative recall: each line with the answer, and, if the model attends, where it looked."""
    info = data.info
    batch = _first(data, LOOKED_AT)
    tokens, labels = _for(model, batch["tokens"]), batch["label"].tolist()
    chosen, sure = _answers(model(tokens))
    attend = getattr(model, "weights", None)
    looked = attend(tokens[:LINES]).tolist() if callable(attend) else None
    letters, digits = (*info.alphabet, ""), (*info.classes, "?")
    items = []
    for i in range(min(LINES, len(labels))):
        words = [letters[letter] + digits[digit] for letter, digit in batch["tokens"][i].tolist()]
        item = {"words": words, "truth": info.classes[labels[i]], "prediction": info.classes[chosen[i]],
                "probability": round(sure[i], 4)}  # fmt: skip
        items.append(item | ({"attention": [round(weight, 4) for weight in looked[i]]} if looked else {}))
    right = sum(one == other for one, other in zip(chosen, labels, strict=True))
    return {"kind": "lines", "items": items, "asked": len(labels), "right": right}


def _points(model: nn.Module, recipe: AnyRecipe, data: Data) -> Facts:
    from learnable.data.points import in_own_units

    assert recipe.generate is not None
    made = recipe.generate(model, data.info, "", count=POINTS, seed=0, temperature=1.0)["points"]
    real = in_own_units(_first(data, POINTS)["point"], data.info).tolist()
    return {"kind": "points", "points": _short(made), "real": _short(real)}


def _first(data: Data, count: int) -> dict[str, Tensor]:
    """The first examples of the validation part, with random numbers of their own where they need any."""
    numbers = torch.arange(min(count, len(data.valid)))
    return data.valid.batch(numbers, data.valid.draw(len(numbers), torch.Generator().manual_seed(0)))


def _for(model: nn.Module, inputs: Tensor) -> Tensor:
    parameter = next(model.parameters(), torch.empty(0))
    return inputs.to(parameter.device)


def _answers(logits: Tensor) -> tuple[list[int], list[float]]:
    """The likeliest class of each example, and how likely."""
    likely, chosen = logits.float().softmax(dim=-1).max(dim=-1)
    return chosen.tolist(), likely.tolist()


def _pixels(image: Tensor) -> list[Any]:
    """From 0 to 255: (height, width), or (height, width, 3)."""
    stride = max(1, -(-max(image.shape[1:]) // PIXELS))
    small = (image[:, ::stride, ::stride].float().clamp(0, 1) * 255).round().int()
    pixels: list[Any] = (small[0] if len(small) == 1 else small.permute(1, 2, 0)).tolist()
    return pixels


def _short(points: list[list[float]]) -> list[list[float]]:
    return [[round(value, 4) for value in point] for point in points]


def _replace(file: Path, value: Any) -> None:
    """As `files.write_json`, but nobody waits for the disk: after a power cut, there is one picture less."""
    aside = file.with_name(f".{file.name}.part")
    aside.write_text(json.dumps(finite(value)), encoding="utf-8")
    aside.replace(file)
