"""The doctor reads what a training has written down and says what is wrong, by which numbers, and what to do.

One table, `CHECKS`, from top to bottom: a name, what is seen, what helps. Each check is a small function from the
record to the numbers that prove it, or to None when nothing is wrong. The thresholds were set on real trainings, good
ones and spoilt ones (the tests train them again); they are made to keep silent about a healthy run rather than to
find every weak one.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, median
from typing import Any

from learnable.errors import LearnableError

Row = Mapping[str, Any]
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong."""

    name: str
    evidence: str  # with the numbers by which it was seen
    advice: str


class Diverged(LearnableError):
    """The loss is no number any more; further steps cannot bring it back."""


def watch(row: Row) -> None:
    """Stop a training that has nothing left to train: to be called with every row as it is made.

    Raises:
        Diverged: a loss or a gradient's norm is NaN or infinite.

    >>> watch({"step": 40, "loss": float("nan")})
    Traceback (most recent call last):
    learnable.train.doctor.Diverged: step 40: loss is nan. Lower the learning rate (ten times), clip gradients, ...
    """
    for name, value in row.items():
        if _is_column(name) and isinstance(value, float) and not math.isfinite(value):
            raise Diverged(f"step {row.get('step')}: {name} is {value}. Lower the learning rate (ten times), clip "
                           "gradients, look for log or division of 0 in the loss and for NaN in the data.")  # fmt: skip


def diagnose(history: Iterable[Row], facts: Mapping[str, Any]) -> list[Diagnosis]:
    """What is wrong with a run, the worst first; an empty list says that nothing was found.

    Args:
        history: the rows of `metrics.jsonl`, each {"step", "loss", "learning_rate", "gradient_norm",
            "valid": {"loss", ...}}; whatever is missing is not judged.
            Where several players move, their names come first: `generator.loss`.
        facts: what the curves do not tell, all of it optional: `steps` that the schedule was made for; `classes` among
            which the loss, a cross-entropy, chooses (labels, or the tokens of the vocabulary); `pretrained` when it
            begins from trained weights and so may well begin low. Others are passed over.

    >>> rows = [{"step": step, "loss": 2.303} for step in range(1, 101)]
    >>> [found.name for found in diagnose(rows, {"steps": 100, "classes": 10})]
    ['does not learn']
    """
    record = Record(sorted(history, key=lambda row: row["step"]), facts)
    found: list[Diagnosis] = []
    for check in CHECKS:
        if found and found[0].name == "diverged" and not check.of_the_start:
            continue  # there is no curve left to read
        numbers = check.find(record)
        if numbers is not None:
            found.append(Diagnosis(check.name, *(_sentence(text, numbers) for text in (check.evidence, check.advice))))
    return found


# ------------------------------------------------------------------------------------------------- what is read


