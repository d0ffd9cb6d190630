"""What the lesson on GPT measures for its pictures; some three minutes on two CPU cores, all on Python's standard library."""

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.course.figures import Figure
from learnable.course.quoting import result
from learnable.course.views import Axis, Bars, Lines, Mark, Series, Text, Tokens
from learnable.course.views import Token as Piece
from learnable.data.examples import Data
from learnable.data.text import characters, decode
from learnable.metrics.language import ngram_loss
from learnable.models.language.gpt import GPT, GPTConfig
from learnable.nn.block import Block
from learnable.optim.factories import adamw
from learnable.optim.schedules import warmup_cosine
from learnable.sampling.text import sample
from learnable.sampling.text import stream as write

SEEDS = (0, 1, 2)
STEPS = 600
TOKENS = 384  # predicted in each step, whatever the context: 12 windows of 32
READ = 24  # characters that a small model has read when it is asked to write one more
ORDERS = tuple(range(1, 10))
LN2 = math.log(2)


@cache
def text(context: int = 32) -> Data:
    return characters(context=context)


# ------------------------------------------------------------------------------------------------- counting


def unseen(data: Data, known: int) -> float:
    """The share of places in the test part whose last `known` characters stand nowhere in the training part."""
    train, test = (decode(part.tokens, data.info.alphabet) for part in (data.train, data.test))  # type: ignore[attr-defined]
    seen = {train[at : at + known] for at in range(len(train) - known + 1)}
    return mean(float(test[at : at + known] not in seen) for at in range(len(test) - known))


