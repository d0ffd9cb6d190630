r"""The engine's calculus: a table of operations, each with the rule that carries a gradient back through it.

Every program, however long, is a chain of a few elementary operations, and the chain rule needs nothing but the
derivative of each. So the whole of calculus that a network needs is this table. A row holds

    forward   arrays in, array out
    rules     one for each input: from g, the gradient of the loss with respect to the result y, to the gradient
              with respect to that input, given y, the inputs, and the settings (axes, a shape, an index)

A rule is a vector-Jacobian product, $\bar x = \bar y \, \partial y / \partial x$: it never builds the Jacobian, which
for a product of matrices would have more entries than memory has room. A rule may answer in the broadcast shape or in
another float type; `fitted` then brings the gradient to the shape and type of what it belongs to.

A rule per input, rather than one for all, because a gradient that nobody asked for should not be computed: the first
layer of a network would otherwise spend a third of the step on the gradient of the pictures.

Sources  Griewank & Walther 2008, "Evaluating Derivatives", chapter 3 (the adjoint of each elemental);
         Baydin et al. 2018, section 3.2 - https://arxiv.org/abs/1502.05767
Choices  where a function has a kink, we take what PyTorch takes: relu and abs have slope 0 at 0, equal maxima share the gradient
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # np.ndarray, or the bare number that NumPy makes of an array without axes


def fitted(gradient: Array, x: Array) -> Array:
    """The gradient in the shape and type of `x`, which may have been broadcast: un-broadcasting is summing.

    Broadcasting copies a number into many places. Each copy touches the loss, and effects add up, so the number's
    gradient is the sum over its copies: over the axes that were put in front, and over those stretched from 1.

    >>> fitted(np.ones((4, 3)), x=np.zeros((1, 3)))
    array([[4., 4., 4.]])
    """
    if gradient.shape != x.shape:
        new = gradient.ndim - x.ndim
        stretched = (new + axis for axis, size in enumerate(x.shape) if size == 1)
        gradient = gradient.sum((*range(new), *stretched)).reshape(x.shape)
    return gradient.astype(x.dtype, copy=False)


def swap(x: Array) -> Array:
    """Every matrix in `x` transposed; the axes before the last two count matrices."""
    return np.swapaxes(x, -1, -2)


def spread(reduced: Array, x: Array, axis: Any) -> Array:
    """What was reduced over some axes of `x`, in the shape of `x` again: each number stands wherever it came from."""
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis) % x.ndim
    return np.broadcast_to(reduced.reshape([1 if i in axes else size for i, size in enumerate(x.shape)]), x.shape)


def shared(g: Array, y: Array, x: Array, axis: Any) -> Array:
    """The gradient of a maximum: it belongs to the winner alone; winners that tie share it."""
    winners = x == spread(y, x, axis)
    return spread(g, x, axis) * winners / winners.sum(axis, keepdims=True, dtype=g.dtype)


def scattered(g: Array, x: Array, index: tuple[Any, ...]) -> Array:
    """Zeros in the shape of `x` but for the entries that were picked, which get what came back for them.

    Added, not assigned: an index may name an entry twice, and both count (`result[index] += g` would count one).
    """
    result = np.zeros_like(x)
    np.add.at(result, index, g)
    return result


def log_softmax(x: Array, axis: int) -> Array:
    """log(exp(x) / exp(x).sum()), with the largest taken out first so that no exponential overflows."""
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def cross_entropy(x: Array, labels: Array) -> Array:
    """The mean surprise, in nats, at finding these labels where `x`, (..., classes), said what was likely."""
    return -np.take_along_axis(log_softmax(x, -1), labels[..., None], -1).mean()


def surprise(x: Array, labels: Array) -> Array:
    """How the mean surprise grows with each logit: what was believed minus what is true, softmax minus one-hot."""
    return (np.exp(log_softmax(x, -1)) - (labels[..., None] == np.arange(x.shape[-1]))).astype(x.dtype) / labels.size


def windows(x: Array, kernel: tuple[int, ...], stride: int, writeable: bool = False) -> Array:
    """What a kernel sees at each place of (batch, maps, height, width): a view (batch, maps, rows, columns, kh, kw)."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3), writeable=writeable)
    return view[:, :, ::stride, ::stride]


