"""The way a machine computes a model: precision, order in memory, threads. It changes the speed and not what is computed.

A convolution runs faster where the channels of a place lie side by side (channels last) than where each channel is a picture of
its own, as tensors are written down; a processor that multiplies bfloat16 does so two to four times as fast as float32. Neither
is in a model's file, which says what is computed: it is chosen here, for the machine at hand, and is said in a run's record.
"""

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from learnable.errors import CallError

PRECISIONS = ("fp32", "bf16")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
LARGE = 1_000_000  # weights from which on a faster product is worth the casts around it
CGROUPS = Path("/sys/fs/cgroup/cpu.max"), Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")


@dataclass(frozen=True)
class Way:
    """How to compute a model on a device; as it stands, the way that nothing chooses.

    Args:
        precision: "fp32", or "bf16": matrix products and convolutions in bfloat16, weights and sums in float32 (autocast).
        memory_format: "contiguous", or "channels_last".
    """

    precision: str = "fp32"
    memory_format: str = "contiguous"

    def lay_out(self, model: nn.Module) -> nn.Module:
        """The same model, its kernels in this order. Nothing is copied that lies so already."""
        if self.memory_format == "contiguous":
            return model
        return model.to(memory_format=MEMORY_FORMATS[self.memory_format])  # type: ignore[call-overload]

    def autocast(self, device: torch.device | str) -> AbstractContextManager[object]:
        """Where outputs are computed: in bfloat16, if that is the way."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(device).type, torch.bfloat16)


PLAIN = Way()


def choose(model: nn.Module, device: torch.device | str, precision: str = "auto", memory_format: str = "auto") -> Way:
    """The way for this model on this device; what is not "auto" stays as it was said.

    >>> choose(nn.Conv2d(3, 8, 3), "cpu")
    Way(precision='fp32', memory_format='channels_last')
    >>> choose(nn.Linear(3, 8), "cpu").memory_format
    'contiguous'

    Raises:
        CallError: an unknown precision or memory format.
    """
    check(precision, memory_format)
    kind = torch.device(device).type
    if precision == "auto":
        large = sum(parameter.numel() for parameter in model.parameters()) >= LARGE
        precision = "bf16" if large and bf16_is_fast(kind) else "fp32"
    if memory_format == "auto":
        convolves = any(
            isinstance(module, nn.Conv2d) and module.stride[0] < module.kernel_size[0] for module in model.modules()
        )  # a ViT's patches, which do not overlap, are one product and gain nothing
        able = kind == "cuda" or (kind == "cpu" and not any(map(_overruns, model.modules())))
        memory_format = "channels_last" if convolves and able else "contiguous"
    return Way(precision, memory_format)


def _overruns(module: nn.Module) -> bool:
    """Whether oneDNN 3.12 (in torch 2.13) writes past the end of its gradient on processors with AVX2 where channels come last:
    one pixel wide, with a stride, of fewer channels than a register holds. The process then dies, now or later."""
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and max(module.stride) > 1
        and module.in_channels // module.groups < 8
    )


def check(precision: str, memory_format: str = "auto") -> None:
    """Whether these are known words.

    Raises:
        CallError: they are not.
    """
    if precision not in ("auto", *PRECISIONS):
        raise CallError(f"expected a precision of auto, {', '.join(PRECISIONS)}, came '{precision}'")
    if memory_format not in ("auto", *MEMORY_FORMATS):
        raise CallError(f"expected a memory format of auto, {', '.join(MEMORY_FORMATS)}, came '{memory_format}'")


def bf16_is_fast(kind: str) -> bool:
    """Whether the device multiplies bfloat16 itself: elsewhere it is emulated, more slowly than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(ask() for ask in asked if ask is not None)
    return False


def allowed_threads() -> int:
    """How many threads torch should use: no more than a container may run, which torch does not ask.

    A process that may use two of 64 cores and starts 64 threads waits for itself most of the time.
    """
    threads = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ:  # somebody has chosen
        return threads
    return max(1, min([threads, *_limits()]))


def _limits() -> Iterator[int]:
    if hasattr(os, "sched_getaffinity"):
        yield len(os.sched_getaffinity(0))
    two, one = CGROUPS
    with contextlib.suppress(OSError, ValueError):
        quota, period = two.read_text().split()
        yield round(int(quota) / int(period)) or 1  # "max" is no number: no limit
    with contextlib.suppress(OSError, ValueError):
        if (allowed := int(one.read_text())) > 0:
            yield round(allowed / int(one.with_name("cpu.cfs_period_us").read_text())) or 1
