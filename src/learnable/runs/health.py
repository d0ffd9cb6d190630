"""The doctor at a run's bedside: the record it left, given to `learnable.train.doctor`."""

from learnable.runs.run import Run
from learnable.train.doctor import Diagnosis, diagnose


def examine(run: Run) -> list[Diagnosis]:
    """What is wrong with a run, by its metrics; an empty list where nothing is."""
    facts = {
        "classes": len(run.info.classes) or run.info.vocab or None,
        "status": run.status,
        "metric": run.recipe.expected.metric,
        "higher_is_better": run.recipe.expected.higher_is_better,
        "steps": run.record.get("steps"),
        "learning_rate": run.record["overrides"].get("learning_rate"),
    }
    return diagnose(run.rows(), facts)
