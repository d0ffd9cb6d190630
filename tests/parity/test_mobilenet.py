"""MobileNet V1 to V3 against torchvision, timm and transformers: same weights in, same logits, gradients and statistics out."""

import pytest
import torch

from learnable.errors import WorldError
from learnable.models.vision.mobilenet import (
    MOBILENETS_V2,
    MOBILENETS_V3,
    V3_SMALL,
    MobileNetV1,
    MobileNetV1Config,
    MobileNetV2,
    MobileNetV2Config,
    MobileNetV3,
    MobileNetV3Config,
)
from learnable.weights.mobilenet import (
    V1_TIMM,
    V1_TRANSFORMERS,
    V2_TIMM,
    V2_TORCHVISION,
    V2_TRANSFORMERS,
    V3_TIMM,
    V3_TORCHVISION,
)
from parity import pictures as parity

pytestmark = pytest.mark.reference

MODES = [(torch.float64, True), (torch.float64, False), (torch.float32, False)]
each_mode = pytest.mark.parametrize("dtype, train", MODES)
each_size = pytest.mark.parametrize("size", parity.odd_sizes(), ids=str)

SMALL = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 1, 2), (6, 32, 2, 1))


@each_size
@each_mode
def test_v2_agrees_with_torchvision(dtype, train, size):
    mobilenetv2 = pytest.importorskip("torchvision").models.mobilenetv2
    theirs = mobilenetv2.MobileNetV2(7, inverted_residual_setting=[list(row) for row in SMALL], dropout=0.0)
    ours = MobileNetV2(MobileNetV2Config(stages=SMALL, dropout=0.0), classes=7)
    parity.assert_parity(ours, theirs, V2_TORCHVISION, parity.pictures(2, 3, *size), dtype, train)


@each_size
@each_mode
def test_v3_agrees_with_torchvision(dtype, train, size):
    mobilenetv3 = pytest.importorskip("torchvision").models.mobilenetv3
    rows = [  # kernel, expansion, channels, squeeze, hard, stride
        ((3, 1.0, 16, True, False, 2),),
        ((3, 4.5, 24, False, False, 2), (3, 3.67, 24, False, False, 1)),
        ((5, 4.0, 40, True, True, 2), (5, 6.0, 40, True, True, 1)),
    ]
    config = MobileNetV3Config(tuple(rows), last=(240, 64), dropout=0.0)
    settings = [
        mobilenetv3.InvertedResidualConfig(s.channels, s.kernel, s.hidden, s.out, squeeze, "HS" if hard else "RE", s.stride, 1, 1)
        for plan, stage in zip(config.plan, rows, strict=True)
        for s, (_, _, _, squeeze, hard, _) in zip(plan, stage, strict=True)
    ]  # fmt: skip
    theirs = mobilenetv3.MobileNetV3(settings, 64, 7, dropout=0.0)
    parity.assert_parity(
        MobileNetV3(config, classes=7), theirs, V3_TORCHVISION, parity.pictures(2, 3, *size), dtype, train
    )


@each_mode
def test_v1_agrees_with_timm(dtype, train):
    theirs = pytest.importorskip("timm").create_model("mobilenetv1_100", num_classes=7)
    ours = MobileNetV1(MobileNetV1Config(dropout=0.0), classes=7)
    parity.assert_parity(ours, theirs, V1_TIMM, parity.pictures(2, 3, 65, 47), dtype, train)


@pytest.mark.parametrize("train", [True, False])
def test_v2_agrees_with_timm(train):
    theirs = pytest.importorskip("timm").create_model("mobilenetv2_035", num_classes=7)
    ours = MobileNetV2(MobileNetV2Config(0.35, dropout=0.0), classes=7)
    parity.assert_parity(ours, theirs, V2_TIMM, parity.pictures(2, 3, 65, 47), train=train)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "mobilenetv3_small_075", "tf_mobilenetv3_small_075"])
