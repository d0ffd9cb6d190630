"""The Vision Transformer."""

from functools import partial

from contract.case import CLASSIFIER, pictures
from learnable.models.vision.vit import VITS, ViT, ViTConfig

CASES = {
    "ViT": CLASSIFIER(
        partial(ViT, ViTConfig(depth=2, width=32, heads=4, patch=4, size=16), classes=10, channels=1),
        batch=partial(pictures, size=16),
        variants=[(partial(ViT, config), size) for config, size in VITS.values()],
    )
}
