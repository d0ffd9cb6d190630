"""What the lesson on automatic differentiation measures for its pictures; about a minute on two CPU cores."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from statistics import mean, median, stdev
from time import perf_counter
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch.nn import functional as F

from learnable.course.figures import Figure
from learnable.course.views import Axis, Edge, Graph, Lines, Mark, Node, Series
from learnable.data.examples import TensorExamples
from learnable.data.images import digit_scans
from learnable.engine import MLP, SGD, Linear, Tensor, gradcheck, no_grad
from learnable.engine.draw import steps as tape_steps
from learnable.engine.operations import OPERATIONS, fitted
from learnable.engine.tensor import topological_order
from learnable.models.vision.mlp import MLP as Twin
from learnable.optim.schedules import warmup_cosine
from learnable.train.batches import BatchNumbers

SEEDS = (0, 1, 2)
RAISED = str.maketrans("6789", "⁶⁷⁸⁹")
Arrays = tuple[np.ndarray, np.ndarray]


@cache
def digits() -> tuple[Arrays, Arrays]:
    """Training and test part: pixels (examples, 64) in float32, and labels."""
    data = digit_scans()
    assert isinstance(data.train, TensorExamples) and isinstance(data.test, TensorExamples)
    train, test = (
        (part.columns["image"].float().flatten(1).numpy(), part.columns["label"].numpy())
        for part in (data.train, data.test)
    )
    return train, test


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The time of one call, the best of many: whatever else the machine does only adds to it."""
    work()
    times = []
    with threadpool_limits(1):  # two threads that wait for each other on a busy machine measure the machine
        for _ in range(rounds):
            start = perf_counter()
            work()
            times.append(perf_counter() - start)
    return min(times)


# ------------------------------------------------------------------------------------------------- what fails


def nudged(loss: Callable[[], float], entries: list[tuple[np.ndarray, int]], step: float, both: bool) -> np.ndarray:
    """Slopes by moving one number after the other: (f(x + h) - f(x)) / h, or from both sides."""
    start, slopes = loss(), []
    for array, at in entries:
        kept = array.flat[at]
        array.flat[at] = kept + step
        up, moved = loss(), float(array.flat[at]) - float(kept)  # what was added, after rounding
        if both:
            array.flat[at] = kept - step
            slopes.append((up - loss()) / (2 * moved))
        else:
            slopes.append((up - start) / moved)
        array.flat[at] = kept
    return np.array(slopes)


