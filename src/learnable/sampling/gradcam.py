r"""Grad-CAM: which part of a picture spoke for a class.

A layer's maps say where something was seen, the slope of the class's logit says how much each map matters:

    a_k  = mean over places of  d logit / d A_k           how much map k matters
    heat = relu( sum over k of  a_k A_k )                 where the maps that matter are awake

It works on any model that ends in logits, and on any layer whose output is (batch, channels, height, width); nothing in
the model is changed. A transformer's tokens are laid out as a map first, by its own `as_map`.

Paper    Selvaraju et al. 2017, section 3 - https://arxiv.org/abs/1610.02391
Letters  their alpha_k^c is our `weight`, their A^k our `maps`, their L^c our `heat`
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.errors import CallError
from learnable.nn.activations import as_map, transformer, watch


def grad_cam(
    model: nn.Module, image: Float[Tensor, "channels height width"], target: int | None = None, layer: str | None = None
) -> Float[Tensor, "height width"]:
    """How much each place of a picture speaks for a class, from 0 to 1 at the strongest place; all 0 if none does.

    Args:
        target: the class's number; None: the one that the model says.
        layer: the name of a module (`model.named_modules()`); None: `last_map`.

    Raises:
        CallError: no such layer or class, a layer without places, or not one picture.

    >>> from learnable.models.vision.lenet import LeNet
    >>> grad_cam(LeNet(classes=10, channels=1, size=28), torch.rand(1, 28, 28)).shape
    torch.Size([28, 28])
    """
    if image.dim() != 3:
        raise CallError(
            f"expected one picture (channels, height, width), came {tuple(image.shape)}; of a batch take one: images[0]"
        )
    name = last_map(model, image) if layer is None else layer
    maps, logits = _watched(model, image, name)
    number = int(logits.argmax()) if target is None else target
    if not 0 <= number < len(logits):
        raise CallError(f"expected a class from 0 to {len(logits) - 1}, came {number}")
    with torch.inference_mode(False), torch.enable_grad():
        (slope,) = torch.autograd.grad(logits[number], maps)
    maps, slope = as_map(model, name, maps), as_map(model, name, slope)
    weight = slope.mean(dim=(2, 3), keepdim=True)
    heat = (weight * maps).sum(dim=1, keepdim=True).relu().detach()
    heat = F.interpolate(heat, size=image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
    return heat / heat.max() if heat.max() > 0 else heat


def last_map(model: nn.Module, image: Float[Tensor, "channels height width"]) -> str:
    """The name of the last module that is called whose output is maps of more than one place; in a transformer, of the
    last one whose places still have a say.

    >>> last_map(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)), torch.rand(1, 4, 4))
    '1'

    Raises:
        CallError: there is none.
    """
    if (found := transformer(model)) is not None:
        return f"{found[0]}{found[1].last_map}"
    with _evaluating(model), torch.no_grad(), watch(model) as seen:
        model(image[None].to(_device(model)))
    names = [name for name, output in seen.items() if _has_places(output)]
    if not names:
        raise CallError("expected a model with layers that have places (batch, channels, height, width), came one without: "
                        "there is nothing on which Grad-CAM could show where")  # fmt: skip
    return names[-1]


def _watched(
    model: nn.Module, image: Float[Tensor, "channels height width"], layer: str
) -> tuple[Tensor, Float[Tensor, "classes"]]:
    """What the layer gave and what the model said, so that the slope of the one by the other can be had."""
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(model), watch(model, layer) as seen:
        logits = model(image[None].to(_device(model), copy=True).requires_grad_())[
            0
        ]  # so that slopes reach a frozen layer too
    if layer not in seen:
        raise CallError(f"the layer {layer!r} is not used when the model looks at a picture")
    maps = seen[layer]
    if not isinstance(maps, Tensor) or as_map(model, layer, maps).ndim != 4:
        came = f"shape {tuple(maps.shape)}" if isinstance(maps, Tensor) else type(maps).__name__
        raise CallError(f"expected maps (batch, channels, height, width) from the layer {layer!r}, came {came}")
    return maps, logits


def _has_places(output: Any) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each part's own mode again."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
