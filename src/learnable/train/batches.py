"""Which examples a step sees, as a pure function of the seed and the step.

Nothing has to be stored for a run to continue exactly where it stopped, and each of several processes cuts its own
part out of the same global batch.
"""

import hashlib

import torch
from torch import Tensor

from learnable.data.examples import Batch, Examples, Sized
from learnable.errors import CallError

POOL = 20  # batches that are sorted by size together: more leave less filling, fewer leave the order to chance


def stream(seed: int, *purpose: object) -> torch.Generator:
    """A generator of its own for each purpose: streams of one seed do not repeat one another.

    >>> stream(0, "order", 1).initial_seed() == stream(0, "order", 2).initial_seed()
    False
    """
    name = "/".join(map(str, (seed, *purpose)))
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


class BatchNumbers:
    """The numbers of the examples of each step: every epoch a new permutation, cut into whole batches.

    What is left over at the end of an epoch has its turn in another one. Where examples have `sizes`, those of a batch are
    of nearly the same one, so that texts need little filling: twenty batches at a time are sorted, and then take their
    turns in any order.

    >>> numbers = BatchNumbers(count=10, batch_size=4, seed=0)
    >>> numbers.at(0).shape, numbers.steps_per_epoch
    (torch.Size([4]), 2)

    Raises:
        ValueError: fewer examples than one batch takes.
    """

    def __init__(self, count: int, batch_size: int, seed: int, sizes: Tensor | None = None):
        if not 1 <= batch_size <= count:
            raise CallError(f"expected a batch of 1 to {count} examples (all there are), came {batch_size}")
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.sizes = sizes
        self.steps_per_epoch = count // batch_size
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)

    def at(self, step: int) -> Tensor:
        """The numbers of the global batch of this step, shape (batch_size,)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = torch.randperm(self.count, generator=stream(self.seed, "order", epoch))
            if self.sizes is not None:
                self._order = self._alike(self._order, self.sizes, stream(self.seed, "turns", epoch))
            self._epoch = epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]

    def _alike(self, order: Tensor, sizes: Tensor, generator: torch.Generator) -> Tensor:
        """The same numbers, those of a batch being of nearly one size."""
        pools = order[: self.steps_per_epoch * self.batch_size].split(POOL * self.batch_size)
        sorted_pools = torch.cat([pool[sizes[pool].argsort(stable=True)] for pool in pools])
        turns = torch.randperm(self.steps_per_epoch, generator=generator)
        return sorted_pools.view(self.steps_per_epoch, self.batch_size)[turns].flatten()


class Batches:
    """The micro-batches of each step for one of `world` processes.

    Args:
        batch_size: of all processes and micro-batches together.
        accumulate: micro-batches per step and process.

    Raises:
        ValueError: the global batch cannot be divided evenly.
    """

    def __init__(self, examples: Examples, batch_size: int, seed: int, *, accumulate: int = 1, rank: int = 0, world: int = 1,
                 device: torch.device | str = "cpu"):  # fmt: skip
        if accumulate < 1:
            raise CallError(f"expected at least 1 micro-batch a step, came {accumulate}")
        if batch_size % (world * accumulate):
            raise CallError(f"expected a global batch that {world} processes with {accumulate} micro-batches each can share "
                             f"evenly, came {batch_size}; choose a multiple of {world * accumulate}")  # fmt: skip
        self.examples = examples
        sizes = examples.sizes if isinstance(examples, Sized) else None
        self.numbers = BatchNumbers(len(examples), batch_size, seed, sizes)
        self.seed = seed
        self.accumulate = accumulate
        self.device = torch.device(device)
        share = batch_size // world
        self.mine = slice(rank * share, (rank + 1) * share)

    def at(self, step: int) -> list[Batch]:
        """The micro-batches of this step. Random draws are made for the whole global batch, then divided like it."""
        numbers = self.numbers.at(step)
        draws = self.examples.draw(len(numbers), stream(self.seed, "draws", step))
        mine = {key: rows[self.mine] for key, rows in draws.items()}
        batch = self.examples.batch(numbers[self.mine], mine)
        if self.device.type != "cpu":
            batch = {key: rows.to(self.device, non_blocking=True) for key, rows in batch.items()}
        if self.accumulate == 1:
            return [batch]
        pieces = {key: rows.chunk(self.accumulate) for key, rows in batch.items()}
        return [{key: rows[i] for key, rows in pieces.items()} for i in range(self.accumulate)]
