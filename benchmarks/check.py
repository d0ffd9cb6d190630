"""Checks as server and `check --watch` do them, against a fresh process that imports torch; all take turns.

What a fresh process would take at least, if it did nothing but import torch, is what a learner would wait for at each save.
"""

import subprocess
import sys
from statistics import median
from time import perf_counter

BOUNDS = {"check, median of all exercises / a process that imports torch": 1 / 20}
ROUNDS = 5


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Medians over rounds, in which every exercise of the course takes its turn after a fresh process."""
    from learnable.course.exercises import find, stems
    from learnable.course.grader.grader import Grader

    every = [(exercises, part.name) for exercises in map(find, stems()) for part in exercises.parts]
    command = [sys.executable, "-c", "import torch"]
    subprocess.run(command, check=True)
    fresh: list[float] = []
    times: dict[str, list[float]] = {f"{exercises.stem}/{name}": [] for exercises, name in every}
    with Grader() as grader:
        for exercises, name in every:  # once, so that every lesson's file has been read
            if not grader.check(exercises, exercises.text({}), [name])["passed"]:
                raise AssertionError(f"the solution of {exercises.stem}/{name} does not pass")
        for _ in range(rounds):
            start = perf_counter()
            subprocess.run(command, check=True)
            fresh.append(perf_counter() - start)
            for exercises, name in every:
                text = exercises.text({})
                start = perf_counter()
                grader.check(exercises, text, [name])
                times[f"{exercises.stem}/{name}"].append(perf_counter() - start)
        resident = _resident(grader)
    medians = {name: median(values) for name, values in times.items()}
    typical, slowest = median(medians.values()), max(medians, key=medians.__getitem__)
    return {
        "check, median of all exercises / a process that imports torch": typical / median(fresh),
        f"the slowest, {slowest} / the same": medians[slowest] / median(fresh),
        "check, median of all exercises, milliseconds": 1000 * typical,
        "a process that imports torch, milliseconds": 1000 * median(fresh),
        "memory of the warm grader, MB": resident,
    }


def _resident(grader: object) -> float:
    """Of the process that has torch, in megabytes; 0 where the system does not say."""
    from pathlib import Path

    process = getattr(grader, "_zygote", None)
    try:
        text = Path(f"/proc/{process.pid}/statm").read_text()  # type: ignore[union-attr]
    except (OSError, AttributeError):
        return 0.0
    return int(text.split()[1]) * 4096 / 1e6


def main() -> None:
    for name, value in measure().items():
        print(f"{name}: {value:.3f}" + (f" (bound {BOUNDS[name]:.3f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
