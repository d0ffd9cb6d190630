"""The training loop. It knows no task: players, each with an objective and an optimizer, move in turn.

One step: for each player, for each micro-batch, objective and backward; clip; the player's optimizer steps; *all*
gradients are cleared, the others' too, which have flowed through their parts on the way.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from learnable.data.examples import Batch
from learnable.errors import CallError
from learnable.train.batches import Batches
from learnable.train.machine import Machine, quiet
from learnable.train.recipe import Player

Losses = dict[str, Tensor]


def train(
    team: "Team", batches: Batches, *, steps: int, start: int = 0, clip: float | None = None
) -> Iterator[tuple[int, Losses]]:
    """Take the steps from `start` to `steps`; after each, give the number of steps taken and what was lost in it."""
    for step in range(start, steps):
        micro_batches = batches.at(step)
        losses: Losses = {}
        for seat in team.seats:
            losses |= move(seat, team, micro_batches, seat.player.schedule(step, steps), clip)
        yield step + 1, losses


def move(
    seat: "Seat", team: "Team", micro_batches: Sequence[Batch], share: float | Sequence[float], clip: float | None
) -> Losses:
    """One player's turn: everybody's gradients flow, only its own parameters change.

    Args:
        share: of the player's learning rate, by its schedule; or one for each of the optimizer's groups.
        clip: largest norm that the gradient of the player's parameters may have.
    """
    shares = share if isinstance(share, Sequence) else [share] * len(seat.rates)
    for group, own, part in zip(seat.optimizer.param_groups, seat.rates, shares, strict=True):
        group["lr"] = own * part
    losses: Losses = {}
    with _looking_on(team, seat):
        for number, batch in enumerate(micro_batches, start=1):
            with quiet(team.wrapped, silent=number < len(micro_batches)):
                with team.machine.autocast():
                    parts = named(seat.player.objective(team.model, batch))
                (parts["total"] / len(micro_batches)).backward()
            for name, value in parts.items():
                value = value.detach() / len(micro_batches)
                losses[name] = losses[name] + value if name in losses else value
    norm = nn.utils.get_total_norm([parameter.grad for parameter in seat.parameters if parameter.grad is not None])
    if clip is not None:
        nn.utils.clip_grads_with_norm_(seat.parameters, clip, norm)
    losses["gradient_norm"] = norm  # before clipping: what the doctor reads
    seat.optimizer.step()
    for parameter in team.parameters:
        parameter.grad = None
    return {seat.label(name): value for name, value in losses.items()}


def named(parts: Any) -> Losses:
    """What an objective gave, if it is a dict of tensors with a total.

    Raises:
        CallError: it is something else.
    """
    if not isinstance(parts, dict) or not isinstance(parts.get("total"), Tensor):
        came = f"a dict of {', '.join(parts)}" if isinstance(parts, dict) else type(parts).__name__
        raise CallError(
            f'expected an objective to give {{"total": loss, ...}} with a tensor to be minimized, came {came}'
        )
    return {name: torch.as_tensor(value) for name, value in parts.items()}


class Seat:
    """A player at the table: its module (in its wrapper, if any), its parameters, its optimizer."""

    def __init__(self, player: Player, module: nn.Module, alone: bool):
        self.player = player
        self.module = module
        self.alone = alone
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimizer = player.optimizer(module, player.learning_rate)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]  # a backbone may learn more slowly
        self.name = player.part or "model"

    def label(self, name: str) -> str:
        """What a number of this player is called in the record: `loss`, or `generator.loss` where several play."""
        name = {"total": "loss"}.get(name, name)
        return name if self.alone else f"{self.name}.{name}"


class Team:
    """The model and its players, ready to move.

    Each player's part is wrapped once, by itself, and put back into the model, so that objectives call it through its
    wrapper: one wrapper around a whole GAN fails, or lets the copies drift apart without a word. Optimizers are made
    after that: one that was made before the weights were divided would train nothing.
    """

    def __init__(self, model: nn.Module, players: Sequence[Player], machine: Machine):
        machine.place(model)
        self.bare = model
        self.machine = machine
        self.seats: list[Seat] = []
        self.wrapped: list[nn.Module] = []
        self.model = model
        for player in players:
            part = model.get_submodule(player.part)
            wrapped = machine.wrap(part)
            if player.part:
                model.set_submodule(player.part, wrapped)
            else:
                self.model = wrapped
            if wrapped is not part or machine.sharded:
                self.wrapped.append(wrapped)
            seat = Seat(player, part, alone=len(players) == 1)
            again = sum(other.player.part == player.part for other in self.seats)
            seat.name += f"-{again + 1}" if again else ""
            self.seats.append(seat)
        self.parameters = list(self.model.parameters())
        model.train()

    def settle(self) -> None:
        """Divide again what FSDP2 has gathered for a look without gradients, an evaluation say; else the names of
        parameters would lead to the gathered copies."""
        for module in self.wrapped:
            for each in module.modules():
                if callable(reshard := getattr(each, "reshard", None)):
                    reshard()


@contextlib.contextmanager
def _looking_on(team: Team, moving: Seat) -> Iterator[None]:
    """While one player moves, the others' batch norms normalize by the batch but do not count it into their statistics."""
    if len(team.seats) == 1:
        yield
        return
    others = [
        module
        for seat in team.seats
        if seat is not moving
        for module in seat.module.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    for module in others:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in others:
            module.track_running_stats = True
