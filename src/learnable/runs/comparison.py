"""Two runs side by side, with the statistics that the question needs.

Two runs differ by what was changed and by chance. So each side is widened to all finished runs that differ from it by the
seed alone, and the two sides are compared seed by seed.
"""

from dataclasses import dataclass
from typing import Any

from learnable.errors import CallError, WorldError
from learnable.metrics.compare import Comparison, paired
from learnable.runs.run import Run, runs


@dataclass(frozen=True)
class Sides:
    """What was compared: a metric, its values by seed on both sides, and what the statistics say."""

    metric: str
    names: tuple[str, str]
    values: tuple[dict[int, float | None], dict[int, float | None]]
    comparison: Comparison


def compare(first: Run, second: Run, metric: str | None = None) -> Sides:
    """Compare two runs and all their siblings, seed by seed.

    Raises:
        CallError: they have no metric in common, or are not finished.
    """
    for run in (first, second):
        if "metrics" not in run.record:
            raise CallError(f"{run.name} is {run.status}, so it has no result to compare; "
                            f"finish it: learnable train --resume {run.name}")  # fmt: skip
    here, there = ((run.info.data, run.record["data"].get("test")) for run in (first, second))
    by_pieces = [run.info.tokenizer for run in (first, second)]
    if here != there and not (any(by_pieces) and _text(first) == _text(second)):
        raise CallError(f"{first.name} was measured on {here[1]} examples of {here[0]} and {second.name} on {there[1]} of "
                        f"{there[0]}: what differs may be the data. Compare runs on the same data.")  # fmt: skip
    shared = [name for name in first.record["metrics"] if name in second.record["metrics"]]
    promised = first.recipe.expected.metric
    wanted = metric or (promised if promised in shared else shared[0] if shared else "")
    if wanted not in shared:
        raise CallError(f"{first.name} and {second.name} have no metric in common")
    if by_pieces[0] != by_pieces[1] and not first.info.classes and wanted in ("loss", "perplexity"):
        raise CallError(f"{first.name} and {second.name} cut their text into different tokens, and {wanted} is counted by token; "
                        "compare their bits_per_character")  # fmt: skip
    if first.recipe_name == second.recipe_name and _what(first) == _what(second):
        return _same(first, second, wanted)
    values = (_by_seed(first, wanted), _by_seed(second, wanted))
    names = (first.recipe_name, second.recipe_name)
    if names[0] == names[1]:
        names = (first.name, second.name)
    return Sides(wanted, names, values, paired(*values, names=names))


def _text(run: Run) -> tuple[str, int]:
    """What a model of text was measured on, and how many characters that is."""
    info = run.info
    return info.data, int(info.more.get("characters") or run.record["data"].get("test", 0) + info.context)


def _same(first: Run, second: Run, metric: str) -> Sides:
    """Two runs of one recipe with the same settings: what lies between them is the seed, or nothing."""
    a, b = (run.record["metrics"][metric] for run in (first, second))
    if first.seed == second.seed:
        verdict = f"both are the same training with seed {first.seed}: {a:.6g} and {b:.6g}"
    else:
        verdict = (f"they differ by the seed alone ({first.seed}: {a:.6g}, {second.seed}: {b:.6g}), so what lies between them is "
                   "chance; compare runs of two recipes, or of two settings")  # fmt: skip
    values = ({first.seed: a}, {second.seed: b})
    return Sides(metric, (first.name, second.name), values, Comparison((), (), None, None, None, verdict))


def siblings(run: Run) -> list[Run]:
    """All finished runs that differ from this one by the seed alone, itself included; of one seed the latest."""
    alike: dict[int, Run] = {}
    for folder in runs(run.recipe_name):
        try:
            other = Run(folder)
        except WorldError:  # a damaged run is nobody's sibling
            continue
        if _what(other) == _what(run) and "metrics" in other.record and other.folder != run.folder:
            alike[other.seed] = other
    alike[run.seed] = run
    return [alike[seed] for seed in sorted(alike)]


def _by_seed(run: Run, metric: str) -> dict[int, float | None]:
    return {each.seed: each.record["metrics"][metric] for each in siblings(run)}


def _what(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.record["overrides"].items() if key not in ("seed", "device")} | {
        "data": run.record["data"]
    }
