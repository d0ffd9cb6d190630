"""The front door: models by the names of their variants."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import learnable
from learnable import models
from learnable.errors import CallError, WorldError
from learnable.models.vision.efficientnet import EfficientNet


def test_every_family_has_its_variants_and_no_two_share_a_name():
    rows = [
        name for module, _, table, _ in models.FAMILIES for name in getattr(__import__(module, fromlist=[table]), table)
    ]
    assert len(models.variants()) == len(rows)
    assert {"resnet50", "gpt2-small"} <= set(models.variants())


def test_patterns():
    assert models.list("resnet1??") == ["resnet101", "resnet152"]
    assert set(models.list()) == set(models.variants())
    with pytest.raises(CallError, match="no model 'resnet5'; did you mean 'resnet50'"):
        models.list("resnet5")
    assert models.list("vit_large*") == ["vit_l_16", "vit_l_32"] and models.list("gpt2") == ["gpt2-small"]
    with pytest.raises(CallError, match="did you mean 'vit_large_patch16_224'"):
        models.list("vit_larg_patch16_224")


def test_made_to_measure():
    model = models.create("resnet18", classes=4, channels=2)
    assert model(torch.rand(2, 2, 32, 32)).shape == (2, 4)
    assert models.create("resnet18").classes == 1000  # type: ignore[union-attr]


def test_feature_maps_instead_of_logits():
    maps = models.create("resnet18", channels=1, features_only=True)(torch.rand(1, 1, 64, 64))
    assert [tuple(m.shape) for m in maps] == [(1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]


def test_pretrained_from_a_folder(tmp_path: Path):
    torch.manual_seed(0)
    saved = models.create("resnet18", classes=3)
    saved.save_pretrained(tmp_path)  # type: ignore[operator]
    again = models.create("resnet18", pretrained=tmp_path)
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(saved.eval()(image), again.eval()(image))
    assert models.create("resnet18", classes=7, pretrained=tmp_path)(image.expand(2, 3, 32, 32)).shape == (2, 7)
    with pytest.raises(CallError, match="another variant than resnet34"):
        models.create("resnet34", pretrained=tmp_path)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(CallError, match="tells no classes apart"):
        models.create("gpt2-small", classes=3)
    with pytest.raises(CallError, match="model of text"):
        models.create("bert-tiny", channels=3)
    with pytest.raises(CallError, match="no feature maps at several scales"):
        models.create("lenet", features_only=True)
    with pytest.raises(CallError, match="nobody published weights of lenet"):
        models.create("lenet", pretrained=True)
    with pytest.raises(CallError, match="no published weights of nanochat-d20"):
        models.create("nanochat-d20", pretrained=True)
    with pytest.raises(CallError, match="did you mean 'resnet50'"):
        models.create("resnet5O")


def test_the_best_of_the_known_weights():
    rows = models.published("resnet50")
    assert models._best("resnet50") == "torchvision/resnet50.IMAGENET1K_V2"
    assert {row.variant for row in rows} == {"resnet50"} and all(row.licence for row in rows)


@pytest.mark.parametrize("name", sorted(models.variants()))
def test_every_variant_is_created_and_has_the_published_size(name: str):
    with torch.device("meta"):
        model = models.create(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == models.find(name).parameters


def test_weights_are_of_variants_that_there_are():
    for weights in {variant.weights for variant in models.variants().values() if variant.weights}:
        for row in importlib.import_module(weights).PUBLISHED:
            assert row.variant in models.variants() and row.licence, row.name


def test_the_names_that_others_use():
    assert models.find("bert-base-uncased").name == "bert-base"
    assert models.find("swin_tiny_patch4_window7_224").name == "swin_t"
    assert set(models.aliases().values()) <= set(models.variants()) and not set(models.aliases()) & set(
        models.variants()
    )
    assert models.published("gpt2") == models.published("gpt2-small") != ()


def test_a_text_classifier(tmp_path: Path):
    model = models.create("bert-tiny", classes=3)
    assert model(torch.tensor([[5, 6, 7]])).shape == (1, 3)
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    assert torch.equal(
        models.create("bert-tiny", classes=3, pretrained=tmp_path).encoder.embedding.token.weight,  # type: ignore[union-attr]
        model.encoder.embedding.token.weight,  # type: ignore[union-attr]
    )


def test_what_no_shape_shows_is_the_files_own(tmp_path: Path):
    config = replace(models.find("efficientnet_b0").config, same=True)
    EfficientNet(config, classes=3).save_pretrained(tmp_path)
    assert models.create("efficientnet_b0", pretrained=tmp_path).config == config  # type: ignore[union-attr]


def test_the_package_has_its_models_without_another_import():
    code = "import sys, learnable; assert 'torch' not in sys.modules; print(learnable.models.find('gpt2').parameters)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "124439808\n"
    with pytest.raises(AttributeError, match="no attribute 'modles'"):
        learnable.modles  # noqa: B018


def test_a_name_of_timm_has_timms_habits():
    assert models.find("tf_efficientnet_b0").config.same and models.find("tf_mobilenetv3_large_100").config.same
    assert not models.find("efficientnet_b0").config.same
    assert (
        models.find("mobilenetv3_large_100").config.eps == 1e-5 and models.find("mobilenet_v3_large").config.eps == 1e-3
    )


@pytest.mark.parametrize("name, ours, size", [
    ("vit_tiny_patch16_384", "vit_ti_16", 384), ("vit_base_patch32_384", "vit_b_32", 384), ("deit_tiny_patch16_224", "vit_ti_16", 224),
    ("deit_base_patch16_384", "vit_b_16", 384), ("vit_base_patch16_224", "vit_b_16", 224),
    ("swin_base_patch4_window12_384", "swin_b_384", 384), ("swin_base_patch4_window7_224", "swin_b", 224),
])  # fmt: skip
def test_a_name_of_timm_has_the_size_that_it_says(name: str, ours: str, size: int):
    timm = pytest.importorskip("timm")
    found = models.find(name)
    assert (found.name, found.config.size) == (ours, size)
    with torch.device("meta"):
        model = models.create(name, classes=3)
        theirs = timm.create_model(name)
        assert model(torch.zeros(1, 3, size, size)).shape == (1, 3)
    assert found.parameters == sum(parameter.numel() for parameter in theirs.parameters())


def test_weights_of_another_size_are_not_taken(tmp_path: Path):
    assert models.published("vit_base_patch16_384") == models.published("deit_base_patch16_224") == ()
    with pytest.raises(CallError, match="no published weights of vit_base_patch16_384 are known here"):
        models.create("vit_base_patch16_384", pretrained=True)
    models.create("vit_ti_16", classes=2).save_pretrained(tmp_path)  # type: ignore[operator]
    with pytest.raises(CallError, match="another variant than vit_tiny_patch16_384"):
        models.create("vit_tiny_patch16_384", pretrained=tmp_path)
    models.create("vit_tiny_patch16_384", classes=2).save_pretrained(tmp_path)  # type: ignore[operator]
    assert models.create("vit_tiny_patch16_384", pretrained=tmp_path).config.size == 384  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["timm/resnet50.a1_in1k", "resnet50.a1_in1k"])
def test_the_name_of_weights_is_not_one_of_a_model(name: str):
    with pytest.raises(
        CallError, match=r"are weights, not a model; say create\('resnet50', pretrained='timm/resnet50.a1_in1k'"
    ):
        models.create(name)


WRONG = """
import numpy
from learnable import models
from learnable.errors import CallError

