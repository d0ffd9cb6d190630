"""Looking inside a model: the right values, nothing changed, gradients where they are wanted."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable import models
from learnable.errors import CallError
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.vision.resnet import ResNet, ResNetConfig
from learnable.nn.activations import Features, activations, logit_lens, parts, watch

SMALL = ResNetConfig(depths=(1, 2), bottleneck=False, width=4)


@pytest.fixture
def model() -> ResNet:
    torch.manual_seed(0)
    return ResNet(SMALL, classes=3).eval()


def test_every_part_is_seen_as_it_was_before_anyone_wrote_into_it(model: ResNet):
    """The ReLU behind a norm works in place; what the norm gave is still there."""
    image = torch.randn(2, 3, 32, 32)
    seen = activations(model, image)
    assert set(seen) == {name for name, module in model.named_modules() if name and type(module) is not nn.ModuleList}
    conv = nn.functional.conv2d(image, model.stem.conv.weight, stride=2, padding=3)
    assert_close(seen["stem.conv"], conv)
    assert_close(seen["stem.norm"], model.stem.norm(conv))
    assert (seen["stem.norm"] < 0).any() and not (seen["stem.relu"] < 0).any()
    assert_close(seen["head"], model(image))


def test_looking_changes_nothing(model: ResNet):
    image = torch.randn(2, 3, 32, 32)
    before = model(image)
    with watch(model) as seen:
        assert torch.equal(model(image), before)
    assert not any(module._forward_hooks for module in model.modules())
    count = len(seen)
    model(image)
    assert len(seen) == count


def test_hooks_go_when_the_model_fails(model: ResNet):
    with pytest.raises(CallError):
        activations(model, torch.zeros(1, 1, 8, 8))
    assert not any(module._forward_hooks for module in model.modules())


def test_gradients_reach_what_was_seen(model: ResNet):
    with watch(model, "stages.1") as seen:
        loss = model(torch.randn(1, 3, 32, 32))[0, 2]
    (gradient,) = torch.autograd.grad(loss, seen["stages.1"])
    assert_close(gradient.sum((0, 2, 3)), model.head.weight[2])  # the head takes the mean over the map


def test_patterns(model: ResNet):
    assert parts(model, "stages.?") == ["stages.0", "stages.1"]
    assert parts(model, ["head", "stem"]) == ["stem", "head"]
    assert parts(model, ["stages.1", "stages.?"]) == ["stages.0", "stages.1"]
    with pytest.raises(CallError, match="no part of ResNet 'stage'; did you mean 'stages'"):
        parts(model, "stage")


def test_the_lens_ends_with_the_answer():
    torch.manual_seed(0)
    gpt = GPT(GPTConfig(depth=3, width=8, heads=2, vocab=11, context=4)).eval()
    tokens = torch.tensor([[1, 2, 3]])
    seen = logit_lens(gpt, tokens)
    assert_close(seen[-1], gpt(tokens))
    first = gpt.blocks[0](gpt.embed(tokens, torch.arange(3)))
    assert_close(seen[0], gpt.head(gpt.norm(first)))


def test_the_lens_needs_blocks_on_a_sum(model: ResNet):
    with pytest.raises(CallError, match="expected a model of a GPT's kind.*came ResNet"):
        logit_lens(model, torch.tensor([[1]]))


def test_features_are_the_pyramid_and_learn(model: ResNet):
    image = torch.randn(2, 3, 32, 32)
    first, second = Features(model)(image)
    assert first.shape == (2, 4, 8, 8) and second.shape == (2, 8, 4, 4)
    assert_close(first, model.stages[0](model.stem(image)))
    assert_close(second, model.features(image))
    (first.sum() + second.sum()).backward()
    assert model.stem.conv.weight.grad is not None


@pytest.mark.parametrize("name, size", [("resnet18", 64), ("vgg11_bn", 64), ("mobilenet_v3_small", 96), ("densenet121", 64),
                                        ("vit_ti_16", None), ("swin_t", None)])  # fmt: skip
def test_the_shapes_of_feature_maps_are_known_before(name, size):
    body = models.create(name, channels=1, features_only=True).eval()
    before = {key: tensor.clone() for key, tensor in body.state_dict().items()}
    shapes = body.shapes(size)
    assert all(torch.equal(tensor, before[key]) for key, tensor in body.state_dict().items())
    with torch.no_grad():
        assert shapes == [tuple(maps.shape[1:]) for maps in body(torch.rand(1, 1, size or 224, size or 224))]
