"""Three hearts of a GPT: what it is asked, how a block adds to the stream, and how it writes without reading everything again."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.course.exercise import Check, Exercise
from learnable.course.grader.compare import agrees, same, shown
from learnable.nn.attention import attend, causal_mask

# ------------------------------------------------------------------------------------------------- the loss


def next_token_loss_stub(logits: Tensor, tokens: Tensor) -> Tensor:
    """How badly the model expected each token from the ones before it: the mean cross-entropy, in nats.

    The model has read all the tokens and has said something at each of them. Which of its answers can be marked, and
    against what?

    Args:
        logits: (batch, tokens, vocab), what the model said after each token
        tokens: (batch, tokens), what it read

    Returns:
        a single number, shape ()
    """
    raise NotImplementedError


def next_token_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def not_shifted(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())


def shifted_backwards(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), tokens[:, :-1].flatten())


def wrapped_around(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), tokens.roll(-1, dims=1).flatten())


def summed(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def summed_over_a_text(logits: Tensor, tokens: Tensor) -> Tensor:
    return summed(logits, tokens) / len(tokens)


def divided_by_all(logits: Tensor, tokens: Tensor) -> Tensor:
    return summed(logits, tokens) / tokens.numel()


def in_bits(logits: Tensor, tokens: Tensor) -> Tensor:
    return next_token_loss(logits, tokens) / math.log(2)


def softmax_first(logits: Tensor, tokens: Tensor) -> Tensor:
    return next_token_loss(logits.softmax(-1), tokens)


def axes_confused(logits: Tensor, tokens: Tensor) -> Tensor:
    batch, length, vocab = logits[:, :-1].shape
    return F.cross_entropy(logits[:, :-1].reshape(batch, vocab, length), tokens[:, 1:])


def rows_confused(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].transpose(0, 1).flatten(0, 1), tokens[:, 1:].flatten())


def last_place_only(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, -2], tokens[:, -1])


def each_place(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")


def loss_cut_off(logits: Tensor, tokens: Tensor) -> Tensor:
    return torch.tensor(next_token_loss(logits, tokens).item())


def by_gathering(logits: Tensor, tokens: Tensor) -> Tensor:
    expected = logits.log_softmax(dim=-1)[:, :-1].gather(2, tokens[:, 1:, None])
    return -expected.mean()


def vocab_second(logits: Tensor, tokens: Tensor) -> Tensor:
    return F.cross_entropy(logits.transpose(1, 2)[:, :, :-1], tokens[:, 1:])


def by_ignoring(logits: Tensor, tokens: Tensor) -> Tensor:
    targets = torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], -100)], dim=1)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def expecting(tokens: Tensor, vocab: int, strength: float = 20.0) -> Tensor:
    """Logits that are sure of the token that really follows; behind the last one they expect the first."""
    return strength * F.one_hot(tokens.roll(-1, dims=1), vocab).float()


def check_loss(f: Any) -> Iterator[Check]:
    vocab = int(torch.randint(5, 9, ()))
    tokens, logits = torch.randint(vocab, (2, 4)), torch.randn(2, 4, vocab)
    came = f(logits, tokens)
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    yield Check(
        "one number comes back", shape == (), f"2 texts of 4 tokens: expected a tensor of shape (), came {shape}"
    )
    if shape != ():
        return
    name = "the same text twice costs as much as once, and so does a longer one"
    tokens = torch.randint(vocab, (1, 3))
    once, twice = (float(f(torch.zeros(n, 3, vocab), tokens.repeat(n, 1))) for n in (1, 2))
    longer = float(f(torch.zeros(1, 5, vocab), tokens.repeat(1, 2)[:, :5]))
    yield Check(name, same(twice, once) and longer < 1.4 * once,
                f"a text {once:.3f}, the same twice {twice:.3f}, a longer one {longer:.3f}, with the same logits everywhere: take the mean")  # fmt: skip
    yield agrees("logits that expect nothing cost ln(vocab)", f(torch.zeros(2, 4, vocab), torch.randint(vocab, (2, 4))),
                 math.log(vocab), f"logits of zero, {vocab} tokens in the vocabulary, 3 targets a text")  # fmt: skip
    scores = torch.tensor([[[0.0, 3.0], [0.0, 3.0]]])
    yield agrees("logits become probabilities once", f(scores, torch.tensor([[1, 1]])), math.log(1 + math.exp(-3)),
                 "logits [0, 3] at both places and tokens [1, 1]")  # fmt: skip
    scores = torch.zeros(1, 5, 3)
    scores[:, :, 2] = 3.0
    yield agrees("the vocabulary is the last axis", f(scores, torch.full((1, 5), 2)), math.log(1 + 2 * math.exp(-3)),
                 "logits [0, 0, 3] everywhere, the token always 2")  # fmt: skip
    tokens = torch.tensor([[0, 3, 1, 4, 2]])
    wrong = difference_to_zero(f(expecting(tokens, 5), tokens))
    yield Check("an answer is marked against the token that follows", not wrong,
                f"tokens [0, 3, 1, 4, 2], and logits that are sure of 3, 1, 4, 2: {wrong}" if wrong else "")  # fmt: skip
    logits = expecting(tokens, 5)
    logits[:, -1] = torch.tensor([0.0, 0.0, 9.0, 0.0, 0.0])
    wrong = difference_to_zero(f(logits, tokens))
    yield Check("behind the last token nothing follows: that answer is not marked", not wrong,
                f"tokens [0, 3, 1, 4, 2], sure of 3, 1, 4, 2; the last answer is any: {wrong}" if wrong else "")  # fmt: skip
    logits = expecting(tokens, 5)
    logits[0, 0] = 0.0
    yield agrees("every place is marked, not the last alone", f(logits, tokens), math.log(5) / 4,
                 "sure and right, but for the first place, which expects nothing")  # fmt: skip
    pair = torch.tensor([[0, 1, 2, 3], [3, 0, 1, 2]])
    wrong = difference_to_zero(f(expecting(pair, 4), pair))
    yield Check("each text is marked against itself", not wrong,
                f"two texts, [0, 1, 2, 3] and [3, 0, 1, 2], each with answers that are sure and right: {wrong}" if wrong else "")  # fmt: skip
    tokens, logits = torch.randint(7, (3, 6)), 2 * torch.randn(3, 6, 7)
    yield agrees("any logits, any tokens", f(logits, tokens), next_token_loss(logits, tokens))
    inputs = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(next_token_loss(inputs, tokens), inputs)
    came = f.gradient(logits, tokens, wrt=0)
    right = isinstance(came, Tensor) and same(came, expected)
    yield Check("the gradient reaches the logits", right, "" if right else "none came, or another: do not leave torch on the way (`.item()`)")  # fmt: skip


def difference_to_zero(came: Any) -> str:
    value = float(came)
    return "" if abs(value) < 1e-4 else f"expected 0.000, came {value:.3f}"


# ------------------------------------------------------------------------------------------------- the block


def block_stub(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    """One block of GPT-2: two steps, each of which reads the stream through a norm and adds what it found.

    Args:
        x: the residual stream, (batch, tokens, width)
        norm1, attention, norm2, mlp: functions of such a tensor, each with a result of the same shape

    Returns:
        the stream after the block, (batch, tokens, width); what came in stays as it is
    """
    raise NotImplementedError


def block(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = x + attention(norm1(x))
    return x + mlp(norm2(x))


def normed_after(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = norm1(x + attention(x))
    return norm2(x + mlp(x))


def without_first_sum(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = attention(norm1(x))
    return x + mlp(norm2(x))


def without_second_sum(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = x + attention(norm1(x))
    return mlp(norm2(x))


def without_sums(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    return mlp(norm2(attention(norm1(x))))


def normed_stream(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = norm1(x)
    x = x + attention(x)
    x = norm2(x)
    return x + mlp(x)


def both_at_once(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    return x + attention(norm1(x)) + mlp(norm2(x))


def one_norm(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = x + attention(norm1(x))
    return x + mlp(norm1(x))


def no_norms(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = x + attention(x)
    return x + mlp(x)


def mlp_first(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x = x + mlp(norm2(x))
    return x + attention(norm1(x))


def added_in_place(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    x += attention(norm1(x))
    x += mlp(norm2(x))
    return x


def with_names(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    heard = attention(norm1(x))
    thought = mlp(norm2(x + heard))
    return x + heard + thought


def as_a_loop(x: Tensor, norm1: Any, attention: Any, norm2: Any, mlp: Any) -> Tensor:
    for norm, step in ((norm1, attention), (norm2, mlp)):
        x = torch.add(x, step(norm(x)))
    return x


# Small parts, so that one can follow a number: they are sent to the learner's process by their source.
def halves(x: Tensor) -> Tensor:
    return x / 2


def adds_one(x: Tensor) -> Tensor:
    return x + 1


def takes_two_off(x: Tensor) -> Tensor:
    return x - 2


def triples(x: Tensor) -> Tensor:
    return 3 * x


def gives_nothing(x: Tensor) -> Tensor:
    return 0 * x


def mixes_tokens(x: Tensor) -> Tensor:
    return x.cumsum(dim=1).tanh()


def check_block(f: Any) -> Iterator[Check]:
    parts = (halves, adds_one, takes_two_off, triples)
    x = torch.tensor([[[8.0]]])
    came = f(x.clone(), *parts)
    yield Check("a tensor of the same shape comes back", isinstance(came, Tensor) and came.shape == x.shape,
                f"expected a tensor of shape (1, 1, 1), came {shown(came)}")  # fmt: skip
    if not isinstance(came, Tensor):
        return
    told = "x = 8; norm1 halves, attention adds 1, norm2 takes 2 off, mlp triples"
    mistakes = {
        "attention and MLP are steps on the stream, they do not replace it": without_sums,
        "what attention says is added to the stream": without_first_sum,
        "what the MLP says is added to the stream": without_second_sum,
        "the norms come before the steps, not after the sums": normed_after,
        "only what a step reads is normed, the stream itself never": normed_stream,
        "each step reads through its norm": no_norms,
        "each step has a norm of its own": one_norm,
        "first the tokens talk, then each thinks": mlp_first,
        "the MLP reads what attention has written": both_at_once,
    }
    expected = float(block(x, *parts))
    for name, mistake in mistakes.items():
        made = came.shape == x.shape and float(came) == float(mistake(x, *parts))
        yield Check(name, not made, f"{told}: expected {expected:g}, came {float(came):g}" if made else "")
    yield agrees("the number at the end is right", came, block(x, *parts), told)
    x = torch.randn(2, 3, 4)
    yield agrees("steps that find nothing leave the stream as it was", f(x, nn.LayerNorm(4), gives_nothing, nn.LayerNorm(4), gives_nothing), x,
                 "attention and MLP that give zero")  # fmt: skip
    width = int(torch.randint(3, 7, ()))
    real = (
        nn.LayerNorm(width),
        mixes_tokens,
        nn.LayerNorm(width),
        nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)),
    )
    x = 3 * torch.randn(2, 5, width)
    yield agrees(
        "real norms, a real MLP, any width",
        f(x.clone(), *real),
        block(x, *real).detach(),
        f"a stream of shape (2, 5, {width})",
    )
    f(x, *real)
    written = bool(f.changed_arguments)
    yield Check("the stream that came in is not written to", not written,
                "x was changed in place (`+=` writes into the caller's tensor); x = x + ... makes a new one" if written else "")  # fmt: skip
    weight = torch.randn(2, 5, width)
    inputs = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((block(inputs, *real) * weight).sum(), inputs)
    came = f.gradient(x, *real, wrt=0, upstream=weight)
    right = isinstance(came, Tensor) and same(came, slope, 1e-3)
    yield Check(
        "the gradient comes through", right, "" if right else "none came, or another: do not leave torch on the way"
    )


# ------------------------------------------------------------------------------------------------- the cache


def cached_step_stub(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Attention's answer for one new token, from the kept keys and values of those before it.

    Args:
        x: the new token's row, already normed, (width)
        keys: of the tokens so far, (heads, past, head_width); past may be 0
        values: the same, (heads, past, head_width)
        to_qkv: (3 * width, width); to_qkv @ x is the query, then the key, then the value, each head after head
        to_out: (width, width), which mixes the heads' answers, laid one after the other

    Returns:
        the answer (width), and the keys and values with the new token's at the end, (heads, past + 1, head_width)
    """
    raise NotImplementedError


