import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.vision.lenet import LeNet
from learnable.models.vision.swin import Swin, SwinConfig
from learnable.models.vision.vit import ViT, ViTConfig
from learnable.nn.activations import watch
from learnable.sampling.gradcam import grad_cam, last_map


class Toy(nn.Module):
    """Two maps that are looked at through their means: the slope of a logit by a map is known by hand."""

    def __init__(self, weight):
        super().__init__()
        self.maps = nn.Conv2d(1, 2, 1, bias=False)
        self.maps.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight.data = torch.tensor(weight)

    def forward(self, x):
        return self.head(self.relu(self.maps(x)).mean(dim=(2, 3)))


def test_the_value_by_hand():
    """The first class looks at what is light, the second at what is dark."""
    model = Toy([[3.0, 0.0], [0.0, 5.0]])
    image = torch.tensor([[[1.0, 0.5], [-1.0, 0.0]]])
    assert_close(grad_cam(model, image, target=0, layer="relu"), torch.tensor([[1.0, 0.5], [0.0, 0.0]]))
    assert_close(grad_cam(model, image, target=1, layer="relu"), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    assert_close(grad_cam(model, image, layer="relu"), grad_cam(model, image, target=1, layer="relu"))  # the likelier


TRANSFORMERS = {
    "blocks.1.norm1": ViT(ViTConfig(depth=2, width=16, heads=2, patch=8, size=32), classes=3),
    "norm": Swin(SwinConfig(depths=(1, 2), heads=(2, 4), width=16, window=4, size=32), classes=3),
}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("layer", TRANSFORMERS)
def test_a_transformers_tokens_are_laid_out_as_the_picture_was(layer: str, inside: bool):
    torch.manual_seed(0)
    network = TRANSFORMERS[layer].eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    model = nn.Sequential(nn.Identity(), network) if inside else network
    image = torch.rand(3, 32, 32)
    assert last_map(model, image) == ("1." if inside else "") + layer
    warm = 0
    for target in range(3):
        with watch(network, layer) as seen:
            (slope,) = torch.autograd.grad(network(image[None])[0, target], seen[layer])
        maps, slope = network.as_map(seen[layer]).detach(), network.as_map(slope)
        heat = (slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
        heat = nn.functional.interpolate(heat, size=(32, 32), mode="bilinear")[0, 0]
        warm += bool(heat.max() > 0)
        assert_close(grad_cam(model, image, target), heat / heat.max().clamp(min=1e-9))
    assert warm


def test_a_transformers_other_layers():
    vit, swin = TRANSFORMERS.values()
    image = torch.rand(3, 32, 32)
    for model, layer in (
        (vit, "blocks.0"),
        (vit, "patch"),
        (swin, "stages.0"),
        (swin, "patch"),
        (swin, "stages.1.0.mlp"),
    ):
        assert grad_cam(model, image, layer=layer).shape == (32, 32)
    for model, layer in ((vit, "head"), (swin, "stages.0.0.attention.to_qkv")):
        with pytest.raises(CallError, match=f"layer '{layer}'.* gives nothing that has the picture's places"):
            grad_cam(model, image, layer=layer)


def test_nothing_speaks_for_a_class_that_everything_speaks_against():
    model = Toy([[-3.0, -1.0], [0.0, 0.0]])
    assert grad_cam(model, torch.tensor([[[1.0, 0.5], [-1.0, 0.0]]]), target=0, layer="relu").tolist() == [
        [0, 0],
        [0, 0],
    ]


def test_the_slow_way_gives_the_same():
    """Each map's weight by a finite difference: all of the map a little brighter, how much higher is the logit?"""
    torch.manual_seed(1)
    model = LeNet(classes=5, channels=1, size=16).double().eval()
    image = torch.rand(1, 16, 16, dtype=torch.float64)
    layer = last_map(model, image)
    seen = {}
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o: seen.update(maps=o.detach()))
    logits = model(image[None])[0]
    handle.remove()
    number, step, weights = int(logits.argmax()), 1e-6, []
    for k in range(seen["maps"].shape[1]):
        brighter = seen["maps"].clone()
        brighter[:, k] += step
        handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o, new=brighter: new)
        weights.append((model(image[None])[0, number] - logits[number]) / step / brighter[0, k].numel())
        handle.remove()
    heat = (torch.stack(weights).view(1, -1, 1, 1) * seen["maps"]).sum(1, keepdim=True).relu()
    heat = nn.functional.interpolate(heat, size=(16, 16), mode="bilinear")[0, 0]
    assert heat.max() > 0
    assert_close(grad_cam(model, image), heat / heat.max(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_takes_slopes_where_none_are_taken(mode):
    torch.manual_seed(0)
    model, image = LeNet(classes=10, channels=1, size=28), torch.rand(1, 28, 28)
    expected = grad_cam(model, image, target=3)
    with mode():
        assert_close(grad_cam(model, image, target=3), expected)
        assert_close(grad_cam(model, image.clone(), target=3), expected)


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(), nn.Flatten(), nn.Linear(48, 2)).train()
    model[2].eval()
    model.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert grad_cam(model, torch.rand(1, 6, 6)).max() <= 1
    assert [part.training for part in model] == [True, True, False, True, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_last_layer_with_places_is_found():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    assert last_map(model, torch.rand(1, 6, 6)) == "1"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layer": "nowhere"}, "no part of Sequential 'nowhere'"),
        ({"layer": "4"}, r"expected maps .* from the layer '4', came shape \(1, 2\)"),
        ({"target": 2}, "expected a class from 0 to 1, came 2"),
    ],
)
def test_what_cannot_be_shown(options, message):
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(CallError, match=message):
        grad_cam(model, torch.rand(1, 6, 6), **options)
    assert not any(part._forward_hooks for part in model.modules())


def test_a_model_without_places():
    with pytest.raises(CallError, match="came one without"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), torch.rand(1, 6, 6))


@pytest.mark.parametrize("shape", [(1, 1, 6, 6), (6, 6)])
def test_one_picture_at_a_time(monkeypatch, shape):
    """Without the tests' own check of shapes, which would say so first."""
    monkeypatch.setattr(grad_cam, "__no_type_check__", True, raising=False)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(CallError, match=r"expected one picture \(channels, height, width\).*take one: images\[0\]"):
        grad_cam(model, torch.rand(shape))
