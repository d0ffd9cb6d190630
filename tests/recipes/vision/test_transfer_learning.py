"""Transfer: what is carried over, what is not, and which weights are taken where."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from PIL import Image

from learnable import tensors
from learnable.adapt.freeze import FrozenBatchNorm
from learnable.data.augment import Augmented
from learnable.data.examples import Info
from learnable.errors import CallError, WorldError
from learnable.models.vision.resnet import RESNETS, ResNet, ResNetConfig
from learnable.recipes.vision import transfer_learning as module
from learnable.recipes.vision.transfer_learning import (
    FEATURES,
    FEW,
    LETTERS,
    NETWORKS,
    PARTS,
    RECIPE,
    SCRATCH,
    SCRATCH_FEW,
    example,
    model,
    pictures,
    settle,
    start,
)
from learnable.train.loop import Team
from learnable.train.machine import Machine
from learnable.train.recipe import smoke
from learnable.weights import resnet as weights

INFO = Info("toy", classes=("a", "b", "c"), image=(3, 32, 32))


@pytest.fixture
def tiny(monkeypatch):
    """The same with a network and a first training that take no time."""
    monkeypatch.setitem(NETWORKS, "small", ResNetConfig(depths=(1, 1, 1, 1), bottleneck=False, width=2))
    monkeypatch.setattr(module, "LETTERS", smoke(replace(LETTERS, epochs=1)))
    monkeypatch.setattr(module, "SURE", 2)


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def begun(said=None, seed=0, **options):
    torch.manual_seed(seed)
    network = model(INFO, **options)
    fresh = state(network)
    say = (said if said is not None else []).append
    start(network, INFO, Machine("cpu"), 0, say, pretrained="letters", allow_pickle=False)
    return fresh, network


def test_all_but_the_head_is_carried_over_and_learned_once(tiny):
    said = []
    fresh, network = begun(said)
    now = network.state_dict()
    changed = {name for name in now if not torch.equal(now[name], fresh[name])}
    assert changed >= {name for name in now if name.endswith("conv1.weight")}
    assert not any(name.startswith(("network.head.", "normalize.")) for name in changed)
    _, again = begun(said, seed=1)
    assert torch.equal(again.network.stages[3][0].conv1.weight, network.network.stages[3][0].conv1.weight)
    [once] = said  # then they come from the file
    assert re.fullmatch(r"first it learns the capitals \(32x32 pixels\), once: step 2 of 4, \d+ s left", once)


def test_what_takes_long_is_said_again_and_again(tiny, monkeypatch):
    """In good time, and not behind the last step."""
    ticks = iter([0.0, 20.0, 40.0, 80.0, 120.0])
    monkeypatch.setattr(module, "perf_counter", lambda: next(ticks))
    said = []
    begun(said)
    assert [line.partition("once: ")[2] for line in said] == ["step 2 of 4, 40 s left", "step 3 of 4, 27 s left"]


def test_from_scratch_nothing_is_carried_over(tiny):
    network = model(INFO)
    before = state(network)
    start(network, INFO, Machine("cpu"), 0, print, pretrained="none", allow_pickle=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_every_parameter_is_in_one_part(tiny):
    groups = Team(model(INFO), RECIPE.players, Machine("cpu")).seats[0].optimizer.param_groups
    assert len(groups) == len(PARTS) and all(group["params"] for group in groups)
    rates = [group["lr"] for group in groups]
    assert rates[-1] == RECIPE.players[0].learning_rate
    assert all(behind == pytest.approx(2.6 * before) for before, behind in pairwise(rates))
    shares = RECIPE.players[0].schedule(0, 100)
    assert len(shares) == len(PARTS) and [share > 0 for share in shares] == [False] * 5 + [True]


def test_features_are_frozen_with_their_batch_norms(tiny):
    network = FEATURES.model(INFO, network="small", frozen=True)
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {
        "network.head.weight",
        "network.head.bias",
    }
    norms = [part for part in network.modules() if isinstance(part, FrozenBatchNorm | torch.nn.BatchNorm2d)]
    assert len(norms) == 12 and all(isinstance(part, FrozenBatchNorm) for part in norms)
    fresh, network = begun(frozen=True)
    assert not torch.equal(network.network.stem.norm.running_var, fresh["network.stem.norm.running_var"])
    assert network(*example(INFO)).shape == (2, 3)


def test_so_many_of_each_class():
    for recipe, count in ((RECIPE, 50), (FEW, 10), (SCRATCH, 50), (SCRATCH_FEW, 10)):
        data = recipe.data(None, **{**recipe.data_settings, "size": 16})
        assert data.train.examples.label.bincount().tolist() == [count] * 21
        assert recipe.steps_for(len(data.train)) == pytest.approx(RECIPE.steps_for(1050), rel=0.1)
    assert len(LETTERS.data(None, **{**LETTERS.data_settings, "size": 16}).train) == 5200


def test_the_comparison_is_fair():
    """Pictures, batches and steps are the same; what differs is what the network knows, and how it is then taught."""
    for transfer, scratch in ((RECIPE, SCRATCH), (FEW, SCRATCH_FEW)):
        assert (scratch.data_settings, scratch.batch_size, scratch.epochs, scratch.model_settings) == (
            transfer.data_settings, transfer.batch_size, transfer.epochs, transfer.model_settings,
        )  # fmt: skip
    assert not set(GLYPHS_A) & set(GLYPHS_B)


GLYPHS_A, GLYPHS_B = (pictures(name, size=8, per_class=1).info.classes for name in ("glyphs-a", "glyphs-b"))


def photos(folder, count=4):
    for name, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (50 + number, 40), color).save(folder / name / f"{number}.jpg")
    return str(folder)


def test_a_folder_is_used_whole_and_seen_in_a_mirror(tmp_path):
    data = pictures(photos(tmp_path / "photos", 20), size=16, per_class=5)
    assert len(data.train) == 28 and isinstance(data.train, Augmented) and data.train.flip
    assert not isinstance(pictures(None, size=16, augment=False).train, Augmented)
    assert not pictures(None, size=16).train.flip, "a mirrored letter is another one"


SETTINGS = {"pretrained": "auto", "network": "auto", "size": 0, "allow_pickle": False}


def test_glyphs_need_no_weights():
    said = []
    assert settle(None, SETTINGS, said.append) == {"pretrained": "letters", "network": "small", "size": 32}
    assert not said


def test_photos_without_weights_are_told_so(tmp_path):
    said = []
    settled = settle(photos(tmp_path / "photos"), SETTINGS, said.append)
    assert settled == {"pretrained": "letters", "network": "small", "size": 96}
    assert (
        "no published weights" in said[0] and "--pretrained timm/resnet18.a1_in1k" in said[0] and "instead" in said[0]
    )


@pytest.mark.parametrize("variant", RESNETS)
def test_weights_are_looked_for_of_the_network_that_is_asked_for(tmp_path, home, variant):
    """And if there are none, those are named that can be had."""
    files = {
        row: home / "data" / "weights" / row.address.rpartition("/")[2] for row in weights.PUBLISHED if row.address
    }
    (home / "data" / "weights").mkdir(parents=True)
    for file in (file for row, file in files.items() if row.variant != variant):
        file.touch()
    folder, asked, said = photos(tmp_path / "photos"), SETTINGS | {"network": variant}, []
    assert settle(folder, asked, said.append) == {"pretrained": "letters", "network": variant, "size": 160}
    [notice] = said
    assert f"no published weights of {variant} on this machine; instead, the network first learns" in notice
    [name] = re.findall(r"--pretrained (timm/\S+);", notice)
    assert [row.variant for row in weights.PUBLISHED if row.name == name] == [variant]
    [*_, (row, file)] = [(row, file) for row, file in files.items() if row.variant == variant]
    file.touch()
    assert settle(folder, asked, said.append) == {"pretrained": row.name, "network": variant, "size": 160}
    assert len(said) == 1


def test_the_small_network_has_no_published_weights_to_miss(tmp_path, monkeypatch):
    """Nor takes those of another."""
    monkeypatch.setattr(module, "at_hand", lambda *_: True)
    said = []
    settled = settle(photos(tmp_path / "photos"), SETTINGS | {"network": "small"}, said.append)
    assert settled == {"pretrained": "letters", "network": "small", "size": 96} and not said


def test_weights_of_a_pickle_are_read_when_asked_for(tmp_path):
    """By the names that torchvision's files have."""
    torch.manual_seed(0)
    source = ResNet(RESNETS["resnet18"][0], classes=1000)
    source.save_pretrained(tmp_path / "folder")
    file = tmp_path / "x.pth"
    torch.save(tensors.read(tmp_path / "folder" / "model.safetensors"), file)
    asked = SETTINGS | {"pretrained": str(file)}
    with pytest.raises(WorldError, match="--allow-pickle true"):
        settle(None, asked, print)
    with pytest.raises(WorldError, match="--allow-pickle true"):
        start(model(INFO, network="resnet18"), INFO, Machine("cpu"), 0, print, pretrained=str(file), allow_pickle=False)
    settled = settle(photos(tmp_path / "photos"), asked | {"allow_pickle": True}, print)
    assert settled == {"pretrained": str(file), "network": "resnet18", "size": 160}
    network = model(INFO, network="resnet18")
    start(network, INFO, Machine("cpu"), 0, print, pretrained=str(file), allow_pickle=True)
    assert torch.equal(network.network.stages[3][1].conv2.weight, source.stages[3][1].conv2.weight)
    assert network.network.head.out_features == 3