for name, asked in [
    *(("resnet18", {what: number}) for what in ("classes", "channels") for number in ("10", True, 10.0, 0, -1, [10])),
    *((name, {}) for name in (None, 18, ["resnet18"])),
    *(("resnet18", {"pretrained": place}) for place in (5, b"/tmp", [], 1.5)),
]:
    try:
        models.create(name, **asked)
    except CallError as error:
        print(error)
print(models.create("cifar-resnet20", classes=numpy.int64(3)).classes)
"""


def test_what_is_of_the_wrong_kind_is_said_in_words():
    """In a process of its own: in this one, calls of the wrong kind are stopped by the tests' own checks."""
    said = subprocess.run([sys.executable, "-c", WRONG], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "expected a whole number of at least 1 for classes, came '10'"
    assert [line.partition(", came")[0] for line in said] == [
        *["expected a whole number of at least 1 for classes"] * 3,
        "expected classes of at least 1",
        *["expected a whole number of at least 1 for classes"] * 2,
        *["expected a whole number of at least 1 for channels"] * 6,
        *["expected the name of a model, such as 'resnet50'"] * 3,
        *["expected a folder, a file or a name as pretrained"] * 4,
        "3",
    ]


def test_names_of_weights_and_capitals_are_understood():
    with pytest.raises(CallError, match=r"are weights, .* create\('resnet18', pretrained='timm/resnet18\.a1_in1k'\)"):
        models.create("timm/resnet18.a1_in1k")
    with pytest.raises(CallError, match="no model 'RESNET18'; did you mean 'resnet18'"):
        models.create("RESNET18")


def test_a_pickle_is_read_only_when_asked_for(tmp_path: Path):
    saved = models.create("resnet18", classes=2)
    saved.save_pretrained(tmp_path)  # type: ignore[operator]
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "x.pth")
    with pytest.raises(WorldError, match="pass allow_pickle=True"):
        models.create("resnet18", pretrained=tmp_path / "x.pth")
    again = models.create("resnet18", pretrained=tmp_path / "x.pth", allow_pickle=True)
    assert torch.equal(again.head.weight, saved.head.weight)  # type: ignore[union-attr]


