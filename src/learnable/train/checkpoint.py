"""Checkpoints: all that a run needs to go on as if nothing had happened.

    step-300/
        model.safetensors      the weights; tied ones once
        average.safetensors    their running average, if the recipe keeps one
        optimizer.safetensors  the optimizers' memory and the random state
        state.json             step, seconds, what has been best so far, a copy of run.json, a checksum of each file

A checkpoint is written aside and renamed, so it is whole or it is not there; should the disk damage one later, its checksum
tells, and the one before is used.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learnable import tensors
from learnable.errors import WorldError
from learnable.files import finite, write_folder_aside
from learnable.train.loop import Team

Files = Mapping[str, Mapping[str, Tensor]]  # "model" -> {name: tensor}
STEP = re.compile(r"step-(\d+)")


def save(run: Path, step: int, files: Files, state: Mapping[str, Any], keep: int = 2) -> Path:
    """Write `run/step-N` and remove all but the `keep` newest checkpoints.

    Raises:
        WorldError: the disk is full, or the folder cannot be written to. The checkpoints before are unharmed.
    """
    folder = run / f"step-{step}"
    if folder.exists():
        return folder
    with write_folder_aside(folder) as aside:
        checksums = {}
        for name, named in files.items():
            file = aside / f"{name}.safetensors"
            tensors.write(file, named)
            checksums[file.name] = checksum(file)
        record = finite({"step": step, **state, "checksums": checksums})
        (aside / "state.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    for old in steps_saved(run)[keep:]:
        shutil.rmtree(run / f"step-{old}", ignore_errors=True)
    for stray in run.glob(".step-*.part"):  # of a process that was killed while it wrote
        shutil.rmtree(stray, ignore_errors=True)
    return folder


def load(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read a checkpoint: tensors by file, and its state.

    Raises:
        WorldError: a file is missing, cut short or changed; the message names it.
    """
    state = load_state(folder)
    files = {}
    for name, expected in state["checksums"].items():
        file = folder / name
        if not file.is_file():
            raise WorldError(f"{folder.name} has lost its {name}")
        if checksum(file) != expected:
            raise WorldError(f"{folder.name}/{name} is damaged: its checksum is not the one that was written down")
        files[file.stem] = tensors.read(file)
    return files, state


