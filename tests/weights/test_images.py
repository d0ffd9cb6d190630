"""Image classifiers' checkpoints: what is recognized, what is refused, and what is said."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from learnable import models
from learnable.errors import CallError, WorldError
from learnable.models.vision.resnet import RESNETS, ResNet, ResNetConfig
from learnable.models.vision.swin import Swin, SwinConfig
from learnable.weights.images import HALF, Preprocessing, counted, other_channels

SMALL = ResNetConfig(depths=(1, 1, 1, 1), bottleneck=False, width=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = ResNet(SMALL, classes=5)
    model.preprocessing = Preprocessing(size=64, crop=1.0)
    model.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    state = load_file(folder / "model.safetensors") | {
        name.replace("__", "."): t for name, t in tensors.items() if t is not None
    }
    for name, tensor in tensors.items():
        if tensor is None:
            del state[name.replace("__", ".")]
    save_file(state, folder / "model.safetensors")


def configure(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in (config | changes).items() if v is not None}))


def test_comes_back_as_it_went(folder: Path):
    torch.manual_seed(0)
    model, again = ResNet(SMALL, classes=5).eval(), ResNet.from_pretrained(folder).eval()
    image = torch.randn(2, 3, 64, 64)
    assert torch.equal(model(image), again(image))
    assert again.config == SMALL and again.classes == 5
    assert again.preprocessing == Preprocessing(size=64, crop=1.0)


def test_other_classes_keep_all_but_the_head(folder: Path):
    model, whole = ResNet.from_pretrained(folder, classes=2), ResNet.from_pretrained(folder)
    assert model.head.weight.shape == (2, 64)
    for name, tensor in whole.state_dict().items():
        if not name.startswith("head"):
            assert torch.equal(model.state_dict()[name], tensor), name


def test_a_gray_picture_is_a_colored_one_with_equal_channels(folder: Path):
    model, gray = ResNet.from_pretrained(folder).eval(), ResNet.from_pretrained(folder, channels=1).eval()
    image = torch.randn(2, 1, 64, 64)
    assert_close(gray(image), model(image.expand(2, 3, 64, 64)), atol=1e-5, rtol=1e-4)
    assert other_channels(torch.ones(2, 3, 1, 1), 5).shape == (2, 5, 1, 1)


def test_half_precision_is_kept_if_asked(folder: Path, tmp_path: Path):
    ResNet.from_pretrained(folder).half().save_pretrained(tmp_path / "half")
    assert ResNet.from_pretrained(tmp_path / "half").head.weight.dtype == torch.float32
    assert ResNet.from_pretrained(tmp_path / "half", dtype=None).head.weight.dtype == torch.float16
    assert ResNet.from_pretrained(tmp_path / "half", dtype=None, classes=3).head.weight.dtype == torch.float16


def test_a_bare_file_is_recognized_by_its_shapes(tmp_path: Path):
    model = ResNet(RESNETS["resnet34"][0], classes=3, channels=1)
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    assert ResNet.from_pretrained(tmp_path / "model.safetensors").config == RESNETS["resnet34"][0]
    state = load_file(tmp_path / "model.safetensors")
    save_file({name: t for name, t in state.items() if not name.startswith("layer4.2")}, tmp_path / "model.safetensors")
    with pytest.raises(
        WorldError, match=r"nearest is resnet34, but layer4\.2\.conv1\.weight is missing; .* and 10 more"
    ):
        ResNet.from_pretrained(tmp_path / "model.safetensors")
    save_file(state | {"layer1.0.conv1.weight": torch.zeros(128, 64, 3, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match=r"layer1\.0\.conv1\.weight: expected shape \(64, 64, 3, 3\), came \(128, "):
        ResNet.from_pretrained(tmp_path / "model.safetensors")
    save_file({"conv9.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match="another architecture.* Known are resnet18, resnet34"):
        ResNet.from_pretrained(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", [
    "alexnet", "vgg11", "resnet18", "densenet121", "mobilenet_v1_x0_25", "mobilenet_v2_x0_35", "mobilenet_v3_small", "shufflenet_v2_x0_5",
    "efficientnet_b0", "vit_ti_16", "swin_t",
])  # fmt: skip
def test_a_folder_without_a_config_says_what_to_do(tmp_path: Path, name: str):
    with torch.device("meta"):
        family = type(models.create(name))
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(
        WorldError, match=r"expected config.json .*, came model.safetensors\. .* name the file by itself, .*/model.saf"
    ):
        family.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WorldError, match="came an empty folder. Put the one there that belongs to them$"):
        family.from_pretrained(tmp_path)


def test_weights_with_infinities_are_read_with_a_warning(folder: Path):
    change(
        folder,
        **{"bn1.running_var": torch.full_like(load_file(folder / "model.safetensors")["bn1.running_var"], torch.inf)},
    )
    with pytest.warns(UserWarning, match=r"not finite .* in stem\.norm\.running_var\."):
        ResNet.from_pretrained(folder)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_bare_file_without_a_head_asks_for_classes(tmp_path: Path, prefix: str):
    torch.manual_seed(0)
    ResNet(RESNETS["resnet18"][0], classes=2).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = {prefix + name: t for name, t in load_file(file).items() if not name.startswith("fc.")}
    (tmp_path / "config.json").unlink()
    save_file(state, file)
    with pytest.raises(WorldError, match="a network without a head: say how many classes"):
        ResNet.from_pretrained(file)
    model = ResNet.from_pretrained(file, classes=4)
    assert model.classes == 4 and torch.equal(model.stem.conv.weight, state[f"{prefix}conv1.weight"])


@pytest.mark.parametrize(
    "tensor, message",
    [
        (torch.zeros(5, 512, dtype=torch.int8), "fc.weight: expected float32, came int8"),
        (torch.zeros(5, 512, dtype=torch.complex64), "expected float32, came complex64"),
        (torch.zeros(5, 512).to_sparse(), "layout torch.sparse_coo"),
        (torch.zeros(5, 512, device="meta"), "a shape without numbers"),
    ],
    ids=["integers", "complex", "sparse", "meta"],
)
def test_tensors_that_are_no_weights_are_refused(tmp_path: Path, tensor: torch.Tensor, message: str):
    ResNet(RESNETS["resnet18"][0], classes=5).save_pretrained(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors") | {"fc.weight": tensor}, tmp_path / "x.pth")
    with pytest.raises(WorldError, match=message):
        ResNet.from_pretrained(tmp_path / "x.pth", allow_pickle=True)


@pytest.mark.parametrize("name", ["model_best.pth.tar", "weights.pkl", "weights", "weights.PTH"])
def test_a_pickle_is_one_by_any_name(tmp_path: Path, name: str):
    ResNet(RESNETS["resnet18"][0], classes=2).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    torch.save(state, tmp_path / "elsewhere")
    (tmp_path / "config.json").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / name)
    with pytest.raises(WorldError, match="pass allow_pickle=True"):
        ResNet.from_pretrained(tmp_path / name)
    assert torch.equal(ResNet.from_pretrained(tmp_path / name, allow_pickle=True).head.weight, state["fc.weight"])


@pytest.mark.parametrize(
    "tensors, message",
    [
        ({"layer2__0__conv1__weight": None}, r"missing: layer2\.0\.conv1\.weight of shape \(16, 8, 3, 3\)"),
        ({"layer2__0__conv1__weight": torch.zeros(16, 8, 5, 5)}, r"layer2\.0\.conv1\.weight: expected shape .*came \(16, 8, 5, 5\)"),
        ({"layer9__0__conv1__weight": torch.zeros(1)}, r"came layer9\.0\.conv1\.weight: another architecture"),
        ({"layer1__5__conv1__weight": torch.zeros(1)}, r"not expected: layer1\.5\.conv1\.weight"),
        ({"fc__weight": None}, r"nothing that becomes our head\.weight"),
    ],
    ids=["missing", "misshapen", "strange", "extra", "headless"],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_named(folder: Path, tensors: dict, message: str):
    change(folder, **tensors)
    with pytest.raises(WorldError, match=message):
        ResNet.from_pretrained(folder)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"learnable": None, "architecture": "vgg16"}, "architecture 'vgg16', which is none of ResNet's"),
        ({"learnable": {"model": "VGG"}}, "expected a ResNet, came a checkpoint of VGG"),
        ({"learnable": {"model": "ResNet", "settings": {"depth": 3}}}, "expected the settings of a ResNet"),
        ({"learnable": {"model": "ResNet", "settings": {"depths": [0], "bottleneck": False}}}, "cannot be used"),
        ({"learnable": None, "model_type": "bert"}, "expected model_type 'resnet'"),
        (
            {"pretrained_cfg": {"input_size": "big", "crop_pct": 0.9}},
            "pretrained_cfg says of the pictures cannot be read",
        ),
    ],
    ids=["architecture", "model", "settings", "value", "type", "pictures"],
)
def test_a_config_of_something_else_is_refused(folder: Path, changes: dict, message: str):
    configure(folder, **changes)
    with pytest.raises(WorldError, match=message):
        ResNet.from_pretrained(folder)


def test_a_tag_of_timm_is_not_part_of_the_name(folder: Path, tmp_path: Path):
    ResNet(RESNETS["resnet18"][0], classes=2).save_pretrained(tmp_path)
    configure(tmp_path, learnable=None, architecture="resnet18.a1_in1k")
    assert ResNet.from_pretrained(tmp_path).config == RESNETS["resnet18"][0]


def test_a_pickle_is_not_opened_unasked(tmp_path: Path):
    torch.save({}, tmp_path / "model.pth")
    with pytest.raises(WorldError, match="pass allow_pickle=True"):
        ResNet.from_pretrained(tmp_path / "model.pth")
    (tmp_path / "model.pth").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(WorldError, match="it was not opened"):
        ResNet.from_pretrained(tmp_path / "model.pth", allow_pickle=True)


@pytest.mark.parametrize("prefix", ["model.", "module.", "net.module."])
def test_names_of_a_network_inside_another(tmp_path: Path, prefix: str):
    torch.manual_seed(0)
    ResNet(RESNETS["resnet18"][0], classes=2).save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    torch.save({"state_dict": {prefix + name: t for name, t in state.items()}, "epoch": 1}, tmp_path / "last.ckpt")
    model = ResNet.from_pretrained(tmp_path / "last.ckpt", allow_pickle=True)
    assert torch.equal(model.head.weight, state["fc.weight"])
    state[f"{prefix}more.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(WorldError, match="fit no variant"):
        ResNet.from_pretrained(tmp_path / "last.ckpt", allow_pickle=True)


@pytest.mark.parametrize("asked", [{"classes": 7}, {"channels": 1}, {}], ids=["classes", "channels", "as it is"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_numbers_are_of_the_kind_that_was_asked_for(folder: Path, asked: dict, dtype: torch.dtype):
    model = ResNet.from_pretrained(folder, dtype=dtype, **asked)
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {dtype}


def test_a_swin_too(tmp_path: Path):
    Swin(SwinConfig((1, 1), (2, 4), 16, 4, 32), classes=3).save_pretrained(tmp_path)
    model = Swin.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model(torch.rand(1, 3, 32, 32).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "name, wish",
    [
        ("resnet18", {"global_pool": "max"}), ("resnet18", {"output_stride": 8}), ("resnet18", {"act_layer": "gelu"}),
        ("mobilenetv2_100", {"output_stride": 16}), ("mobilenetv3_small_100", {"global_pool": "max"}),
        ("efficientnet_b0", {"act_layer": "relu"}), ("vit_tiny_patch16_224", {"global_pool": "avg", "fc_norm": False}),
        ("vit_tiny_patch16_224", {"num_heads": 6}), ("densenet121", {"act_layer": "gelu"}),
        ("swin_tiny_patch4_window7_224", {"act_layer": "relu"}),
    ],
)  # fmt: skip
def test_what_no_tensor_shows_is_refused(tmp_path: Path, name: str, wish: dict):
    """timm builds another network from the same tensors."""
    variant = models.find(name)
    family = getattr(importlib.import_module(variant.module), variant.family)
    config = {"architecture": name, "num_classes": 1000, "model_args": wish}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"nothing": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match=f"asks timm for {next(iter(wish))} = .*wrong without a word"):
        family.from_pretrained(tmp_path)


def test_what_changes_nothing_is_not_refused(tmp_path: Path):
    torch.manual_seed(0)
    ResNet(RESNETS["resnet18"][0], classes=2).save_pretrained(tmp_path)
    wish = {"drop_path_rate": 0.1, "in_chans": 3, "global_pool": "avg", "act_layer": "relu", "num_classes": 2}
    configure(tmp_path, learnable=None, architecture="resnet18.mine", model_args=wish)
    assert ResNet.from_pretrained(tmp_path).classes == 2


def test_a_preparation_that_is_not_known_is_not_claimed(tmp_path: Path):
    model = models.create("efficientnet_b1", classes=2)
    model.save_pretrained(tmp_path)
    said = json.loads((tmp_path / "config.json").read_text())["pretrained_cfg"]
    assert said == {"input_size": [3, 240, 240], "num_classes": 2}
    assert type(model).from_pretrained(tmp_path).preprocessing is None


@pytest.mark.parametrize(
    "said, found",
    [
        ({"size": 64, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3},
         Preprocessing(64, 1.0, HALF, HALF, "bicubic")),
        ({"size": {"height": 64, "width": 64}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2},
         Preprocessing(64, 1.0, HALF, HALF)),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True,
          "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, Preprocessing(224, 0.875, HALF, HALF)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
         Preprocessing(224, 0.875, HALF, HALF)),
        ({"size": 256, "crop_size": 224, "do_center_crop": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
         Preprocessing(256, 1.0, HALF, HALF)),
        ({"size": 64, "do_normalize": False}, None),
    ],
)  # fmt: skip
def test_how_transformers_prepares_pictures(folder: Path, said: dict, found: Preprocessing | None):
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    assert ResNet.from_pretrained(folder).preprocessing == found
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": 64}))
    with pytest.raises(WorldError, match="preprocessor_config.json: what it says of the pictures"):
        ResNet.from_pretrained(folder)


@pytest.mark.parametrize("family", ["densenet", "efficientnet", "mobilenet", "resnet", "swin", "vgg", "vit"])
def test_published_rows_are_as_timm_has_them(family: str):
    timm = pytest.importorskip("timm")
    rows = importlib.import_module(f"learnable.weights.{family}").PUBLISHED
    for row in (row for row in rows if row.name.startswith("timm/")):
        said = timm.models.get_pretrained_cfg(row.name.removeprefix("timm/"))
        assert row.licence == said.license, row.name
        assert row.preprocessing == Preprocessing(
            said.input_size[-1], said.crop_pct, tuple(said.mean), tuple(said.std), said.interpolation
        ), row.name


@pytest.mark.parametrize("asked", [{"classes": 0}, {"channels": -1}])
def test_no_classes_is_a_wrong_call(folder: Path, asked: dict):
    with pytest.raises(CallError, match="at least 1 class and 1 channel"):
        ResNet.from_pretrained(folder, **asked)


def test_unknown_weights_of_torchvision_are_named():
    with pytest.raises(WorldError, match="no weights 'torchvision/resnet18.V9'"):
        ResNet.from_pretrained("torchvision/resnet18.V9")


def test_a_torn_file_is_said(folder: Path):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WorldError, match="damaged or cut short"):
        ResNet.from_pretrained(folder)


def test_pixels_are_normalized():
    image = torch.rand(2, 3, 4, 4)
    made = Preprocessing().normalize(image)
    assert_close(made[:, 1], (image[:, 1] - 0.456) / 0.224)
    assert_close(Preprocessing().normalize(image[:, :1]), (image[:, :1] - 0.449) / 0.226)


def test_norms_of_old_files_have_seen_no_batches():
    state = {
        "norm.running_var": torch.ones(2),
        "old.running_var": torch.ones(2),
        "norm.num_batches_tracked": torch.tensor(7),
    }
    counts = {name: int(count) for name, count in counted(state).items() if name.endswith("tracked")}
    assert counts == {"norm.num_batches_tracked": 7, "old.num_batches_tracked": 0}