def on_digits(dtype: type) -> tuple[Callable[[], float], list[np.ndarray], MLP, np.ndarray, np.ndarray]:
    """A network of 4,810 numbers and its loss on 64 digits, as a plain function of arrays that may be written to."""
    pixels, truth = digits()[0]
    images: np.ndarray = pixels[:64].astype(dtype)
    labels = truth[:64]
    network = MLP(64, [64], 10, np.random.default_rng(0), dtype)
    arrays = [parameter.data.copy() for parameter in network.parameters().values()]
    first, first_bias, second, second_bias = arrays
    picked = np.arange(64), labels

    def loss() -> float:
        logits = np.maximum(images @ first.T + first_bias, 0) @ second.T + second_bias
        logits = logits - logits.max(-1, keepdims=True)
        return -(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[picked].mean().item()

    return loss, arrays, network, images, labels


def nudging() -> Figure:
    loss, arrays, network, images, labels = on_digits(np.float64)

    def by_backward() -> np.ndarray:
        for parameter in network.parameters().values():
            parameter.grad = None
        network(Tensor(images)).cross_entropy(labels).backward()
        return np.concatenate(
            [np.ravel(parameter.grad) for parameter in network.parameters().values() if parameter.grad is not None]
        )

    exact = by_backward()
    count = len(exact)
    places = [(array, at) for array in arrays for at in range(array.size)]
    start = perf_counter()
    slow = nudged(loss, places, 1e-6, both=False)
    slow_seconds, fast_seconds = perf_counter() - start, seconds(by_backward, 50)
    assert np.allclose(slow, exact, atol=1e-4)

    chosen = np.random.default_rng(1).choice(count, 150, replace=False)
    sizes = 10.0 ** np.arange(-14, 0.6, 0.5)
    curves = {}
    for name, dtype, both in (
        ("float32", np.float32, False),
        ("float64", np.float64, False),
        ("float64, both sides", np.float64, True),
    ):
        loss, arrays, *_ = on_digits(dtype)
        places = [(array, at) for array in arrays for at in range(array.size)]
        entries = [places[at] for at in chosen]
        kept = [size for size in sizes if dtype is np.float64 or size >= 1e-8]
        errors = []
        for size in kept:
            with np.errstate(all="ignore"):
                slopes = nudged(loss, entries, size, both)
            away = np.linalg.norm(slopes - exact[chosen]) / np.linalg.norm(exact[chosen])
            errors.append(float(away) if np.isfinite(away) else None)
        curves[name] = (kept, errors)
    best = {
        name: min((error, size) for size, error in zip(*curve, strict=True) if error is not None)
        for name, curve in curves.items()
    }
    colors = {"float32": "backward", "float64": "accent", "float64, both sides": "3"}
    power = lambda size: f"10^{{{round(np.log10(size), 1):g}}}"
    return Figure(
        views=[
            Lines(
                title="Error of a slope found by nudging, over the size of the nudge",
                series=[Series(name=name, x=curve[0], y=curve[1], color=colors[name]) for name, curve in curves.items()],
                x=Axis(label="nudge h", log=True),
                y=Axis(label="relative error of the gradient", log=True, low=1e-11, high=1e2),
                marks=[Mark(x=best[name][1], y=best[name][0], label=label) for name, label in (("float32", f"{100 * best['float32'][0]:.0g} %"), ("float64", f"{best['float64'][0]:.0e}".replace("e-0", " · 10⁻").translate(RAISED)))],
                summary=f"All curves are a V. In float32 the best nudge still leaves an error of {100 * best['float32'][0]:.1g} %, "
                f"in float64 of {best['float64'][0]:.0e}, from both sides of {best['float64, both sides'][0]:.0e}; a nudge too small is as bad as one too large.",
            )
        ],
        caption=f"The loss of a small network on 64 digits, 150 of its {count:,} slopes. To the right of the valley the function bends within the nudge; "
        "to the left the two losses agree in all digits but the last few, and their difference is rounding. The step near 0.0003 is the ReLUs': from there on a nudge pushes some of them over their corner.",
        numbers={
            "parameters": count, "evaluations": count + 1, "slow": f"{slow_seconds:.2g} s", "fast": f"{1000 * fast_seconds:.1f} ms",
            "ratio": f"{float(f'{slow_seconds / fast_seconds:.2g}'):,.0f}",
            "float32": f"{100 * best['float32'][0]:.1g} %", "float32_h": power(best["float32"][1]),
            "float64": f"{best['float64'][0]:.0e}".replace("e-0", "e-"), "float64_h": power(best["float64"][1]),
        },
    )  # fmt: skip


def swell() -> Figure:
    """The derivative of f(f(...f(x))), f(x) = 4x(1 - x), as a formula, and as the engine computes it."""
    import sympy  # type: ignore[import-untyped]

    x, rounds = sympy.Symbol("x"), range(1, 11)
    written, shared_size, engine = [], [], []
    formula, value = x, Tensor(0.3, requires_grad=True)
    for _ in rounds:
        formula = 4 * formula * (1 - formula)
        slope = sympy.diff(formula, x)
        written.append(int(sympy.count_ops(slope)))
        named, rest = sympy.cse(slope)
        shared_size.append(int(sum(sympy.count_ops(part) for _, part in named) + sympy.count_ops(rest)))
        value = 4 * value * (1 - value)
        nodes = [node for node in topological_order(value) if node.operation]
        engine.append(len(nodes) + sum(source.requires_grad for node in nodes for source in node.inputs))
    return Figure(
        views=[
            Lines(
                title="Operations in the derivative of ten nested parabolas",
                series=[
                    Series(name="formula, written out", x=list(rounds), y=written, color="backward"),
                    Series(name="the engine, both passes", x=list(rounds), y=engine, color="accent"),
                    Series(name="formula, repeated parts named", x=list(rounds), y=shared_size, color="gray", dashed=True),
                ],
                x=Axis(label="how often 4x(1 − x) is nested"),
                y=Axis(label="operations", log=True),
                marks=[Mark(x=10, y=written[-1], label=f"{written[-1]:,}"), Mark(x=10, y=engine[-1], label=str(engine[-1]))],
                summary=f"Nested ten times, the written derivative has {written[-1]:,} operations, the engine does {engine[-1]}; "
                f"with every repeated part named once the formula needs {shared_size[-1]}.",
            )
        ],
        caption="SymPy's derivative of the logistic map, nested. Written out, it grows more than twofold with each level. "
        "If each part that occurs twice is given a name and computed once, the explosion is gone: what is left is a list of small steps, and that is what the engine works with from the start.",
        numbers={"written": written[-1], "engine": engine[-1], "shared": shared_size[-1]},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the idea


def digits_of(x: Any, count: int = 4) -> str:
    return f"{float(x):.{count}g}".replace("-", "−")


def graph() -> Figure:
    leaves = {
        name: Tensor(value, requires_grad=True, name=name) for name, value in (("a", 2.0), ("b", -1.5), ("c", 2.5))
    }
    a, b, c = leaves.values()
    y = (a * b + c).tanh() * a
    y.backward()
    names = {tensor: name for tensor, name, *_ in tape_steps(y)}
    signs = {"mul": "×", "add": "+"}
    nodes, edges = [], []
    for tensor in topological_order(y):
        label = tensor.name or signs.get(tensor.operation, tensor.operation)
        kind = "output" if tensor is y else "operation" if tensor.operation else "input"
        nodes.append(
            Node(
                id=names[tensor],
                label=label,
                value=digits_of(tensor.data),
                gradient=digits_of(tensor.grad),
                kind=kind,
            )
        )
        for place, source in enumerate(tensor.inputs):
            slope = OPERATIONS[tensor.operation][1 + place](np.ones(()), *tensor.saved, **tensor.settings)
            edges.append(Edge(source=names[source], target=names[tensor], label=f"×{digits_of(slope, 3)}"))
    long, short = float(b.data) * (1 - np.tanh(-0.5) ** 2) * 2.0, float(np.tanh(-0.5))
    whole, other, last = (leaf.grad for leaf in (a, b, c))
    assert whole is not None and np.isclose(long + short, whole)
    return Figure(
        views=[
            Graph(
                title="y = tanh(a·b + c)·a", nodes=nodes, edges=edges, wide=True,
                summary=f"From a = 2, b = −1.5, c = 2.5 comes y = {digits_of(y.data)}. Backwards, b gets {digits_of(other)}, c {digits_of(last)}, "
                f"and a the sum of what comes over two paths: {digits_of(long)} and {digits_of(short)} make {digits_of(whole)}.",
            )
        ],
        caption="Values in blue, computed from left to right; gradients in vermilion, from right to left. On each arrow stands its own slope: "
        "how much the right end changes if the left one does. A gradient is multiplied by it on the way back; where two arrows meet, they add.",
        numbers={"y": digits_of(y.data), "a": digits_of(whole), "long": digits_of(long), "short": digits_of(short)},
    )  # fmt: skip


def price() -> Figure:
    """What a gradient costs, in forward passes, as the network grows."""
    images, labels = digits()[0][0][:200], digits()[0][1][:200]
    counts, ratios = [], []
    for width in (4, 16, 64, 256, 1000, 4000):
        network = MLP(64, [width], 10, np.random.default_rng(0))

        def forward(network: MLP = network) -> Tensor:
            return network(Tensor(images)).cross_entropy(labels)

        def without(network: MLP = network) -> None:
            with no_grad():
                network(Tensor(images)).cross_entropy(labels)

        def both(network: MLP = network) -> None:
            for parameter in network.parameters().values():
                parameter.grad = None
            network(Tensor(images)).cross_entropy(labels).backward()

        rounds = 200 if width < 1000 else 40
        ratios.append(seconds(both, rounds) / seconds(without, rounds))
        counts.append(sum(parameter.size for parameter in network.parameters().values()))
    return Figure(
        views=[
            Lines(
                title="What a whole gradient costs, in forward passes",
                series=[
                    Series(name="nudging, or forward mode", x=counts, y=[count + 1 for count in counts], color="gray", dashed=True),
                    Series(name="reverse mode, measured", x=counts, y=ratios, color="backward"),
                ],
                x=Axis(label="numbers to learn", log=True),
                y=Axis(label="forward passes", log=True, low=1),
                marks=[Mark(x=counts[-1], y=ratios[-1], label=f"{ratios[-1]:.1f}")],
                summary=f"From {counts[0]:,} to {counts[-1]:,} numbers, reverse mode costs between {min(ratios):.1f} and {max(ratios):.1f} forward passes, "
                "the forward pass included; nudging costs one for each number.",
            )
        ],
        caption="The engine's time for loss and gradient over its time for the loss alone, networks 64–w–10 on 200 digits. The dashed line is not measured: it is a count.",
        numbers={"least": f"{min(ratios):.1f}", "most": f"{max(ratios):.1f}", "largest": counts[-1]},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the run

STEPS, BATCH, RATE = 1500, 64, 0.1  # as the recipe has them


class NoRelu(MLP):
    """Two layers with nothing between them: one matrix in two pieces."""

    def __call__(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def train_engine(network: MLP, seed: int, steps: int = STEPS) -> Iterator[float]:
    images, labels = digits()[0]
    optimizer, numbers = SGD(network.parameters(), RATE, 0.9), BatchNumbers(len(labels), BATCH, seed)
    for step in range(steps):
        batch = numbers.at(step).numpy()
        optimizer.zero_grad()
        loss = network(Tensor(images[batch])).cross_entropy(labels[batch])
        loss.backward()
        optimizer.learning_rate = RATE * warmup_cosine(step, steps)
        optimizer.step()
        yield loss.item()


def train_torch(model: torch.nn.Module, seed: int, steps: int = STEPS) -> Iterator[float]:
    images, labels = (torch.from_numpy(array) for array in digits()[0])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    numbers = BatchNumbers(len(labels), BATCH, seed)
    for step in range(steps):
        batch = numbers.at(step)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[batch].view(-1, 1, 8, 8)), labels[batch])
        loss.backward()
        optimizer.param_groups[0]["lr"] = RATE * warmup_cosine(step, steps)
        optimizer.step()
        yield loss.item()


def read(network: Callable[[Tensor], Tensor]) -> float:
    """Percent of the test part that is read rightly."""
    images, labels = digits()[1]
    with no_grad():
        return 100 * float((network(Tensor(images)).data.argmax(-1) == labels).mean())


def twins(seed: int) -> tuple[MLP, Twin]:
    """The engine's network and PyTorch's, with the same weights."""
    network, twin = MLP(64, [64], 10, np.random.default_rng(seed)), Twin(64, [64], 10)
    weights = {name: torch.from_numpy(parameter.data.copy()) for name, parameter in network.parameters().items()}
    twin.load_state_dict(weights)
    return network, twin


def parting() -> tuple[int, int]:
    """The step at which the weights of engine and PyTorch part, and how many ReLUs then saw a number on different sides of 0."""
    images, labels = digits()[0]
    for seed in SEEDS[::-1]:
        network, twin = twins(seed)
        ours, theirs = train_engine(network, seed), train_torch(twin, seed)
        numbers, apart = BatchNumbers(len(labels), BATCH, seed), 0.0
        for step in range(STEPS):
            layer, weight, bias = (
                network.layers[0],
                twin.state_dict()["layers.0.weight"],
                twin.state_dict()["layers.0.bias"],
            )
            x = images[numbers.at(step).numpy()]
            positive = (F.linear(torch.from_numpy(x), weight, bias) > 0).numpy()
            flips = int(((x @ layer.weight.data.T + layer.bias.data > 0) != positive).sum())
            next(ours), next(theirs)
            before, apart = apart, float(np.abs(layer.weight.data - weight.numpy()).max())
            if flips and apart > 10 * before:
                return step, flips
    raise AssertionError("in none of the runs")


def training() -> Figure:
    torch.set_num_threads(1)
    ours, theirs, agree = [], [], []
    scores: dict[str, list[float]] = {"engine": [], "torch": [], "linear": [], "norelu": []}
    curves: list[tuple[list[float], list[float]]] = []
    for seed in SEEDS:
        network, twin = twins(seed)
        start = perf_counter()
        with threadpool_limits(1):
            mine = list(train_engine(network, seed))
        middle = perf_counter()
        reference = list(train_torch(twin, seed))
        ours.append(middle - start)
        theirs.append(perf_counter() - middle)
        curves.append((mine, reference))
        images, labels = (torch.from_numpy(array) for array in digits()[1])
        with torch.no_grad():
            said = twin(images.view(-1, 1, 8, 8)).argmax(-1)
        scores["engine"].append(read(network))
        scores["torch"].append(100 * float((said == labels).float().mean()))
        agree.append(float(np.mean(network(Tensor(digits()[1][0])).data.argmax(-1) == said.numpy())))
        for name, other in (
            ("linear", MLP(64, [], 10, np.random.default_rng(seed))),
            ("norelu", NoRelu(64, [64], 10, np.random.default_rng(seed))),
        ):
            list(train_engine(other, seed))
            scores[name].append(read(other))
    apart = np.abs(np.array([mine for mine, _ in curves]) - np.array([reference for _, reference in curves]))
    step, flips = parting()
    every = list(range(0, STEPS, 10))
    widest = np.maximum(apart.max(0), 1e-9)
    smooth = [float(np.mean([np.mean(mine[max(0, at - 9) : at + 1]) for mine, _ in curves])) for at in every]
    text = {name: f"{mean(values):.1f} ± {stdev(values):.1f} %" for name, values in scores.items()}
    return Figure(
        views=[
            Lines(
                title="Engine and PyTorch, from the same weights over the same digits",
                series=[
                    Series(name="training loss, both", x=every, y=smooth, color="train"),
                    Series(name="difference of the two", x=every, y=[float(widest[max(0, at - 9) : at + 1].max()) for at in every], color="backward"),
                ],
                x=Axis(label="steps"), y=Axis(label="nats", log=True),
                summary=f"The loss falls below 0.01; engine and PyTorch never differ by more than {apart.max():.1g}. They read {text['engine']} and {text['torch']} of the test digits.",
            )
        ],
        caption=f"Three seeds: the mean of the loss, and the greatest difference. It stays at the last digit of float32 until, in one run at step {step}, "
        f"{'a single ReLU is' if flips == 1 else f'{flips} ReLUs are'} given a number so near to 0 that the two round it to different sides. Neither is wrong.",
        numbers={
            **text, "apart": f"{apart.max():.0e}".replace("e-0", "e-"), "agree": f"{100 * mean(agree):.1f} %",
            "ratio": f"{median(mine / reference for mine, reference in zip(ours, theirs, strict=True)):.1f}",
        },
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- mistakes


class Residual(MLP):
    """Eight blocks x + relu(x W) between first and last layer: every x in between is used twice."""

    def __init__(self, random: np.random.Generator):
        sizes = [(64, 32), *[(32, 32)] * 8, (32, 10)]
        self.layers = [Linear(*pair, random) for pair in sizes]

    def __call__(self, x: Tensor) -> Tensor:
        x = self.layers[0](x)
        for layer in self.layers[1:-1]:
            x = x + layer(x).relu()
        return self.layers[-1](x)


def overwriting(result: Tensor, gradient: np.ndarray | None = None) -> None:
    """`Tensor.backward` with the most common of all mistakes: the last share wins."""
    arriving = {result: np.ones(result.shape, result.dtype) if gradient is None else gradient}
    for tensor in reversed([x for x in topological_order(result) if x.requires_grad]):
        tensor.grad = g = arriving.pop(tensor)
        for source, rule in zip(tensor.inputs, OPERATIONS.get(tensor.operation, ())[1:], strict=True):
            if source.requires_grad:
                arriving[source] = fitted(np.asarray(rule(g, *tensor.saved, **tensor.settings)), source.data)


def train_wrongly(seed: int, steps: int, back: Callable[[Tensor], None], clear: bool) -> tuple[list[float], float]:
    images, labels = digits()[0]
    network, numbers = Residual(np.random.default_rng(seed)), BatchNumbers(len(labels), BATCH, seed)
    optimizer, losses = SGD(network.parameters(), 0.1), []
    for step in range(steps):
        batch = numbers.at(step).numpy()
        if clear:
            optimizer.zero_grad()
        loss = network(Tensor(images[batch])).cross_entropy(labels[batch])
        back(loss)
        optimizer.step()
        losses.append(loss.item())
    return losses, read(network)


@np.errstate(all="ignore")
def mistakes() -> Figure:
    steps, every = 400, 5
    ways = {
        "right": (Tensor.backward, True, "model"),
        "shares overwritten": (overwriting, True, "backward"),
        "gradients never cleared": (Tensor.backward, False, "6"),
    }  # fmt: skip
    series, scores, ends = [], {}, {}
    for name, (back, clear, color) in ways.items():
        runs = [train_wrongly(seed, steps, back, clear) for seed in SEEDS]
        scores[name] = [score for _, score in runs]
        smooth = np.minimum(
            np.nan_to_num(
                [[np.mean(losses[max(0, at - 9) : at + 1]) for at in range(0, steps, every)] for losses, _ in runs],
                nan=9.0,
            ),
            4.0,
        )
        ends[name] = float(smooth[:, -1].mean())
        series.append(
            Series(
                name=name,
                x=list(range(0, steps, every)),
                y=smooth.mean(0),
                low=smooth.min(0),
                high=smooth.max(0),
                color=color,
            )
        )
    text = {name: f"{mean(values):.1f} ± {stdev(values):.1f} %" for name, values in scores.items()}
    return Figure(
        views=[
            Lines(
                series=series, x=Axis(label="steps"), y=Axis(label="training loss (nats), cut at 4", low=0, high=4),
                summary=f"After {steps} steps the right way reads {text['right']} of the test digits, with overwritten shares {text['shares overwritten']}, "
                f"with gradients never cleared {text['gradients never cleared']}.",
            )
        ],
        caption="A network with eight skip connections, three seeds, plain gradient descent at 0.1. No error is raised in any of the three.",
        numbers={"right": text["right"], "overwritten": text["shares overwritten"], "kept": text["gradients never cleared"], **recursion(), **told()},
    )  # fmt: skip


def told() -> dict[str, str]:
    """What gradcheck says about the overwritten share of x·x."""
    backward = Tensor.backward
    Tensor.backward = overwriting  # type: ignore[method-assign,assignment]
    try:
        gradcheck(lambda x: x * x, 3.0)
    except ValueError as error:
        return {"gradcheck": str(error)}
    finally:
        Tensor.backward = backward  # type: ignore[method-assign]
    raise AssertionError("gradcheck sees it")


def recursion() -> dict[str, int | str]:
    """How long a chain a recursive order follows, and what a loop does with a hundred times as much."""

    def chain(length: int) -> Tensor:
        x = Tensor(1.0, requires_grad=True)
        for _ in range(length):
            x = x * 1.0
        return x

    def ordered(result: Tensor) -> list[Tensor]:
        order, seen = [], set()

        def visit(tensor: Tensor) -> None:
            if tensor not in seen:
                seen.add(tensor)
                for source in tensor.inputs:
                    visit(source)
                order.append(tensor)

        visit(result)
        return order

    from threading import Thread

    found: list[int] = []

    def search() -> None:  # in a thread of its own, whose stack begins empty, as a script's does
        good, bad = 1, 2000
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                ordered(chain(middle))
                good = middle
            except RecursionError:
                bad = middle
        found.append(good)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        thread = Thread(target=search)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
    long = chain(100_000)
    start = perf_counter()
    long.backward()
    return {"depth": found[0], "long": 100_000, "long_seconds": f"{perf_counter() - start:.1f} s"}


FIGURES: dict[str, Callable[[], Figure]] = {
    "nudging": nudging, "swell": swell, "graph": graph, "price": price, "training": training, "mistakes": mistakes,
}  # fmt: skip
