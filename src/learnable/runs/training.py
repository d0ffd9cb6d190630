"""From a recipe to a run: start, go on, finish. Here the loop meets checkpoints, evaluation and the record."""

import contextlib
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from learnable import catalog
from learnable.data.examples import Data, Examples
from learnable.errors import CallError, WorldError
from learnable.optim.average import Average
from learnable.runs.configure import Overrides, configure
from learnable.runs.examples import Album
from learnable.runs.interrupt import asked_to_stop, stopping_at_once
from learnable.runs.run import Run, machine
from learnable.train import checkpoint
from learnable.train.batches import Batches, stream
from learnable.train.doctor import Diverged
from learnable.train.loop import Team, train
from learnable.train.machine import Machine
from learnable.train.recipe import AnyRecipe, Metrics, Program, Recipe
from learnable.train.record import Clock, Row, Tally
from learnable.train.workbench import Workbench


@runtime_checkable
class Show(Protocol):
    """Whoever watches a run: the terminal, a program that reads JSON lines, a page."""

    def begin(self, run: Run, step: int, steps: int, data: Data) -> None: ...
    def row(self, row: Row, steps: int) -> None: ...
    def notice(self, message: str) -> None: ...


class Nobody:
    """Watches nothing."""

    def begin(self, run: Run, step: int, steps: int, data: Data) -> None:
        pass

    def row(self, row: Row, steps: int) -> None:
        pass

    def notice(self, message: str) -> None:
        pass


class Stopped(Exception):
    """The user asked to stop; everything is saved."""

    def __init__(self, run: Run):
        super().__init__(run.name)
        self.run = run


def start(name: str, overrides: Overrides | None = None, show: Show | None = None) -> Run:
    """Train a recipe in a new run.

    Args:
        name: of the recipe.
        overrides: flags by name: data, seed, steps, epochs, batch_size, learning_rate, clip, accumulate, average,
            patience, every, device, precision, plain, parallel, smoke, and the recipe's own settings.

    Raises:
        CallError: an unknown recipe, data set or flag, or a number out of range.
        WorldError: data that cannot be had, a full disk, a device that is not there.
        Stopped: by Ctrl-C or SIGTERM, after saving.
        Diverged: the loss became NaN or infinite.
    """
    overrides = {key: value for key, value in (overrides or {}).items() if value is not None and value is not False}
    show = show or Nobody()
    _, target = catalog.recipe_row(name)
    recipe = configure(name, catalog.load(target), overrides)
    settled: Overrides = {}
    notices: list[str] = []  # said once the data are there: without them nothing else matters
    if isinstance(recipe, Recipe) and recipe.settle is not None:
        settled = recipe.settle(overrides.get("data"), recipe.settings, notices.append)
        recipe = configure(name, catalog.load(target), {**overrides, **settled})
    plain = overrides.get("plain", False)
    place = Machine(
        overrides.get("device", "auto"),
        overrides.get("precision", "fp32" if plain else "auto"),
        overrides.get("parallel", "ddp"),
        "contiguous" if plain else "auto",
        threads=not plain,
    )
    try:
        data = recipe.data(overrides.get("data"), **recipe.data_settings)
        for notice in notices:
            show.notice(notice)
        recipe = _fitting(recipe, data, overrides, place, show)
        record = {
            "overrides": overrides,
            **({"settled": settled} if settled else {}),
            "seed": int(overrides.get("seed", 0)),
            "info": data.info.to_json(),
            "data": {"train": len(data.train), "valid": len(data.valid), "test": len(data.test), "fingerprint": fingerprint(data.train)},
            "machine": {**machine(), "device": str(place.device), "precision": place.way.precision, "processes": place.world},
        }  # fmt: skip
        run = Run.create(name, record) if place.first else None
        folder = place.agree(run.folder if run else None)
        return _go_on(run or Run(folder), recipe, data, place, show)
    finally:
        place.close()


