"""Swin."""

from functools import partial

from contract.case import CLASSIFIER, pictures
from learnable.models.vision.swin import SWINS, Swin, SwinConfig

CASES = {
    "Swin": CLASSIFIER(
        partial(Swin, SwinConfig(depths=(2, 2), heads=(2, 4), width=16, window=2), classes=10, channels=1),
        batch=partial(pictures, size=32),
        variants=[(partial(Swin, config), size) for config, size in SWINS.values()],
    )
}