@pytest.mark.parametrize("asked", [{"classes": 0}, {"classes": -3}, {"pretrained": ""}])
@pytest.mark.parametrize("name", ["bert-tiny", "resnet18"])
def test_nothing_is_no_answer(name: str, asked: dict):
    with pytest.raises(
        CallError, match="expected (a whole number of at least 1|classes of at least 1|a folder, a file or a name)"
    ):
        models.create(name, **asked)


@pytest.mark.parametrize(
    "word, answer",
    [("num_classes", "here it is classes="), ("num_labels", "here it is classes="), ("in_chans", "here it is channels="),
     ("weights", "here it is pretrained="), ("out_indices", "here it is features_only=True"), ("depth", "a model's own class: ResNet")],
)  # fmt: skip
def test_an_argument_of_others_is_answered_with_ours(word: str, answer: str):
    with pytest.raises(CallError, match=f"create knows no {word}=; .*{answer}"):
        models.create("resnet18", **{word: 3})


def test_no_classes_are_the_features():
    with pytest.raises(CallError, match=r"its features: model\.features\(image\)"):
        models.create("resnet18", classes=0)
    with pytest.raises(CallError, match="came 0$"):
        models.create("bert-tiny", classes=0)


TRACED = """
import torch
from learnable import models

torch.manual_seed(0)
for name in ("resnet18", "mobilenet_v3_small", "efficientnet_b0", "densenet121"):
    model, image = models.create(name, classes=5).eval(), torch.rand(2, 3, 64, 64)
    print(name, torch.equal(torch.fx.symbolic_trace(model)(image), model(image)))
"""


def test_torch_fx_traces_what_looks_at_pictures():
    """In a process of its own: the tests' own checks would refuse what torch.fx hands on in place of a picture."""
    said = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said == ["resnet18 True", "mobilenet_v3_small True", "efficientnet_b0 True", "densenet121 True"]
