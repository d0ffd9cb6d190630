"""Looking inside: what any named part of a model gave, without changing the model.

>>> import torch
>>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
>>> {name: tuple(value.shape) for name, value in activations(model, torch.rand(3, 4), names="*").items()}
{'0': (3, 8), '1': (3, 8), '2': (3, 2)}
"""

import contextlib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from learnable.errors import CallError, unknown


def parts(model: nn.Module, names: str | Sequence[str] = "*") -> list[str]:
    """The names of a model's parts that a pattern (or one of several) fits: `stages.*` has a dot's worth and more.

    Raises:
        CallError: a pattern fits none; the message names the nearest part.
    """
    everything = [name for name, _ in model.named_modules() if name]
    chosen: list[str] = []
    for pattern in [names] if isinstance(names, str) else names:
        found = [name for name in everything if fnmatchcase(name, pattern)]
        if not found:
            raise unknown(f"part of {type(model).__name__}", pattern, everything)
        chosen += [name for name in found if name not in chosen]
    return sorted(chosen, key=everything.index)


@contextlib.contextmanager
def watch(model: nn.Module, names: str | Sequence[str] = "*") -> Iterator[dict[str, Any]]:
    """A table that fills with what the named parts give, at every call inside the block; the last call stays.

    Values keep their gradients, so `torch.autograd.grad(loss, seen["stages.3"])` says what a map did for a loss. A part that
    works in place (a ReLU after a norm) writes over the value it was given: that one is copied before.

    Raises:
        CallError: a pattern that fits no part.
    """
    seen: dict[str, Any] = {}
    modules = dict(model.named_modules())
    inplace = any(getattr(module, "inplace", False) for module in modules.values())

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            if inplace and isinstance(output, Tensor):
                seen[name] = output
                return output.clone()  # what comes next may write into this one
            seen[name] = output
            return None

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in parts(model, names)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def activations(model: nn.Module, *inputs: Any, names: str | Sequence[str] = "*", **more: Any) -> dict[str, Any]:
    """What the named parts give for these inputs, in the order in which they are computed, without gradients.

    The model stays in the mode it is in: call `.eval()` first where dropout or batch norm would otherwise take part.

    Raises:
        CallError: a pattern that fits no part.
    """
    with torch.no_grad(), watch(model, names) as seen:
        model(*inputs, **more)
    return seen


def transformer(model: nn.Module) -> tuple[str, Any] | None:
    """The part that lays its tokens out as maps, a ViT or a Swin, and what stands before the names of what is in it."""
    named = ((f"{name}." if name else "", part) for name, part in model.named_modules())
    return next(((prefix, part) for prefix, part in named if hasattr(part, "as_map")), None)


def as_map(model: nn.Module, name: str, output: Tensor) -> Tensor:
    """What the part `name` gave, channels first; in a transformer only convolutions give that themselves.

    Raises:
        CallError: the part gives nothing that has the picture's places.
    """
    found = transformer(model)
    if found is None or not name.startswith(found[0]) or isinstance(model.get_submodule(name), nn.Conv2d):
        return output
    try:
        maps: Tensor = found[1].as_map(output)
    except CallError as error:
        raise CallError(
            f"the layer {name!r} gives nothing that has the picture's places: {error}; take {found[0]}{found[1].last_map}"
        ) from error
    return maps


def logit_lens(model: Any, tokens: Tensor) -> Tensor:
    """What a language model would say if it stopped after each of its blocks: logits, (blocks, batch, tokens, vocab).

    The last norm and the head are put on the residual sum as it is there; the last row is the model's own answer.
    nostalgebraist 2020, "interpreting GPT: the logit lens".

    Raises:
        CallError: the model is of another kind.

    >>> import torch
    >>> from learnable.models.language.gpt import GPT, GPTConfig
    >>> logit_lens(GPT(GPTConfig(depth=3, width=8, heads=2, vocab=11, context=4)), torch.tensor([[1, 2]])).shape
    torch.Size([3, 1, 2, 11])
    """
    if not hasattr(model, "blocks") or not hasattr(model, "to_logits"):
        raise CallError(
            f"expected a model of a GPT's kind, blocks on a sum with one head behind it, came {type(model).__name__}"
        )
    names = [f"blocks.{number}" for number in range(len(model.blocks))]
    seen = activations(model, tokens, names=names)
    with torch.no_grad():
        return torch.stack([model.to_logits(seen[name]) for name in names])


class Features(nn.Module):
    """A classifier as the body of something else: the maps at its `taps`, finest first, instead of logits.

    >>> import torch
    >>> from learnable.models.vision.resnet import RESNETS, ResNet
    >>> body = Features(ResNet(RESNETS["resnet18"][0]))
    >>> [tuple(maps.shape[1:]) for maps in body(torch.rand(1, 3, 64, 64))]
    [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    >>> body.shapes(64) == [tuple(maps.shape[1:]) for maps in body(torch.rand(1, 3, 64, 64))]
    True
    """

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def shapes(self, size: int | None = None) -> list[tuple[int, int, int]]:
        """Channels, height and width of each map, for pictures of `size` times `size` pixels (None: 224, or what the model was
        built for). What goes on top is built by these; nothing is computed."""
        side = size or int(getattr(getattr(self.model, "config", None), "size", 224))
        state = {name: tensor.to("meta") for name, tensor in self.state_dict().items()}
        maps = functional_call(self, state, torch.empty(1, self.model.channels, side, side, device="meta"))
        return [tuple(each.shape[1:]) for each in maps]

    def forward(self, image: Tensor) -> list[Tensor]:
        with watch(self.model, self.model.taps) as seen:
            self.model.features(image)
        maps = getattr(self.model, "as_map", lambda value: value)  # a transformer's parts give rows of tokens
        return [maps(seen[name]) for name in self.model.taps]
