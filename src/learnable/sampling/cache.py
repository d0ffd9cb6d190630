"""Writing without reading everything again: the keys and values of the text so far are kept.

A causal block turns a token into the same key and value whatever comes after it. So they are computed once, written into
memory that was set aside at the start, and each new token costs one row of the network instead of a whole pass. The model
stays as it is: `cached_block` is a twin of its block's `forward`, and the tests hold the two ways of writing together.

What it needs of a model is what GPT and Llama have:

    model.embed(tokens, positions) -> blocks -> model.to_logits(x)      with model.token, model.head, model.config.context
    block                         norm1, attention, norm2, mlp: two residual steps with the norms first
    attention.project(x)          -> query (batch, heads, tokens, width), key and value, which may have fewer heads
    attention.finish(answers)     -> what the block adds

and where they have it,

    model.turns(positions)        what every `project` is given as `turns`, computed once: rotary positions
    model.config.window           how many tokens one may look back, oneself included
    model.config.steady           up to how many tokens a key stays what it was, if not up to the context

Paper    Shazeer 2019, section 2.4 (generating step by step, its memory traffic) - https://arxiv.org/abs/1911.02150
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.multihead import attend_heads_fast
from learnable.sampling.choosing import Choose
from learnable.sampling.packed import MANY, fastest
from learnable.sampling.recorded import Look, Recorded, Step

# A model with the parts that stand above. Sampling is handed models, it imports none.
Transformer = Any
Block = Any


def generate_cached(
    model: Transformer,
    prompts: Sequence[Tensor] | Tensor,
    count: int,
    choose: Choose,
    *,
    stop: int | None = None,
    int8: bool = False,
) -> list[Tensor]:
    """Each prompt with up to `count` tokens appended, exactly as `generate` would alone; it ends with its first `stop`.

    Args:
        prompts: rows of tokens, of any lengths; a table (batch, tokens) is such rows too.
        int8: compute with weights of one byte, see `sampling.packed`: sooner, and a little off.

    Raises:
        CallError: what `stream_cached` refuses.
    """
    steps = list(stream_cached(model, prompts, count, choose, stop=stop, int8=int8))
    new = torch.cat([torch.stack([prompt[:0] for prompt in prompts]), *steps], dim=1)
    texts = []
    for prompt, row in zip(prompts, new, strict=True):
        ends = (row == stop).nonzero() if stop is not None else []
        texts.append(torch.cat([prompt, row[: int(ends[0]) + 1] if len(ends) else row]))
    return texts


def stream_cached(
    model: Transformer,
    prompts: Sequence[Tensor] | Tensor,
    count: int,
    choose: Choose,
    *,
    stop: int | None = None,
    int8: bool = False,
) -> Iterator[Tensor]:
    """The new tokens one by one, each (batch, 1), as `stream` would choose them.

    Short prompts are filled up on the right, where no token looks, and every row counts its own positions.

    Past the context its start moves on: every token then stands at another position than before, and what was kept of it is
    worthless. From there on each token costs a full pass, as it does without a cache. So does one past `config.steady`.

    Raises:
        CallError: no prompts, an empty one, one that is no row of whole numbers, a count below 0.
    """
    lengths = check_prompts(prompts, count)
    text = nn.utils.rnn.pad_sequence([prompt.long() for prompt in prompts], batch_first=True)  # (batch, longest)
    even = bool((lengths == lengths[0]).all())
    lengths = lengths.to(text.device)
    text = torch.cat([text, text.new_zeros(len(text), count)], dim=1)
    ended = torch.zeros_like(text[:, :1], dtype=torch.bool)
    cache: Cache | None = None
    pack = fastest(model, count, int8=int8)
    one_step = step_of(model, count, pack)
    chosen = text[:, :0]
    for step in range(count):
        if cache is None or not cache.has_room:
            window, ends = last_tokens(text, lengths, model.config.context)
            steady = getattr(model.config, "steady", model.config.context)
            room = max(window.shape[1], min(steady, window.shape[1] + count - step))
            cache = Cache.for_model(model, len(text), room)
            with pack() if int8 else contextlib.nullcontext():  # many rows want no other order, but the same weights
                logits = cache.read(model, window, None if even else ends)
        else:
            logits = cache.read_one(model, chosen, one_step)
        chosen = choose(logits)
        if stop is not None:
            chosen = chosen.masked_fill(ended, stop)  # so it stays ended
            ended = chosen == stop
        yield chosen
        text.scatter_(1, lengths[:, None], chosen)
        lengths = lengths + 1
        if ended.all():
            return


def check_prompts(prompts: Sequence[Tensor] | Tensor, count: int) -> Int[Tensor, "batch"]:
    """How many tokens each prompt has.

    Raises:
        CallError: no prompts, an empty one, one that is no row of whole numbers, a count below 0.
    """
    if count < 0:
        raise CallError(f"expected a count of at least 0 tokens, came {count}; 0 leaves the texts as they are")
    if isinstance(prompts, Tensor) and prompts.dim() == 1:
        raise CallError(
            f"expected prompts, which are rows of tokens, came one row of {len(prompts)}; a single text is [tokens]"
        )
    for prompt in prompts:
        if prompt.dim() != 1 or prompt.dtype not in (torch.int64, torch.int32):
            raise CallError(f"expected each prompt as a row of whole numbers, came {prompt.dtype} of shape "
                            f"{tuple(prompt.shape)}; a single text is [tokens.long()]")  # fmt: skip
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    if not len(lengths) or lengths.min() < 1:
        raise CallError("expected prompts of at least one token each; begin with the token that stands for a new text")
    return lengths


@dataclass
class Cache:
    """Keys and values of what was read, block by block, in memory that was set aside once."""

    keys: Float[Tensor, "depth batch key_heads room head_width"]
    values: Float[Tensor, "depth batch key_heads room head_width"]
    lengths: Int[Tensor, "batch"]  # tokens that were read, row by row
    longest: int = 0  # the largest of `lengths`, known without asking a GPU
    even: bool = True  # whether they are all the same

    @classmethod
    def for_model(cls, model: Transformer, batch: int, room: int) -> "Cache":
        weight = model.token.weight
        with (
            torch.no_grad()
        ):  # as a key will be: its heads, its width, its type, which under autocast is not the weights'
            _, key, _ = model.blocks[0].attention.project(weight[None, :1])
        shape, dtype = (len(model.blocks), batch, key.shape[1], room, key.shape[3]), key.dtype
        # Zeros, as nothing may look at empty places but 0 x NaN, from memory that was somebody's, is NaN.
        return cls(
            weight.new_zeros(shape, dtype=dtype),
            weight.new_zeros(shape, dtype=dtype),
            torch.zeros(batch, dtype=torch.int64, device=weight.device),
        )

    @property
    def has_room(self) -> bool:
        return self.longest < self.keys.shape[3]

    @torch.inference_mode()
    def read(
        self, model: Transformer, tokens: Int[Tensor, "batch tokens"], ends: Int[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch vocab"]:
        """`model(everything so far)` at the last token of each row, from the new `tokens` alone.

        Args:
            ends: how many of the tokens are real, row by row; None: all of them.
        """
        x = self._pass(model, tokens, ends)
        last = x[:, -1:] if ends is None else x[torch.arange(len(x), device=x.device), ends - 1][:, None]
        return model.to_logits(last)[:, 0]

    @torch.inference_mode()
    def read_one(self, model: Transformer, tokens: Int[Tensor, "batch 1"], step: Step) -> Float[Tensor, "batch vocab"]:
        """`read` for one new token a row, by this model's `step_of`."""
        x, where, look = self._begin(model, tokens, None)
        return step((x, where), look)[:, 0]

    @torch.inference_mode()
    def read_last(
        self, model: Transformer, tokens: Int[Tensor, "batch tokens"], last: int
    ) -> Float[Tensor, "batch last vocab"]:
        """`model(everything so far)` at the `last` ones of the new tokens."""
        return model.to_logits(self._pass(model, tokens, None)[:, -last:])

    def keep(self, rows: Int[Tensor, "kept"]) -> None:
        """Go on with these rows, in this order; one may go on several times."""
        room = self.keys.shape[:1] + rows.shape + self.keys.shape[2:]
        for name in ("keys", "values"):
            old, new = getattr(self, name), self.keys.new_zeros(room)
            new[:, :, :, : self.longest] = old[:, rows, :, : self.longest]
            setattr(self, name, new)
        self.lengths = self.lengths[rows]

    def forget(self, longest: int) -> None:
        """What was read after the first `longest` tokens was not said after all; for rows of the same length."""
        self.longest = min(self.longest, longest)
        self.lengths = self.lengths.clamp(max=longest)

    def _pass(
        self, model: Transformer, tokens: Int[Tensor, "batch tokens"], ends: Int[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        """What the blocks make of the new tokens, which are then part of what was read."""
        return through_blocks(model, *self._begin(model, tokens, ends))

    def _begin(
        self, model: Transformer, tokens: Int[Tensor, "batch tokens"], ends: Int[Tensor, "batch"] | None
    ) -> tuple[Float[Tensor, "batch tokens width"], dict[str, Any], Look]:
        """What goes into the first block, what every attention is told of the places, and how to look up what was read."""
        new, window = tokens.shape[1], getattr(model.config, "window", None) or model.config.context
        positions = self.lengths[:, None] + torch.arange(new, device=tokens.device)  # (batch, tokens)
        start, longest = (self.longest if self.even else None), self.longest + new
        # A query may look at its own place and at those before it. Filling lies after the text it belongs to, and is
        # written over by the tokens to come. A single new token of rows that end together may look at all there is.
        allowed = None
        if new > 1 or not self.even or longest > window:
            back = positions[:, None, :, None] - torch.arange(longest, device=tokens.device)
            allowed = (back >= 0) & (back < window)
        x = model.embed(tokens, positions)
        # How long each text is may matter to where its tokens stand; filling is not part of it.
        places = positions if ends is None else positions.minimum((self.lengths + ends - 1)[:, None])
        where = {"turns": model.turns(places)} if hasattr(model, "turns") else {}
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]

        def look(number: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys, values = self.keys[number], self.values[number]
            if start is not None:  # all rows go on at the same place: what is written is one piece
                keys[:, :, start:longest] = key
                values[:, :, start:longest] = value
            else:
                keys[rows, :, positions] = key.transpose(1, 2)
                values[rows, :, positions] = value.transpose(1, 2)
            return look_up(query, keys[:, :, :longest], values[:, :, :longest], allowed)

        self.longest = longest
        self.lengths = self.lengths + (new if ends is None else ends)
        self.even = self.even and ends is None
        return x, where, look


def step_of(model: Transformer, count: int, pack: Callable[[], contextlib.AbstractContextManager[None]]) -> Step:
    """From what `Cache._begin` gives for one new token a row to its logits; recorded, while `count` of them are written.

    Args:
        pack: what is put around each pass.
    """

    def step(inputs: tuple[Tensor, dict[str, Any]], look: Look) -> Tensor:
        with pack():
            return model.to_logits(through_blocks(model, *inputs, look))

    return Recorded(step, model) if count >= MANY and model.token.weight.device.type == "cpu" else step


def through_blocks(
    model: Transformer, x: Float[Tensor, "batch new width"], where: dict[str, Any], look: Look
) -> Float[Tensor, "batch new width"]:
    """All blocks, from what `Cache._begin` gives."""
    for number, block in enumerate(model.blocks):
        x = cached_block(block, x, partial(look, number), **where)
    return x


def cached_block(
    block: Block,
    x: Float[Tensor, "batch new width"],
    look: Callable[[Tensor, Tensor, Tensor], Tensor],
    **where: Any,
) -> Float[Tensor, "batch new width"]:
    """The block's `forward` for tokens whose past was read before.

    Args:
        look: keeps the new keys and values, and gives what the queries find among all of them.
        where: what the attention is told of the places, if anything.
    """
    query, key, value = block.attention.project(block.norm1(x), **where)
    x = x + block.attention.finish(look(query, key, value))
    return x + block.mlp(block.norm2(x))


def look_up(
    query: Float[Tensor, "batch heads new head_width"],
    keys: Float[Tensor, "batch key_heads tokens head_width"],
    values: Float[Tensor, "batch key_heads tokens head_width"],
    allowed: Bool[Tensor, "batch 1 new tokens"] | None,
) -> Float[Tensor, "batch heads new head_width"]:
    """What the new tokens' queries find among all keys. Of a single token, heads that share a key are rows of one table."""
    if query.shape[2] > 1:
        return attend_heads_fast(query, keys, values, allowed)
    rows = query.reshape(*keys.shape[:2], -1, query.shape[3])
    return attend_heads_fast(rows, keys, values, allowed).view(*query.shape[:3], -1)


def last_tokens(
    text: Int[Tensor, "batch longest"], lengths: Int[Tensor, "batch"], context: int
) -> tuple[Int[Tensor, "batch window"], Int[Tensor, "batch"]]:
    """The last `context` tokens of each row, of which `lengths` are real, and how many of these are real.

    >>> last_tokens(torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]), torch.tensor([4, 2]), context=3)
    (tensor([[2, 3, 4],
            [5, 6, 0]]), tensor([3, 2]))
    """
    starts = (lengths - context).clamp(min=0)
    width = min(context, int(lengths.max()))
    window = text.gather(1, starts[:, None] + torch.arange(width, device=text.device))
    return window, lengths - starts
