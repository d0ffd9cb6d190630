"""Two hearts of attention: who may look at whom, and what comes of looking."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from learnable.course.exercise import Check, Exercise
from learnable.course.grader.compare import agrees, same, shown

# ------------------------------------------------------------------------------------------------- the causal mask


def causal_mask_stub(queries: int, keys: int) -> Tensor:
    """Who may look at whom, if nobody may look into the future.

    The queries are the last `queries` of the `keys` tokens. In training there are as many of one as of the other; when
    a model writes, the keys of the text so far are kept, and only the newest tokens ask.

    Returns:
        (queries, keys), True where the query (row) may look at the key (column)

    >>> causal_mask(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    raise NotImplementedError


def causal_mask(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril(diagonal=keys - queries)


def without_oneself(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril(diagonal=keys - queries - 1)


def one_ahead(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril(diagonal=keys - queries + 1)


def into_the_future(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).triu(diagonal=keys - queries)


def hidden_for_allowed(queries: int, keys: int) -> Tensor:
    return ~causal_mask(queries, keys)


def counted_from_the_front(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril()


def square(queries: int, keys: int) -> Tensor:
    return causal_mask(keys, keys)


def rows_and_columns_swapped(queries: int, keys: int) -> Tensor:
    return causal_mask(queries, keys).T


def ones_and_zeros(queries: int, keys: int) -> Tensor:
    return causal_mask(queries, keys).float()


def minus_infinity(queries: int, keys: int) -> Tensor:
    return torch.zeros(queries, keys).masked_fill(~causal_mask(queries, keys), -math.inf)


def by_comparing(queries: int, keys: int) -> Tensor:
    return torch.arange(keys)[None] <= torch.arange(keys - queries, keys)[:, None]


def by_rows(queries: int, keys: int) -> Tensor:
    return torch.stack([torch.arange(keys) < keys - queries + row + 1 for row in range(queries)])


def last_rows_of_the_square(queries: int, keys: int) -> Tensor:
    return torch.ones(keys, keys).tril()[keys - queries :].bool()


def check_causal_mask(f: Any) -> Iterator[Check]:
    def truth(queries: int, keys: int) -> Tensor:
        return torch.arange(keys)[None] <= torch.arange(keys - queries, keys)[:, None]

    tokens = int(torch.randint(3, 6, ()))
    more = tokens + int(torch.randint(2, 5, ()))
    came = f(tokens, more)
    wanted = (tokens, more)
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    yield Check("a row for each query, a column for each key", shape == wanted,
                f"{tokens} queries, {more} keys: expected shape {wanted}, came {shape}")  # fmt: skip
    if shape != wanted:
        return
    yield Check("it is made of True and False", came.dtype == torch.bool, f"expected torch.bool, came {came.dtype}")
    if came.dtype != torch.bool:
        return
    came = f(3, 3)
    yield Check("each token may look at itself", bool(came.diag().all()),
                f"3 queries, 3 keys: expected\n{shown(truth(3, 3))}\ncame\n{shown(came)}")  # fmt: skip
    above = came.triu(1)
    yield Check("nobody looks into the future", not above.any(),
                f"3 queries, 3 keys: row 0 is the first token, and came\n{shown(came)}")  # fmt: skip
    yield agrees(
        "everybody sees the whole past", f(tokens, tokens), truth(tokens, tokens), f"{tokens} queries, {tokens} keys"
    )
    came = f(1, 4)
    yield agrees("a single query at the end sees all keys", came, truth(1, 4), "1 query, 4 keys")
    yield agrees(
        "fewer queries than keys: they are the last ones",
        f(tokens, more),
        truth(tokens, more),
        f"{tokens} queries, {more} keys",
    )


# ------------------------------------------------------------------------------------------------- attention


def attend_stub(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Each query gets the mean of the values, weighted by how well their keys fit it.

    Nothing of torch.nn; `softmax` is a method of tensors. Leave the arguments as they are.

    Args:
        query: (..., queries, width)
        key: (..., keys, width)
        value: (..., keys, value_width)
        allowed: (queries, keys), True where the query may look; None: everywhere. No row is False throughout.

    Returns:
        (..., queries, value_width)
    """
    raise NotImplementedError


def attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    return scores.softmax(dim=-1) @ value


def _variant(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None,
    scale: float | None = None,
    axis: int = -1,
    hide: str = "before",
) -> Tensor:
    """Attention with one mistake, for the mutants."""
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if allowed is not None and hide == "before":
        scores = scores.masked_fill(~allowed, -math.inf)
    if allowed is not None and hide == "a little":
        scores = scores.masked_fill(~allowed, -1e-9)
    if allowed is not None and hide == "times":
        scores = scores * allowed
    if allowed is not None and hide == "plus":
        scores = scores + allowed.float()
    weights = scores.softmax(dim=axis)
    return (weights * allowed if allowed is not None and hide == "after" else weights) @ value


def not_divided(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, scale=1.0)


def divided_by_the_width(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, scale=1 / query.shape[-1])


def times_the_root(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, scale=query.shape[-1] ** 0.5)


def root_of_the_keys(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, scale=key.shape[-2] ** -0.5)


def root_of_the_value(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, scale=value.shape[-1] ** -0.5)


def divided_after(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, scale=1.0) / math.sqrt(query.shape[-1])


def over_the_queries(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, axis=-2)


def over_the_first_axis(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, axis=1 if query.ndim > 1 else 0)


def no_softmax(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return (scores if allowed is None else scores * allowed) @ value


def exp_by_hand(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    odds = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).exp()
    odds = odds if allowed is None else odds * allowed
    return odds / odds.sum(dim=-1, keepdim=True) @ value


def mask_ignored(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, None)


def mask_after_softmax(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, hide="after")


def mask_turned_over(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, None if allowed is None else ~allowed)


def mask_transposed(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    fits = allowed is not None and allowed.shape[0] == allowed.shape[1]
    return _variant(query, key, value, allowed.T if allowed is not None and fits else allowed)


def a_tiny_number(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, hide="a little")


def zero_for_hidden(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, hide="times")


def one_is_added(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return _variant(query, key, value, allowed, hide="plus")


def hidden_values(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    weights = attend_weights(query, key)
    if allowed is not None:
        weights = weights.masked_fill(~allowed, -math.inf)
    return weights.nan_to_num(neginf=0.0) @ value


def attend_weights(query: Tensor, key: Tensor) -> Tensor:
    return (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(dim=-1)


def weights_for_answers(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return (scores if allowed is None else scores.masked_fill(~allowed, -math.inf)).softmax(dim=-1)


def keys_for_values(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return attend(query, key, key, allowed)


def the_best_only(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return (weights_for_answers(query, key, value, allowed) * 1e6).softmax(dim=-1) @ value


def scaled_in_place(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    query /= math.sqrt(query.shape[-1])
    return _variant(query, key, value, allowed, scale=1.0)


def two_axes_only(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    q, k, v = (one.reshape(-1, *one.shape[-2:])[0] for one in (query, key, value))
    return attend(q, k, v, allowed).expand(*query.shape[:-2], -1, -1)


def cut_off(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return attend(query.detach(), key.detach(), value, allowed)


def by_torch(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)


def by_einsum(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    scores = torch.einsum("...qd,...kd->...qk", query, key) * query.size(-1) ** -0.5
    if allowed is not None:
        scores = torch.where(allowed, scores, torch.tensor(-1e9))
    return torch.einsum("...qk,...kv->...qv", F.softmax(scores, -1), value)


def by_hand(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    scores = (query / math.sqrt(query.shape[-1])) @ key.mT
    if allowed is not None:
        scores = scores.masked_fill(allowed == 0, float("-inf"))
    odds = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return odds @ value / odds.sum(dim=-1, keepdim=True)


def query_by_query(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
    answers = []
    for at in range(query.shape[-2]):
        scores = (key * query[..., at : at + 1, :]).sum(dim=-1) / query.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores + torch.zeros(key.shape[-2]).masked_fill(~allowed[at], -math.inf)
        answers.append((scores.softmax(dim=-1)[..., None] * value).sum(dim=-2))
    return torch.stack(answers, dim=-2)


def check_attend(f: Any) -> Iterator[Check]:
    def truth(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)

    def whole(*shape: int) -> Tensor:
        return torch.randint(-2, 3, shape).float()

    def mistaken(came: Any, mistake: Tensor, expected: Tensor) -> bool:
        return same(came, mistake) and not same(mistake, expected)

    # Zero queries weigh all alike: whatever the scale, the answer is the mean of the values.
    value = 3.0 * torch.randperm(4)[:3, None].float() * torch.ones(3, 2) + torch.tensor([0.0, 1.0])
    query, key = torch.zeros(2, 4), torch.randn(3, 4)
    came = f(query, key, value)
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    yield Check("an answer for each query, as wide as a value", shape == (2, 2),
                f"query (2, 4), key (3, 4), value (3, 2): expected shape (2, 2), came {shape}")  # fmt: skip
    if shape != (2, 2):
        return
    expected = truth(query, key, value)
    told = f"query of zeros, value\n{shown(value)}"
    yield Check("each query's weights sum to one", not mistaken(came, over_the_queries(query, key, value), expected),
                f"for {told}\nexpected the mean of the values\n{shown(expected)}\ncame\n{shown(came)}\nthe softmax runs over the queries")  # fmt: skip
    yield agrees("a query of zeros fits every key alike and hears the mean of the values", came, expected, told)
    # A query along one key: the scores are 1·8/2 and 0, the answer can be checked by hand.
    query, key, value = (
        torch.tensor([[2.0, 0, 0, 0]]),
        torch.tensor([[2.0, 0, 0, 0], [0, 2.0, 0, 0]]),
        torch.tensor([[1.0], [0.0]]),
    )
    came, expected = f(query, key, value), truth(query, key, value)
    told = "query [2 0 0 0], keys [2 0 0 0] and [0 2 0 0], values 1 and 0"
    for name, mistake, words in (
        ("scores are divided by √width", not_divided, "that is what comes without a division"),
        ("by the root, not by the width", divided_by_the_width, "that is what comes of a division by 4, not by √4"),
        ("before the softmax, not after it", divided_after, "the answer was divided, not the scores"),
    ):
        made = mistaken(came, mistake(query, key, value), expected)
        yield Check(
            name, not made, f"for {told}: expected {shown(expected)}, came {shown(came)}: {words}" if made else ""
        )
    yield agrees("it is a mean, by a softmax", came, expected, told)
    widths = torch.randperm(5)[:3].add(2).tolist()
    tokens, more = torch.randperm(4)[:2].add(3).tolist()
    query, key, value = whole(tokens, widths[0]), whole(more, widths[0]), whole(more, widths[1])
    yield agrees("the width that counts is that of the query, however many keys and however wide the values", f(query, key, value),
                 truth(query, key, value), f"query\n{shown(query)}\nkey\n{shown(key)}\nvalue\n{shown(value)}\n")  # fmt: skip
    big = torch.tensor([[60.0, 0.0], [0.0, 60.0]])
    yield agrees("large scores do not overflow", f(big, big, torch.eye(2)), truth(big, big, torch.eye(2)),
                 "query and key [[60 0] [0 60]], whose scores are 2546 and 0")  # fmt: skip

    # The mask.
    allowed = torch.ones(3, 3, dtype=torch.bool).tril()
    query, key, value = torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([[3.0], [6.0], [12.0]])
    came, expected = f(query, key, value, allowed), truth(query, key, value, allowed)
    told = f"query and key of zeros, values 3, 6, 12, allowed\n{shown(allowed.int())}"
    yield Check(
        "True means: may look",
        not mistaken_nan(came, expected),
        f"for {told}\nexpected\n{shown(expected)}\ncame\n{shown(came)}",
    )
    for name, wrong in (
        ("the mask counts", (mask_ignored, zero_for_hidden, a_tiny_number, one_is_added)),
        ("rows of the mask are queries, columns are keys", (mask_transposed,)),
        ("the mask comes before the softmax, so that the weights that are left sum to one", (mask_after_softmax,)),
    ):
        made = any(mistaken(came, mistake(query, key, value, allowed), expected) for mistake in wrong)
        yield Check(
            name,
            not made,
            f"for {told}\nexpected the means of what each may see\n{shown(expected)}\ncame\n{shown(came)}"
            if made
            else "",
        )
    yield agrees("what is hidden is not heard at all", came, expected, told)
    query, key, value = whole(tokens, 3), whole(more, 3), whole(more, 2)
    allowed = torch.rand(tokens, more) < 0.5
    allowed[torch.arange(tokens), torch.randint(more, (tokens,))] = True
    yield agrees("any mask, any number of queries and keys", f(query, key, value, allowed), truth(query, key, value, allowed),
                 f"query\n{shown(query)}\nkey\n{shown(key)}\nvalue\n{shown(value)}\nallowed\n{shown(allowed.int())}\n")  # fmt: skip

    # Batches and heads, the arguments, the gradient.
    query, key, value = torch.randn(2, 3, tokens, 4), torch.randn(2, 3, more, 4), torch.randn(2, 3, more, 5)
    came = f(query, key, value, allowed)
    yield agrees("axes in front of (tokens, width) are examples and heads, each for itself", came, truth(query, key, value, allowed),
                 f"query (2, 3, {tokens}, 4)")  # fmt: skip
    changed = f.changed_arguments if hasattr(f, "changed_arguments") else ()
    yield Check("the arguments stay as they were", not changed,
                f"argument {', '.join(map(str, changed))} was written to: query /= ... changes the caller's tensor, query = query / ... does not" if changed else "")  # fmt: skip
    if changed:
        return
    inputs = [one.clone().requires_grad_() for one in (query, key, value)]
    upstream = torch.randn(2, 3, tokens, 5)
    slopes = torch.autograd.grad((upstream * truth(inputs[0], inputs[1], inputs[2], allowed)).sum(), inputs)
    got = f.gradient(query, key, value, allowed, wrt=(0, 1, 2), upstream=upstream)
    right = all(isinstance(one, Tensor) and same(one, wanted, 1e-3) for one, wanted in zip(got, slopes, strict=True))
    missing = [name for name, one in zip(("query", "key", "value"), got, strict=True) if one is None]
    yield Check("gradients flow to query, key and value", right,
                f"no gradient arrives at {' and '.join(missing)}: do not leave torch (`.item()`, `.detach()`, NumPy) on the way" if missing
                else "" if right else "another gradient than that of the formula")  # fmt: skip


def mistaken_nan(came: Any, expected: Tensor) -> bool:
    """Turned over, the last row of a causal mask allows nothing, and its answer is 0/0."""
    return isinstance(came, Tensor) and came.shape == expected.shape and bool(came[-1].isnan().any())


EXERCISES = (
    Exercise(
        name="causal_mask",
        title="Who may look at whom",
        task="""
            Write the table that keeps a language model honest: each query may look at its own token and at what
            stands before it. There may be fewer queries than keys: then the queries are the last tokens of the text.
            """,
        stub=causal_mask_stub,
        solution=causal_mask,
        why="Query i is token keys - queries + i of the text and may look at all keys up to that one. `tril` keeps a table on and below a diagonal; `diagonal` moves it to the right by as many keys as lie before the first query.",
        hints=(
            "Four tokens, all of them asking: what is in row 0, what in row 3? Now only the last two ask: which rows of that table are left?",
            "`torch.ones(..., dtype=torch.bool).tril()` keeps what is on and below the diagonal. It takes an argument that moves the diagonal to the right.",
            "torch.ones(queries, keys, dtype=torch.bool).tril(diagonal=...), where the first query stands on key number keys - queries.",
        ),
        mutants={
            "the diagonal is left out": (without_oneself, "each token may look at itself"),
            "one token ahead": (one_ahead, "nobody looks into the future"),
            "upper triangle": (into_the_future, "nobody looks into the future"),
            "True where hidden": (hidden_for_allowed, "each token may look at itself"),
            "queries counted from the front": (counted_from_the_front, "a single query at the end sees all keys"),
            "as many rows as keys": (square, "a row for each query, a column for each key"),
            "a row for each key": (rows_and_columns_swapped, "a row for each query, a column for each key"),
            "ones and zeros": (ones_and_zeros, "it is made of True and False"),
            "minus infinity and zero": (minus_infinity, "it is made of True and False"),
        },
        others={
            "positions compared": by_comparing,
            "row by row": by_rows,
            "cut out of the square": last_rows_of_the_square,
        },
        check=check_causal_mask,
    ),
    Exercise(
        name="attend",
        title="Attention in four lines",
        task="""
            Write $\\text{softmax}(QK^\\top/\\sqrt d)\\,V$ with a mask, for any number of examples and heads. It is the
            line that every language model runs, and each of its four parts can be wrong without an error.
            """,
        stub=attend_stub,
        solution=attend,
        why="Scores, mask, softmax, mean: in this order. exp(-inf) is exactly 0, so what is hidden is neither heard nor counted in the denominator. torch's softmax subtracts each row's largest score first, which changes nothing but keeps exp from overflowing.",
        hints=(
            "Which shape must the scores have, and which two axes of `key` have to change places for that?",
            "Divide by the root of the queries' last axis. Hidden scores must become a number whose exp is 0. Each query's weights, along the keys, sum to one.",
            "scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1]); scores = scores.masked_fill(~allowed, -math.inf) if there is a mask; then softmax over the last axis, and @ value.",
        ),
        mutants={
            "not divided": (not_divided, "scores are divided by √width"),
            "divided by the width": (divided_by_the_width, "by the root, not by the width"),
            "multiplied by the root": (times_the_root, "it is a mean, by a softmax"),
            "root of the number of keys": (root_of_the_keys, "it is a mean, by a softmax"),
            "root of the values' width": (root_of_the_value, "scores are divided by √width"),
            "divided after the softmax": (
                divided_after,
                "a query of zeros fits every key alike and hears the mean of the values",
            ),
            "softmax over the queries": (over_the_queries, "each query's weights sum to one"),
            "softmax over a counted axis": (
                over_the_first_axis,
                "axes in front of (tokens, width) are examples and heads, each for itself",
            ),
            "no softmax": (no_softmax, "a query of zeros fits every key alike and hears the mean of the values"),
            "exp without care": (exp_by_hand, "large scores do not overflow"),
            "mask ignored": (mask_ignored, "the mask counts"),
            "mask after the softmax": (
                mask_after_softmax,
                "the mask comes before the softmax, so that the weights that are left sum to one",
            ),
            "mask turned over": (mask_turned_over, "True means: may look"),
            "mask transposed": (mask_transposed, "rows of the mask are queries, columns are keys"),
            "-1e-9 for -1e9": (a_tiny_number, "the mask counts"),
            "zero for hidden": (zero_for_hidden, "the mask counts"),
            "True added to the scores": (one_is_added, "the mask counts"),
            "minus infinity after the softmax": (
                hidden_values,
                "the mask comes before the softmax, so that the weights that are left sum to one",
            ),
            "the weights are returned": (weights_for_answers, "an answer for each query, as wide as a value"),
            "keys in place of values": (keys_for_values, "an answer for each query, as wide as a value"),
            "only the best key": (the_best_only, "it is a mean, by a softmax"),
            "query divided in place": (scaled_in_place, "the arguments stay as they were"),
            "the first example only": (
                two_axes_only,
                "axes in front of (tokens, width) are examples and heads, each for itself",
            ),
            "cut off from the graph": (cut_off, "gradients flow to query, key and value"),
        },
        others={
            "torch's own": by_torch,
            "einsum and -1e9": by_einsum,
            "softmax by hand": by_hand,
            "query by query": query_by_query,
        },
        check=check_attend,
    ),
)
