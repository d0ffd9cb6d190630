import pytest
import torch

from learnable.errors import CallError, WorldError
from learnable.nn import way
from learnable.train.machine import Machine


@pytest.mark.parametrize(
    "asked, error",
    [
        ({"device": "tpu"}, "expected a device of auto, cpu, cuda, mps, came 'tpu'"),
        ({"precision": "fp8"}, "expected a precision of auto, fp32, bf16, came 'fp8'"),
        ({"parallel": "zero"}, "expected parallel to be one of ddp, fsdp"),
        ({"parallel": "fsdp", "device": "cpu"}, "only one; start with: torchrun"),
    ],
)
def test_a_wrong_wish_says_what_there_is(asked, error):
    with pytest.raises(CallError, match=error):
        Machine(**asked)


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WorldError, match="has no cuda"):
        Machine("cuda")


def test_processes_that_were_promised_and_are_not_there(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(WorldError, match="start with: torchrun"):
        Machine("cpu")


def test_one_process_is_first_and_agrees_with_itself():
    place = Machine("cpu")
    assert place.first and place.world == 1
    assert place.agree({"a": 1}) == {"a": 1} and place.any(True) and not place.any(False)
    assert place.mean({"loss": 2.0}) == {"loss": 2.0}
    module = torch.nn.Linear(2, 2)
    assert place.wrap(module) is module


def test_bf16_multiplies_in_bfloat16_and_keeps_weights_in_float32():
    place = Machine("cpu", precision="bf16")
    module = torch.nn.Linear(2, 2)
    place.place(module)
    with place.autocast():
        assert module(torch.ones(1, 2)).dtype == torch.bfloat16
    assert module.weight.dtype == torch.float32
    plain = Machine("cpu", precision="fp32")
    plain.place(module)
    with plain.autocast():
        assert module(torch.ones(1, 2)).dtype == torch.float32


def test_what_was_asked_for_is_not_chosen(monkeypatch):
    monkeypatch.setattr(way, "bf16_is_fast", lambda kind: True)
    monkeypatch.setattr(way, "LARGE", 1)
    chosen, said = Machine("cpu"), Machine("cpu", precision="fp32", memory_format="contiguous")
    for place, last in ((chosen, True), (said, False)):
        place.place(module := torch.nn.Conv2d(3, 4, 3))
        assert module.weight.is_contiguous(memory_format=torch.channels_last) is last
    assert chosen.way == way.Way("bf16", "channels_last") and said.way == way.PLAIN


def test_weights_that_are_divided_lie_in_the_usual_order_unless_another_is_asked_for():
    for memory_format, expected in (("auto", "contiguous"), ("channels_last", "channels_last")):
        place = Machine("cpu", memory_format=memory_format)
        place.sharded = True
        place.place(torch.nn.Conv2d(3, 4, 3))
        assert place.way.memory_format == expected


def test_threads_are_no_more_than_allowed(monkeypatch):
    monkeypatch.setattr(way, "allowed_threads", lambda: 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        Machine("cpu", threads=False)
        assert torch.get_num_threads() == 2
        Machine("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