def resume(name: str, show: Show | None = None) -> Run:
    """Go on with a run that was interrupted, exactly where its newest whole checkpoint stands.

    Raises:
        CallError: it was begun by another number of processes.
        WorldError: the data has changed since, somebody else is at it, or no checkpoint can be read.
    """
    show = show or Nobody()
    run = Run.open(name, show.notice)
    overrides = run.record["overrides"]
    if run.record["status"] == "finished":
        show.notice(f"{run.name} is finished already")
        return run
    if int(os.environ.get("WORLD_SIZE", "1")) != run.record["machine"]["processes"]:
        raise CallError(f"{run.name} was begun by {run.record['machine']['processes']} processes; go on with as many, or its "
                        f"end would be another one: {how_to_resume(run)}")  # fmt: skip
    began = run.record["machine"]  # it goes on as it began, whatever this machine would choose
    place = Machine(
        overrides.get("device", "auto"),
        overrides.get("precision", began.get("precision", "fp32")),
        overrides.get("parallel", "ddp"),
        began.get("memory_format", "contiguous"),
        threads=not overrides.get("plain", False),
    )
    try:
        data = run.data()
        if fingerprint(data.train) != run.record["data"]["fingerprint"]:
            raise WorldError(f"the data of {run.name} ({run.info.data}) is not what it was when the run began, so it cannot go on "
                             f"as if nothing had happened; start a new run: learnable train {run.recipe_name}")  # fmt: skip
        recipe = _fitting(run.recipe, data, overrides, place, Nobody())
        return _go_on(run, recipe, data, place, show)
    finally:
        place.close()


def how_to_resume(run: Run) -> str:
    """The command line that goes on with a run, with as many processes as began it."""
    processes = run.record["machine"]["processes"]
    if processes == 1:
        return f"learnable train --resume {run.name}"
    return f"torchrun --nproc-per-node {processes} -m learnable train --resume {run.name}"


