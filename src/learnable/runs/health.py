"""The doctor at a run's bedside: the record it left, given to `learnable.train.doctor`, and its result beside the promise."""

from learnable.runs.run import Run
from learnable.train.doctor import Diagnosis, diagnose
from learnable.train.recipe import Expected


def examine(run: Run) -> list[Diagnosis]:
    """What is wrong with a run, by its metrics and its result; an empty list where nothing is."""
    facts = {
        "classes": len(run.info.classes) or run.info.vocab or None,
        "status": run.status,
        "metric": run.recipe.expected.metric,
        "higher_is_better": run.recipe.expected.higher_is_better,
        "steps": run.record.get("steps"),
        "learning_rate": run.record["overrides"].get("learning_rate"),
    }
    found = diagnose(run.rows(), facts)
    expected = promise(run)
    if expected is not None and run.record["status"] == "finished" and not kept(run, expected):
        value = run.record["metrics"].get(expected.metric)
        changed = [key for key in run.record["overrides"] if key not in ("data", "seed", "device")]
        flags = ", ".join("--" + key.replace("_", "-") for key in changed)
        advice = f"It was changed by {flags}: leave that out." if flags else "Please report it: it is a defect of ours."
        evidence = (
            f"Its {expected.metric} is {value:.4g}." if value is not None else f"Its {expected.metric} is no number."
        )
        found.append(Diagnosis("below its promise", f"{evidence} The recipe promises {expected}.", advice))
    parts = run.record.get("data", {})
    if found and 0 < parts.get("test", 1000) < 50:
        found.append(Diagnosis("measured on little", f"The test part has {parts['test']} examples, one more right answer is "
                               f"{1 / parts['test']:.0%}.", "Collect more before you believe a number."))  # fmt: skip
    return found


def promise(run: Run) -> Expected | None:
    """What the recipe promises on the data of this run; None where it promises nothing."""
    source = run.record["overrides"].get("data")
    return run.recipe.promises.get(source) if source is not None else run.recipe.expected


def kept(run: Run, expected: Expected) -> bool:
    """Whether the run's result is as promised."""
    value = run.record.get("metrics", {}).get(expected.metric)
    return value is not None and expected.kept(value)