def load_state(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's state.json alone."""
    file = folder / "state.json"
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        if state["step"] == int(folder.name.removeprefix("step-")) and isinstance(state["checksums"], dict):
            return state
        raise ValueError("its step is another one than its folder's")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorldError(f"{folder.name}/state.json cannot be read ({error})") from error


def latest(run: Path, warn: Callable[[str], None]) -> tuple[Path, dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """The newest checkpoint that is whole, `warn`ing of each newer one that is not; None if there is none at all.

    Raises:
        WorldError: there are checkpoints and all of them are damaged.
    """
    damage: list[str] = []
    for step in steps_saved(run):
        folder = run / f"step-{step}"
        try:
            return folder, *load(folder)
        except WorldError as error:
            damage.append(str(error))
            warn(f"{error}; the checkpoint before it is used")
    if damage:
        raise WorldError(f"no checkpoint of {run} can be read: {'; '.join(damage)}. Train it anew.")
    return None


def steps_saved(run: Path) -> list[int]:
    """The steps of a run's checkpoints, the newest first."""
    found = [STEP.fullmatch(path.name) for path in run.iterdir() if path.is_dir()] if run.is_dir() else []
    return sorted((int(match[1]) for match in found if match), reverse=True)


def set_aside(folder: Path) -> None:
    """Take a damaged checkpoint out of the way, so that its step can be written again; nothing is thrown away."""
    target, number = folder.with_name(folder.name + ".damaged"), 1
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}.damaged-{number}")
    folder.rename(target)


# Tensors into a model


def load_model(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put tensors into a model, all of them, each of the right shape; a tied weight is filled by its first name.

    Raises:
        WorldError: tensors that are missing, left over or of another shape, named with what was expected.
    """
    fill(model.state_dict(keep_vars=True), state, source)


def fill(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Put state into those of a model's state; raises like `load_model`."""
    first: dict[int, str] = {}
    for name, tensor in own.items():
        first.setdefault(id(tensor), name)
    expected = {name: tensor for name, tensor in own.items() if first[id(tensor)] == name or name in state}
    wrong = [f"missing {name} of shape {tuple(t.shape)}" for name, t in expected.items() if name not in state]
    wrong += [f"unknown {name} of shape {tuple(t.shape)}" for name, t in state.items() if name not in expected]
    wrong += [
        f"{name}: expected shape {tuple(tensor.shape)}, came {tuple(state[name].shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if wrong:
        more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise WorldError(f"{source} does not fit the model: {'; '.join(wrong[:4])}{more}")
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(state[name])


def checksum(path: Path) -> str:
    """BLAKE2 of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


# What a team remembers


def team_state(team: Team) -> dict[str, dict[str, Tensor]]:
    """The weights, and the optimizers' memory with the random state, as named tensors.

    With FSDP2 every process has to call this: the parts are gathered.
    """
    team.settle()
    memory: dict[str, Tensor] = {}
    for number, seat in enumerate(team.seats):
        names = {id(parameter): name for name, parameter in seat.module.named_parameters()}
        for parameter, entries in seat.optimizer.state.items():
            for key, value in entries.items():
                if isinstance(value, Tensor):
                    memory[f"{number}/{names[id(parameter)]}/{key}"] = _whole(value)
    for rank, states in enumerate(team.machine.gather(_random(team))):  # each process draws its own dropout masks
        memory |= {f"random/{rank}/{kind}": state for kind, state in states.items()}
    return {"model": {name: _whole(tensor) for name, tensor in bare_state(team).items()}, "optimizer": memory}


def restore_team(team: Team, files: Mapping[str, Mapping[str, Tensor]], source: str) -> None:
    """Give a team its weights, optimizers' memory and random state back.

    Raises:
        WorldError: the checkpoint belongs to another model or optimizer.
    """
    team.settle()
    restore_weights(team, files["model"], source)
    memory = files["optimizer"]
    for number, seat in enumerate(team.seats):
        for name, parameter in seat.module.named_parameters():
            prefix = f"{number}/{name}/"
            entries = {key.removeprefix(prefix): value for key, value in memory.items() if key.startswith(prefix)}
            if entries:
                seat.optimizer.state[parameter] = {key: _placed(value, parameter) for key, value in entries.items()}
        if seat.parameters and not any(key.startswith(f"{number}/") for key in memory) and _remembers(seat.optimizer):
            raise WorldError(f"{source} holds nothing of the optimizer of '{seat.name}'; it belongs to another recipe")
    own = f"random/{team.machine.rank}"
    if f"{own}/cpu" not in memory:
        raise WorldError(
            f"{source} was written by fewer processes than these {team.machine.world}; go on with as many as began"
        )
    torch.set_rng_state(memory[f"{own}/cpu"])
    if f"{own}/cuda" in memory and team.machine.device.type == "cuda":
        torch.cuda.set_rng_state(memory[f"{own}/cuda"], team.machine.device)


def restore_weights(team: Team, state: Mapping[str, Tensor], source: str) -> None:
    """Give a team these weights, whole tensors by their bare names, divided among the processes where the team's are."""
    team.settle()
    if team.machine.sharded:
        _restore_sharded(team, state)
    else:
        fill(bare_state(team), state, source)


def whole(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with all their parts put together; every process has to call this."""
    return {name: _whole(tensor) for name, tensor in state.items()}


def divided(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors, divided like those of the same names in `like`."""
    return {name: _placed(tensor, like[name]) if name in like else tensor for name, tensor in state.items()}


def _random(team: Team) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if team.machine.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(team.machine.device)
    return states


def bare_state(team: Team) -> dict[str, Tensor]:
    """The model's state without the wrappers' names in it."""
    state = {}
    wrapped = [seat.player.part for seat in team.seats if seat.player.part]
    for name, tensor in team.bare.state_dict(keep_vars=True).items():
        for part in wrapped:
            name = name.replace(f"{part}.module.", f"{part}.", 1) if team.wrapped and not team.machine.sharded else name
        state[name] = tensor
    return state


def _remembers(optimizer: torch.optim.Optimizer) -> bool:
    """Whether this kind of optimizer keeps anything between steps (plain SGD does not)."""
    return any(group.get("momentum", 1) for group in optimizer.param_groups)


def _whole(tensor: Tensor) -> Tensor:
    """A tensor whose parts lie on several processes, put together."""
    tensor = tensor.detach()
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def _placed(value: Tensor, parameter: Tensor) -> Tensor:
    """An optimizer's tensor where its parameter is: divided like it, on its device, in its order in memory, as rounding depends
    on that. Step counters stay on the CPU.
    """
    if value.ndim == 0:
        return value.clone()
    if hasattr(parameter, "device_mesh"):
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)  # type: ignore[attr-defined]
    if value.shape != parameter.shape:
        return value.to(parameter.device).clone()
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


def _restore_sharded(team: Team, state: Mapping[str, Tensor]) -> None:
    from torch.distributed.tensor import distribute_tensor

    own = team.bare.state_dict()
    tied = {name: state[name] for name in own if name in state}
    with torch.no_grad():
        for name, tensor in own.items():
            if name not in tied:
                continue
            value = tied[name].to(tensor.device)
            if hasattr(tensor, "device_mesh"):
                value = distribute_tensor(value, tensor.device_mesh, tensor.placements)
            tensor.copy_(value)
