"""Answering a line that a person wrote, and showing where the model looked."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from learnable.data.examples import Info
from learnable.data.recall import read
from learnable.errors import LearnableError, WorldError


@torch.no_grad()
def answer(model: nn.Module, info: Info, path: Path) -> dict[str, Any]:
    """The answer to the one line of a text file, such as `a3 f7 k1 f?`.

    Returns `prediction`, a digit; `probabilities`, digit by digit; and, if the model attends, `attention`, how the
    question divided its attention, token by token.

    Raises:
        WorldError: the file cannot be read, has not one line, or the line is not of this form.
    """
    device = next(model.parameters()).device
    tokens = read_line(path, info).to(device)[None]  # (1, tokens, 2)
    probabilities = model(tokens)[0].softmax(dim=-1).tolist()
    result = {
        "prediction": info.classes[probabilities.index(max(probabilities))],
        "probabilities": dict(zip(info.classes, probabilities, strict=True)),
    }
    weights = getattr(model, "weights", None)
    if callable(weights):
        digits = (*info.classes, "?")
        words = [info.alphabet[letter] + digits[digit] for letter, digit in tokens[0].tolist()]
        result["attention"] = dict(zip(words, weights(tokens)[0].tolist(), strict=True))
    return result


def read_line(path: Path, info: Info) -> torch.Tensor:
    """The tokens (tokens, 2) of the only line of a text file; errors name the file."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError:
        raise WorldError(f"there is no file {path}; expected a text file with one line such as a3 f7 k1 f?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorldError(
            f"expected a text file with one line such as a3 f7 k1 f?, {path} is none ({error})."
        ) from error
    if len(lines) != 1:
        raise WorldError(
            f"{path}: expected one line such as a3 f7 k1 f?, came {len(lines)}; put each in a file of its own."
        )
    try:
        return read(lines[0], info)
    except LearnableError as error:
        raise WorldError(f"{path}: {error}") from error