def convolved(x: Array, weight: Array, stride: int, padding: int) -> Array:
    """At each place the sum of what the kernel sees, times its weight (out, maps, kh, kw): one product of matrices."""
    seen = windows(padded(x, padding), weight.shape[2:], stride)
    return np.tensordot(seen, weight, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


def laid_down(g: Array, x: Array, weight: Array, stride: int, padding: int) -> Array:
    """The gradient of the pixels: each place lays the kernel down again, times its g; where kernels overlap they add up."""
    result = padded(np.zeros_like(x), padding)
    for i, j in np.ndindex(*weight.shape[2:]):
        share = np.tensordot(g, weight[:, :, i, j], axes=((1,), (0,))).transpose(0, 3, 1, 2)
        windows(result, weight.shape[2:], stride, writeable=True)[..., i, j] += share
    return result[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def seen_by(g: Array, x: Array, weight: Array, stride: int, padding: int) -> Array:
    """The gradient of the weights: shared by all places, they collect from all of them."""
    seen = windows(padded(x, padding), weight.shape[2:], stride)
    return np.tensordot(g, seen, axes=((0, 2, 3), (0, 2, 3)))


def padded(x: Array, padding: int) -> Array:
    """So many pixels of zeros around each map."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))) if padding else x


# name: what it computes, then, input by input, how a gradient g of the result y flows back
OPERATIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "add":     (np.add,         lambda g, y, a, b: g,           lambda g, y, a, b: g),
    "sub":     (np.subtract,    lambda g, y, a, b: g,           lambda g, y, a, b: -g),
    "mul":     (np.multiply,    lambda g, y, a, b: g * b,       lambda g, y, a, b: g * a),
    "div":     (np.divide,      lambda g, y, a, b: g / b,       lambda g, y, a, b: -g * y / b),
    # the second rule is swap(a) @ g, lying in memory as weight.T does
    "matmul":  (np.matmul,      lambda g, y, a, b: g @ swap(b), lambda g, y, a, b: swap(swap(g) @ a)),
    "conv2d":  (convolved,      lambda g, y, x, w, stride, padding: laid_down(g, x, w, stride, padding),
                                lambda g, y, x, w, stride, padding: seen_by(g, x, w, stride, padding)),
    "pow":     (np.power,       lambda g, y, a, b: g * b * a ** np.where(b == 0, 1, b - 1),
                                lambda g, y, a, b: g * y * np.log(np.where(a == 0, 1, a))),
    "maximum": (np.maximum,     lambda g, y, a, b: np.where(a == b, g / 2, np.where(a > b, g, 0)),
                                lambda g, y, a, b: np.where(a == b, g / 2, np.where(a < b, g, 0))),
    "where":   (lambda a, b, condition: np.where(condition, a, b),
                                lambda g, y, a, b, condition: np.where(condition, g, 0),
                                lambda g, y, a, b, condition: np.where(condition, 0, g)),
    "concatenate": (lambda a, b, axis: np.concatenate((a, b), axis),
                                lambda g, y, a, b, axis: np.split(g, [a.shape[axis]], axis)[0],
                                lambda g, y, a, b, axis: np.split(g, [a.shape[axis]], axis)[1]),
    "neg":     (np.negative,    lambda g, y, x: -g),
    "abs":     (np.abs,         lambda g, y, x: g * np.sign(x)),
    "exp":     (np.exp,         lambda g, y, x: g * y),
    "log":     (np.log,         lambda g, y, x: g / x),
    "tanh":    (np.tanh,        lambda g, y, x: g * (1 - y * y)),
    # 1 / (1 + exp(-x)), where no x is too large for exp
    "sigmoid": (lambda x: np.exp(-np.logaddexp(0, -x)), lambda g, y, x: g * y * (1 - y)),
    "relu":    (lambda x: np.maximum(x, 0), lambda g, y, x: np.where(x > 0, g, 0)),
    "sum":     (np.sum,         lambda g, y, x, axis, keepdims: spread(g, x, axis)),
    "mean":    (np.mean,        lambda g, y, x, axis, keepdims: spread(g, x, axis) * y.size / max(1, x.size)),
    "max":     (np.max,         lambda g, y, x, axis, keepdims: shared(g, y, x, axis)),
    "reshape": (lambda x, shape: x.reshape(shape), lambda g, y, x, shape: g.reshape(x.shape)),
    "permute": (np.transpose,   lambda g, y, x, axes: g.transpose(np.argsort(np.array(axes, int) % x.ndim))),
    "getitem": (lambda x, index: x[index], lambda g, y, x, index: scattered(g, x, index)),
    "log_softmax":   (log_softmax,   lambda g, y, x, axis: g - np.exp(y) * g.sum(axis, keepdims=True)),
    "cross_entropy": (cross_entropy, lambda g, y, x, labels: g * surprise(x, labels)),
}  # fmt: skip
