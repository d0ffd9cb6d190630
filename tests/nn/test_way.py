"""What is chosen for a machine, and that it changes the order of numbers and not the numbers."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.vision.resnet import CIFARResNet
from learnable.nn import way


@pytest.fixture
def no_limits(monkeypatch, tmp_path):
    """No container's limits but those that a test writes down."""
    two, one = tmp_path / "cpu.max", tmp_path / "cpu.cfs_quota_us"
    monkeypatch.setattr(way, "CGROUPS", (two, one))
    monkeypatch.setattr(way.torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(way.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return two, one


def test_channels_last_computes_the_same():
    torch.manual_seed(0)
    plain = CIFARResNet(8, 5, 3, 8).double()
    laid = way.Way(memory_format="channels_last").lay_out(copy.deepcopy(plain))
    assert laid.conv.weight.is_contiguous(memory_format=torch.channels_last)
    image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    gradients = []
    for model in (plain, laid):
        (model(image) ** 2).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert_close(plain(image), laid(image), atol=1e-10, rtol=1e-10)
    assert_close(*gradients, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    "model, fast, expected",
    [
        (nn.Conv2d(3, 8, 3), False, way.Way("fp32", "channels_last")),
        (nn.Conv2d(3, 8, 3), True, way.Way("fp32", "channels_last")),
        (nn.Conv2d(3, 8, 4, stride=4), False, way.PLAIN),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 1, stride=2)), False, way.Way("fp32", "channels_last")),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 1, stride=2)), False, way.PLAIN),
        (nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 1, stride=2, groups=4)), False, way.PLAIN),
        (nn.Linear(1000, 1000), True, way.Way("bf16", "contiguous")),
        (nn.Linear(1000, 1000), False, way.PLAIN),
        (nn.Linear(10, 1000), True, way.PLAIN),
    ],
    ids=[
        "pictures",
        "few pictures' weights",
        "patches",
        "a shortcut",
        "a narrow shortcut",
        "a shortcut in narrow groups",
        "large",
        "large, no bf16",
        "small",
    ],
)
def test_it_depends_on_the_model_and_the_machine(model, fast, expected, monkeypatch):
    monkeypatch.setattr(way, "bf16_is_fast", lambda kind: fast)
    assert way.choose(model, "cpu") == expected
    assert way.choose(model, "cpu", "fp32", "contiguous") == way.PLAIN


def test_which_devices_want_channels_last():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 1, stride=2))
    assert way.choose(model, "cuda").memory_format == "channels_last"  # what is narrow troubles the CPU alone
    assert way.choose(nn.Conv2d(3, 8, 3), "mps") == way.PLAIN


def test_only_what_autocast_covers_is_in_bfloat16():
    model = nn.Linear(3, 3)
    with way.Way("bf16").autocast("cpu"):
        assert model(torch.ones(1, 3)).dtype == torch.bfloat16
    with way.PLAIN.autocast("cpu"):
        assert model(torch.ones(1, 3)).dtype == torch.float32


@pytest.mark.parametrize(
    "wish, message", [(("int4",), "precision of auto, fp32, bf16"), (("auto", "nhwc"), "memory format of auto")]
)
def test_unknown_words_are_refused(wish, message):
    with pytest.raises(CallError, match=message):
        way.choose(nn.Linear(1, 1), "cpu", *wish)


def test_a_device_that_does_not_know_bfloat16():
    assert not way.bf16_is_fast("mps")
    assert isinstance(way.bf16_is_fast("cpu"), bool)


def test_bfloat16_that_is_emulated_is_not_fast(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not way.bf16_is_fast("cuda")


@pytest.mark.parametrize(
    "text, threads",
    [("200000 100000", 2), ("max 100000", 64), ("50000 100000", 1), ("170000 100000", 2), ("nonsense", 64), (None, 64)],
)
def test_a_container_of_today_limits_threads(no_limits, text, threads):
    if text:
        no_limits[0].write_text(text)
    assert way.allowed_threads() == threads


@pytest.mark.parametrize("quota, threads", [("300000", 3), ("170000", 2), ("-1", 64)])
def test_a_container_of_the_first_kind_limits_threads(no_limits, quota, threads):
    no_limits[1].write_text(quota)
    no_limits[1].with_name("cpu.cfs_period_us").write_text("100000")
    assert way.allowed_threads() == threads


def test_who_has_chosen_keeps_the_choice(no_limits, monkeypatch):
    no_limits[0].write_text("100000 100000")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert way.allowed_threads() == 64