def fingerprint(examples: Examples) -> str:
    """A short name of what is in the examples: their number and a thousand of them."""
    digest = hashlib.blake2b(str(len(examples)).encode(), digest_size=8)
    numbers = torch.linspace(0, len(examples) - 1, min(1000, len(examples))).long()
    batch = examples.batch(numbers, {})
    for key in sorted(batch):
        digest.update(key.encode())
        digest.update(batch[key].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _fitting(recipe: AnyRecipe, data: Data, overrides: Overrides, place: Machine, show: Show) -> AnyRecipe:
    """The recipe with a batch that the data can fill."""
    if isinstance(recipe, Program):
        if place.world > 1:
            raise CallError("this recipe brings its own loop, which runs in one process; start it without torchrun")
        return recipe
    from dataclasses import replace

    share = place.world * int(overrides.get("accumulate", 1))
    size = recipe.batch_size
    if len(data.train) < share:
        raise WorldError(f"{data.info.data} has {len(data.train)} examples to train on, fewer than the {share} pieces "
                         "that a step is divided into")  # fmt: skip
    if size > len(data.train):
        size = len(data.train) // share * share
        show.notice(
            f"{data.info.data} has only {len(data.train)} examples to train on: the batch is {size}, not {recipe.batch_size}"
        )
    if size % share:
        raise CallError(f"expected a batch size that {place.world} processes with {share // place.world} micro-batches each can "
                        f"share evenly, came {size}; choose a multiple of {share}")  # fmt: skip
    return replace(recipe, batch_size=size)


def _go_on(run: Run, recipe: AnyRecipe, data: Data, place: Machine, show: Show) -> Run:
    with contextlib.ExitStack() as stack:
        if place.first:
            stack.enter_context(run.lock())
        interrupted = stack.enter_context(asked_to_stop())
        if place.first:
            run.update(status="running", process=os.getpid())  # whom to ask to stop
        try:
            if isinstance(recipe, Program):
                metrics, seconds, steps = _run_program(run, recipe, data, show, interrupted)
            else:
                metrics, seconds, steps = _train(run, recipe, data, place, show, interrupted)
        except Stopped:
            if place.first:
                run.update(status="stopped")
            raise
        except Diverged:
            if place.first:
                run.update(status="diverged")
            raise
        except BaseException:
            if place.first and not run.rows() and not checkpoint.steps_saved(run.folder):
                shutil.rmtree(run.folder, ignore_errors=True)  # it never came to anything
            raise
        if place.first:
            run.update(status="finished", metrics=metrics, seconds=round(seconds, 3), steps=steps)
        return run


def _train(
    run: Run, recipe: Recipe, data: Data, place: Machine, show: Show, interrupted: Callable[[], bool]
) -> tuple[Metrics, float, int]:
    torch.manual_seed(stream(run.seed, "model").initial_seed())
    model = recipe.model(data.info, **recipe.model_settings)
    if recipe.start is not None and not checkpoint.steps_saved(run.folder):
        with stopping_at_once():
            recipe.start(model, data.info, place, run.seed, show.notice, **recipe.start_settings)
    team = Team(model, recipe.players, place)
    if place.first:
        run.update(machine={**run.record["machine"], **asdict(place.way)})
    average = Average(checkpoint.bare_state(team), recipe.average) if recipe.average else None
    torch.manual_seed(stream(run.seed, "training", place.rank).initial_seed())
    steps = recipe.steps_for(len(data.train))
    keeper = _Keeper(run, recipe, team, average, place)
    begin, before = keeper.restore(show.notice)
    clock = Clock(before)
    batches = Batches(data.train, recipe.batch_size, run.seed, accumulate=int(run.record["overrides"].get("accumulate", 1)),
                      rank=place.rank, world=place.world, device=place.device)  # fmt: skip
    album = Album(run.folder, recipe, data, clock.seconds) if place.first and place.world == 1 else None
    if place.first:
        run.update(planned=steps)
    show.begin(run, begin, steps, data)
    tally = Tally()
    often = max(1, min(recipe.every, steps // 5) // 10)  # steps between lines of the record
    for step, losses in train(team, batches, steps=steps, start=begin, clip=recipe.clip):
        tally.add(losses)
        if average:
            average.update()
        milestone = step % recipe.every == 0 or step == steps
        if not (milestone or step % often == 0 or step == 1):
            continue
        stopping = place.any(interrupted())
        row: Row = {
            "step": step,
            **place.mean(tally.take()),
            "learning_rate": _rate(team),
            "seconds": round(clock.seconds(), 3),
        }
        if milestone:
            row["valid"] = _evaluate(recipe, team, average, data.valid, data)
            keeper.judge(row["valid"])
            if album:
                with average.in_place() if average else contextlib.nullcontext():
                    album.keep(team.bare, step)
        finite = all(math.isfinite(value) for key, value in row.items() if key.endswith("loss"))
        if place.first:
            run.log.append(row)
            show.row(row, steps)
        if not finite:
            raise Diverged(f"the loss of {run.name} is no longer a number at step {step}: the training has diverged. "
                           f"Try a smaller --learning-rate (now {recipe.players[0].learning_rate:g}) or --clip 1; "
                           f"'learnable doctor {run.name}' says more.")  # fmt: skip
        over = step == steps or keeper.patience_is_over
        if over or stopping or (milestone and keeper.due(clock)):
            keeper.save(step, clock, finished=over)
        if stopping and not over:
            raise Stopped(run)
        if over:
            if keeper.patience_is_over and step < steps:
                show.notice(
                    f"stopped early at step {step}: {recipe.expected.metric} has not got better for {recipe.patience} evaluations"
                )
            break
    if keeper.best:
        checkpoint.restore_weights(team, keeper.best, run.name)
    seconds = clock.seconds()
    return _evaluate(recipe, team, None if keeper.best else average, data.test, data), seconds, keeper.last_step


class _Keeper:
    """Saves and restores a run's checkpoints, and remembers what has been best."""

    def __init__(self, run: Run, recipe: Recipe, team: Team, average: Average | None, place: Machine):
        self.run = run
        self.recipe = recipe
        self.team = team
        self.average = average
        self.place = place
        self.best: dict[str, Tensor] = {}
        self.best_value: float | None = None
        self.stale = 0  # evaluations since the best one
        self.last_step = 0
        self.saved_at = 0.0
        self.cost = 0.0

    def restore(self, notice: Callable[[str], None]) -> tuple[int, float]:
        """Go back to the newest whole checkpoint; gives its step and the seconds worked until then."""
        found = checkpoint.latest(self.run.folder, notice)
        if found is None:
            self.run.log.cut_back(0)
            return 0, 0.0
        folder, files, state = found
        checkpoint.restore_team(self.team, files, f"{self.run.name}/{folder.name}")
        if self.average and "average" in files:
            self.average.load_state_dict(checkpoint.divided(files["average"], self.average.values))
        self.best = {name: tensor.clone() for name, tensor in files.get("best", {}).items()}
        self.best_value, self.stale = state["best"], state["stale"]
        step = int(state["step"])
        self.last_step = step
        if self.place.first:
            for later in checkpoint.steps_saved(self.run.folder):
                if later > step:
                    checkpoint.set_aside(self.run.folder / f"step-{later}")
            if self.run.log.cut_back(step):
                notice(f"a torn line at the end of {self.run.name}/metrics.jsonl was dropped")
        self.place.wait()
        return step, float(state["seconds"])

    def judge(self, metrics: Metrics) -> None:
        """Remember the weights if they are the best so far, where the recipe stops early."""
        if self.recipe.patience is None:
            return
        if self.recipe.expected.metric not in metrics:
            raise CallError(f"--patience watches {self.recipe.expected.metric}, which cannot be measured on this data; there are: "
                            f"{', '.join(metrics)}. Leave --patience out.")  # fmt: skip
        value = metrics[self.recipe.expected.metric]
        better = self.best_value is None or (
            value > self.best_value if self.recipe.expected.higher_is_better else value < self.best_value
        )
        self.stale = 0 if better else self.stale + 1
        if better:
            source = self.average.state_dict() if self.average else checkpoint.bare_state(self.team)
            source = checkpoint.whole(source)
            self.best = {name: tensor.detach().clone() for name, tensor in source.items() if name != "steps"}
            self.best_value = value

    @property
    def patience_is_over(self) -> bool:
        return self.recipe.patience is not None and self.stale >= self.recipe.patience

    def due(self, clock: Clock) -> bool:
        """Saving may take a fiftieth of the time, no more."""
        return bool(self.place.agree(clock.seconds() - self.saved_at >= 50 * self.cost))

    def save(self, step: int, clock: Clock, finished: bool) -> None:
        before = clock.seconds()
        files: dict[str, Mapping[str, Tensor]] = dict(checkpoint.team_state(self.team))
        if self.average:
            files["average"] = checkpoint.whole(self.average.state_dict())
        if self.best:
            files["best"] = self.best
        if self.place.first:
            state = {
                "seconds": before,
                "best": self.best_value,
                "stale": self.stale,
                "finished": finished,
                "run": self.run.record,
            }
            checkpoint.save(self.run.folder, step, files, state)
        self.place.wait()
        self.last_step = step
        self.saved_at = clock.seconds()
        self.cost = self.saved_at - before


def _evaluate(recipe: Recipe, team: Team, average: Average | None, examples: Examples, data: Data) -> Metrics:
    team.settle()
    with average.in_place() if average else contextlib.nullcontext():
        metrics = recipe.evaluate(team.bare, examples, data.info)
        team.settle()
    team.bare.train()
    return metrics


def _rate(team: Team) -> float:
    return float(max(group["lr"] for seat in team.seats for group in seat.optimizer.param_groups))


def _run_program(
    run: Run, recipe: Program, data: Data, show: Show, interrupted: Callable[[], bool]
) -> tuple[Metrics, float, int]:
    """Let a recipe that brings its own loop work at a bench that saves and reports like ours."""
    torch.manual_seed(stream(run.seed, "model").initial_seed())
    twin = recipe.model(data.info, **recipe.model_settings)
    own = set(twin.state_dict())
    found = checkpoint.latest(run.folder, show.notice)
    begin, before, arrays = 0, 0.0, None
    if found:
        _, files, state = found
        begin, before = int(state["step"]), float(state["seconds"])
        arrays = {name: tensor.clone().numpy() for part in ("model", "bench") for name, tensor in files[part].items()}
    run.log.cut_back(begin)
    clock = Clock(before)
    last = {"step": begin, "steps": begin, "reported": -1.0}
    album = Album(run.folder, recipe, data, clock.seconds)
    run.update(planned=int(recipe.run_settings.get("steps", 0)))
    show.begin(run, begin, run.record["planned"], data)
    sums: dict[str, float] = {}
    count = 0

    def report(step: int, steps: int, numbers: Mapping[str, float]) -> None:
        nonlocal sums, count
        sums = {name: sums.get(name, 0.0) + value for name, value in numbers.items()}
        count += 1
        last.update(step=step, steps=steps)
        if step % max(1, steps // 100) and step != steps:
            return
        row: Row = {
            "step": step,
            **{name: value / count for name, value in sums.items()},
            "seconds": round(clock.seconds(), 3),
        }
        sums, count = {}, 0
        run.log.append(row)
        show.row(row, steps)
        if not all(math.isfinite(value) for value in row.values()):
            raise Diverged(
                f"the loss of {run.name} is no longer a number at step {step}; try a smaller --learning-rate"
            )

    def save(step: int, arrays: Mapping[str, np.ndarray]) -> None:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        files = {
            "model": {name: tensor for name, tensor in tensors.items() if name in own},
            "bench": {name: tensor for name, tensor in tensors.items() if name not in own},
        }
        checkpoint.save(run.folder, step, files, {"seconds": clock.seconds(), "run": run.record})
        if set(files["model"]) == own:
            twin.load_state_dict(files["model"])
            album.keep(twin, step)

    bench = Workbench(data, run.seed, (begin, arrays) if arrays is not None else None, report, save, interrupted)
    metrics = recipe.run(bench, **recipe.model_settings, **recipe.run_settings)
    if interrupted() and last["step"] < last["steps"]:
        raise Stopped(run)
    return metrics, clock.seconds(), int(last["step"])
