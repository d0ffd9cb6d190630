"""Kill a training at random moments, go on with it, and compare the end bit for bit with a run that nobody touched.

    python tests/runs/kill.py --times 30
    python tests/runs/kill.py --times 30 -- lenet --size 16 --batch-size 16 --steps 200 --every 4 --average 0.9

`kill -9` gives a process no chance: what is on the disk is all there is. One run is killed again and again until it comes to
its end, is compared, and makes way for a new one, until there were as many kills as were asked for. Exit code 1 if one ended
elsewhere.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch

from learnable.train import checkpoint

SMALL = ["autodiff", "--steps", "2500", "--hidden", "16", "--batch-size", "16"]


class Kill(NamedTuple):
    run: int
    after: float  # seconds of training
    recorded: int  # the last step in metrics.jsonl when it was killed
    saved: int  # the newest checkpoint's step
    left: str  # what else the kill left lying about


class Trial:
    """One home folder in which a training is started, killed and resumed."""

    def __init__(self, words: list[str], home: Path):
        self.words = words
        self.home = home

    @property
    def folder(self) -> Path | None:
        found = sorted(self.home.glob("runs/*/*/run.json"))
        return found[-1].parent if found else None

    def begin(self) -> subprocess.Popen[bytes]:
        """Start the training, or resume it where there is something to resume."""
        words = ["--resume", str(self.folder)] if self.folder else self.words
        return subprocess.Popen(
            [sys.executable, "-m", "learnable", "train", *words, "--json"],
            env={**os.environ, "LEARNABLE_HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self) -> float:
        """Let it come to its end; gives the seconds that the training took."""
        out, err = self.begin().communicate()
        lines = out.decode().splitlines()
        if not lines or "metrics" not in json.loads(lines[-1]):
            raise AssertionError(f"the training did not come to its end: {err.decode()}")
        return float(json.loads(lines[-1])["seconds"])

    def kill(self, after: float) -> bool:
        """Start, wait for the first sign of training, then so many seconds, and kill; whether it was still at it."""
        process = self.begin()
        assert process.stdout is not None
        process.stdout.readline()  # the line that says that it has begun
        time.sleep(after)
        process.kill()
        process.communicate()
        return self.folder is None or '"finished"' not in (self.folder / "run.json").read_text(encoding="utf-8")

    def end(self) -> tuple[dict[str, dict[str, torch.Tensor]], list[dict[str, object]], dict[str, object]]:
        """What there is to compare: every tensor of the last checkpoint, the rows without their times, the record."""
        assert self.folder is not None
        found = checkpoint.latest(self.folder, print)
        assert found is not None
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]
        record = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        return found[1], rows, {key: record[key] for key in ("status", "metrics", "steps")}


def same(one: Trial, other: Trial) -> bool:
    (tensors, rows, record), (tensors2, rows2, record2) = one.end(), other.end()
    return (
        rows == rows2
        and record == record2
        and {part: set(tensors[part]) for part in tensors} == {part: set(tensors2[part]) for part in tensors2}
        and all(torch.equal(tensors[part][name], tensors2[part][name]) for part in tensors for name in tensors[part])
    )


def torture(words: list[str], times: int, seed: int, folder: Path) -> tuple[list[Kill], list[bool]]:
    """Kill so many times; gives each kill, and for each run whether it ended where the untouched one did."""
    chance = random.Random(seed)
    whole = Trial(words, folder / "whole")
    seconds = whole.finish()
    kills: list[Kill] = []
    ends: list[bool] = []
    while len(kills) < times:
        trial = Trial(words, folder / f"killed-{len(ends)}")
        while len(kills) < times and trial.kill(after := chance.uniform(0, 0.4 * seconds)):
            kills.append(look(trial, len(ends), after))
        trial.finish()
        ends.append(same(whole, trial))
    return kills, ends


def look(trial: Trial, number: int, after: float) -> Kill:
    run = trial.folder
    if run is None:
        return Kill(number, after, 0, 0, "no run.json")
    lines = (run / "metrics.jsonl").read_text().splitlines() if (run / "metrics.jsonl").is_file() else []
    recorded = lines[-1] if lines else '{"step": 0}'
    left = ", ".join(path.name for path in run.iterdir() if path.name.endswith(".part"))
    try:
        step = json.loads(recorded)["step"]
    except ValueError:
        step, left = -1, "a torn line"
    return Kill(number, after, step, next(iter(checkpoint.steps_saved(run)), 0), left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="how many kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("words", nargs="*", default=SMALL, help="what to train")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills, ends = torture(asked.words, asked.times, asked.seed, Path(folder))
    print("run  killed after  recorded  saved  left lying about")
    for kill in kills:
        print(f"{kill.run:3}  {kill.after:10.2f} s  {kill.recorded:8}  {kill.saved:5}  {kill.left}")
    print(f"{len(kills)} kills, {len(ends)} runs: {sum(ends)} ended bit for bit as the untouched one")
    return 0 if all(ends) else 1


if __name__ == "__main__":
    sys.exit(main())
