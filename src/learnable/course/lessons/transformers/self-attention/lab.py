"""Two labs: who looks at whom in a sentence, with every number worked out; and a network that learns to look things up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from learnable.course.lab import Choice, Knobs, Lab, Slider, Switch, TextField
from learnable.course.views import Axis, Bars, Heatmap, Lines, Link, Series, Table, Text, Token, Tokens, View

if TYPE_CHECKING:
    from torch import Tensor

    from learnable.models.language.gpt import GPT

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST = 14  # words that are shown; of a GPT's characters, twice as many


# ------------------------------------------------------------------------------------------------- who looks at whom


class Pieces(NamedTuple):
    """What one head is given: the text in pieces, and a query and a key for each."""

    names: list[str]
    query: Tensor  # (pieces, width)
    key: Tensor
    told: str  # how the two were made


BUILT = {
    "same letters": "Built by hand. Query and key are the same: how often each letter occurs in the word. Their product is large where the spelling is alike; where a word stands plays no part.",
    "the word before": "Built by hand. The key is the word's place, as sines and cosines; the query is the same place, turned back by one. Nothing of what the words say is in it.",
    "the first word": "Built by hand. Only the first word has a key, and all queries are the same. Trained models grow such heads, too: it is where they look when there is nothing to find.",
    "long words": "Built by hand. All queries are the same, the key is the number of letters: every word looks alike, and what is asked plays no part.",
    "what came after": "Built by hand. The query is the word's letters, the key those of the word before it: a word looks for what followed when it was last said. Trained models need two layers for it, the first of which tells each word its predecessor.",
    "random": "Random matrices upon the letters: what a head is before it has learned anything.",
}
HEADS = (*BUILT, "your own GPT")


def letters_of(words: Sequence[str]) -> Tensor:
    """How often each letter occurs in a word, scaled to length one; the last of 27 counts everything else."""
    import torch

    counts = torch.zeros(len(words), 27)
    for row, word in enumerate(words):
        for letter in word.lower():
            counts[row, LETTERS.find(letter) if letter in LETTERS else 26] += 1
    return counts / counts.norm(dim=1, keepdim=True).clamp(min=1e-6)


def built(words: list[str], head: str) -> Pieces:
    """A head of width 32 that does what its name says; its best scores are about 8 after the division by √32."""
    import torch

    loud = math.sqrt(8 * math.sqrt(32))  # of query and of key, so that their product over √32 is 8 where they agree
    letters = torch.nn.functional.pad(letters_of(words), (0, 5))
    places = torch.arange(len(words))[:, None] * torch.logspace(0.4, -1.6, 16)
    same = torch.zeros(len(words), 32)
    same[:, 0] = 1
    if head == "same letters":
        query, key = letters, letters
    elif head == "what came after":
        query, key = letters, torch.cat([torch.zeros(1, 32), letters[:-1]])
    elif head == "the word before":
        back = places - torch.logspace(0.4, -1.6, 16)
        query = torch.cat([back.cos(), back.sin()], dim=1) / 4  # 16 pairs of length one have the length 4
        key = torch.cat([places.cos(), places.sin()], dim=1) / 4
    elif head == "the first word":
        query, key = same, same * (torch.arange(len(words)) == 0)[:, None]
    elif head == "long words":
        query, key = same, same * torch.tensor([min(len(word), 12) / 8 for word in words])[:, None]
    else:
        generator = torch.Generator().manual_seed(1)
        to_query, to_key = torch.randn(2, 32, 32, generator=generator) / 7
        query, key = letters @ to_query, letters @ to_key
    return Pieces(words, loud * query, loud * key, BUILT[head])


def prepare() -> Any:
    """The learner's own latest GPT, if there is one: (model, alphabet, where from)."""
    from learnable.course.trained import learners_own
    from learnable.models.language.gpt import GPT

    run = learners_own("gpt", fits=lambda run: bool(run.info.alphabet) and isinstance(run.model, GPT))
    if run is None:
        return None
    return run.model.eval(), run.info.alphabet, run.described


