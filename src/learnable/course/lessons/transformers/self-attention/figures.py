"""What the lesson on self-attention measures for its pictures; about four minutes on one thread."""

import math
import time
from collections.abc import Callable
from functools import cache
from statistics import mean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.course.figures import Figure
from learnable.course.views import Axis, Bars, Heatmap, Lines, Link, Series, Table, Token, Tokens, View
from learnable.data.recall import pairs as lines_of_pairs
from learnable.data.recall import read
from learnable.data.text import characters
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.nn.attention import attend, attend_fast, attention_weights, causal_mask
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine

SEEDS = (0, 1, 2)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


def some_lines(count: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fresh lines `a3 f7 k1 f?` as the recipe's data make them, and their answers."""
    letters = torch.rand(count, 26, generator=generator).argsort(dim=1)[:, :pairs]
    digits = torch.randint(10, (count, pairs), generator=generator)
    place = torch.randint(pairs, (count, 1), generator=generator)
    question = torch.cat([letters.gather(1, place), torch.full((count, 1), 10)], dim=1)
    tokens = torch.cat([torch.stack([letters, digits], dim=2), question[:, None]], dim=1)
    return tokens, digits.gather(1, place)[:, 0]


@torch.enable_grad()
def taught(
    build: Callable[[], nn.Module], pairs: int, steps: int, seed: int, rate: float = 1e-2, batch: int = 128
) -> tuple[nn.Module, list[float]]:
    """A model trained as the recipe trains, on lines that are never seen twice, and its accuracy at each step."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    optimizer = adamw(model, rate, weight_decay=0.03)
    right = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * warmup_cosine(step, steps)
        tokens, label = some_lines(batch, pairs, generator)
        logits = model(tokens)
        optimizer.zero_grad()
        F.cross_entropy(logits, label).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        right.append(float((logits.argmax(-1) == label).float().mean()))
    return model, right


@torch.no_grad()
def accuracy(model: nn.Module, pairs: int) -> float:
    tokens, label = some_lines(2000, pairs, torch.Generator().manual_seed(99))
    return 100 * float((model(tokens).argmax(-1) == label).float().mean())


@cache
def lookers() -> list[AttentionRecall]:
    """Attention, trained on lines of eight pairs and nothing else."""
    return [taught(lambda: AttentionRecall(26, 10, 64), 8, 300, seed)[0] for seed in SEEDS]  # type: ignore[misc]


def band(name: str, x: list, rows: list[list[float]], color: str, dashed: bool = False) -> Series:
    return Series(name=name, x=x, y=[mean(row) for row in rows], low=[min(row) for row in rows],
                  high=[max(row) for row in rows], color=color, dashed=dashed)  # fmt: skip


# ---------------------------------------------------------------------------------------------- the problem, the idea


def pairs() -> Figure:
    counts = [2, 4, 8, 16, 26]
    looked = [[accuracy(model, count) for model in lookers()] for count in counts]
    averaged = [
        [accuracy(taught(lambda: MeanRecall(26, 10, 64), count, 800, seed)[0], count) for seed in SEEDS]
        for count in counts
    ]
    guessed = []
    for count in counts:
        tokens, label = some_lines(2000, count, torch.Generator().manual_seed(99))
        said = F.one_hot(tokens[:, :-1, 1], 10).sum(dim=1).argmax(dim=1)
        guessed.append(100 * float((said == label).float().mean()))
    say = lambda row: f"{mean(row):.0f} %"
    return Figure(
        views=[
            Lines(
                title="Questions answered rightly, by how much there is to remember",
                series=[
                    band("attention", counts, looked, "model"),
                    band("one mean", counts, averaged, "backward"),
                    Series(name="commonest digit", x=counts, y=guessed, color="gray", dashed=True),
                ],
                x=Axis(label="pairs in the line", low=0), y=Axis(label="right (%)", low=0, high=100),
                summary=f"The mean answers {say(averaged[0])} with two pairs, {say(averaged[1])} with four, {say(averaged[2])} with eight and "
                f"{say(averaged[4])} with 26, hardly more than who says the commonest digit. Attention answers {say(looked[0])} and {say(looked[4])}.",
            )
        ],
        caption="`a3 f7 k1 f?`: which digit stood beside the letter? Two networks of 19,722 parameters, three seeds each (the bands). The mean was trained anew for each "
        "number of pairs, 800 steps; attention for 300 steps on lines of eight pairs only, and never saw a shorter or longer one. Tested on 2,000 fresh lines.",
        numbers={"mean_2": say(averaged[0]), "mean_4": say(averaged[1]), "mean_8": say(averaged[2]), "mean_26": say(averaged[4]),
                 "guess_8": f"{guessed[2]:.0f} %", "guess_26": f"{guessed[4]:.0f} %",
                 "look_2": say(looked[0]), "look_26": say(looked[4])},
    )  # fmt: skip


@torch.no_grad()
def lookup() -> Figure:
    """One line of the trained model, and all letters against all."""
    model = lookers()[0]
    info = lines_of_pairs().info
    line = "r4 a3 t8 f7 z0 k1 m9 c5 f?"
    tokens = read(line, info)
    weights = model.weights(tokens[None])[0]
    words = line.split()
    best = int(weights.argmax())
    asked = torch.stack([torch.arange(26), torch.full((26,), 10)], dim=1)  # a?, b?, ... z?
    offered = torch.stack(
        [torch.stack([torch.arange(26), torch.full((26,), digit)], dim=1) for digit in range(10)]
    )  # a0 ... z0, a1 ...
    to_qkv = model.attention.to_qkv
    query = to_qkv(model.embed(asked[None])[0])[0].chunk(3, dim=-1)[0]
    key = to_qkv(model.embed(offered)[0]).chunk(3, dim=-1)[1].mean(dim=0)  # over the digits
    scores = query @ key.T / math.sqrt(64)
    same = scores.diag()
    other = scores[~torch.eye(26, dtype=torch.bool)]
    limit = float(scores.abs().max())
    return Figure(
        views=[
            Tokens(
                title=f"where “{words[-1]}” looks", wide=True, selected=len(words) - 1,
                tokens=[
                    Token(text=word, weight=float(weight), color="query" if at == len(words) - 1 else "key",
                          note="asks" if at == len(words) - 1 else f"{100 * float(weight):.1f} %")
                    for at, (word, weight) in enumerate(zip(words, weights, strict=True))
                ],
                links=[Link(source=len(words) - 1, target=at, weight=float(weight)) for at, weight in enumerate(weights[:-1])],
                summary=f"The question f? gives {words[best]} {100 * float(weights[best]):.1f} % of its attention.",
            ),
            Heatmap(
                title="every question against every key: q·k/√d", values=[[round(x, 1) for x in row] for row in scores.tolist()],
                rows=tuple(LETTERS), columns=tuple(LETTERS), row_label="query (letter and question mark)", column_label="key (mean over its ten digits)",
                scale="diverging", low=-limit, high=limit, wide=True,
                summary=f"A bright diagonal: a letter's question scores {float(same.mean()):.1f} on average with its own key, "
                f"and {float(other.mean()):.1f} with another letter's; the least of the diagonal is {float(same.min()):.1f}, the largest beside it {float(other.max()):.1f}.",
            ),
        ],
        caption="The trained network itself. Above, one line that it never saw. Below, all it knows: nobody told it that an *f* asks for an *f*; the diagonal was learned, "
        "26 comparisons in two matrices. The digits are averaged away in this picture: they travel in the values.",
        numbers={"weight": f"{100 * float(weights[best]):.1f} %", "same": f"{float(same.mean()):.1f}", "other": f"{float(other.mean()):.1f}"},
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- the scale


def scale() -> Figure:
    """Random queries and keys of growing width: how large the scores are, and what is left of the softmax."""
    widths = [2**power for power in range(1, 11)]
    keys, count = 16, 2000
    spread: list[float] = []
    heard: dict[bool, list[float]] = {True: [], False: []}
    slope: dict[bool, list[float]] = {True: [], False: []}
    for width in widths:
        generator = torch.Generator().manual_seed(width)
        query = torch.randn(count, 1, width, generator=generator)
        key = torch.randn(count, keys, width, generator=generator)
        scores = (query @ key.mT)[:, 0]
        spread.append(float(scores.std()))
        for scaled in (True, False):
            weights = (scores / math.sqrt(width) if scaled else scores).softmax(dim=-1)
            entropy = -(weights * weights.clamp(min=1e-30).log()).sum(dim=-1)
            heard[scaled].append(float(entropy.exp().mean()))
            slope[scaled].append(float((weights * (1 - weights)).sum(dim=-1).mean()))
    names = {True: "divided by √d", False: "not divided"}
    colors = {True: "model", False: "backward"}
    last = widths.index(512)
    at64 = widths.index(64)
    return Figure(
        views=[
            Lines(
                title="spread of q·k (standard deviation)",
                series=[Series(name="measured", x=widths, y=spread, color="model"),
                        Series(name="√d", x=widths, y=[math.sqrt(width) for width in widths], color="gray", dashed=True)],
                x=Axis(label="width d"), y=Axis(label="standard deviation", low=0),
                summary=f"It grows with the root of the width: {spread[at64]:.1f} at 64, {spread[last]:.1f} at 512.",
            ),
            Lines(
                title="how much of the slope is left",
                series=[Series(name=names[how], x=widths, y=slope[how], color=colors[how]) for how in (True, False)],
                x=Axis(label="width d", log=True), y=Axis(label="Σ w(1 − w)", low=0, high=1),
                summary=f"At width 512 the weights' slope is {slope[True][last]:.2f} with the division and {slope[False][last]:.2f} without it.",
            ),
        ],
        caption="2,000 random queries, each against 16 random keys, all entries drawn from N(0, 1). Right: Σ w(1 − w), the sum of the slopes ∂w/∂s of every weight in its own score. "
        "Where it is zero, the softmax has made up its mind and nothing flows back to queries and keys.",
        numbers={
            "spread_64": f"{spread[at64]:.1f}", "spread_512": f"{spread[last]:.1f}",
            "heard_64": f"{heard[True][at64]:.1f}", "heard_64_raw": f"{heard[False][at64]:.1f}",
            "slope_64": f"{slope[True][at64]:.2f}", "slope_64_raw": f"{slope[False][at64]:.2f}",
            "heard_512": f"{heard[True][last]:.1f}", "heard_512_raw": f"{heard[False][last]:.1f}",
            "slope_512": f"{slope[True][last]:.2f}", "slope_512_raw": f"{slope[False][last]:.2f}",
        },
    )  # fmt: skip


class Unscaled(AttentionRecall):
    """The same network, its division by √d undone."""

    undone = True

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.embed(tokens)
        query, key, value = self.attention.to_qkv(x).chunk(3, dim=-1)
        query = query[:, -1:] * (math.sqrt(query.shape[-1]) if self.undone else 1.0)
        return self.to_value(self.attention.to_out(attend(query, key, value))[:, 0])


class Scaled(Unscaled):
    undone = False


def best_of_rates(kind: type[Unscaled], width: int, rates: tuple[float, ...], steps: int) -> list[float]:
    """How many of the last lines are answered rightly, a seed each, at the rate that is better on average."""
    reached = [
        [100 * mean(taught(lambda: kind(26, 10, width), 8, steps, seed, rate, 32)[1][-25:]) for seed in SEEDS]
        for rate in rates
    ]
    return max(reached, key=mean)


def unscaled() -> Figure:
    widths = [16, 32, 64, 128, 256]
    steps = 150
    found: dict[type[Unscaled], list[list[float]]] = {Scaled: [], Unscaled: []}
    for width in widths:
        for kind, rows in found.items():
            rows.append(best_of_rates(kind, width, (3e-3, 1e-2) if width < 128 else (1e-3, 3e-3), steps))
    with_, without = found[Scaled], found[Unscaled]
    say = lambda row: f"{mean(row):.0f} %"
    return Figure(
        views=[
            Lines(
                title=f"Right answers after {steps} steps, by width",
                series=[band("divided by √d", widths, with_, "model"), band("not divided", widths, without, "backward")],
                x=Axis(label="width d", log=True), y=Axis(label="right (%)", low=0, high=100),
                summary="; ".join(f"width {width}: {say(a)} with the division, {say(b)} without" for width, a, b in zip(widths, with_, without, strict=True)) + ".",
            )
        ],
        caption=f"Attention on lines of eight pairs, with and without the division, {steps} steps of 32 lines, each the better of two learning rates; bands are three seeds. "
        "Guessing reaches 10 %.",
        numbers={f"{name}_{width}": say(row) for name, rows in (("with", with_), ("without", without)) for width, row in zip(widths, rows, strict=True)},
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- the mask


CONTEXT, WIDTH = 24, 48
MASKS = {
    "causal": "model",
    "no mask": "backward",
    "transposed": "6",
    "after the softmax": "3",
    "over the queries": "7",
}


def masked_weights(query: Tensor, key: Tensor, how: str) -> Tensor:
    past = causal_mask(query.shape[-2])
    if how == "causal":
        return attention_weights(query, key, past)
    if how == "no mask":
        return attention_weights(query, key)
    if how == "transposed":
        return attention_weights(query, key, past.T)
    if how == "after the softmax":
        return attention_weights(query, key) * past
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    return scores.masked_fill(~past, -math.inf).softmax(dim=-2)


class OneLayer(nn.Module):
    """A character model of one layer of attention; how it masks is the experiment."""

    def __init__(self, how: str, vocab: int):
        super().__init__()
        self.how = how
        self.token, self.position = nn.Embedding(vocab, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.to_qkv, self.to_out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocab)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.position(torch.arange(tokens.shape[1]))
        query, key, value = self.to_qkv(x).chunk(3, dim=-1)
        return self.head(self.norm(x + self.to_out(masked_weights(query, key, self.how) @ value)))


def mask() -> Figure:
    data = characters(context=CONTEXT)
    steps, every = 300, 10
    curves: dict[str, list[float]] = {}
    trained_to: dict[str, list[float]] = {}
    in_use: dict[str, list[float]] = {}
    for how in MASKS:
        trained_to[how], in_use[how] = [], []
        for seed in SEEDS:
            generator = torch.Generator().manual_seed(seed)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = OneLayer(how, data.info.vocab)
            optimizer = adamw(model, 1e-2)
            losses = []
            for _ in range(steps):
                tokens = data.train.batch(torch.randint(len(data.train), (32,), generator=generator), {})["tokens"]
                loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            if seed == 0:
                curves[how] = [mean(losses[max(0, at - every) : at + 1]) for at in range(0, steps, every)]
            trained_to[how].append(mean(losses[-25:]))
            pick = torch.randint(len(data.valid), (300,), generator=generator)
            tokens = data.valid.batch(pick, {})["tokens"]
            with torch.no_grad():  # as it is used: the future is not there yet
                in_use[how].append(
                    mean(
                        float(F.cross_entropy(model(tokens[:, :n])[:, -1], tokens[:, n])) for n in range(1, CONTEXT + 1)
                    )
                )
    say = lambda row: f"{mean(row):.2f}"
    keys = {
        "causal": "causal",
        "no mask": "none",
        "transposed": "transposed",
        "after the softmax": "after",
        "over the queries": "columns",
    }
    return Figure(
        views=[
            Lines(
                title="what training says",
                series=[Series(name=how, x=list(range(0, steps, every)), y=curves[how], color=color) for how, color in MASKS.items()],
                x=Axis(label="steps"), y=Axis(label="training loss (nats per character)", low=0),
                summary=f"Without a mask the loss falls to {say(trained_to['no mask'])}, with the right one it stays at {say(trained_to['causal'])}.",
            ),
            Bars(
                title="what it is worth when it writes", labels=list(MASKS), values=[mean(in_use[how]) for how in MASKS],
                low=[min(in_use[how]) for how in MASKS], high=[max(in_use[how]) for how in MASKS], y=Axis(label="nats per character", low=0), highlight=[0],
                reference=math.log(data.info.vocab), reference_label="knowing nothing",
                summary="; ".join(f"{how}: {say(in_use[how])}" for how in MASKS) + f". Knowing nothing costs {math.log(data.info.vocab):.2f}.",
            ),
        ],
        caption="One layer of attention that learns to predict the next character of Python's standard library, five ways to mask it. Left: the loss in training (seed 0). "
        "Right: new text, and for each character only what stands before it, as when writing (three seeds). All but the first have let the future in, each in its own way.",
        numbers={
            **{f"{short}_train": say(trained_to[how]) for how, short in keys.items()},
            **{f"{short}_use": say(in_use[how]) for how, short in keys.items()},
            "nothing": f"{math.log(data.info.vocab):.2f}",
        },
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- what it costs


def peak(function: Callable[..., Tensor], *tensors: Tensor) -> int:
    """The most memory that a call holds beside its arguments, in bytes: torch's own book of what it takes and gives back."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as book:
        answer = function(*tensors)
    del answer
    assert book.profiler is not None and book.profiler.kineto_results is not None
    held = most = 0
    for event in sorted(book.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def cost() -> Figure:
    """Attention written out against the fused kernel, over the length of the text."""
    rows, ratios, tables = [], {}, {}
    width, threads = 64, torch.get_num_threads()
    torch.set_num_threads(1)  # so that whatever else the machine does disturbs least
    for tokens in (256, 1024, 4096):
        query, key, value = torch.randn(3, 1, 1, tokens, width, generator=torch.Generator().manual_seed(tokens))
        times: dict[Callable[..., Tensor], list[float]] = {attend: [], attend_fast: []}
        for _ in range(7 if tokens > 2000 else 25):
            for function, row in times.items():  # in turn, so that whatever else the machine does hits both
                begin = time.perf_counter()
                function(query, key, value)
                row.append(time.perf_counter() - begin)
        seconds = [min(row) for row in times.values()]
        extra = [peak(function, query, key, value) for function in times]
        table = tokens * tokens * 4
        ratios[tokens], tables[tokens] = seconds[0] / seconds[1], table
        rows.append([
            f"{tokens:,}", f"{1e3 * seconds[0]:.3g}", f"{1e3 * seconds[1]:.3g}", f"{ratios[tokens]:.1f}", f"{table / 2**20:.3g}",
            f"{extra[0] / 2**20:.3g}", f"{extra[1] / 2**20:.2g}",
        ])  # fmt: skip
    torch.set_num_threads(threads)
    view: View = Table(
        columns=("tokens", "attend (ms)", "attend_fast (ms)", "ratio", "one table (MiB)", "attend, peak (MiB)", "attend_fast, peak (MiB)"),
        rows=rows, numbers=tuple(range(7)),
        summary=f"At 4,096 tokens attend takes {ratios[4096]:.1f} times as long as attend_fast, and {rows[2][5]} MiB against {rows[2][6]}.",
    )  # fmt: skip
    return Figure(
        views=[view],
        caption="One head of width 64, no mask, forward, fp32, one thread of the CPU: the fastest of several runs, and the most memory that "
        "one holds beside its arguments, by torch's own count. One table is tokens × tokens × 4 bytes. Measure it on your machine: `learnable figures self-attention cost`.",
        numbers={
            "ratio_256": f"{ratios[256]:.1f}", "ratio_1024": f"{ratios[1024]:.1f}", "ratio_4096": f"{ratios[4096]:.1f}",
            "table_4096": f"{tables[4096] / 2**20:.0f} MiB", "slow_4096": f"{rows[2][5]} MiB", "fast_4096": f"{rows[2][6]} MiB",
        },
    )  # fmt: skip


FIGURES = {"pairs": pairs, "lookup": lookup, "scale": scale, "unscaled": unscaled, "mask": mask, "cost": cost}