class Record:
    """The history as curves: a curve is a list of (step, value), without the rows that lack the value."""

    def __init__(self, rows: list[Row], facts: Mapping[str, Any]):
        self.rows = rows
        self.facts = facts
        self.steps = int(facts.get("steps") or 0)
        self.classes = int(facts.get("classes") or 0)

    def curve(self, name: str, part: str = "") -> list[tuple[int, float]]:
        """The finite values of a column, of `valid` for instance, or of the row itself."""
        found = ((row["step"], (row.get(part) or {} if part else row).get(name)) for row in self.rows)
        return [
            (step, float(value)) for step, value in found if isinstance(value, int | float) and math.isfinite(value)
        ]

    @cached_property
    def losses(self) -> list[float]:
        return [value for _, value in self.curve("loss")]

    @property
    def start(self) -> float:
        return self.losses[0]

    @property
    def end(self) -> float:
        """The typical loss over the last fifth."""
        return median(self.losses[-max(1, len(self.losses) // 5) :])

    @property
    def guess(self) -> float:
        """The loss of whoever knows nothing and says so: 1 / classes for each class."""
        return math.log(self.classes) if self.classes > 1 else next(iter(self.losses), 0.0)

    @cached_property
    def smooth(self) -> list[float]:
        """The median of a window of a twentieth of the run around each row: batches differ, and that is no fault."""
        half = max(3, len(self.losses) // 20) // 2
        return [median(self.losses[max(0, i - half) : i + half + 1]) for i in range(len(self.losses))]

    @property
    def fall(self) -> float:
        return self.start - min(self.smooth)

    @cached_property
    def jitter(self) -> float:
        """By how much rows typically differ from the smooth curve; a median, which spikes do not move."""
        return 1.5 * median(abs(a - b) for a, b in zip(self.losses, self.smooth, strict=True))

    @cached_property
    def travelled(self) -> list[float]:
        """How far along the run each row is, from 0 to 1, counted in learning rate times steps.

        At the end of a cosine nothing moves since nothing may; counted so, this is not taken for having settled.
        """
        rows = [row for row in self.rows if isinstance(row.get("loss"), int | float) and math.isfinite(row["loss"])]
        before = 0
        far: list[float] = []
        for row in rows:
            rate = row.get("learning_rate")
            far.append(
                (far[-1] if far else 0.0) + (row["step"] - before) * (rate if isinstance(rate, int | float) else 1.0)
            )
            before = row["step"]
        return [distance / (far[-1] or 1.0) for distance in far]

    @cached_property
    def passed(self) -> list[float]:
        """How far along the run each row is, from 0 to 1, counted in steps."""
        steps = [step for step, _ in self.curve("loss")]
        return [step / steps[-1] for step in steps]

    def between(self, begin: float, end: float, along: list[float]) -> float:
        """The mean loss over a stretch of the way, both ends as shares of it."""
        inside = [loss for loss, far in zip(self.losses, along, strict=True) if begin < far <= end]
        return mean(inside) if inside else math.nan

    @property
    def finished(self) -> bool:
        return bool(self.rows) and 0 < 0.95 * self.steps <= self.rows[-1]["step"]


def _sentence(text: str, numbers: Numbers) -> str:
    text = text.format(**numbers)
    return text[0].upper() + text[1:] + "."


def _is_column(name: str) -> bool:
    """Whether a column is a loss or a gradient's norm, of whichever player."""
    return name.rpartition(".")[2] in ("loss", "gradient_norm")


# ------------------------------------------------------------------------------------------------- the checks


def no_number(record: Record) -> Numbers | None:
    """NaN or infinity: in a file they are null, since JSON has neither."""
    for row in record.rows:
        for name, value in row.items():
            if _is_column(name) and (value is None or (isinstance(value, float) and not math.isfinite(value))):
                before = [loss for step, loss in record.curve(name) if step < row["step"]]
                return {"name": name, "step": row["step"], "before": f"{before[-1]:.4g}" if before else "none"}
    return None


def far_above_start(record: Record) -> Numbers | None:
    if len(record.losses) < 5 or record.start <= 0:
        return None
    if record.end > 2 * max(record.start, record.guess):
        return {"start": record.start, "end": record.end}
    return None


def starts_too_sure(record: Record) -> Numbers | None:
    first = record.curve("loss")[:1]
    if not first or record.classes < 2 or first[0][0] > max(1, 0.02 * record.steps):
        return None
    if record.start > 1.3 * record.guess + 0.3:
        return {"start": record.start, "guess": record.guess, "classes": record.classes, "step": first[0][0]}
    return None


def starts_too_low(record: Record) -> Numbers | None:
    first = record.curve("loss")[:1]
    if not first or record.classes < 2 or record.facts.get("pretrained") or first[0][0] > 1:
        return None
    if record.start < 0.6 * record.guess:
        return {"start": record.start, "guess": record.guess, "classes": record.classes}
    return None


def exploding(record: Record) -> Numbers | None:
    """A norm is measured before it is clipped, so it shows under clipping as well."""
    for name in sorted({name for row in record.rows for name in row if name.endswith("gradient_norm")}):
        norms = record.curve(name)
        if len(norms) < 3:
            continue
        usual = median(norm for _, norm in norms)
        step, peak = max(norms, key=lambda point: point[1])
        if peak > 10 and (peak > 100 * usual or peak > 1000 * max(1.0, record.guess)):
            return {"name": name, "step": step, "peak": peak, "usual": usual}
    return None


def leaps(record: Record) -> Numbers | None:
    """Soon after the start the loss is far above it: a step was longer than the slope is straight."""
    points = record.curve("loss")
    if len(points) < 8 or record.start <= 0:
        return None
    early = points[1 : max(3, len(points) // 4)]
    step, peak = max(early, key=lambda point: point[1])
    jump = peak - record.start
    stuck = record.end >= 0.97 * record.guess
    if jump > max(0.5 * record.start, 4 * record.jitter) or (
        stuck and jump > max(0.05 * record.start, 8 * record.jitter)
    ):
        return {"start": record.start, "peak": peak, "step": step, "end": record.end}
    return None


def saw_tooth(record: Record) -> Numbers | None:
    """Count how often the loss climbs back by a third of all that it has gained, batches' differences smoothed away.

    Twice is a pattern; once is enough where it has not come down again.
    """
    if len(record.losses) < 20 or record.fall < 0.1 * abs(record.start):
        return None
    height = max(record.fall / 3, 4 * record.jitter)
    low = high = record.smooth[0]
    climbing, climbs, highest = False, 0, 0.0
    for loss in record.smooth:
        low, high = min(low, loss), max(high, loss)
        if not climbing and loss > low + height:
            climbing, climbs, high = True, climbs + 1, loss
        if climbing:
            highest = max(highest, high - low)
            if loss < high - height:
                climbing, low = False, loss
    if climbs >= 2 or (climbs == 1 and record.end - min(record.smooth) > record.fall / 2):
        return {"climbs": climbs, "highest": highest, "fall": record.fall, "end": record.end}
    return None


def does_not_learn(record: Record) -> Numbers | None:
    if len(record.losses) < 8 or record.guess <= 0:
        return None
    if 0.97 * record.guess <= record.end:
        what = f"guessing among {record.classes} classes" if record.classes > 1 else "the start"
        return {"end": record.end, "guess": record.guess, "what": what, "step": record.rows[-1]["step"]}
    return None


def still_falling(record: Record, along: list[float]) -> Numbers | None:
    """The last quarter of the way brought a good part of all that was gained, and the last tenth is still at it."""
    if does_not_learn(record) or saw_tooth(record):
        return None
    gained = record.start - record.between(0.9, 1.0, along)
    quarter = record.between(0.5, 0.75, along) - record.between(0.75, 1.0, along)
    tenth = record.between(0.8, 0.9, along) - record.between(0.9, 1.0, along)
    if gained > 0 and quarter > 0.15 * gained and tenth > 0.03 * gained:
        return {"quarter": quarter, "gained": gained, "share": quarter / gained}
    return None


def too_low(record: Record) -> Numbers | None:
    """A straight line down: the second half brought about as much as the first, and little is gained yet.

    Of the first steps of a training this is true at any rate: a run of few steps was too short, and nothing else can be said.
    """
    if len(record.losses) < 20 or not record.finished or not still_falling(record, record.travelled):
        return None
    if record.rows[-1]["step"] < FEW:
        return None
    middle, end = record.between(0.4, 0.6, record.travelled), record.between(0.9, 1.0, record.travelled)
    first, second = record.start - middle, middle - end
    if second > 0.6 * first and record.end > 0.5 * record.start:
        return {"first": first, "second": second}
    return None


def too_slow(record: Record) -> Numbers | None:
    """Counted in steps, unlike the check before: a schedule that ends at zero ends a fall, and is meant to."""
    if len(record.losses) < 20 or not record.finished or too_low(record):
        return None
    return still_falling(record, record.passed)


def overfits(record: Record) -> Numbers | None:
    """Validation turns up and stays up, while the training loss goes on down."""
    valid = record.curve("loss", part="valid")
    if len(valid) < 5 or not record.losses:
        return None
    step, best = min(valid, key=lambda point: point[1])
    last = min(loss for _, loss in valid[-3:])  # even the best of the last three
    then = [loss for at, loss in record.curve("loss") if at <= step] or record.losses[:1]
    if record.end < median(then[-3:]) and last - best > max(0.1 * abs(best), 0.03 * (record.start - best)):
        return {"step": step, "best": best, "last": last, "then": median(then[-3:]), "now": record.end}
    return None


def does_not_generalize(record: Record) -> Numbers | None:
    """Validation was bad from its first row on, so it cannot turn up, while the training data are known by heart."""
    valid = [loss for _, loss in record.curve("loss", part="valid")]
    if not valid or len(record.losses) < 5 or record.classes < 2 or overfits(record):
        return None
    last = min(valid[-3:])
    if record.end < 0.1 * record.guess and last > max(0.5 * record.guess, 10 * record.end):
        return {"now": record.end, "last": last, "guess": record.guess, "classes": record.classes}
    return None


def won(record: Record) -> Numbers | None:
    """A discriminator that is always right has nothing left to teach."""
    detective, forger = record.curve("discriminator.loss"), record.curve("generator.loss")
    if len(detective) < 8:
        return None
    end = median(loss for _, loss in detective[-max(1, len(detective) // 5) :])
    if 0 <= end < 0.1:
        since = next(step for step, loss in reversed(detective) if loss >= 0.1) if detective[0][1] >= 0.1 else 0
        return {"end": end, "since": since, "forger": f"{forger[-1][1]:.3g}" if forger else "unknown"}
    return None


@dataclass(frozen=True)
class Check:
    """A row of the table; the numbers that `find` gives are filled into both texts."""

    name: str
    find: Callable[[Record], Numbers | None]
    evidence: str
    advice: str
    of_the_start: bool = False  # it can be judged of a run that diverged later


FEW = 100  # steps, after which a curve can be told from its beginning

CHECKS = (
    Check(
        "diverged", no_number,
        "the {name} is no number from step {step} on (before that: {before})",
        "lower the learning rate ten times, clip gradients (clip=1.0), and look for log or division of 0 in the loss "
        "and for NaN in the data; in half precision use bfloat16",
    ),
    Check(
        "diverged", far_above_start,
        "the loss began at {start:.3g} and is now {end:.3g}, far above it",
        "lower the learning rate ten times; if it then falls, raise it by threes, with a warm-up",
    ),
    Check(
        "starts too sure", starts_too_sure,
        "the loss at step {step} is {start:.3g}; guessing among {classes} classes costs ln {classes} = {guess:.3g}",
        "an untrained model should be undecided: make the last layer's initial weights smaller (or zero), "
        "normalize the inputs, and see whether `classes` is the number of classes in the data",
        of_the_start=True,
    ),
    Check(
        "starts too low", starts_too_low,
        "the loss at the first step is {start:.3g}; guessing among {classes} classes costs ln {classes} = {guess:.3g}",
        "an untrained model cannot know: look whether the target leaks into the input, whether nearly all examples are "
        "of one class, and whether the loss is averaged over positions that are masked",
        of_the_start=True,
    ),
    Check(
        "exploding gradients", exploding,
        "the {name} reached {peak:.3g} at step {step}; its median is {usual:.3g}",
        "clip the gradient (clip=1.0), normalize inside the network, or begin with smaller weights; "
        "look at the examples of that step",
        of_the_start=True,
    ),
    Check(
        "learning rate too high", leaps,
        "the loss leapt from {start:.3g} to {peak:.3g} by step {step} and ended at {end:.3g}",
        "lower the learning rate three to ten times, or let it rise over the first 5 % of the steps (warm-up)",
        of_the_start=True,
    ),
    Check(
        "learning rate too high", saw_tooth,
        "the loss had gained {fall:.3g} and climbed back by a third of that or more, {climbs} time(s), "
        "by up to {highest:.3g}; it ended at {end:.3g}",
        "lower the learning rate three times; if that is too slow, let it fall along a cosine, or make batches larger",
    ),
    Check(
        "does not learn", does_not_learn,
        "after {step} steps the loss is {end:.4g}, no better than {what} ({guess:.4g})",
        "first try to learn one batch by heart; if even that fails, see that inputs and targets belong together, that "
        "the optimizer holds the model's parameters, that gradients are not zero, and try learning rates ten times "
        "higher and lower",
    ),
    Check(
        "learning rate too low", too_low,
        "the loss falls in a straight line: by {first:.3g} in the first half of the way, by {second:.3g} in the second",
        "raise the learning rate three to ten times",
    ),
    Check(
        "learns too slowly", too_slow,
        "the last quarter of the steps still brought {quarter:.3g} of the {gained:.3g} gained in all ({share:.0%})",
        "train for more steps (two or three times as many), or raise the learning rate; the schedule ended too early",
    ),
    Check(
        "overfits", overfits,
        "the validation loss was best at step {step} ({best:.3g}) and rose to {last:.3g}, "
        "while the training loss fell from {then:.3g} to {now:.3g}",
        "stop at step {step} (patience), or use more data, augmentation, weight decay, dropout, a smaller model",
    ),
    Check(
        "does not generalize", does_not_generalize,
        "the training loss is {now:.2g} and the validation loss {last:.3g}; "
        "guessing among {classes} classes costs {guess:.3g}",
        "the training data were learned by heart: use more data, augmentation, weight decay, dropout, a smaller model, "
        "or a pretrained one with most layers frozen; evaluate more often and stop early (patience); and see whether "
        "the validation part is prepared as the training part is",
    ),
    Check(
        "discriminator has won", won,
        "the discriminator's loss is {end:.2g} (guessing: 1.39), below 0.1 since step {since}; "
        "the generator's is {forger}",
        "slow the discriminator down: a lower learning rate, a gradient penalty (R1), noise on its inputs, a smaller "
        "network; and let the generator use the non-saturating loss",
    ),
)  # fmt: skip
