"""Three labs: watch a GPT learn to write; ask one what it expected at any place of a text; follow a token through it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from learnable.course.lab import Choice, Knobs, Lab, Progress, Slider, Switch, TextField
from learnable.course.views import (
    Axis,
    Bars,
    Heatmap,
    Images,
    Lines,
    Link,
    Mark,
    Picture,
    Series,
    Table,
    Text,
    Tokens,
    View,
)
from learnable.course.views import Token as Piece

if TYPE_CHECKING:
    from torch import Tensor

    from learnable.data.examples import Data
    from learnable.data.tokenizers.tokenizer import Tokenizer
    from learnable.models.language.gpt import GPT

LN2 = math.log(2)


# ------------------------------------------------------------------------------------------------- who reads


@dataclass
class Reader:
    """A GPT, how it cuts text into tokens, and where it comes from."""

    model: GPT
    origin: str
    encode: Callable[[str], list[int]]
    piece: Callable[[int], str]  # what a token looks like
    start: int  # the token before a text
    unit: str  # "character" or "token"
    kept: dict[str, Any] = field(default_factory=dict)  # what was computed for the text before


def prepare() -> Generator[Progress, None, dict[str, Reader]]:
    """The learner's own latest GPT if there is one, else a small one that is trained now."""
    own = learners_own()
    if own is None:
        own = yield from trained_now()
    return {"": own}


def learners_own() -> Reader | None:
    """The latest finished run of the recipe `gpt`."""
    from learnable.errors import LearnableError
    from learnable.models.language.gpt import GPT
    from learnable.runs.run import Run, runs

    for folder in reversed(runs("gpt")):
        try:
            run = Run(folder)
            if run.status == "finished" and not run.record["overrides"].get("smoke") and isinstance(run.model, GPT):
                origin, cutter = f"your own: {run.described}", run.info.cutter
                if cutter is not None:
                    return of_pieces(run.model, cutter, origin)
                return of_characters(run.model, run.info.alphabet, origin)
        except LearnableError:
            continue
    return None


def trained_now(steps: int = 1100) -> Generator[Progress, None, Reader]:
    """Two blocks of width 64, for some seconds on one thread; the next lab finds them trained."""
    from learnable.course.trained import kept
    from learnable.data.text import characters

    data = characters(context=48)
    model = small(2, data, seed=0)
    yield from kept(Path(__file__), "gpt", model, study(model, data, steps))
    origin = f"a small GPT (two blocks, width 64), trained for this lab in {steps} steps; train the recipe above, and yours is used"
    return of_characters(model, data.info.alphabet, origin)


def study(model: GPT, data: Data, steps: int) -> Generator[Progress, None, None]:
    """Train on eight short windows a step."""
    import torch
    from torch import nn

    from learnable.objectives.next_token import next_token
    from learnable.optim.factories import adamw
    from learnable.optim.schedules import warmup_cosine

    told = "training a small GPT on Python's standard library; your own will be used as soon as you have trained one"
    yield Progress(0.01, told)
    optimizer = adamw(model, 6e-3)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 6e-3 * warmup_cosine(step, steps)
        pick = torch.randint(len(data.train), (8,), generator=generator)
        loss = next_token(model, data.train.batch(pick, {}))["total"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 49:
            yield Progress((step + 1) / steps, f"{told}: {loss.item() / LN2:.2f} bits per character")


def small(depth: int, data: Data, seed: int) -> GPT:
    """A GPT that learns something within seconds: it begins three times as loud as a large one may."""
    import torch

    from learnable.models.language.gpt import GPT, GPTConfig

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT(GPTConfig(depth=depth, width=64, heads=4, vocab=data.info.vocab, context=data.info.context))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3.0)
    return model


def of_characters(model: GPT, alphabet: Sequence[str], origin: str) -> Reader:
    """A reader by characters; what it never saw becomes a question mark, or its first character."""
    places = {letter: at for at, letter in enumerate(alphabet)}
    other = places.get("?", 0)
    return Reader(
        model=model, origin=origin, encode=lambda text: [places.get(letter, other) for letter in text],
        piece=lambda token: alphabet[token], start=places.get("\n", 0), unit="character",
    )  # fmt: skip


