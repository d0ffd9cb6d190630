"""Learnable's models by `torch.hub`: every variant under its name, from a checkout or from the repository on GitHub.

    torch.hub.load("path/to/learnable", "resnet50", source="local", classes=10)
    torch.hub.load("owner/learnable", "resnet50", pretrained=True)

The arguments are those of `learnable.models.create`. In Python a name has no dots and hyphens: `gpt2_small`, `llama_3_1_8b`;
`torch.hub.list(...)` names all. Nothing needs to be installed but what `dependencies` names.
"""

import re
import sys
from functools import partial as _partial  # names without a line in front would be offered as models
from functools import update_wrapper as _update_wrapper
from pathlib import Path as _Path

dependencies = ["torch", "numpy", "einops", "jaxtyping", "safetensors"]

_SOURCE = str(_Path(__file__).resolve().parent / "src")


def _entries() -> dict[str, object]:
    """A function for each variant, from the checkout in which this file lies."""
    sys.path.insert(0, _SOURCE)
    try:
        from learnable import models
    finally:
        sys.path.remove(_SOURCE)
    found = {}
    for name, variant in models.variants().items():
        entry = _update_wrapper(_partial(models.create, name), models.create)
        entry.__doc__ = f"{variant.family} {name}, {variant.parameters:,} parameters.\n\n{models.create.__doc__}"
        found[re.sub(r"\W", "_", name)] = entry
    return found


globals().update(_entries())