def cached_step(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    heads, _, head_width = keys.shape
    query, key, value = (to_qkv @ x).view(3, heads, 1, head_width)
    keys, values = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
    weights = (query @ keys.transpose(1, 2) / head_width**0.5).softmax(dim=-1)
    return to_out @ (weights @ values).flatten(), keys, values


def _step(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor, **how: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """The step with one mistake, for the mutants."""
    heads, past, head_width = keys.shape
    rows = to_qkv @ x
    if how.get("heads_interleaved"):
        parts = rows.view(3, head_width, heads).transpose(1, 2)[:, :, None]
    else:
        parts = rows.view(3, heads, 1, head_width)
    query, key, value = (parts[at] for at in how.get("order", (0, 1, 2)))
    if how.get("in_front"):
        grown, given = torch.cat([key, keys], dim=1), torch.cat([value, values], dim=1)
    else:
        grown, given = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
    seen, heard = (keys, values) if how.get("past_only") else (grown, given)
    scores = query @ seen.transpose(1, 2) * how.get("scale", head_width**-0.5)
    if how.get("mask"):
        scores = scores.masked_fill(~torch.ones(1, past + 1, dtype=torch.bool).tril(), -math.inf)
    weights = scores.softmax(dim=how.get("axis", -1))
    answer = (weights @ heard).flatten()
    answer = answer if how.get("no_out") else to_out @ answer
    return (answer, keys, values) if how.get("forgets") else (answer, grown, given)


def forgets(x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, forgets=True)


def in_front(x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, in_front=True)


def key_first(x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, order=(1, 0, 2))


def interleaved(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, heads_interleaved=True)


def past_only(x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, past_only=True)


def unscaled(x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, scale=1.0)


def scaled_by_width(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, scale=len(x) ** -0.5)


def over_heads(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, axis=0)


def over_queries(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, axis=1)


def masked(x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    heads, _, head_width = keys.shape
    query, key, value = (to_qkv @ x).view(3, heads, 1, head_width)
    keys, values = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
    return to_out @ F.scaled_dot_product_attention(query, keys, values, is_causal=True).flatten(), keys, values


def without_out(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _step(x, keys, values, to_qkv, to_out, no_out=True)


def with_the_kernel(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    heads, _, head_width = keys.shape
    query, key, value = (part.reshape(heads, 1, head_width) for part in F.linear(x, to_qkv).chunk(3))
    keys, values = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
    return F.linear(F.scaled_dot_product_attention(query, keys, values).reshape(-1), to_out), keys, values


def head_by_head(
    x: Tensor, keys: Tensor, values: Tensor, to_qkv: Tensor, to_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    heads, past, head_width = keys.shape
    query, key, value = (to_qkv @ x).split(len(x))
    grown, given = keys.new_zeros(heads, past + 1, head_width), values.new_zeros(heads, past + 1, head_width)
    grown[:, :past], given[:, :past] = keys, values
    answers = []
    for head in range(heads):
        part = slice(head * head_width, (head + 1) * head_width)
        grown[head, past], given[head, past] = key[part], value[part]
        weights = torch.softmax(grown[head] @ query[part] / math.sqrt(head_width), dim=0)
        answers.append(weights @ given[head])
    return to_out @ torch.cat(answers), grown, given


def whole_pass(rows: Tensor, to_qkv: Tensor, to_out: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """All tokens at once, under a causal mask: what the cache must agree with."""
    query, key, value = (rows @ to_qkv.T).view(len(rows), 3, heads, -1).permute(1, 2, 0, 3)
    answers = attend(query, key, value, causal_mask(len(rows)))
    return answers.transpose(0, 1).flatten(1) @ to_out.T, key, value


def check_cached_step(f: Any) -> Iterator[Check]:
    heads, head_width, past = 2, 3, 4
    width = heads * head_width
    rows = torch.randn(past + 1, width)
    to_qkv, to_out = torch.randn(3 * width, width), torch.randn(width, width) / 2
    answers, keys, values = whole_pass(rows, to_qkv, to_out, heads)
    given = (rows[-1], keys[:, :past], values[:, :past], to_qkv, to_out)
    came = f(*given)
    three = isinstance(came, tuple | list) and len(came) == 3 and all(isinstance(one, Tensor) for one in came)
    yield Check(
        "answer, keys and values come back", three, f"expected three tensors, came {shown(came) if not three else ''}"
    )
    if not three:
        return
    answer, new_keys, new_values = came
    shapes = tuple(answer.shape), tuple(new_keys.shape), tuple(new_values.shape)
    wanted = (width,), (heads, past + 1, head_width), (heads, past + 1, head_width)
    yield Check(
        "the cache has grown by the new token",
        shapes == wanted,
        f"{past} tokens before: expected shapes {wanted}, came {shapes}",
    )
    if shapes != wanted:
        return
    turned = same(new_keys, torch.cat([keys[:, past:], keys[:, :past]], dim=1))
    yield Check(
        "the new token's key stands behind the old ones",
        not turned,
        f"expected the old {past} first and the new one last" if turned else "",
    )
    swapped = not same(new_keys, keys) and same(new_keys[:, -1], (to_qkv @ rows[-1])[:width].view(heads, head_width))
    yield Check("the first third of to_qkv @ x is the query, the second the key, the third the value", not swapped,
                "what stands among the keys is the query" if swapped else "")  # fmt: skip
    mixed = same(new_keys[:, -1], (to_qkv @ rows[-1])[width : 2 * width].view(head_width, heads).T)
    yield Check("a head's numbers lie side by side", not mixed,
                f"the first head's key is numbers 0 to {head_width - 1} of the key, not every {heads}nd" if mixed else "")  # fmt: skip
    yield agrees("keys are those of a pass over all tokens", new_keys, keys)
    yield agrees("values are those of a pass over all tokens", new_values, values)
    nothing = torch.zeros(heads, 0, head_width)
    first = f(rows[0], nothing, nothing, to_qkv, to_out)[0]
    alone = not same(first, torch.zeros(width)) and not bool(first.isnan().any())
    yield Check("a token looks at itself, too", alone,
                "the first token of a text, with an empty cache: expected its own value, came nothing" if not alone else "")  # fmt: skip
    slips: dict[str, dict[str, Any]] = {
        "the heads' answers go through to_out": {"no_out": True},
        "scores are divided by the root of the head's width": {"scale": 1.0},
        "it is the head's width, not the whole": {"scale": width**-0.5},
        "the weights over the tokens sum to one": {"axis": 0},
        "the softmax runs over the keys": {"axis": 1},
        "the newest token may look at all before it: no mask is needed": {"mask": True},
    }
    for name, how in slips.items():
        made = same(answer, _step(*given, **how)[0]) and not same(answer, answers[-1])
        yield Check(name, not made, f"expected\n{shown(answers[-1])}\ncame\n{shown(answer)}" if made else "")
    yield agrees("the first token answers with its own value", first, answers[0], "an empty cache")
    yield agrees("the answer is the last row of a pass over all tokens", answer, answers[-1])
    heads, head_width = int(torch.randint(1, 5, ())), int(torch.randint(1, 5, ()))
    width = heads * head_width
    rows, to_qkv, to_out = torch.randn(7, width), torch.randn(3 * width, width), torch.randn(width, width)
    answers, _, _ = whole_pass(rows, to_qkv, to_out, heads)
    keys = values = torch.zeros(heads, 0, head_width)
    for place, row in enumerate(rows):
        answer, keys, values = f(row, keys, values, to_qkv, to_out)
        right = same(answer, answers[place], 1e-3)
        if not right or place == len(rows) - 1:
            yield Check("token by token, a whole text comes out as in one pass", right,
                        "" if right else f"{heads} heads of {head_width}, token {place + 1}: expected\n{shown(answers[place])}\ncame\n{shown(answer)}")  # fmt: skip
            return


EXERCISES = (
    Exercise(
        name="next_token_loss",
        title="What it is asked",
        task="""
            The text is its own answer sheet. Given the logits that a model gave after every token of a text, write the mean cross-entropy
            of the next tokens. It is one line, and the most expensive off-by-one in the field: each way of getting it wrong trains without a complaint.
            """,
        stub=next_token_loss_stub,
        solution=next_token_loss,
        why="The answer at place i is marked against token i + 1. So the last answer has no target and the first token is never one: n tokens ask n - 1 questions. Flattening makes every place of every text an example of its own, which is what the cross-entropy wants.",
        hints=(
            "A text of four tokens: after which of them does the model's answer have something to be compared with? Which tokens are ever a target?",
            "Leave out the last answer, logits[:, :-1], and the first token, tokens[:, 1:]. Now they stand side by side.",
            "F.cross_entropy wants (examples, vocab) and (examples): flatten batch and places, .flatten(0, 1) and .flatten(). It takes the mean by itself.",
        ),
        mutants={
            "a loss for each place": (each_place, "one number comes back"),
            "a sum for a mean": (summed, "the same text twice costs as much as once, and so does a longer one"),
            "a sum over each text": (summed_over_a_text, "the same text twice costs as much as once, and so does a longer one"),
            "divided by all tokens": (divided_by_all, "logits that expect nothing cost ln(vocab)"),
            "bits for nats": (in_bits, "logits that expect nothing cost ln(vocab)"),
            "softmax before the cross-entropy": (softmax_first, "logits become probabilities once"),
            "reshaped where it should be transposed": (axes_confused, "the vocabulary is the last axis"),
            "not shifted": (not_shifted, "an answer is marked against the token that follows"),
            "shifted backwards": (shifted_backwards, "an answer is marked against the token that follows"),
            "rolled, so that the first follows the last": (wrapped_around, "behind the last token nothing follows: that answer is not marked"),
            "the last place only": (last_place_only, "every place is marked, not the last alone"),
            "rows and places confused": (rows_confused, "each text is marked against itself"),
            "cut off from the graph": (loss_cut_off, "the gradient reaches the logits"),
        },
        others={"gathered from the log-softmax": by_gathering, "vocabulary second": vocab_second, "the last target ignored": by_ignoring},
        check=check_loss,
    ),
    Exercise(
        name="block",
        title="A block that adds",
        task="""
            Put one block together from its four parts, which are given as functions. Two lines; what matters is what is added to what, and where the norms stand.
            """,
        stub=block_stub,
        solution=block,
        why="The stream is only ever added to, so a gradient walks from the top to the bottom through sums, unchanged. A norm on the stream itself would stand in its way; before a step it only gives the step an input of a size that it knows.",
        hints=(
            "Take parts that give zero. What must come out of the block then?",
            "Attention reads norm1 of the stream; its answer is added to the stream as it was, not to the normed one.",
            "x = x + attention(norm1(x)), and then the same again with norm2 and the MLP, on the new x.",
        ),
        mutants={
            "no sums": (without_sums, "attention and MLP are steps on the stream, they do not replace it"),
            "no sum around attention": (without_first_sum, "what attention says is added to the stream"),
            "no sum around the MLP": (without_second_sum, "what the MLP says is added to the stream"),
            "norms after the sums, as in 2017": (normed_after, "the norms come before the steps, not after the sums"),
            "the normed stream goes on": (normed_stream, "only what a step reads is normed, the stream itself never"),
            "no norms": (no_norms, "each step reads through its norm"),
            "norm1 twice": (one_norm, "each step has a norm of its own"),
            "MLP first": (mlp_first, "first the tokens talk, then each thinks"),
            "both from the same stream": (both_at_once, "the MLP reads what attention has written"),
            "added in place": (added_in_place, "the stream that came in is not written to"),
        },
        others={"with names": with_names, "as a loop": as_a_loop},
        check=check_block,
    ),
    Exercise(
        name="cached_step",
        title="Write without reading again",
        task="""
            While it writes, a GPT adds one token at a time, and nothing that it computed for the old ones changes. Write attention for the one new token:
            make its query, key and value, append the last two to what was kept, and answer. The result must be what a pass over the whole text gives in its last row.
            """,
        stub=cached_step_stub,
        solution=cached_step,
        why="Under a causal mask a token's key and value depend on nothing after it, so they can be kept. The new token is the last: everything in the cache is its past, and a mask has nothing left to forbid. torch's `is_causal=True` would forbid a lot: it numbers the only query 0 and lets it see the first key alone.",
        hints=(
            "Which of query, key and value of the old tokens does the new one need? Which of its own will others need later?",
            "(to_qkv @ x).view(3, heads, 1, head_width) gives the three for all heads, with an axis for the one token. torch.cat along the tokens' axis appends.",
            "weights = (query @ keys.transpose(1, 2) / head_width**0.5).softmax(-1); the answer is to_out @ (weights @ values).flatten(). Attend over the grown cache.",
        ),
        mutants={
            "the cache is not given back": (forgets, "the cache has grown by the new token"),
            "appended in front": (in_front, "the new token's key stands behind the old ones"),
            "key, query, value": (key_first, "the first third of to_qkv @ x is the query, the second the key, the third the value"),
            "heads interleaved": (interleaved, "a head's numbers lie side by side"),
            "does not see itself": (past_only, "a token looks at itself, too"),
            "to_out forgotten": (without_out, "the heads' answers go through to_out"),
            "not scaled": (unscaled, "scores are divided by the root of the head's width"),
            "scaled by the whole width": (scaled_by_width, "it is the head's width, not the whole"),
            "softmax over the heads": (over_heads, "the weights over the tokens sum to one"),
            "softmax over the single query": (over_queries, "the softmax runs over the keys"),
            "is_causal=True": (masked, "the newest token may look at all before it: no mask is needed"),
        },
        others={"with torch's kernel": with_the_kernel, "head by head": head_by_head},
        check=check_cached_step,
    ),
)  # fmt: skip
