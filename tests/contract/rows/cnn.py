"""The convolutional classifiers before and after ResNet."""

from functools import partial

from contract.case import CLASSIFIER, pictures
from learnable.models.vision.alexnet import ALEXNETS, AlexNet, AlexNet2012, AlexNetConfig
from learnable.models.vision.densenet import DENSENETS, DenseNet, DenseNetConfig
from learnable.models.vision.vgg import VGG, VGGS, VGGConfig

# Without dropout: what is left out by chance cannot be learnt by heart.
SMALL_ALEXNET = AlexNetConfig(widths=(8, 16, 16, 16, 16), hidden=32, grid=1, dropout=0)
SMALL_VGG = VGGConfig(depths=(1, 2), norm=True, width=8, hidden=32, grid=2, dropout=0)

CASES = {
    "AlexNet": CLASSIFIER(
        partial(AlexNet, SMALL_ALEXNET, classes=10, channels=1), batch=partial(pictures, size=64),
        variants=[(partial(AlexNet, config), size) for config, size in ALEXNETS.values()],
    ),
    "AlexNet2012": CLASSIFIER(
        partial(AlexNet2012, classes=10, channels=1, width=12, hidden=32, dropout=0), batch=partial(pictures, size=64),
        variants=[(AlexNet2012, 60_965_224)],
    ),
    "VGG": CLASSIFIER(
        partial(VGG, SMALL_VGG, classes=10, channels=1), batch=partial(pictures, size=16),
        variants=[(partial(VGG, config), size) for config, size in VGGS.values()],
    ),
    "DenseNet": CLASSIFIER(
        partial(DenseNet, DenseNetConfig(depths=(2, 2), growth=4, start=8), classes=10, channels=1),
        batch=partial(pictures, size=32),
        variants=[(partial(DenseNet, config), size) for config, size in DENSENETS.values()],
    ),
}  # fmt: skip