def of_pieces(model: GPT, cutter: Tokenizer, origin: str) -> Reader:
    """A reader by the tokens of a tokenizer; a text begins after the end of another one, or after a new line."""
    end = cutter.numbers.get("<|endoftext|>")
    return Reader(
        model=model, origin=origin, start=end if end is not None else cutter.encode("\n", special=False)[0], unit="token",
        encode=lambda text: cutter.encode(text.encode(errors="replace").decode(), special=False),
        piece=lambda token: cutter.decode([token], skip_special=False) if token in cutter.tokens else f"#{token}",
    )  # fmt: skip


def opened(readers: dict[str, Reader], folder: str) -> tuple[Reader, list[View]]:
    """The reader that a folder holds, or the one at hand and a sentence that says why it is not used."""
    from learnable.errors import LearnableError

    folder = folder.strip()
    if folder not in readers:
        try:
            readers[folder] = from_folder(folder, readers[""])
        except LearnableError as error:
            return readers[""], [Text(text=f"{error} Until then: {readers[''].origin}.", tone="warning", wide=True)]
    return readers[folder], []


def from_folder(folder: str, own: Reader) -> Reader:
    """A GPT-2 in Hugging Face's files, with the tokens that belong to it.

    Raises:
        WorldError: no such folder, not a GPT-2, or nothing that says how it cuts text into tokens.
    """
    from learnable.data.text import STDLIB_ALPHABET
    from learnable.data.tokenizers.formats import load
    from learnable.errors import WorldError
    from learnable.models.language.gpt import GPT

    try:
        path = Path(folder).expanduser()
        there = path.is_dir()  # a name would be looked for on the hub; a lab stays on this machine
    except (OSError, ValueError, RuntimeError):  # longer than a path may be, or the home of nobody
        there = False
    if not there:
        raise WorldError(f"There is no folder {folder}; give one with config.json and model.safetensors.")
    model = GPT.from_pretrained(path).eval()
    origin = f"the GPT-2 in {folder}"
    files = path / "vocab.json", path / "merges.txt"
    if (path / "tokenizer.json").is_file() or all(file.is_file() for file in files):
        cutter = load(path)
        if len(cutter) > model.config.vocab:
            raise WorldError(
                f"The tokenizer in {folder} has {len(cutter)} tokens and the model {model.config.vocab}; they do not belong together."
            )
        return of_pieces(model, cutter, origin)
    if model.config.vocab == own.model.config.vocab and own.unit == "character":
        return Reader(model, origin, own.encode, own.piece, own.start, "character")
    if model.config.vocab == len(STDLIB_ALPHABET):
        return of_characters(model, STDLIB_ALPHABET, origin)
    absent = [file.name for file in files if not file.is_file()]
    missing = f"{' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} missing"
    raise WorldError(f"The weights are there, but {missing} in {folder}: nothing says which of its {model.config.vocab:,} "
                     "tokens stand for which text. Both files, or a tokenizer.json, lie beside the published weights.")  # fmt: skip


def seen(piece: str) -> str:
    """A token as a label: white space made visible."""
    shown = piece.replace("\n", "⏎").replace("\t", "⇥")
    return shown.replace(" ", "␣") if shown.strip() == "" or shown != shown.strip() else shown


# ------------------------------------------------------------------------------------------------- the odds


class Marked(NamedTuple):
    """A text with what the model said before each of its tokens."""

    tokens: list[int]
    logits: Tensor  # (tokens, vocab)
    by_temperature: list[float]  # mean bits at each of TEMPERATURES


TEMPERATURES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)