def learned(state: tuple[GPT, Sequence[str], str], text: str, number: int) -> Pieces:
    """Queries and keys of one head of a trained GPT, for the characters of a text."""
    import torch
    from einops import rearrange

    model, alphabet, origin = state
    text = text[: min(2 * MOST, model.config.context)]
    places = {letter: at for at, letter in enumerate(alphabet)}
    tokens = torch.tensor([[places.get(letter, 0) for letter in text]])
    heads, depth = model.config.heads, model.config.depth
    number = min(number, heads * depth) - 1
    with torch.no_grad():
        x = model.embed(tokens, torch.arange(len(text)))
        for block in model.blocks[: number // heads]:
            x = block(x)
        block = model.blocks[number // heads]
        to_qkv = block.attention.to_qkv(block.norm1(x))  # type: ignore[operator,union-attr]
        query, key, _ = rearrange(to_qkv, "1 t (three h d) -> three h t d", three=3, h=heads)
    told = (f"Learned: head {number % heads + 1} of {heads} in block {number // heads + 1} of {depth} of your own GPT ({origin}). "
            "It was trained with the causal mask; without it you see what it would do with a future that it never met.")  # fmt: skip
    return Pieces(list(text), query[number % heads], key[number % heads], told)


def show_looks(
    state: Any, sentence: str, head: str, mask: str, scaled: bool, temperature: float, number: int, at: int
) -> list[View]:
    """Scores, softmax, mean: for all words as a table, for one of them in numbers."""
    words = re.findall(r"\S+", sentence)[:MOST]
    if not words:
        return [Text(text="Type a few words; two that are alike make it interesting.", wide=True)]
    notice: list[View] = []
    if head == "your own GPT" and state is None:
        notice = [
            Text(
                text="There is no GPT of yours yet; train one with 'learnable train gpt', then reload the lab. Until then: the head “same letters”.",
                tone="warning",
                wide=True,
            )
        ]
        head = "same letters"
    pieces = learned(state, " ".join(sentence.split()), number) if head == "your own GPT" else built(words, head)
    return [*notice, *looks(pieces, mask, scaled, temperature, min(at, len(pieces.names) - 1))]


def weights_of(scores: Tensor, mask: str) -> Tensor:
    """The softmax of each row, with what the mask allows."""
    import torch

    from learnable.nn.attention import causal_mask

    past = causal_mask(len(scores))
    if mask == "only the past":
        return scores.masked_fill(~past, -math.inf).softmax(dim=-1)
    if mask == "mistake: masked after the softmax":
        return scores.softmax(dim=-1) * past
    if mask == "mistake: softmax over the queries":
        return scores.softmax(dim=-2)
    assert mask == "everything", mask
    return torch.softmax(scores, dim=-1)


def looks(pieces: Pieces, mask: str, scaled: bool, temperature: float, at: int) -> list[View]:
    import torch

    names, query, key, told = pieces
    width = query.shape[-1]
    products = query @ key.T
    scores = products / (math.sqrt(width) if scaled else 1.0) / temperature
    weights = weights_of(scores, mask)
    past_only = mask in ("only the past", "mistake: masked after the softmax")
    hidden = (
        torch.ones_like(weights, dtype=torch.bool).triu(1) if past_only else torch.zeros_like(weights, dtype=torch.bool)
    )
    total = weights.sum(dim=-1)
    shares = weights / total.clamp(min=1e-12)[:, None]
    heard = (-(shares * shares.clamp(min=1e-12).log()).sum(dim=-1)).exp()
    one = weights[at]
    order = one.argsort(descending=True)
    best = int(order[0])
    lengths = torch.tensor([float(len(name)) for name in names])
    answer = float(one @ lengths)
    unit = "word" if max(map(len, names)) > 1 else "character"
    shown = sorted(order[:8].tolist())
    wrong = not torch.allclose(total, torch.ones_like(total), atol=1e-3)
    numbers = len(names) <= MOST
    sum_text = f"The weights of “{names[at]}” sum to {float(total[at]):.2f}" + (
        ", which is no mean any more." if abs(float(total[at]) - 1) > 1e-3 else "."
    )
    columns = mask == "mistake: softmax over the queries"
    seen = scores.masked_fill(hidden, -math.inf) if mask == "only the past" else scores
    odds = (seen - seen.amax(dim=-2 if columns else -1, keepdim=True)).exp()[at]
    table_rows = [
        [names[j], f"{float(products[at, j]):.2f}", f"{float(scores[at, j]):.2f}", f"{float(odds[j]):.4f}",
         f"{float(one[j]):.3f}", f"{len(names[j])}", f"{float(one[j]) * len(names[j]):.2f}"]
        for j in shown
    ]  # fmt: skip
    rest = [j for j in range(len(names)) if j not in shown]
    if rest:
        table_rows.append(
            [
                f"{len(rest)} more",
                "",
                "",
                f"{float(odds[rest].sum()):.4f}",
                f"{float(one[rest].sum()):.3f}",
                "",
                f"{float((one * lengths)[rest].sum()):.2f}",
            ]
        )
    table_rows.append(
        [
            "together",
            "",
            "",
            "" if columns else f"{float(odds.sum()):.4f}",
            f"{float(total[at]):.3f}",
            "",
            f"{answer:.2f}",
        ]
    )
    divisor = " / ".join(
        ["q·k", *([f"√{width}"] if scaled else []), *([f"{temperature:.2g}"] if abs(temperature - 1) > 0.005 else [])]
    )
    return [
        Tokens(
            title=f"where “{names[at]}” looks; click another {unit}", wide=True, select="at", selected=at,
            tokens=[
                Token(text=name, weight=min(1.0, float(one[j])), color="query" if j == at else "key",
                      note="hidden" if bool(hidden[at, j]) else f"{100 * float(one[j]):.0f} %")
                for j, name in enumerate(names)
            ],
            links=[Link(source=at, target=j, weight=min(1.0, float(weight))) for j, weight in enumerate(one) if float(weight) > 0.01],
            summary=f"“{names[at]}” gives “{names[best]}”{' (itself)' if best == at else ''} {100 * float(one[best]):.0f} % of its attention and hears about {float(heard[at]):.1f} of {len(names)} {unit}s.",
        ),
        Text(text=told, wide=True),
        Heatmap(
            title="all of them: row looks at column", rows=names, columns=names, row_label="query", column_label="key", low=0.0, high=1.0,
            values=[[None if bool(hidden[i, j]) else round(float(weights[i, j]), 3) for j in range(len(names))] for i in range(len(names))],
            digits=2 if numbers and len(names) <= 10 else None, highlight=[(at, best)], select="at",
            summary=("Rows do not sum to one: " + ", ".join(f"{name} {float(value):.2f}" for name, value in list(zip(names, total, strict=True))[:6]) + "."
                     if wrong else "Every row sums to one. " + ("The upper right is hidden: nobody looks into the future." if past_only else "Everybody may look at everybody.")),
        ),
        Table(
            title=f"“{names[at]}” worked out", columns=("key", "q·k", f"s = {divisor}", "exp(s − column's max)" if columns else "exp(s − max)", "weight", "letters", "product"),
            rows=table_rows, numbers=(1, 2, 3, 4, 5, 6), highlight=[len(table_rows) - 1],
            summary=f"{sum_text} The value of each {unit} is its number of letters here, so the answer is {answer:.2f}.",
        ),
        Bars(
            title=f"how many {unit}s each one hears (e to the entropy of its row)", labels=names, values=heard, digits=1, highlight=[at],
            y=Axis(label=f"{unit}s", low=0, high=float(len(names))), color="model", select="at",
            summary=f"From {float(heard.min()):.1f} to {float(heard.max()):.1f} of {len(names)} {unit}s.",
        ),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- learn to look up


def some_lines(count: int, pairs: int, generator: Any) -> tuple[Tensor, Tensor]:
    """Fresh lines `a3 f7 k1 f?` (count, pairs + 1, 2) and their answers."""
    import torch

    letters = torch.rand(count, 26, generator=generator).argsort(dim=1)[:, :pairs]
    digits = torch.randint(10, (count, pairs), generator=generator)
    place = torch.randint(pairs, (count, 1), generator=generator)
    question = torch.cat([letters.gather(1, place), torch.full((count, 1), 10)], dim=1)
    return torch.cat([torch.stack([letters, digits], dim=2), question[:, None]], dim=1), digits.gather(1, place)[:, 0]


def read_line(line: str) -> list[tuple[int, int]] | str:
    """The tokens of a line, or a sentence on what is missing. A letter may come twice, or be asked for in vain: try it."""
    words = line.lower().split()
    if len(words) < 2 or not re.fullmatch(r"[a-z]\?", words[-1]):
        return "Your line: pairs of a letter and a digit, then a question, such as a3 f7 k1 f?"
    if len(words) > 27:
        return f"Your line: at most 26 pairs, came {len(words) - 1}."
    bad = next((word for word in words[:-1] if not re.fullmatch(r"[a-z][0-9]", word)), "")
    if bad:
        return f"Your line: expected a letter and a digit such as f7, came {bad[:12]!r}."
    return [(LETTERS.index(word[0]), 10 if word[1] == "?" else int(word[1])) for word in words]


def race(state: Any, knobs: Knobs) -> Iterator[list[View]]:
    """Attention and a mean learn the same task side by side, on the same lines."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from learnable.models.language.recall import AttentionRecall, MeanRecall
    from learnable.optim.factories import adamw

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(knobs.seed))
        models = {"attention": AttentionRecall(26, 10, 64), "mean": MeanRecall(26, 10, 64)}
    optimizers = {name: adamw(model, 1e-2, weight_decay=0.03) for name, model in models.items()}
    generator = torch.Generator().manual_seed(int(knobs.seed))
    step = 0
    steps: list[int] = []
    right: dict[str, list[float]] = {name: [] for name in models}
    while True:
        for _ in range(
            min(len(steps), 1) if step < 100 else 3
        ):  # slowly at first, where it happens; none before the first picture
            tokens, label = some_lines(48, int(knobs.pairs), generator)
            for name, model in models.items():
                for group in optimizers[name].param_groups:
                    group["lr"] = knobs.rate * min(1.0, (step + 1) / 20)
                loss = F.cross_entropy(model(tokens), label)
                optimizers[name].zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizers[name].step()
            step += 1
        steps.append(step)
        tokens, label = some_lines(200, int(knobs.asked), torch.Generator().manual_seed(step))
        with torch.no_grad():
            for name, model in models.items():
                right[name].append(100 * float((model(tokens).argmax(-1) == label).float().mean()))
            views = race_views(models["attention"], models["mean"], steps, right, knobs)
        yield views


def race_views(attention: Any, mean: Any, steps: list[int], right: dict[str, list[float]], knobs: Knobs) -> list[View]:
    import torch

    smooth = {
        name: [sum(row[max(0, at - 2) : at + 1]) / len(row[max(0, at - 2) : at + 1]) for at in range(len(row))]
        for name, row in right.items()
    }
    thin = max(1, len(steps) // 150)
    keep = sorted({*range(0, len(steps), thin), len(steps) - 1})
    views: list[View] = [
        Lines(
            title=f"fresh lines of {int(knobs.asked)} pairs, answered rightly",
            series=[
                Series(name="attention", x=[steps[at] for at in keep], y=[smooth["attention"][at] for at in keep], color="model"),
                Series(name="one mean", x=[steps[at] for at in keep], y=[smooth["mean"][at] for at in keep], color="backward"),
            ],
            x=Axis(label="steps"), y=Axis(label="right (%)", low=0, high=100),
            summary=f"After {steps[-1]} steps on {int(knobs.pairs)} pairs, asked about {int(knobs.asked)}: attention {smooth['attention'][-1]:.0f} %, the mean {smooth['mean'][-1]:.0f} %.",
        )
    ]  # fmt: skip
    asked = torch.stack([torch.arange(26), torch.full((26,), 10)], dim=1)
    offered = torch.stack([torch.arange(26), torch.full((26,), 5)], dim=1)
    embed, to_qkv = attention.embed, attention.attention.to_qkv
    query, key = (to_qkv(embed(one[None])[0])[0].chunk(3, dim=-1)[at] for at, one in enumerate((asked, offered)))
    scores = query @ key.T / 8
    best = int((scores.argmax(dim=-1) == torch.arange(26)).sum())
    limit = max(4.0, float(scores.abs().max()))
    views.append(
        Heatmap(
            title="what attention has learned: question (row) against key (column)", values=[[round(x, 1) for x in row] for row in scores.tolist()],
            rows=tuple(LETTERS), columns=tuple(LETTERS), scale="diverging", low=-limit, high=limit,
            row_label="query (letter and question mark)", column_label="key (letter and a 5)",
            summary=f"{best} of 26 letters fit their own key best.",
        )
    )  # fmt: skip
    line = read_line(knobs.line)
    if isinstance(line, str):
        return [*views, Text(text=line, tone="warning", wide=True)]
    tokens = torch.tensor([line])
    words = knobs.line.lower().split()
    weights = attention.weights(tokens)[0]
    looked = int(weights.argmax())
    odds = {"attention": attention(tokens)[0].softmax(-1), "the mean": mean(tokens)[0].softmax(-1)}
    last = len(words) - 1
    views.append(
        Tokens(
            title=f"your line: where “{words[-1]}” looks", wide=True, selected=last,
            tokens=[Token(text=word, weight=float(weight), color="query" if at == last else "key", note=f"{100 * float(weight):.0f} %")
                    for at, (word, weight) in enumerate(zip(words, weights, strict=True))],
            links=[Link(source=last, target=at, weight=float(weight)) for at, weight in enumerate(weights) if float(weight) > 0.01],
            summary=f"“{words[-1]}” gives {words[looked]} {100 * float(weights[looked]):.0f} % of its attention.",
        )
    )  # fmt: skip
    for (name, row), color in zip(odds.items(), ("model", "backward"), strict=True):
        said = int(row.argmax())
        views.append(
            Bars(
                title=f"{name} answers", labels=tuple("0123456789"), values=100 * row, y=Axis(label="probability (%)", low=0, high=100), digits=0,
                color=color, highlight=[said], narrow=True, summary=f"For your line {name} says {said}, with {100 * float(row[said]):.0f} %.",
            )
        )  # fmt: skip
    return views


SENTENCE = "the cat saw the cats and the cat ran"
MASKINGS = ("everything", "only the past", "mistake: masked after the softmax", "mistake: softmax over the queries")

LABS = {
    "look": Lab(
        title="Which words does each head send you to, and what do mask, scale and temperature change?",
        controls=(
            TextField("sentence", "Your sentence", SENTENCE, limit=160,
                      examples=(SENTENCE, "to be or not to be", "one two three four five", "a cat is a cat is a cat"),
                      help=f"the first {MOST} words; a GPT sees its first {2 * MOST} characters"),
            Choice("head", "Head", HEADS, "same letters", help="what queries and keys are made of"),
            Choice("mask", "May look at", MASKINGS, "everything"),
            Switch("scaled", "Divide by √width", True, help="every head here is 32 wide; a GPT's as wide as it is"),
            Slider("temperature", "Temperature", 0.1, 10.0, 1.0, log=True, help="divides the scores once more"),
            Slider("at", "Work out word", 0, 2 * MOST - 1, 7, step=1, help="or click it; 0 is the first"),
            Slider("number", "Head of your GPT", 1, 144, 1, step=1, help="counted from the first block; only for your own GPT"),
        ),
        prepare=prepare,
        show=show_looks,
        grid={"head": tuple(BUILT), "mask": MASKINGS[:2], "scaled": (True, False), "at": tuple(range(len(SENTENCE.split())))},
        rows=1390,
    ),
    "recall": Lab(
        title="Does it learn the answers, or how to look them up?",
        controls=(
            Slider("pairs", "Pairs in training", 1, 26, 4, step=1, help="can be turned while they learn"),
            Slider("asked", "Pairs in the test", 1, 26, 4, step=1, help="of the fresh lines on which the curves are measured"),
            TextField("line", "Your line", "a3 f7 k1 z4 f?", limit=120, examples=("a3 f7 k1 z4 f?", "a3 f7 a5 a?", "a3 f7 k1 q?")),
            Slider("rate", "Learning rate", 1e-4, 0.3, 4e-3, log=True, help="can be turned, too"),
            Slider("seed", "Seed", 0, 9, 0, step=1, help="other initial weights; from the next reset on"),
        ),
        play=race,
        frames=90,
        rows=1180,
    ),
}  # fmt: skip