def test_v3_agrees_with_timm(name, train):
    """timm's norms have another eps, and the ports from TensorFlow another padding."""
    theirs = pytest.importorskip("timm").create_model(name, num_classes=7)
    tf = name.startswith("tf_")
    config = MobileNetV3Config(V3_SMALL, last=(576, 1024), width=float(name[-3:]) / 100, dropout=0.0,
                               eps=1e-3 if tf else 1e-5, momentum=0.1, same=tf)  # fmt: skip
    parity.assert_parity(MobileNetV3(config, classes=7), theirs, V3_TIMM, parity.pictures(2, 3, 65, 48), train=train)


@pytest.mark.parametrize("size", [(64, 64), (65, 47)], ids=str)
@pytest.mark.parametrize("same", [True, False])
def test_agrees_with_transformers(tmp_path, same, size):
    """In use; their norms forget at TensorFlow's rate, taken for PyTorch's, so in training ours differ from them on purpose."""
    transformers = pytest.importorskip("transformers")
    image = parity.pictures(2, 3, *size)
    for kind, model, form in (("V1", MobileNetV1, V1_TRANSFORMERS), ("V2", MobileNetV2, V2_TRANSFORMERS)):
        settings = getattr(transformers, f"MobileNet{kind}Config")(depth_multiplier=0.25 if kind == "V1" else 0.35,
                                                                   num_labels=7, tf_padding=same)  # fmt: skip
        theirs = getattr(transformers, f"MobileNet{kind}ForImageClassification")(settings)
        parity.randomize(theirs).eval().save_pretrained(tmp_path / kind)
        ours = model.from_pretrained(tmp_path / kind)
        assert ours.config.same is same and ours.config.eps == 1e-3
        parity.assert_parity(ours, theirs, form, image, train=False)


@pytest.mark.parametrize("model, name, channels", [
    (MobileNetV1, "mobilenetv1_100", 3), (MobileNetV2, "mobilenetv2_035", 1), (MobileNetV3, "mobilenetv3_small_050", 3),
    (MobileNetV3, "tf_mobilenetv3_small_075", 3),
], ids=str)  # fmt: skip
def test_goes_both_ways_with_timm(tmp_path, model, name, channels):
    timm = pytest.importorskip("timm")
    reference = timm.create_model(name, num_classes=5, in_chans=channels)
    image = parity.pictures(2, channels, 47, 64)
    parity.assert_goes_both_ways(model, reference, parity.timm_writes, parity.timm_reads, tmp_path, image)


@pytest.mark.parametrize("model, name", [(MobileNetV2, "mobilenet_v2"), (MobileNetV3, "mobilenet_v3_small")], ids=str)
def test_reads_the_files_of_torchvision_and_timm_reads_ours(tmp_path, model, name):
    """The eps of torchvision's norms goes along to timm."""
    models = pytest.importorskip("torchvision").models
    parity.assert_goes_both_ways(model, models.get_model(name), parity.torch_writes, parity.timm_reads, tmp_path,
                                 parity.pictures(2, 3, 64, 64), allow_pickle=True)  # fmt: skip


def test_a_config_that_asks_for_something_else_is_refused(tmp_path):
    transformers = pytest.importorskip("transformers")
    settings = transformers.MobileNetV2Config(depth_multiplier=0.35, output_stride=16, num_labels=2)
    transformers.MobileNetV2ForImageClassification(settings).save_pretrained(tmp_path)
    with pytest.raises(WorldError, match="output_stride"):
        MobileNetV2.from_pretrained(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("model, name", [(MobileNetV2, "mobilenet_v2"), (MobileNetV3, "mobilenet_v3_large")], ids=str)
def test_full_size_goes_through_files(tmp_path, model, name):
    """Full size, random numbers, from torchvision's file to ours."""
    models = pytest.importorskip("torchvision").models
    config = (MOBILENETS_V2 | MOBILENETS_V3)[name][0]
    parity.assert_full_size(model, config, lambda: models.get_model(name), tmp_path)
