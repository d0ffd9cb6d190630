"""Residual networks."""

from functools import partial

from contract.case import CLASSIFIER, pictures
from learnable.models.vision.resnet import CIFAR_RESNETS, RESNETS, CIFARResNet, Highway, ResNet, ResNetConfig

SMALL = ResNetConfig(depths=(1, 1), bottleneck=True, width=8)

CASES = {
    "ResNet": CLASSIFIER(
        partial(ResNet, SMALL, classes=10, channels=1), batch=partial(pictures, size=32),
        variants=[(partial(ResNet, config), size) for config, size in RESNETS.values()],
    ),
    "CIFARResNet": CLASSIFIER(
        partial(CIFARResNet, 8, channels=1, width=8, join=Highway), batch=partial(pictures, size=16),
        variants=[(partial(CIFARResNet, layers), size) for layers, size in CIFAR_RESNETS.values()],
    ),
}  # fmt: skip
