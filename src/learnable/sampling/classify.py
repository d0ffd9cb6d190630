"""What a trained classifier is used for: one new picture, row or text in, the name of its class out."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learnable.data.examples import Info
from learnable.data.images import prepare
from learnable.data.tables import prepare_table
from learnable.data.text import read_text
from learnable.data.words import words_of
from learnable.errors import CallError, WorldError


def classify(model: nn.Module, info: Info, path: str | Path | bytes) -> dict[str, Any]:
    """Say what is on a picture, what a text is about, or what the rows of a CSV file are, whichever the model was trained on.

    Of a table with one row, like `classify_image`; of more, lists with one entry a row.
    """
    if info.tokenizer:
        return classify_text(model, info, path)
    if info.image is not None or "columns" not in info.more:
        return classify_image(model, info, path)
    if isinstance(path, bytes):
        raise CallError(f"expected the path of a CSV file with the columns of {info.data}, came bare bytes")
    rows = [_answer(model, info, row) for row in prepare_table(path, info)]
    if len(rows) == 1:
        return rows[0]
    return {key: [row[key] for row in rows] for key in ("prediction", "probabilities")}


def classify_image(model: nn.Module, info: Info, path: str | Path | bytes) -> dict[str, Any]:
    """Say what is on a picture: {"prediction": name, "probabilities": {name: p, ...}}, plain JSON.

    The probabilities are in the order of the logits and sum to 1. They are the model's own opinion: shown something
    that is of no class at all, it still divides its 1 among the classes that it knows.

    Args:
        path: a file, or the bytes of one.

    Raises:
        CallError: the model was trained on something other than pictures of named classes, or gives other logits.
        WorldError: no such file, not a picture, or a model whose weights are no numbers.
    """
    if info.image is None or not info.classes:
        raise CallError(f"expected a model of pictures with named classes, came one that was trained on {info.data}")
    return _answer(model, info, prepare(path, info))


def classify_text(model: nn.Module, info: Info, path: str | Path | bytes) -> dict[str, Any]:
    """Say what the text in a file is about: {"prediction": name, "probabilities": {name: p, ...}}.

    What is longer than the model's context is not read; `unread` then says how many tokens that are.

    Args:
        path: a text file in UTF-8, or the bytes of one.

    Raises:
        CallError: the model was trained on something other than texts with named classes.
        WorldError: no such file, no text in it, or a model whose weights are no numbers.
    """
    if not info.classes:
        raise CallError(f"expected a model of texts with named classes, came one that was trained on {info.data}")
    if isinstance(path, bytes):
        try:
            text = path.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise WorldError("expected a text in UTF-8, came other bytes") from error
    else:
        text = read_text(Path(path))
    words = words_of(info)
    numbers = words.encode(text)
    if not numbers:
        raise WorldError("expected a text with something to read, came one without a word")
    answer = _answer(model, info, torch.tensor(words.frame(text, info.context)))
    unread = len(numbers) - (info.context - 2)
    return answer | ({"unread": unread} if unread > 0 else {})


def _answer(model: nn.Module, info: Info, example: Tensor) -> dict[str, Any]:
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            logits = model(example[None].to(device))[0].double()  # float32 would leave the sum at 0.9999999
    finally:
        for module in training:
            module.training = True
    if logits.shape != (len(info.classes),):
        raise CallError(f"expected {len(info.classes)} logits, one per class, came {tuple(logits.shape)}")
    if not logits.isfinite().all():
        raise WorldError("the model's answer is no number: its training has diverged. Train it again, more slowly.")
    probabilities = dict(zip(info.classes, logits.softmax(dim=0).tolist(), strict=True))
    return {"prediction": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}