def test_published_weights_that_are_there_are_taken(tmp_path, home):
    (home / "data" / "weights").mkdir(parents=True)
    (home / "data" / "weights" / "resnet18-f37072fd.pth").write_bytes(b"here")
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(ResNet, "from_pretrained", lambda place, *, allow_pickle: ResNet(RESNETS["resnet18"][0]))
        said = []
        settled = settle(photos(tmp_path / "photos"), SETTINGS, said.append)
    assert (
        settled == {"pretrained": "torchvision/resnet18.IMAGENET1K_V1", "network": "resnet18", "size": 160} and not said
    )


def test_a_folder_of_weights(tmp_path, monkeypatch, tiny):
    """What timm would save: the network, its normalization and the size of its pictures follow from it."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    source = ResNet(NETWORKS["small"], classes=7)
    source.preprocessing = module.Preprocessing(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    source.save_pretrained("weights")
    settled = settle(photos(tmp_path / "photos"), SETTINGS | {"pretrained": "weights"}, print)
    assert settled["pretrained"] == str(tmp_path / "weights") and settled["network"] == "small"
    network = model(INFO, network="small")
    start(network, INFO, Machine("cpu"), 0, print, pretrained=settled["pretrained"], allow_pickle=False)
    assert torch.equal(network.network.stages[2][0].conv2.weight, source.stages[2][0].conv2.weight)
    assert network.network.head.out_features == 3
    assert network.normalize.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert network.normalize.std.flatten().tolist() == [1, 2, 3]


def test_gray_pictures_take_weights_of_colored_ones(tmp_path, tiny):
    source = ResNet(NETWORKS["small"], classes=7)
    source.save_pretrained(tmp_path / "weights")
    info = Info("toy", classes=("a", "b"), image=(1, 32, 32))
    network = model(info)
    start(network, info, Machine("cpu"), 0, print, pretrained=str(tmp_path / "weights"), allow_pickle=False)
    torch.testing.assert_close(network.network.stem.conv.weight, source.stem.conv.weight.sum(1, keepdim=True))


@pytest.mark.parametrize(
    "changes, kind, message",
    [
        ({"network": "resnet19"}, CallError, "did you mean 'resnet18'"),
        ({"pretrained": "no/such/place"}, WorldError, "no folder or file no/such/place"),
    ],
)
def test_what_cannot_be_settled(changes, kind, message):
    with pytest.raises(kind, match=message):
        settle(None, SETTINGS | changes, print)


def test_another_network_than_the_weights(tmp_path, tiny):
    ResNet(ResNetConfig(depths=(1, 2, 1, 1), bottleneck=False, width=2), classes=3).save_pretrained(tmp_path / "w")
    with pytest.raises(WorldError, match="none of small, resnet18"):
        settle(None, SETTINGS | {"pretrained": str(tmp_path / "w")}, print)
    with pytest.raises(WorldError, match="another network than was asked for"):
        start(model(INFO), INFO, Machine("cpu"), 0, print, pretrained=str(tmp_path / "w"), allow_pickle=False)
