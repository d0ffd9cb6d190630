"""From a recipe and what the user asked for to the recipe that is run."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from learnable.errors import CallError, unknown
from learnable.train.recipe import AnyRecipe, Program, Recipe, Setting, smoke

Overrides = Mapping[str, Any]

# What may be asked of every training by the loop, and what it must satisfy.
POSITIVE: tuple[str, Callable[[Any], bool]] = ("greater than 0", lambda value: math.isfinite(value) and value > 0)
LIMITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "steps": POSITIVE,
    "epochs": POSITIVE,
    "batch_size": POSITIVE,
    "learning_rate": POSITIVE,
    "clip": POSITIVE,
    "every": POSITIVE,
    "patience": POSITIVE,
    "accumulate": POSITIVE,
    "average": ("between 0 and 1, say 0.999", lambda value: 0 < value < 1),
}
# What the recipes' own flags are. One of them means the same wherever it is.
MEANINGS = {
    "allow_pickle": "read --pretrained out of a .pth file (tensors alone)",
    "augment": "shift pictures while training, and mirror photos",
    "batch_size": "examples a step",
    "channels": "1 for gray, 3 for color",
    "context": "tokens that are read at once",
    "depth": "blocks, one after the other; of EfficientNet, times as many",
    "dropout": "share of the activations left out while training",
    "examples": "to learn from; 0: all there are",
    "flip": "see pictures in a mirror half of the time",
    "frozen": "only the last layer learns",
    "heads": "of attention; they divide the width",
    "hidden": "width of the hidden layer",
    "key_heads": "heads with keys and values of their own; they divide the heads",
    "keys": "different letters to ask for",
    "largest": "vocabulary that is tried last",
    "layers": "with weights, one after the other",
    "learning_rate": "length of a step",
    "momentum": "share of the step before that is kept",
    "network": "small, or resnet18 to resnet152; auto: what the weights are of",
    "noise": "random numbers that a sample is made of",
    "norm": "batch norm behind each convolution",
    "pack": "samples that the discriminator sees at once",
    "pad": "pixels by which pictures are shifted at most while training",
    "pairs": "letters and digits in a line",
    "patch": "pixels of a patch's side",
    "per_class": "examples of each class to learn from; 0: all there are",
    "phrases": "learn from the labeled parts of sentences too",
    "pieces": "of words, in the vocabulary of both languages",
    "pretrained": "weights to begin with: a run, a folder, a file, a name on the hub",
    "share": "of the tokens that are blotted out",
    "shuffle": "whether groups exchange their channels",
    "size": "pixels of a picture's side; 0: as fits the network",
    "steps": "of training",
    "target": 'the column that is the class; "": the last one',
    "tokenizer": "characters, bpe, or the path of a tokenizer.json",
    "values": "different digits for an answer",
    "vocab": "pieces in the vocabulary; 0: what suits the tokenizer",
    "width": "numbers for each token, or maps of the first stage; below 3, times as many",
    "window": "patches of a window's side",
}  # fmt: skip
# What belongs to the run and not to the recipe.
CONDITIONS = ("data", "seed", "device", "precision", "plain", "parallel", "accumulate", "smoke")


def configure(name: str, recipe: AnyRecipe, overrides: Overrides) -> AnyRecipe:
    """The recipe with the user's wishes in it; `overrides` are flags by name, in Python's types.

    Raises:
        CallError: a flag that the recipe does not have, or a number out of range.
    """
    wishes = {key: value for key, value in overrides.items() if value is not None}
    for key, value in wishes.items():
        if key in LIMITS and not LIMITS[key][1](value):
            raise CallError(f"expected {flag(key)} to be {LIMITS[key][0]}, came {value}")
    if "steps" in wishes and "epochs" in wishes:
        raise CallError("--steps and --epochs say the same thing twice; give one of them")
    if wishes.get("smoke"):
        recipe = smoke(recipe)
    wishes = {key: value for key, value in wishes.items() if key not in CONDITIONS}
    wishes = {**_elsewhere(recipe, overrides), **wishes}
    own = {key: wishes.pop(key) for key in list(wishes) if key in recipe.settings}
    recipe = _with_settings(recipe, own)
    if isinstance(recipe, Program):
        if wishes:
            raise unknown(f"flag of recipe {name}:", flag(next(iter(wishes))), map(flag, recipe.settings))
        return recipe
    if "learning_rate" in wishes:
        rate = wishes.pop("learning_rate")
        highest = max(player.learning_rate for player in recipe.players)
        players = tuple(
            replace(player, learning_rate=player.learning_rate / highest * rate) for player in recipe.players
        )
        recipe = replace(recipe, players=players)
    if "steps" in wishes:
        recipe = replace(recipe, epochs=0)
    if "epochs" in wishes:
        recipe = replace(recipe, steps=0)
    for key in wishes:
        if key not in LIMITS:
            raise unknown(f"flag of recipe {name}:", flag(key), map(flag, [*recipe.settings, *LIMITS]))
    return replace(recipe, **wishes)


def _elsewhere(recipe: AnyRecipe, overrides: Overrides) -> Overrides:
    """What the recipe does otherwise on this data, as flags; a smoke test stays short, and one length is enough."""
    said = recipe.elsewhere.get(overrides.get("data") or "", {}) if isinstance(recipe, Recipe) else {}
    if overrides.get("smoke"):
        return {key: value for key, value in said.items() if key not in LIMITS}
    if overrides.get("epochs") is not None:
        return {key: value for key, value in said.items() if key != "steps"}
    return said


def parse_settings(name: str, recipe: AnyRecipe, words: list[str]) -> dict[str, Setting]:
    """The recipe's own flags out of the command line's left-over words: `--depth 6 --causal true`.

    Raises:
        CallError: a flag that the recipe does not have, without a value, or of the wrong type.
    """
    settings: dict[str, Setting] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise CallError(f"expected a flag, came '{word}'; 'learnable train {name} --help' lists them")
        word, equals, value = word.partition("=")
        key = word[2:].replace("-", "_")
        if key not in recipe.settings:
            raise unknown(f"flag of recipe {name}:", word, [flag(each) for each in recipe.settings])
        if not equals:
            if not rest:
                raise CallError(f"{word} needs a value, say {word} {recipe.settings[key]}")
            value = rest.pop(0)
        settings[key] = _typed(word, value, recipe.settings[key])
    return settings


def flag(key: str) -> str:
    """The command line's name of a setting.

    >>> flag("batch_size")
    '--batch-size'
    """
    return "--" + key.replace("_", "-")


def _typed(word: str, value: str, example: Setting) -> Setting:
    try:
        if isinstance(example, bool):
            return {"true": True, "false": False, "yes": True, "no": False}[value.lower()]
        if isinstance(example, int):
            return int(value)
        if isinstance(example, float):
            return float(value)
        return value
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(example)]
        raise CallError(f"expected {word} to be {kind}, say {example}, came '{value}'") from None


def _with_settings(recipe: AnyRecipe, own: Mapping[str, Setting]) -> AnyRecipe:
    def changed(settings: Mapping[str, Setting]) -> dict[str, Setting]:
        return {key: own.get(key, value) for key, value in settings.items()}

    recipe = replace(recipe, model_settings=changed(recipe.model_settings), data_settings=changed(recipe.data_settings))
    if isinstance(recipe, Program):
        return replace(recipe, run_settings=changed(recipe.run_settings))
    return replace(recipe, start_settings=changed(recipe.start_settings))
