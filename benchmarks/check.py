"""A check as server and `check --watch` do it, against a fresh process that imports torch; both take turns.

What a fresh process would take at least, if it did nothing but import torch, is what a learner would wait for at each save.
"""

import subprocess
import sys
from statistics import median
from time import perf_counter

BOUNDS = {"check / a process that imports torch": 1 / 20}
ROUNDS = 9


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Medians over rounds; the checks are of one part, as the button does it, and of a whole topic, as a save does."""
    from learnable.course.exercises import find, stems
    from learnable.course.grader.grader import Grader

    exercises = find(stems()[0])
    right, first = exercises.text({}), exercises.parts[0].name
    command = [sys.executable, "-c", "import torch"]
    subprocess.run(command, check=True)
    times: dict[str, list[float]] = {"fresh": [], "part": [], "topic": []}
    with Grader() as grader:
        verdict = grader.check(exercises, right)
        if not verdict["passed"]:
            raise AssertionError(f"the solution of {exercises.stem} does not pass")
        for _ in range(rounds):
            for name, work in (
                ("fresh", lambda: subprocess.run(command, check=True)),
                ("part", lambda: grader.check(exercises, right, [first])),
                ("topic", lambda: grader.check(exercises, right)),
            ):
                start = perf_counter()
                work()
                times[name].append(perf_counter() - start)
        resident = _resident(grader)
    fresh, part, topic = (median(times[name]) for name in ("fresh", "part", "topic"))
    return {
        "check / a process that imports torch": part / fresh,
        f"check of {len(exercises.parts)} parts / the same": topic / fresh,
        "check, milliseconds": 1000 * part,
        "a process that imports torch, milliseconds": 1000 * fresh,
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