def marked(reader: Reader, text: str) -> Marked:
    """Every token's odds, each from at least half a context of text before it (or all that there is)."""
    import torch

    if reader.kept.get("text") == text:
        found: Marked = reader.kept["marked"]
        return found
    context = reader.model.config.context
    tokens = [reader.start, *reader.encode(text)]
    parts, at = [], 0
    step = max(1, context // 2)
    with torch.inference_mode():
        while at == 0 or at + context - step < len(tokens) - 1:
            row = torch.tensor([tokens[at : at + context]])
            logits = reader.model(row)[0]
            parts.append(logits if at == 0 else logits[context - step :])
            at += step
        logits = torch.cat(parts)[: len(tokens) - 1]
        truth = torch.tensor(tokens[1:], dtype=torch.long)[:, None]
        bits = [float(-(logits / t).log_softmax(-1).gather(1, truth).mean()) / LN2 for t in TEMPERATURES]
    found = Marked(tokens[1:], logits, bits)
    reader.kept |= {"text": text, "marked": found}
    return found


def show_odds(state: dict[str, Reader], text: str, place: int, temperature: float, folder: str) -> list[View]:
    """The reader's text, each token tinted by its surprise; the odds at one place; what that says of the whole."""
    import torch

    reader, views = opened(state, folder)
    if not reader.encode(text):
        return [*views, Text(text="Write something, or take one of the examples.", wide=True)]
    found = marked(reader, text)
    place = min(place, len(found.tokens) - 1)
    with torch.inference_mode():
        scores = (found.logits / temperature).log_softmax(-1)
        bits = (-scores.gather(1, torch.tensor(found.tokens)[:, None])[:, 0] / LN2).tolist()
        odds = scores[place].exp()
        entropy = float(-(odds * scores[place].clamp(min=-100)).sum()) / LN2
    worst = max(range(len(bits)), key=bits.__getitem__)
    mean = sum(bits) / len(bits)
    truth = found.tokens[place]
    best = odds.topk(min(10, len(odds))).indices.tolist()
    listed = best if truth in best else [*best[:-1], truth]
    rank = int((odds > odds[truth]).sum()) + 1
    letters = len(text)
    lowest = min(range(len(TEMPERATURES)), key=found.by_temperature.__getitem__)
    unit = reader.unit
    return [
        *views,
        Tokens(
            title=f"bits of surprise: the redder, the less expected; click a {unit}", wide=True, select="place", selected=place,
            tokens=[Piece(text=reader.piece(token), weight=min(1.0, one / 8), color="backward") for token, one in zip(found.tokens, bits, strict=True)],
            summary=f"{mean:.2f} bits per {unit} on average; the greatest surprise is {seen(reader.piece(found.tokens[worst]))!r} with {bits[worst]:.1f} bits.",
        ),
        Bars(
            title=f"its odds for this place, having read {place} {unit}{'' if place == 1 else 's'}", labels=[seen(reader.piece(token)) for token in listed],
            values=[100 * float(odds[token]) for token in listed], digits=1, y=Axis(label="odds (%)", low=0, high=100),
            highlight=[listed.index(truth)],
            summary=f"Here stands {seen(reader.piece(truth))!r}: odds {100 * float(odds[truth]):.1f} %, rank {rank} of {len(odds):,}, {bits[place]:.1f} bits.",
        ),
        Text(
            text=f"stands here   {seen(reader.piece(truth))}\nodds          {100 * float(odds[truth]):.2f} %, rank {rank} of {len(odds):,}\n"
                 f"surprise      {bits[place]:.2f} bits\nunsureness    {entropy:.2f} bits, as between {2**entropy:.1f} equal ones\n"
                 f"goes on       {seen_line(go_on(reader, found, place, temperature))}", code=True,
            summary=f"The model was as unsure as between {2**entropy:.1f} equally likely {unit}s.",
        ),
        Lines(
            title="the whole text, by temperature", x=Axis(label="temperature"), y=Axis(label=f"bits per {unit}", low=0),
            series=[Series(name="surprise", x=TEMPERATURES, y=found.by_temperature, color="model")], marks=[Mark(x=temperature, y=mean, label=f"{mean:.2f}")],
            summary=f"The text is least surprising at a temperature of {TEMPERATURES[lowest]:g}; now it is {mean:.2f} bits per {unit}.",
        ),
        Table(
            title="how small the text packs", columns=("packed by", "bytes"), numbers=(1,),
            rows=[("one byte a character", letters), ("zlib, Python's own", zipped(text)), ("these odds", math.ceil(sum(bits) / 8))],
            summary=f"{letters} characters are {math.ceil(sum(bits) / 8)} bytes by these odds, {zipped(text)} by zlib.",
        ),
        Text(text=f"The weights: {reader.origin}.", wide=True),
    ]  # fmt: skip


def zipped(text: str) -> int:
    import zlib

    return len(zlib.compress(text.encode(), 9))


def seen_line(text: str) -> str:
    return text.replace("\n", "⏎")


def go_on(reader: Reader, found: Marked, place: int, temperature: float, count: int = 16) -> str:
    """What the model itself would write from this place on; the same each time."""
    import torch

    from learnable.sampling.cache import stream_cached
    from learnable.sampling.text import sample

    key = (place, temperature, reader.kept["text"])
    if reader.kept.get("key") != key:
        before = [reader.start, *found.tokens[:place]][-max(1, reader.model.config.context - count) :]
        choose = sample(temperature, generator=torch.Generator().manual_seed(0))
        new = [int(token) for token in stream_cached(reader.model, [torch.tensor(before)], count, choose)]
        reader.kept |= {"key": key, "new": "".join(map(reader.piece, new))}
    return str(reader.kept["new"])


# ------------------------------------------------------------------------------------------------- inside


class Pass(NamedTuple):
    """Everything that one pass over a text leaves behind."""

    stream: list[Tensor]  # (tokens, width): at the start, then after attention and after the MLP of each block
    weights: list[Tensor]  # (heads, tokens, tokens) of each block
    added: list[tuple[str, Tensor]]  # what each part added to the stream, (tokens, width), in the order of the sums


def look_inside(model: GPT, tokens: Tensor, silent: tuple[int, int] | None = None) -> Pass:
    """`GPT.forward` for one text, with everything kept; the head `silent` = (block, head) answers zero."""
    import torch
    from einops import rearrange

    from learnable.nn.attention import attention_weights, causal_mask

    with torch.inference_mode():
        x = model.embed(tokens[None], torch.arange(len(tokens)))
        stream, weights, added = [x[0]], [], [("start", x[0])]
        bias = torch.zeros_like(x[0])
        for at, block in enumerate(model.blocks):
            attention: Any = block.attention
            query, key, value = rearrange(
                attention.to_qkv(block.norm1(x)),  # type: ignore[operator]
                "b t (three h d) -> three b h t d", three=3, h=attention.heads,
            )  # fmt: skip
            who = attention_weights(query, key, causal_mask(len(tokens)))
            answers = who @ value  # (1, heads, tokens, head_width)
            if silent is not None and silent[0] == at:
                answers[:, silent[1]] = 0
            out = rearrange(attention.to_out.weight, "w (h d) -> h w d", h=attention.heads)
            heard = torch.einsum("htd, hwd -> htw", answers[0], out)  # what each head adds by itself
            added += [(f"{at}.{head}", one) for head, one in enumerate(heard)]
            bias = bias + attention.to_out.bias
            x = x + heard.sum(0) + attention.to_out.bias
            stream.append(x[0])
            thought = block.mlp(block.norm2(x))  # type: ignore[operator]
            added.append((f"MLP {at}", thought[0]))
            x = x + thought
            stream.append(x[0])
            weights.append(who[0])
        added.append(("biases", bias))
    return Pass(stream, weights, added)


def shares(model: GPT, found: Pass, place: int, token: int) -> list[tuple[str, float]]:
    """What each part added to the score of `token` after `place`, above the mean of all tokens; they add up to it.

    The last norm divides the whole stream by one number. With that number held, the score is a sum over the parts.
    """
    import torch

    with torch.inference_mode():
        direction = model.token.weight[token] - model.token.weight.mean(0)
        last = found.stream[-1][place]
        spread = (last.var(unbiased=False) + model.norm.eps).sqrt()
        read = direction * model.norm.weight
        rows = [(name, float(((part[place] - part[place].mean()) / spread) @ read)) for name, part in found.added]
        name, value = rows[-1]
        rows[-1] = (name, value + float(direction @ model.norm.bias))
    return rows


def grouped(rows: list[tuple[str, float]], heads: int, limit: int = 30) -> list[tuple[str, float]]:
    """Heads one by one while there is room, else block by block."""
    if len(rows) <= limit:
        return rows
    sums: dict[str, float] = {}
    for name, value in rows:
        word = name if name in ("start", "biases") else f"block {name.removeprefix('MLP ').split('.')[0]}"
        sums[word] = sums.get(word, 0.0) + value
    return list(sums.items())


def show_inside(
    state: dict[str, Reader], text: str, place: int, block: int, head: int, silent: bool, folder: str
) -> list[View]:
    """One pass over a text: who looks where, how the stream grows, when the answer can be read, who made it."""
    import torch

    reader, views = opened(state, folder)
    model = reader.model
    tokens = reader.encode(text)[: min(model.config.context, 60)]
    if not tokens:
        return [*views, Text(text="Write something, or take one of the examples.", wide=True)]
    place, block, head = (
        min(place, len(tokens) - 1),
        min(block, model.config.depth - 1),
        min(head, model.config.heads - 1),
    )
    row = torch.tensor(tokens)
    plain = look_inside(model, row)
    found = look_inside(model, row, (block, head)) if silent else plain
    with torch.inference_mode():
        levels = found.stream[::2]  # at the start, and after each block
        lens = [model.to_logits(level[None])[0].softmax(-1) for level in levels]
        before = model.to_logits(plain.stream[-1][None])[0, place].softmax(-1)
    odds = lens[-1][place]
    said = int(odds.argmax())
    aim = int(before.argmax())  # the answer of the whole model, whose making is taken apart
    names = [seen(reader.piece(token)) for token in tokens]
    level_names = ["start", *(f"block {at}" for at in range(model.config.depth))]
    who = found.weights[block][head].clone()
    lead = who[place].argmax()
    table = who.tolist()
    for at, line in enumerate(table):
        line[at + 1 :] = [None] * (len(line) - at - 1)
    top = [level[place].topk(3) for level in lens]
    parts = grouped(shares(model, found, place, aim), model.config.heads)
    total = sum(value for _, value in parts)
    strongest = max(parts, key=lambda part: part[1])
    sizes = [float(level[place].norm()) for level in found.stream]
    size_names = ["start", *(f"{what} {at}" for at in range(model.config.depth) for what in ("attention", "MLP"))]
    truth = [*tokens[1:], aim]
    when = [[100 * float(level[at, truth[at]]) for at in range(len(tokens))] for level in lens]
    asked = f"“{reader.piece(tokens[place])}”".replace("\n", "⏎").replace(" ", "␣")
    quiet = (
        f"With head {block}.{head} silenced, “{seen(reader.piece(aim))}” gets {100 * float(odds[aim]):.1f} % in place of {100 * float(before[aim]):.1f} %."
        if silent
        else f"After {asked} it expects “{seen(reader.piece(aim))}”, with {100 * float(before[aim]):.1f} %."
    )
    return [
        *views,
        Tokens(
            title=f"block {block}, head {head}: where {asked} looks; click another", wide=True, select="place", selected=place,
            tokens=[Piece(text=reader.piece(token), weight=float(who[place, at]) if at <= place else 0.0, color="query") for at, token in enumerate(tokens)],
            links=[Link(source=place, target=at, weight=float(who[place, at])) for at in range(place + 1) if at != place],
            summary=f"{asked} gives {100 * float(who[place, lead]):.0f} % of this head's attention to “{names[lead]}”, {place - int(lead)} places back.",
        ),
        Bars(
            title=quiet, labels=[seen(reader.piece(int(token))) for token in odds.topk(8).indices],
            values=[100 * float(share) for share in odds.topk(8).values], y=Axis(label="odds (%)", low=0, high=100), digits=0, highlight=[0], summary=quiet,
        ),
        Images(
            title=f"the {model.config.heads} heads of block {block}; click one", scale="sequential", low=0.0, high=1.0, size=84, select="head", selected=head,
            items=[Picture(pixels=one, label=f"{block}.{at}") for at, one in enumerate(found.weights[block])],
            summary="; ".join(f"head {at} looks {distance(one):.1f} places back on average" for at, one in enumerate(found.weights[block][:8])) + ".",
        ),
        Table(
            title=f"the answer after {asked}, read out after each block", columns=("read after", "1st", "2nd", "3rd"),
            rows=[(name, *(f"{seen(reader.piece(int(token)))}  {100 * float(share):.0f} %" for share, token in zip(*best, strict=True)))
                  for name, best in zip(level_names, top, strict=True)],
            summary=f"At the start the stream reads “{seen(reader.piece(int(top[0].indices[0])))}”, at the end “{seen(reader.piece(said))}” with {100 * float(odds[said]):.0f} %.",
        ),
        Heatmap(
            title="odds (%) of what really comes next, read out after each block", values=when, rows=level_names, columns=names, low=0.0, high=100.0,
            highlight=[(at, place) for at in range(len(level_names))], wide=True, column_label="after", row_label="",
            summary="The mean over the text: " + ", ".join(f"{level_names[at]} {sum(when[at]) / len(tokens):.0f} %" for at in sorted({0, len(when) // 2, len(when) - 1})) + ".",
        ),
        Bars(
            title=f"what each part added to the score of “{seen(reader.piece(aim))}”", labels=[name for name, _ in parts], values=[value for _, value in parts],
            y=Axis(label="logit above the mean token"), color="model", wide=True, digits=1,
            highlight=[at for at, (name, _) in enumerate(parts) if name == f"{block}.{head}"],
            summary=f"The parts add up to {total:+.1f}, the score of “{seen(reader.piece(aim))}” above the mean token; most comes from {strongest[0]} ({strongest[1]:+.1f}).",
        ),
        Heatmap(
            title=f"head {block}.{head}, all places: who (row) looks at whom (column)", values=table, rows=names, columns=names, low=0.0, high=1.0,
            row_label="looks", column_label="at", select="place", highlight=[(place, int(lead))],
            summary=f"Nobody looks to the right: that half is masked. On average this head looks {distance(found.weights[block][head]):.1f} places back.",
        ),
        Bars(
            title=f"length of the stream at {asked}", labels=size_names, values=sizes, y=Axis(label="length", low=0), color="forward", digits=1,
            summary=f"The stream is {sizes[0]:.1f} long at the start and {sizes[-1]:.1f} after the last block: every step adds, none takes the place of what was there.",
        ),
        Text(text=f"The weights: {reader.origin}.", wide=True),
    ]  # fmt: skip


def distance(weights: Tensor) -> float:
    """How far back a head looks, the mean over the text."""
    import torch

    places = torch.arange(len(weights), dtype=weights.dtype)
    return float((weights * (places[:, None] - places)).sum(-1).mean())


# ------------------------------------------------------------------------------------------------- learning


class Counts(NamedTuple):
    """The text, and what counting reaches on it, from the lesson's figure."""

    data: Data
    pairs: float
    best: float


def prepare_writing() -> Counts:
    from learnable.data.text import characters

    numbers = json.loads((Path(__file__).parent / "figures" / "counting.json").read_text(encoding="utf-8"))["numbers"]
    return Counts(characters(context=48), float(numbers["pair"]), float(numbers["best"]))


LINE = "    def __init__(self, name, default=None):\n"
A_FRAME = 4  # steps of training between two pictures


def learn(state: Counts, knobs: Knobs) -> Iterator[list[View]]:
    """A small GPT on Python's standard library, from its first step on; every knob works while it learns."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from learnable.optim.factories import adamw

    data = state.data
    alphabet = data.info.alphabet
    model, depth, optimizer = None, "", None
    generator = torch.Generator().manual_seed(0)
    unread = data.test.tokens.long()  # type: ignore[attr-defined]
    starts = torch.linspace(0, len(unread) - 50, 96).long()
    windows = unread[starts[:, None] + torch.arange(33)]
    steps: list[int] = []
    training: list[float] = []
    writing: list[float] = []
    step, text = 0, ""
    while True:
        if knobs.depth != depth:  # another network: it begins anew
            depth, step, text = knobs.depth, 0, ""
            model = small(int(depth), data, seed=0)
            optimizer = adamw(model, 1e-3)
            steps, training, writing = [], [], []
        assert model is not None and optimizer is not None
        for block in model.blocks:
            block.attention.causal = not knobs.future  # type: ignore[union-attr]
        context = int(knobs.context)
        loss = torch.tensor(0.0)
        for _ in range(A_FRAME if steps else 0):  # the first picture is of a network that has seen nothing
            for group in optimizer.param_groups:
                group["lr"] = knobs.rate * min(1.0, (step + 1) / 20)
            pick = torch.randint(len(data.train), (max(8, 8 * 48 // context // 4),), generator=generator)
            batch = data.train.batch(pick, {})["tokens"][:, : context + 1]
            loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
        window = windows[:, -min(33, context + 1) :]
        with torch.inference_mode():
            worth = float(F.cross_entropy(model(window[:, :-1])[:, -1], window[:, -1])) / LN2
        steps.append(step)
        training.append(loss.item() / LN2 if step else worth)
        writing.append(0.8 * writing[-1] + 0.2 * worth if writing else worth)
        if not math.isfinite(training[-1] + worth):
            yield [
                Text(
                    text="Diverged: the loss is no number any more. Lower the learning rate, then reset.",
                    tone="warning",
                    wide=True,
                )
            ]
            return
        prompt = knobs.prompt or "\n"
        if len(steps) % 2 or not text:
            text = sampled(model, alphabet, prompt, float(knobs.temperature), seed=step)
        yield learning_views(state, model, steps, training, writing, text, prompt, knobs)


def indexes(text: str, alphabet: Sequence[str], limit: int) -> Tensor:
    import torch

    places = {letter: at for at, letter in enumerate(alphabet)}
    return torch.tensor([places.get(letter, places["?"]) for letter in text][-limit:])


def sampled(model: GPT, alphabet: Sequence[str], prompt: str, temperature: float, seed: int, count: int = 44) -> str:
    import torch

    from learnable.sampling.cache import stream_cached
    from learnable.sampling.text import sample

    choose = sample(temperature, generator=torch.Generator().manual_seed(seed))
    start = indexes(prompt, alphabet, max(1, model.config.context - count))
    return "".join(alphabet[int(token)] for token in stream_cached(model, [start], count, choose))


def learning_views(
    state: Counts,
    model: GPT,
    steps: list[int],
    training: list[float],
    writing: list[float],
    text: str,
    prompt: str,
    knobs: Knobs,
) -> list[View]:
    import torch
    from torch.nn import functional as F

    alphabet = state.data.info.alphabet
    context = int(knobs.context)
    with torch.inference_mode():
        asked = indexes(prompt, alphabet, context)
        odds = model(asked[None])[0, -1].softmax(-1)
        line = indexes(LINE, alphabet, 48)
        bits = (F.cross_entropy(model(line[None, :-1])[0], line[1:], reduction="none") / LN2).tolist()
    thin = max(1, len(steps) // 120)
    shown = slice((len(steps) - 1) % thin, None, thin)
    x = steps[shown]
    cap = lambda values: [min(10.0, value) for value in values[shown]]
    best = odds.topk(8)
    first = seen(alphabet[int(best.indices[0])])
    gap = writing[-1] - training[-1]
    verdict = f"After {steps[-1]} steps {training[-1]:.2f} bits in training, {writing[-1]:.2f} when it writes."
    if gap > 1.5 and knobs.future:
        verdict += " It reads its answers from the future, and when it writes there is none."
    elif writing[-1] < state.best:
        verdict += " Better than counting."
    return [
        Lines(
            title="bits per character (cut at 10)", wide=True,
            series=[
                Series(name="training", x=x, y=cap(training), color="train"),
                Series(name="when it writes", x=x, y=cap(writing), color="validation", dashed=True),
                Series(name="counting pairs", x=[x[0], x[-1] + 1], y=[state.pairs, state.pairs], color="gray"),
                Series(name="counting fours", x=[x[0], x[-1] + 1], y=[state.best, state.best], color="gray"),
            ],
            x=Axis(label="steps", low=0), y=Axis(label="bits", low=0), summary=verdict,
        ),
        Text(title="what it writes now", prompt=prompt[-40:], text=text, code=True, summary=f"It goes on: {text[:30]!r}"),
        Bars(
            title=f"its odds after “{seen_line(prompt[-16:])}”", labels=[seen(alphabet[int(token)]) for token in best.indices],
            values=[100 * float(share) for share in best.values], y=Axis(label="odds (%)", low=0, high=100), digits=0, highlight=[0],
            summary=f"After the prompt it expects {first!r} most, with {100 * float(best.values[0]):.0f} %.",
        ),
        Tokens(
            title="a line that it is asked to expect: red is surprise", wide=True,
            tokens=[Piece(text=LINE[0]), *(Piece(text=letter, weight=min(1.0, max(0.0, one / 8)), color="backward") for letter, one in zip(LINE[1:], bits, strict=True))],
            summary=f"This line costs {sum(bits):.0f} bits now, {sum(bits) / len(bits):.2f} per character.",
        ),
    ]  # fmt: skip


FOLDER = TextField("folder", "Other weights", "", limit=300,
                   help="a folder on this machine with a GPT-2's config.json, model.safetensors, vocab.json and merges.txt; empty: the course's own")  # fmt: skip
PROMPT = "    def __init__(self, "

LABS = {
    "write": Lab(
        title="What does it learn first, and what makes it learn nothing?",
        controls=(
            Slider("rate", "Learning rate", 1e-4, 1.0, 5e-3, log=True, help="can be turned while it learns"),
            Switch("future", "It may see what comes", help="takes the causal mask away"),
            Slider("context", "Context", 1, 48, 48, step=1, unit="characters", help="how far back it may look"),
            Choice("depth", "Blocks", ("1", "2", "4"), "2", help="another number begins a new network"),
            Slider("temperature", "Temperature", 0.1, 2.0, 0.8, help="of what it writes"),
            TextField("prompt", "Go on from", PROMPT, examples=("import ", "    return ", "class "), limit=40),
        ),
        prepare=prepare_writing,
        play=learn,
        frames=120,
        rows=950,
    ),
    "odds": Lab(
        title="Where does a text become predictable?",
        controls=(
            TextField(
                "text", "Your text", "def area(width, height):\n    return width * height\n", limit=400, lines=4,
                examples=("import os\nimport sys\nimport ", "self.qzkw = 1\nself.qzkw", "The model knows code better than prose."),
                help="a model of characters knows what an ASCII keyboard types",
            ),
            Slider("place", "Place", 0, 399, 48, step=1, help="or click into the text"),
            Slider("temperature", "Temperature", 0.3, 2.0, 1.0, help="the logits are divided by it"),
            FOLDER,
        ),
        prepare=prepare,
        show=show_odds,
        grid={"place": tuple(range(0, 55)), "temperature": (0.5, 1.0, 2.0)},
        rows=1320,
    ),
    "inside": Lab(
        title="Which head made the answer, and when could it be read?",
        controls=(
            TextField("text", "Text", "raise ValueError(", limit=60, examples=("    return self.na", "import os\nimport ", "self.name = name")),
            Slider("place", "Place", 0, 59, 10, step=1, help="or click a token"),
            Slider("block", "Block", 0, 47, 0, step=1, help="counted from 0; a number too large means the last"),
            Slider("head", "Head", 0, 24, 0, step=1, help="counted from 0, or click one"),
            Switch("silent", "Silence this head", help="it answers zero everywhere"),
            FOLDER,
        ),
        prepare=prepare,
        show=show_inside,
        grid={"place": tuple(range(4, 17)), "block": (0, 1), "head": (0, 1, 2, 3), "silent": (False, True)},
        rows=2440,
    ),
}  # fmt: skip
