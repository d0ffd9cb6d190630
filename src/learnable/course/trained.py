"""The learner's own trained models, for labs that look inside one."""

from collections.abc import Callable

from learnable.errors import LearnableError
from learnable.runs.run import Run, runs


def learners_own(
    recipe: str, fits: Callable[[Run], bool] = lambda run: True, best: Callable[[Run], float] = lambda run: 0.0
) -> Run | None:
    """The latest finished run of a recipe whose model can be loaded; smoke runs have learned nothing and do not count.

    Args:
        fits: whether a run's data and model are such as the lab can show.
        best: runs with a higher value are taken before later ones.
    """
    found = []
    for number, folder in enumerate(runs(recipe)):
        try:
            run = Run(folder)
            if run.status == "finished" and not run.record["overrides"].get("smoke") and fits(run):
                found.append((best(run), number, run))
        except (LearnableError, KeyError, TypeError, AttributeError):  # damaged, or of another time
            continue
    for _, _, run in sorted(found, key=lambda row: row[:2], reverse=True):
        try:
            run.model  # noqa: B018 - loaded here, where one that cannot be is passed over
        except LearnableError:
            continue
        return run
    return None
