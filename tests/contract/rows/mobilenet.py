"""Networks for telephones, and the family that grew out of them."""

from functools import partial

from contract.case import CLASSIFIER, pictures
from learnable.models.vision.efficientnet import EFFICIENTNETS, EfficientNet, EfficientNetConfig
from learnable.models.vision.mobilenet import (
    MOBILENETS_V1,
    MOBILENETS_V2,
    MOBILENETS_V3,
    MobileNetV1,
    MobileNetV1Config,
    MobileNetV2,
    MobileNetV2Config,
    MobileNetV3,
    MobileNetV3Config,
)
from learnable.models.vision.shufflenet import SHUFFLENETS, ShuffleNetV2, ShuffleNetV2Config

V1 = MobileNetV1Config(0.25, stages=((64, 1, 1), (128, 2, 2)), dropout=0.0)
V2 = MobileNetV2Config(stages=((1, 8, 1, 1), (3, 16, 2, 2)), dropout=0.0)
V3 = MobileNetV3Config((((3, 1.0, 8, True, False, 1),), ((5, 3.0, 16, True, True, 2), (3, 2.0, 16, False, True, 1))),
                       last=(32, 32), dropout=0.0, momentum=0.1)  # fmt: skip
SHUFFLE = ShuffleNetV2Config(widths=(16, 32), depths=(2, 2), last=32, stem=8)
EFFICIENT = EfficientNetConfig(stages=((1, 3, 1, 8, 1), (3, 5, 2, 16, 2)), stem=8, last=32, dropout=0.0, drop=0.0)

CASES = {
    name: CLASSIFIER(
        partial(model, config, classes=10, channels=1), batch=partial(pictures, size=32), learning_rate=1e-2,
        variants=[(partial(model, config), size) for config, size in rows.values()],
    )
    for name, model, config, rows in (
        ("MobileNetV1", MobileNetV1, V1, MOBILENETS_V1),
        ("MobileNetV2", MobileNetV2, V2, MOBILENETS_V2),
        ("MobileNetV3", MobileNetV3, V3, MOBILENETS_V3),
        ("ShuffleNetV2", ShuffleNetV2, SHUFFLE, SHUFFLENETS),
        ("EfficientNet", EfficientNet, EFFICIENT, EFFICIENTNETS),
    )
}  # fmt: skip
