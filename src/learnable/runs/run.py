"""A run: what a training leaves behind, and all that can be done with it.

runs/<recipe>/<when>/
    run.json        recipe and overrides, seed, what the data was like, versions, machine, result
    metrics.jsonl   the numbers along the way
    step-N/         checkpoints (learnable.train.checkpoint)
"""

import contextlib
import inspect
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

import learnable
from learnable import catalog
from learnable.data.examples import Data, Examples, Info, TextWindows
from learnable.errors import CallError, WorldError
from learnable.files import write_json
from learnable.home import runs_folder
from learnable.nn import way
from learnable.runs.configure import configure
from learnable.runs.lock import LOCK, busy
from learnable.train import checkpoint
from learnable.train.recipe import AnyRecipe, Metrics
from learnable.train.record import MetricsLog, Row

FORMAT = 1
Say = Callable[[str], None]


def _silent(message: str) -> None:
    pass


class Run:
    """A run's folder, opened. Nothing is loaded before it is needed.

    Args:
        say: is told of everything that was found damaged and how that was mended.
    """

    def __init__(self, folder: Path, say: Say = _silent):
        self.folder = folder
        self.say = say
        self.plain = False  # whether `predict` chooses nothing for this machine
        self.record = _read_record(folder, say)

    def __repr__(self) -> str:
        found = ", ".join(
            f"{key} {value:.4g}" for key, value in self.record.get("metrics", {}).items() if value is not None
        )
        return f"<Run {self.name}: {self.status}{', ' + found if found else ''}>"

    @classmethod
    def open(cls, name: str, say: Say = _silent) -> "Run":
        """Open by RECIPE (its latest run), RECIPE/WHEN, or the path of a run's folder.

        Raises:
            CallError: no such recipe.
            WorldError: no such run, or nothing in it can be read.
        """
        return cls(find_folder(name), say)

    @classmethod
    def create(cls, recipe_name: str, record: Mapping[str, Any]) -> "Run":
        """Begin a run in a new folder of its own."""
        parent = runs_folder() / recipe_name
        started = time.strftime("%Y-%m-%d-%H%M%S")
        for attempt in range(1000):
            folder = parent / (started + (f"-{attempt + 1}" if attempt else ""))
            try:
                parent.mkdir(parents=True, exist_ok=True)
                folder.mkdir()
                break
            except FileExistsError:
                if not parent.is_dir():
                    raise WorldError(f"{parent} is a file and should be the folder of runs; move it away") from None
            except OSError as error:
                raise WorldError(f"the run's folder {folder} cannot be made ({error.strerror}); "
                                 "make room, or mend its permissions") from error  # fmt: skip
        head = {
            "format": FORMAT,
            "recipe": recipe_name,
            "status": "running",
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        write_json(folder / "run.json", {**head, **record, "versions": versions()})
        return cls(folder)

    @property
    def name(self) -> str:
        """RECIPE/WHEN, by which the command line knows it."""
        return f"{self.recipe_name}/{self.folder.name}"

    @property
    def recipe_name(self) -> str:
        return str(self.record["recipe"])

    @cached_property
    def recipe(self) -> AnyRecipe:
        """The recipe as it was run: with what the user said, and what was settled when it began."""
        _, target = catalog.recipe_row(self.recipe_name)
        said = {**self.record["overrides"], **self.record.get("settled", {})}
        return configure(self.recipe_name, catalog.load(target), said)

    @property
    def info(self) -> Info:
        """What its data was like."""
        try:
            return Info.from_json(self.record["info"])
        except (TypeError, AttributeError, IndexError) as error:
            raise WorldError(f"what {self.folder / 'run.json'} says of its data cannot be read ({error})") from error

    @property
    def seed(self) -> int:
        return int(self.record["seed"])

    @property
    def status(self) -> str:
        """finished, stopped, diverged; or running, which is 'interrupted' where nobody is at it any more."""
        status = str(self.record["status"])
        return "interrupted" if status == "running" and not self.busy() else status

    def update(self, **changes: Any) -> None:
        """Change fields of run.json, in one step."""
        self.record = {**self.record, **changes}
        write_json(self.folder / "run.json", self.record)

    @property
    def log(self) -> MetricsLog:
        return MetricsLog(self.folder / "metrics.jsonl")

    def rows(self) -> list[Row]:
        """The numbers along the way."""
        rows, torn = self.log.rows()
        if torn:
            self.say(f"{self.name}/metrics.jsonl: {torn} torn line{'s' if torn > 1 else ''} left out")
        return rows

    # Two commands on one run

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from training this run meanwhile.

        Raises:
            WorldError: somebody is at it.
        """
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0.5)  # somebody may be looking, for a moment, whether anybody is at it
        except Timeout:
            raise WorldError(
                f"{self.name} is being trained by another process; wait for it, or stop it there"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def busy(self) -> bool:
        """Whether a process is training it now."""
        return busy(self.folder)

    # Using it

    @cached_property
    def model(self) -> nn.Module:
        """The trained model, ready to use: the best weights where the recipe stops early, else their average, else the last.

        Raises:
            WorldError: there is no checkpoint yet, or none that fits the recipe.
        """
        found = checkpoint.latest(self.folder, self.say)
        if found is None:
            todo = (
                "wait until it has, it is being trained"
                if self.busy()
                else f"train it further: learnable train --resume {self.name}"
            )
            earlier = [folder.name for folder in runs(self.recipe_name) if checkpoint.steps_saved(folder)]
            raise WorldError(f"{self.name} has no checkpoint yet; {todo}"
                             + (f", or take {self.recipe_name}/{earlier[-1]}" if earlier else ""))  # fmt: skip
        folder, files, _ = found
        model = self.recipe.model(self.info, **self.recipe.model_settings)
        weights = next(files[name] for name in ("best", "average", "model") if name in files)
        weights = {name: tensor for name, tensor in weights.items() if name != "steps"}
        checkpoint.load_model(model, weights, f"{self.name}/{folder.name}")
        return model.eval()

    @cached_property
    def _way(self) -> way.Way:
        """How the model answers fastest here; it is laid out so."""
        torch.set_num_threads(way.allowed_threads())
        found = way.choose(self.model, "cpu")
        found.lay_out(self.model)
        return found

    @property
    def described(self) -> str:
        """Which run it is, on what data, and whether it came to its end: said before it is used."""
        unfinished = "" if self.status == "finished" else f", {self.status} before its end"
        return f"{self.name}, trained on {self.info.data}{unfinished}"

    @property
    def parameters(self) -> int:
        """How many numbers the model has learned."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def data(self, source: str | None = None) -> Data:
        """The run's data again, or another source read in the same way, by the run's own tokenizer."""
        if self.info.tokenizer and self.can_generate:
            from learnable.data.tokens import tokenized_like

            return tokenized_like(source or self.record["overrides"].get("data"), self.info)
        return self.recipe.data(source or self.record["overrides"].get("data"), **self.recipe.data_settings)

    def evaluate(self, source: str | None = None) -> Metrics:
        """Measure on the test part of the run's data, or of another source with the same classes or letters.

        Raises:
            CallError: the other source has other classes.
        """
        return self.recipe.evaluate(self.model, self.test_part(source), self.info)

    def test_part(self, source: str | None = None) -> Examples:
        """The test part of the run's data, or of another source, as the model is to see it.

        Raises:
            CallError: the other source has other classes.
        """
        if source is not None and "columns" in self.info.more:
            from learnable.data.tables import table_like

            return table_like(source, self.info)
        if self.info.tokenizer and not self.can_generate:  # who only reads, reads row by row
            return self._texts(source)
        data = self.data(source)
        test: Examples = data.test
        ours, theirs = self.info.classes or self.info.alphabet, data.info.classes or data.info.alphabet
        if ours != theirs:
            if not (isinstance(test, TextWindows) and set(theirs) <= set(ours)):
                raise CallError(f"{self.name} knows {_short(ours)} and this data has {_short(theirs)}; evaluate it on data of "
                                "the same kind, or train a new run on this one")  # fmt: skip
            places = torch.tensor([ours.index(letter) for letter in theirs])
            test = TextWindows(places[test.tokens.long()], test.context)  # the same letters by our numbers
        return test

    def _texts(self, source: str | None) -> Examples:
        """The test part in the run's own words."""
        from learnable.data.labeled import texts_like
        from learnable.data.masked import masked_like

        source = source or self.record["overrides"].get("data")
        if self.info.classes:
            return texts_like(source, self.info)
        share = self.recipe.data_settings.get("share")
        return masked_like(source, self.info, float(share)) if share else masked_like(source, self.info)

    @property
    def can_predict(self) -> bool:
        return self.recipe.predict is not None

    @property
    def can_generate(self) -> bool:
        return self.recipe.generate is not None

    def predict(self, path: Any) -> dict[str, Any]:
        """What the model says to a file (or its bytes): {"prediction", "probabilities", ...}; in the machine's way (`nn.way`),
        unless `plain` says otherwise.

        Raises:
            CallError: this kind of model predicts nothing.
        """
        if self.recipe.predict is None:
            raise CallError(
                f"{self.recipe_name} predicts nothing from a file; it makes things: learnable generate {self.name}"
            )
        if self.plain:
            return self.recipe.predict(self.model, self.info, path)
        with self._way.autocast("cpu"):
            return self.recipe.predict(self.model, self.info, path)

    def generate(
        self, *, prompt: str | None = None, count: int = 200, seed: int = 0, temperature: float = 1.0, **more: Any
    ) -> dict[str, Any]:
        """What the model makes: {"text"} or {"points"}.

        Args:
            more: what the recipe's `generate` takes beside; None is as if it were not there.

        Raises:
            CallError: this kind of model makes nothing, or takes no such wish.
        """
        if self.recipe.generate is None:
            raise CallError(f"{self.recipe_name} makes nothing; it answers: learnable predict {self.name} FILE")
        more = self._known(self.recipe.generate, more)
        return self.recipe.generate(
            self.model, self.info, prompt or "", count=count, seed=seed, temperature=temperature, **more
        )

    @property
    def can_stream(self) -> bool:
        return self.recipe.stream is not None

    def stream(
        self, *, prompt: str | None = None, count: int = 200, seed: int = 0, temperature: float = 1.0, **more: Any
    ) -> Iterator[str]:
        """The text that `generate` makes, without the prompt, piece by piece as it is written.

        Raises:
            CallError: this kind of model writes no text piece by piece, or what `generate` refuses.
        """
        if self.recipe.stream is None:
            raise CallError(f"{self.recipe_name} writes no text piece by piece")
        more = self._known(self.recipe.stream, more)
        return self.recipe.stream(
            self.model, self.info, prompt or "", count=count, seed=seed, temperature=temperature, **more
        )

    def _known(self, make: Callable[..., Any], more: Mapping[str, Any]) -> dict[str, Any]:
        wishes = {name: value for name, value in more.items() if value not in (None, False)}
        for name in wishes:
            if name not in inspect.signature(make).parameters:
                raise CallError(f"{self.recipe_name} does not know --{name.replace('_', '-')}, which is for models that "
                                "write token by token; leave it out")  # fmt: skip
        return wishes


def find_folder(name: str) -> Path:
    """The folder that RUN means: a recipe's latest, recipe/when, or a path."""
    parts = Path(name).parts
    recipes = catalog.recipe_names()
    if len(parts) == 1 and name in recipes:
        found = runs(name)
        if not found:
            raise WorldError(f"there is no run of {name} yet; make one: learnable train {name}")
        return next((folder for folder in reversed(found) if not _is_smoke(folder)), found[-1])
    if len(parts) == 2 and parts[0] in recipes and (runs_folder() / name).is_dir():
        return runs_folder() / name
    try:
        folder = Path(name).expanduser()
        there_is = folder.is_dir()
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # nobody of that name, longer than names can be, a folder that may not be looked into
        raise WorldError(f"the path {name[:200]!r} cannot be used ({error})") from error
    if there_is:
        if not (folder / "run.json").is_file() and not checkpoint.steps_saved(folder):
            raise WorldError(f"{folder} is no run: it has neither run.json nor checkpoints")
        return folder
    if len(parts) == 1 and not folder.exists():
        catalog.recipe_row(name)  # raises, with a suggestion
    there = [path.name for path in runs(parts[0])] if parts and parts[0] in recipes else []
    hint = f"; there are: {', '.join(there[-5:])}" if there else "; 'learnable runs' lists all"
    raise WorldError(f"no run {name}{hint}")


def runs(recipe_name: str | None = None) -> list[Path]:
    """The folders of all runs, or of one recipe's, the oldest first."""
    parents = (
        [runs_folder() / recipe_name] if recipe_name else [path for path in runs_folder().iterdir() if path.is_dir()]
    )
    found = [
        path
        for parent in parents
        if parent.is_dir()
        for path in parent.iterdir()
        if path.is_dir() and path.name[0] != "." and any(path.iterdir())  # empty: killed before its first word
    ]
    return sorted(found, key=_age)


def _is_smoke(folder: Path) -> bool:
    """Whether it was only tried whether the recipe runs: nobody means that one."""
    try:
        return bool(Run(folder).record["overrides"].get("smoke"))
    except WorldError:
        return False


def _age(folder: Path) -> tuple[str, int, str]:
    stem, _, again = folder.name[17:].partition("-")
    return folder.name[:17] + stem, int(again) if again.isdigit() else 0, str(folder)


def versions() -> dict[str, str]:
    """Of what a result may depend on."""
    import numpy as np

    return {
        "learnable": learnable.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def machine() -> dict[str, Any]:
    """What it ran on, for people who compare seconds."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return {"system": platform.system(), "cpu": cpu, "threads": torch.get_num_threads()}


def _read_record(folder: Path, say: Say) -> dict[str, Any]:
    """run.json; or, where that is torn, the copy of it in the newest checkpoint."""
    file = folder / "run.json"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        missing = [key for key in ("recipe", "overrides", "seed", "info", "status") if key not in record]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except (OSError, ValueError, TypeError) as error:
        for step in checkpoint.steps_saved(folder):
            with contextlib.suppress(WorldError, KeyError):
                record = checkpoint.load_state(folder / f"step-{step}")["run"]
                say(f"{file} cannot be read ({error}); the copy in step-{step} is used")
                return dict(record)
        raise WorldError(f"{file} cannot be read ({error}) and no checkpoint has a copy; this run is lost") from error
    if record.get("format", 0) > FORMAT:
        raise WorldError(f"{file} was written by a newer version of learnable ({record['versions']}); update this one")
    return dict(record)


def _short(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return f"({shown}{', ...' if len(names) > 6 else ''}; {len(names)} of them)"
