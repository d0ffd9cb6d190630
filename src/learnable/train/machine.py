"""What a run runs on: device, precision and processes, by Accelerate; and proof that what was asked for was got.

Accelerate on a CPU ignores its FSDP plugin and `accelerate launch` may start one process where two were asked for, both
without a word. So the number of processes is compared with what the launcher promised, and sharding is done here.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from learnable.errors import CallError, WorldError
from learnable.nn import way

PARALLELS = ("ddp", "fsdp")
LAUNCHED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells each process
START = "start with: torchrun --nproc-per-node 2 -m learnable train ..."


class Machine:
    """Device, precision and the place of this process among the others.

    Args:
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.
        precision: "fp32", or "bf16": matrix products in bfloat16, weights in float32 (autocast).
        memory_format: "contiguous" or "channels_last". Where this or the precision is "auto", `place` settles it by the model
            (`learnable.nn.way`).
        parallel: how several processes share the work: "ddp", each has all weights; "fsdp", each has a part (FSDP2).
        threads: False leaves torch's number of threads as it is, where a container may run fewer.

    Raises:
        CallError: an unknown device, precision, memory format or way of sharing.
        WorldError: the device is not there, or the launcher started another number of processes than it said.
    """

    def __init__(
        self,
        device: str = "auto",
        precision: str = "auto",
        parallel: str = "ddp",
        memory_format: str = "auto",
        threads: bool = True,
    ):
        way.check(precision, memory_format)
        if parallel not in PARALLELS:
            raise CallError(f"expected parallel to be one of {', '.join(PARALLELS)}, came '{parallel}'")
        kind = _available(device)
        promised = int(os.environ.get("WORLD_SIZE", "1"))
        absent = [name for name in LAUNCHED if name not in os.environ]
        if promised > 1 and absent:
            raise WorldError(f"WORLD_SIZE promises {promised} processes and {', '.join(absent)} are not set; {START}")
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(
            reset_partial_state="LOCAL_RANK" not in os.environ
        )  # a run before this one, in tests
        self.accelerator = Accelerator(cpu=kind == "cpu")
        self.device: torch.device = torch.device(kind) if kind == "mps" else self.accelerator.device
        self.rank: int = self.accelerator.process_index
        self.world: int = self.accelerator.num_processes
        self.asked = precision, memory_format
        self.way = way.PLAIN
        self.parallel = parallel
        self.sharded = parallel == "fsdp"
        if threads and self.device.type == "cpu":
            torch.set_num_threads(way.allowed_threads())
        if promised != self.world:
            raise WorldError(f"the launcher promised {promised} processes and {self.world} run; {START}")
        if self.sharded and not torch.distributed.is_initialized():
            raise CallError("fsdp divides the weights among processes and this is only one; "
                            f"{START}")  # fmt: skip

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def place(self, model: nn.Module) -> None:
        """Put the model on the device, in the way that suits both."""
        precision, memory_format = self.asked
        if self.sharded and memory_format == "auto":  # FSDP2 divides only what lies in the usual order
            memory_format = "contiguous"
        self.way = way.choose(model, self.device, precision, memory_format)
        self.way.lay_out(model.to(self.device))

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module as its player is to call it: itself, in DDP, or with its weights divided.

        FSDP2 divides in place; each member of a ModuleList (a transformer's blocks) is a unit that is gathered alone.
        """
        if self.sharded:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            mesh = init_device_mesh(self.device.type, (self.world,))
            for child in module.modules():
                if isinstance(child, nn.ModuleList):
                    for unit in child:
                        fully_shard(unit, mesh=mesh)
            fully_shard(module, mesh=mesh)
            return module
        if self.world > 1:
            # A weight of one row has strides that say the same in two ways; DDP warns of the difference and loses nothing.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            return nn.parallel.DistributedDataParallel(
                module, device_ids=[self.device] if self.device.type == "cuda" else None
            )
        return module

    def autocast(self) -> AbstractContextManager[object]:
        """Where the objective is computed: in bfloat16 if that is the way."""
        return self.way.autocast(self.device)

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """The mean over all processes of numbers that each has measured on its own part."""
        if self.world == 1 or not values:
            return values
        table = torch.tensor(list(values.values()), dtype=torch.float64)
        if self.device.type == "cuda":
            table = table.to(self.device)
        torch.distributed.all_reduce(table)
        return dict(zip(values, (table / self.world).tolist(), strict=True))

    def agree(self, value: Any) -> Any:
        """The first process's value, on every process."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in the order of their ranks."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(values, value)
        return values

    def any(self, flag: bool) -> bool:
        """Whether any process says yes: a signal reaches one of them first, and they must stop together."""
        if self.world == 1:
            return flag
        table = torch.tensor([float(flag)], device=self.device if self.device.type == "cuda" else "cpu")
        torch.distributed.all_reduce(table)
        return bool(table.item() > 0)

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.world > 1:
            self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes, together: one that leaves early takes the connections of the others with it."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            if not isinstance(sys.exception(), Exception):
                torch.distributed.barrier()
            torch.distributed.destroy_process_group()


@contextlib.contextmanager
def quiet(modules: list[nn.Module], silent: bool) -> Iterator[None]:
    """Within a move's first micro-batches gradients stay where they are; the last one sends the sum to the other processes."""
    with contextlib.ExitStack() as stack:
        for module in modules:
            if isinstance(module, nn.parallel.DistributedDataParallel) and silent:
                stack.enter_context(module.no_sync())
            elif callable(sync := getattr(module, "set_requires_gradient_sync", None)):  # FSDP2
                sync(not silent)
        yield


def _available(device: str) -> str:
    """The kind of device to use, if it is there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if device not in there:
        raise CallError(f"expected a device of auto, {', '.join(there)}, came '{device}'")
    if not there[device]:
        raise WorldError(
            f"this machine, or this build of PyTorch, has no {device}; leave --device out or say --device cpu"
        )
    return device