def counting() -> Figure:
    """How well a model that only counts expects the test part, by how many characters it looks back."""
    data = text()
    train, test = data.train.tokens, data.test.tokens  # type: ignore[attr-defined]
    bits = [ngram_loss(train, test, order, data.info.vocab) / LN2 for order in ORDERS]
    half = [ngram_loss(train[: len(train) // 8], test, order, data.info.vocab) / LN2 for order in ORDERS]
    new = [100 * unseen(data, order - 1) if order > 1 else 0.0 for order in ORDERS]
    back = [order - 1 for order in ORDERS]
    best = min(range(len(bits)), key=bits.__getitem__)
    gpt = result("gpt")["mean"]
    return Figure(
        views=[
            Lines(
                title="What counting reaches",
                series=[
                    Series(name="an eighth of the text", x=back, y=half, color="gray", dashed=True),
                    Series(name="all of the text", x=back, y=bits, color="data"),
                    Series(name="GPT, looking back 128", x=[back[0], back[-1]], y=[gpt, gpt], color="model", dashed=True),
                ],
                x=Axis(label="characters that it looks back"),
                y=Axis(label="test bits per character", low=0),
                marks=[Mark(x=back[best], y=bits[best], label=f"best: {bits[best]:.2f}")],
                summary=f"Counting gets better up to {back[best]} characters of memory ({bits[best]:.2f} bits) and then worse again; "
                f"with {back[-1]} it is at {bits[-1]:.2f}. The GPT of this page reaches {gpt:.2f}.",
            ),
            Lines(
                title="Why: the memory was never seen before",
                series=[Series(name="never seen", x=back, y=new, color="backward")],
                x=Axis(label="characters that it looks back"),
                y=Axis(label="test places (%)", low=0, high=100),
                summary=f"At {new[back.index(4)]:.0f} % of the places the last 4 characters never occurred in training, at "
                f"{new[-1]:.0f} % the last {back[-1]}.",
            ),
        ],
        caption=f"{len(train):,} characters of Python's standard library to count in, {len(test):,} of other modules to be tested on. A count "
        "that was seldom seen is backed by the next shorter memory. More memory helps until nothing can be looked up any more; eight times the text moves that "
        "point by a single character.",
        numbers={
            "best": f"{bits[best]:.2f}", "best_back": back[best], "last": f"{bits[-1]:.2f}", "last_back": back[-1],
            "single": f"{bits[0]:.2f}", "pair": f"{bits[1]:.2f}",
            "unseen_4": f"{new[4]:.0f} %", "unseen_last": f"{new[-1]:.0f} %", "letters": data.info.vocab,
            "train": len(train), "uniform": f"{math.log2(data.info.vocab):.2f}",
            "eighth_back": back[min(range(len(half)), key=half.__getitem__)], "eighth": f"{min(half):.2f}",
        },
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- small models


class Bare(Block):
    """A block without its two sums."""

    def forward(self, x: Tensor, allowed: Tensor | None = None) -> Tensor:
        return self.mlp(self.norm2(self.attention(self.norm1(x), allowed)))


def built(seed: int, context: int = 32, depth: int = 4, width: int = 64) -> GPT:
    """Three times as loud at the start as published, which suits so small a width: it learns within seconds."""
    torch.manual_seed(seed)
    model = GPT(GPTConfig(depth=depth, width=width, heads=4, vocab=text().info.vocab, context=context))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3.0)
    return model


def without_positions(model: GPT) -> None:
    nn.init.zeros_(model.position.weight)
    model.position.weight.requires_grad_(False)


def without_mask(model: GPT) -> None:
    for block in model.blocks:
        block.attention.causal = False  # type: ignore[union-attr]


def without_sums(model: GPT) -> None:
    for block in model.blocks:
        block.__class__ = Bare


def loud(model: GPT) -> None:
    """PyTorch's own beginning for embeddings."""
    nn.init.normal_(model.token.weight)
    nn.init.normal_(model.position.weight)


def trained(
    model: GPT, seed: int, steps: int = STEPS, tokens: int = TOKENS, shift: bool = True, rate: float = 5e-3
) -> list[float]:
    """Train as the recipe does, on windows of the model's context; the loss of each step in bits."""
    context = model.config.context
    data = text(context)
    generator = torch.Generator().manual_seed(seed)
    optimizer = adamw(model, rate)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * warmup_cosine(step, steps)
        pick = torch.randint(len(data.train), (tokens // context,), generator=generator)
        batch = data.train.batch(pick, {})["tokens"]
        targets = batch[:, 1:] if shift else batch[:, :-1]
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item() / LN2)
    return losses


@torch.no_grad()
def when_writing(model: GPT, read: int, places: int = 2000) -> float:
    """Bits for the character that follows `read` others: the last place alone, after which there is nothing to be seen."""
    tokens = text().test.tokens.long()  # type: ignore[attr-defined]
    starts = torch.linspace(0, len(tokens) - read - 1, places).long()
    windows = tokens[starts[:, None] + torch.arange(read + 1)]
    nats = [F.cross_entropy(model(part[:, :-1])[:, -1], part[:, -1], reduction="sum") for part in windows.split(250)]
    return float(sum(nats)) / places / LN2


def written(model: GPT, prompt: str = "    def ", count: int = 120) -> str:
    alphabet = text().info.alphabet
    start = torch.tensor([[alphabet.index(letter) for letter in prompt]])
    generator = torch.Generator().manual_seed(0)
    new = list(write(model, start, count, sample(0.8, generator=generator)))
    return decode(torch.cat(new, dim=1)[0], alphabet)


VARIANTS: dict[str, Callable[[GPT], None] | None] = {
    "all of it": None, "no positions": without_positions, "no sums": without_sums, "no mask": without_mask,
}  # fmt: skip


@cache
def ablated() -> dict[str, tuple[list[GPT], list[list[float]]]]:
    """Each variant: its models, and their losses while they learned."""
    found: dict[str, tuple[list[GPT], list[list[float]]]] = {name: ([], []) for name in VARIANTS}
    for name, change in VARIANTS.items():
        for seed in SEEDS:
            model = built(seed)
            if change is not None:
                change(model)
            found[name][1].append(trained(model, seed))
            found[name][0].append(model)
    return found


def said(values: list[float], digits: int = 2) -> str:
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def ablations() -> Figure:
    """What a part is worth: without it, by the loss of the training and by what counts, the next character of a text that ends here."""
    learning = {name: [mean(losses[-50:]) for losses in curves] for name, (_, curves) in ablated().items()}
    writing = {name: [when_writing(model, READ) for model in models] for name, (models, _) in ablated().items()}
    names = list(VARIANTS)

    def whiskers(rows: dict[str, list[float]]) -> dict[str, Any]:
        return {"values": [mean(rows[name]) for name in names], "low": [min(rows[name]) for name in names],
                "high": [max(rows[name]) for name in names]}  # fmt: skip

    guess = math.log2(text().info.vocab)
    return Figure(
        views=[
            Bars(
                title="What the training reports", labels=names, y=Axis(label="bits per character", low=0), color="train", **whiskers(learning),
                summary="; ".join(f"{name}: {mean(learning[name]):.2f} bits in training" for name in names) + ".",
            ),
            Bars(
                title="What it is worth when it writes", labels=names, y=Axis(label="bits per character", low=0), color="model",
                highlight=[names.index("no mask")], reference=guess, reference_label="guessing blindly", **whiskers(writing),
                summary="; ".join(f"{name}: {mean(writing[name]):.2f} bits for a character whose future is not there" for name in names) + ".",
            ),
            Text(title="“    def ” continued: all of it", prompt="    def ", text=written(ablated()["all of it"][0][0]), code=True,
                 summary="The whole model writes something that looks like Python."),
            Text(title="“    def ” continued: no mask", prompt="    def ", text=written(ablated()["no mask"][0][0]), code=True,
                 summary="The model without a mask writes nothing readable."),
        ],
        caption=f"Four blocks of width 64, context 32, {STEPS} steps, three seeds (whiskers: lowest and highest). Left the loss of the last 50 steps, right the "
        f"test loss for the character that follows {READ} others, with nothing behind it, as in writing. The one that looks best while training is the one that cannot write.",
        numbers={
            **{f"{key}_{kind}": said(rows[name]) for kind, rows in (("train", learning), ("write", writing))
               for key, name in (("all", "all of it"), ("positions", "no positions"), ("sums", "no sums"), ("mask", "no mask"))},
            "mask_full": said([when_writing(model, 32) for model in ablated()["no mask"][0]]),
            "parameters": sum(p.numel() for p in built(0).parameters()),
        },
    )  # fmt: skip


def context() -> Figure:
    """The same number of characters to learn from in each step, seen in windows of 8, 32 or 128."""
    lengths = (8, 32, 128)
    bits: dict[int, list[float]] = {length: [] for length in lengths}
    for length in lengths:
        for seed in SEEDS:
            if length == 32:
                model = ablated()["all of it"][0][seed]
            else:
                model = built(seed, context=length)
                trained(model, seed)
            bits[length].append(when_writing(model, length))
    return Figure(
        views=[
            Bars(
                title="Test bits for the next character, by how far the model may look back", labels=[f"{length} characters" for length in lengths],
                values=[mean(row) for row in bits.values()], low=[min(row) for row in bits.values()], high=[max(row) for row in bits.values()],
                y=Axis(label="bits per character", low=0), color="model",
                summary="; ".join(f"context {length}: {mean(row):.2f} bits" for length, row in bits.items()) + ".",
            )
        ],
        caption=f"The small model of the ablations after {STEPS} steps on {TOKENS} characters each, three seeds, asked after a full window. "
        "So little training does not pay for a long memory: 128 places must first be told apart, and three long windows a step show less of the text than 48 short ones.",
        numbers={f"bits_{length}": said(row) for length, row in bits.items()},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- one that reads well


@cache
def reader() -> GPT:
    """A larger one, trained for a minute."""
    model = built(0, context=96, depth=3, width=96)
    trained(model, 0, steps=1000, tokens=8 * 96)
    return model.eval()


def counted_bits(train: str, passage: str, start: int, order: int = 4) -> list[float]:
    """Bits of each character of `passage` from `start` on, by counting as `ngram_loss` does."""
    counts = [Counter(train[at : at + length] for at in range(len(train) - length + 1)) for length in range(order + 1)]
    letters = text().info.vocab
    bits = []
    for at in range(start, len(passage)):
        share = 1 / letters
        for length in range(1, order + 1):
            seen = passage[at - length + 1 : at + 1]
            before = len(train) if length == 1 else counts[length - 1][seen[:-1]]
            share = (counts[length][seen] + share) / (before + 1)
        bits.append(-math.log2(share))
    return bits


def surprise() -> Figure:
    """One passage of the test part, each character tinted by how much it surprised the counts and the network."""
    data = text(96)
    alphabet = data.info.alphabet
    train, test = (decode(part.tokens, alphabet) for part in (data.train, data.test))  # type: ignore[attr-defined]
    model = reader()
    first = test.index("    def ", 9_000)
    passage = test[first : first + 97]
    tokens = torch.tensor([[alphabet.index(letter) for letter in passage]])
    nats = F.cross_entropy(model(tokens[:, :-1])[0], tokens[0, 1:], reduction="none").detach()
    ours = (nats / LN2).tolist()[8:]
    theirs = counted_bits(train, passage, 9)
    shown = passage[9:]

    def pieces(bits: list[float]) -> list[Piece]:
        return [Piece(text=letter, weight=min(1.0, one / 8), color="backward", note=f"{one:.1f}")
                for letter, one in zip(shown, bits, strict=True)]  # fmt: skip

    by_place = positions(model, data)
    edges = [1, 2, 3, 5, 9, 17, 33, 65, 97]
    grouped = [mean(by_place[low - 1 : high - 1]) for low, high in pairwise(edges)]
    floor = ngram_loss(data.train.tokens, data.test.tokens, 4, data.info.vocab) / LN2  # type: ignore[attr-defined]
    overtaken = next((low for low, value in zip(edges, grouped, strict=False) if value < floor), edges[-1])
    copied = repeated(model, alphabet)
    hard = max(range(len(ours)), key=ours.__getitem__)
    return Figure(
        views=[
            Tokens(title=f"GPT: {mean(ours):.2f} bits per character", tokens=pieces(ours), wide=True,
                   summary=f"On this line of unseen code the GPT needs {mean(ours):.2f} bits per character; the greatest surprise is {shown[hard]!r} with {ours[hard]:.1f} bits."),
            Tokens(title=f"counting fours: {mean(theirs):.2f} bits per character", tokens=pieces(theirs), wide=True,
                   summary=f"Counting needs {mean(theirs):.2f} bits per character for the same line."),
            Lines(
                title="What having read more is worth", wide=True,
                series=[Series(name="GPT", x=edges[:-1], y=grouped, color="model"),
                        Series(name="counting fours", x=[1, edges[-2]], y=[floor, floor], color="data", dashed=True)],
                x=Axis(label="characters that were read before", log=True), y=Axis(label="test bits per character", low=0),
                summary=f"After one character the GPT needs {grouped[0]:.2f} bits, after {edges[-2]} and more {grouped[-1]:.2f}; it overtakes the best counts "
                f"({floor:.2f}) after {overtaken} characters.",
            ),
        ],
        caption="A stretch of a test module; the redder, the less expected, the small numbers are bits. On common words both are alike. What never followed a known stretch "
        f"costs the table up to {max(theirs):.0f} bits for one character, the network {max(ours):.0f}. Below, the mean over the whole test part by place in the window: falling at first, "
        "and flat from five characters on.",
        numbers={"gpt": f"{mean(ours):.2f}", "counts": f"{mean(theirs):.2f}", "first": f"{grouped[0]:.2f}", "last": f"{grouped[-1]:.2f}", "five": f"{grouped[3]:.2f}", "worst_table": f"{max(theirs):.0f}", "worst": f"{max(ours):.0f}",
                 "overtaken": overtaken, "whole": f"{mean(by_place):.2f}", "copy_first": f"{copied[0]:.1f}", "copy_again": f"{copied[1]:.1f}"},
    )  # fmt: skip


@torch.no_grad()
def repeated(model: GPT, alphabet: tuple[str, ...], names: int = 200, length: int = 6) -> tuple[float, float]:
    """Bits for each letter of an invented name but its first: when it comes for the first time, and for the second."""
    generator = torch.Generator().manual_seed(0)
    first, again = [], []
    for _ in range(names):
        name = "".join(chr(97 + int(at)) for at in torch.randint(26, (length,), generator=generator))
        line = f"\n    self.{name} = 1\n    self.{name}"
        tokens = torch.tensor([[alphabet.index(letter) for letter in line]])
        bits = (F.cross_entropy(model(tokens[:, :-1])[0], tokens[0, 1:], reduction="none") / LN2).tolist()
        start = line.index(name)
        first += bits[start : start + length - 1]
        again += bits[-length + 1 :]
    return mean(first), mean(again)


@torch.no_grad()
def positions(model: GPT, data: Data) -> list[float]:
    """Test bits at each place of a window: the first place has read one character, the last all but one."""
    window = model.config.context
    tokens = data.test.tokens.long()  # type: ignore[attr-defined]
    starts = torch.arange(0, len(tokens) - window, window)
    total = torch.zeros(window)
    for part in starts.split(64):
        batch = tokens[part[:, None] + torch.arange(window + 1)]
        nats = F.cross_entropy(model(batch[:, :-1]).transpose(1, 2), batch[:, 1:], reduction="none")
        total += nats.sum(dim=0)
    return (total / len(starts) / LN2).tolist()


# ------------------------------------------------------------------------------------------------- mistakes


def mistakes() -> Figure:
    """Four first minutes: as it should be, and three in which nothing is reported as wrong."""
    runs = {name: ablated()[name][1][0] for name in ("all of it", "no mask")}
    same_place = built(0)
    runs["no shift"] = trained(same_place, 0, shift=False)
    shouting = built(0)
    loud(shouting)
    runs["N(0, 1) embeddings"] = trained(shouting, 0)
    every = 15
    smooth = lambda losses: [losses[0]] + [mean(losses[at - every : at]) for at in range(every, len(losses) + 1, every)]
    colors = {"all of it": "model", "no mask": "backward", "no shift": "6", "N(0, 1) embeddings": "gray"}
    guess = math.log2(text().info.vocab)
    return Figure(
        views=[
            Lines(
                series=[Series(name="right" if name == "all of it" else name, x=list(range(0, STEPS + 1, every)), y=[max(0.02, y) for y in smooth(losses)], color=colors[name])
                        for name, losses in runs.items()],
                wide=True, x=Axis(label="steps"), y=Axis(label="training bits per character (cut at 0.02)", log=True),
                marks=[Mark(x=0, y=guess, label=f"guessing: {guess:.2f}")],
                summary=f"The right curve begins at {runs['all of it'][0]:.2f} bits, which is guessing, and comes down to {mean(runs['all of it'][-50:]):.2f}. Without a mask it "
                f"falls to {mean(runs['no mask'][-50:]):.2f}, without the shift to {mean(runs['no shift'][-50:]):.3f}. Loud embeddings begin at "
                f"{runs['N(0, 1) embeddings'][0]:.0f}.",
            ),
            Text(title="no shift, asked to go on", prompt="    def", text=written(same_place, "    def", 40), code=True,
                 summary="It repeats the last character for ever."),
        ],
        caption="The same small model, data and seed. Two of the mistakes look like a triumph: a loss that falls far below what anybody reaches is not "
        "a discovery, it is a leak.",
        numbers={
            "right_first": f"{runs['all of it'][0]:.2f}", "right": f"{mean(runs['all of it'][-50:]):.2f}", "guess": f"{guess:.2f}",
            "mask": f"{mean(runs['no mask'][-50:]):.2f}", "shift": f"{mean(runs['no shift'][-50:]):.3f}", "shift_write": f"{when_writing(same_place, READ):.1f}",
            "loud_first": f"{runs['N(0, 1) embeddings'][0]:.0f}", "loud": f"{mean(runs['N(0, 1) embeddings'][-50:]):.2f}",
        },
    )  # fmt: skip


FIGURES = {"counting": counting, "surprise": surprise, "ablations": ablations, "context": context, "mistakes": mistakes}
