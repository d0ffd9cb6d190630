"""Labs that do what a lab should not do, one each, and a few that behave."""

import math
import os
import sys
import time

from learnable.course.lab import Choice, Drawing, Lab, Progress, Slider, Switch, TextField
from learnable.course.views import Axis, Bars, Heatmap, Lines, Series, Text

SIZE = Slider("size", "Size", low=1, high=9, default=3, step=1)


def square(state, size):
    print("this must not reach the protocol")
    sys.stdout.flush()
    os.write(1, b'views {"views": "forged"}\n')
    return [Text(text=str(size * size), title="square")]


def everything(state, size, word, on, name, picture):
    return [Text(text=f"{size} {word} {on} {name} {sum(map(sum, picture)):g}")]


def prepare():
    for part in range(3):
        yield Progress(part / 3, f"part {part}")
        time.sleep(0.05)
    return {"made": os.getpid()}


def prepared(state, size):
    return [Text(text=str(state["made"]))]


def train(state, knobs):
    """Counts, by whatever the knob says now; all random numbers from a generator of its own."""
    import torch

    generator = torch.Generator().manual_seed(0)
    total, noise = 0, []
    while True:
        yield [Lines(series=[Series(name="noise", x=list(range(len(noise))), y=list(noise))]), Text(text=str(total))]
        total += knobs.rate
        noise = [*noise[-20:], torch.rand(1, generator=generator).item()]
        time.sleep(0.005)


def three(state, knobs):
    for frame in range(3):
        yield [Text(text=f"{frame} {knobs.size}")]


def breaks(state, knobs):
    yield [Text(text="fine")]
    raise ValueError("it broke while it played")


def raises(state, size):
    if size == 3:
        return [Text(text="fine")]
    if size == 4:
        raise SystemExit(0)
    return [Text(text=str(1 / 0))]


def hangs(state, size):
    if size == 9:
        time.sleep(60)
    return [Text(text=str(size))]


def exits(state, size):
    if size == 9:
        os._exit(3)
    if size == 8:
        os.kill(os.getpid(), 11)
    return [Text(text=str(size))]


def not_finite(state, size):
    zeros = [math.nan] * size
    return [Heatmap(title="scores", values=[zeros, zeros]), Bars(labels=["a", "b"], values=[math.inf, 1.0])]


def too_large(state, size):
    import numpy

    return [Heatmap(title="all of it", values=numpy.random.default_rng(0).random((1000, 100 * size)))]


def large(state, knobs):
    """A megabyte a frame, and hardly a pause."""
    frame = 0
    while True:
        yield [Text(text=str(frame) + "x" * 1_000_000)]
        time.sleep(0.001)
        frame += 1


def greedy(state, size):
    return [Text(text=str(len(bytearray(size * 2**30)) if size > 4 else size))]


def no_views(state, size):
    return "a string" if size == 3 else [Text(text="fine"), 7] if size == 4 else [Bars(labels=["i"], values=[1j])]


def threads(state, size):
    import torch

    return [Text(text=f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")]


def fails_once(state, size):
    return [Text(text="fine")]


def prepare_fails():
    raise RuntimeError("no data")


RATE = Slider("rate", "Rate", low=0, high=10, default=1, step=1)
LABS = {
    "square": Lab(title="Square?", controls=(SIZE,), show=square, torch=False, grid={"size": (1, 2, 3)}),
    "everything": Lab(
        title="All controls?",
        controls=(
            SIZE,
            Choice("word", "Word", options=("red", "blue"), default="red"),
            Switch("on", "On"),
            TextField("name", "Name", default="Ada"),
            Drawing("picture", "Picture", size=4),
        ),
        show=everything,
        torch=False,
        grid={"on": (False, True), "word": ("red", "blue")},
    ),
    "prepared": Lab(title="Prepared?", controls=(SIZE,), show=prepared, prepare=prepare, torch=False),
    "train": Lab(title="Train?", controls=(RATE,), play=train, frames=5),
    "three": Lab(title="Three?", controls=(SIZE,), play=three, torch=False),
    "breaks": Lab(title="Breaks?", controls=(SIZE,), play=breaks, torch=False),
    "raises": Lab(title="Raises?", controls=(SIZE,), show=raises, torch=False),
    "hangs": Lab(title="Hangs?", controls=(SIZE,), show=hangs, torch=False),
    "exits": Lab(title="Exits?", controls=(SIZE,), show=exits, torch=False),
    "not_finite": Lab(title="Finite?", controls=(SIZE,), show=not_finite, torch=False),
    "too_large": Lab(title="Large?", controls=(SIZE,), show=too_large, torch=False),
    "large": Lab(title="A flood?", controls=(SIZE,), play=large, torch=False),
    "greedy": Lab(title="Greedy?", controls=(SIZE,), show=greedy, torch=False),
    "no_views": Lab(title="Views?", controls=(SIZE,), show=no_views, torch=False),
    "threads": Lab(title="Threads?", controls=(SIZE,), show=threads),
    "prepare_fails": Lab(title="Ready?", controls=(SIZE,), show=fails_once, prepare=prepare_fails, torch=False),
}
AXIS = Axis(label="steps")
