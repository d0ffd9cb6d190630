"""A tensor that remembers where it came from, and sends gradients back the way it came.

Why reverse mode?  The derivative of f(g(h(x))) is a product of Jacobians, which may be multiplied from either end. From
    the inputs (forward mode), one pass gives the effect of *one* number on everything; from the result (reverse mode),
    one pass gives the effect of *everything* on one number. A loss is one number and depends on millions of weights:
    reverse mode has all of their gradients for the price of a few forward passes, however many they are.
Why a topological order?  A gradient may be passed on only when it is complete, that is when everything that used the
    tensor has sent its share. An order that has inputs before results, walked backwards, promises just that. Following
    each path from the loss by itself would be right too, and hopeless: twenty diamonds in a row have a million paths.
Why accumulate?  A tensor that is used twice changes the loss in two ways, and by the chain rule for several variables
    the effects add up. By the same rule `grad` goes on adding up over calls of `backward`, until it is set to None
    (`SGD.zero_grad`): two losses that are followed back one after the other are their sum followed back.
Why does un-broadcasting sum?  A bias that was added to 64 rows *was* used 64 times: the same rule again (`fitted`).

One law of memory: an array that a tensor holds is never written to. It is read-only, so NumPy itself refuses
`x.data[0] = 1` and `x.data -= step`; an update puts a new array in its place, `x.data = x.data - step`, and the graph
keeps those that it has used. So nothing that happens between forward and backward can falsify a gradient, and arrays
are shared without fear.

Sources  Baydin et al. 2018, "Automatic differentiation in machine learning: a survey" - https://arxiv.org/abs/1502.05767;
         Griewank & Walther 2008, "Evaluating Derivatives", section 3.2 (reverse mode) and chapter 4 (what it costs)
Letters  their adjoint, a bar over the variable, is our `grad`; their tape or Wengert list our `topological_order`
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from typing import Any

import numpy as np

from learnable.engine.operations import OPERATIONS, fitted

FLOATS = (np.float32, np.float64)
recording = ContextVar("recording", default=True)


def method(name: str) -> Callable[..., "Tensor"]:
    """A row of the table as a method: `tensor + other`, `tensor.exp()`."""
    return lambda self, *others: apply(name, self, *others)


def reflected(name: str) -> Callable[..., "Tensor"]:
    """What Python calls for `other + tensor` when `other` does not know tensors."""
    return lambda self, other: apply(name, other, self)


def reduction(name: str) -> Callable[..., "Tensor"]:
    """A row that takes axes away: `tensor.sum()`, `tensor.mean(axis=0)`, `tensor.max((0, 1), keepdims=True)`."""
    return lambda self, axis=None, keepdims=False: apply(
        name, self, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims
    )


def comparison(compare: Callable[..., Any]) -> Callable[..., Any]:
    """Entry by entry, as NumPy's array of bool: a truth has no slope, so it is no tensor and remembers nothing."""
    return lambda self, other: compare(*(x.data for x in _tensors((self, other))))


class Tensor:
    """An array of numbers with a place in a graph of operations.

    A tensor that is made has no inputs; one that is computed knows its operation and its inputs. Constants take the
    type of the tensor that they meet, so float32 stays float32; between tensors, NumPy's rules for types hold.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])

    Raises TypeError where the numbers are not real, and where those that want a gradient are not float32 or float64.
    """

    __array_ufunc__ = None  # `array * tensor` is ours to answer

    grad: np.ndarray | None = None
    name: str = ""  # for drawings
    operation: str = ""  # a row of the table, empty for a tensor that was made
    inputs: tuple["Tensor", ...] = ()
    settings: Mapping[str, Any] = {}
    saved: tuple[np.ndarray, ...] = ()  # the result and the inputs' arrays, as they were

    def __init__(self, data: Any, requires_grad: bool = False, *, dtype: Any = None, name: str = ""):
        data = _copied(data, dtype)
        if data.dtype not in FLOATS and (requires_grad or data.dtype.kind == "f"):
            raise TypeError(f"expected float32 or float64, came {data.dtype}: write 1.0 for 1, or give a dtype")
        self._data, self.requires_grad, self.name = _locked(data), requires_grad, name

    @property
    def data(self) -> np.ndarray:
        """The numbers, read-only. Assigning replaces them, unrecorded by any graph: that is how an optimizer steps.

        An array that is assigned becomes the tensor's own, and read-only. Raises ValueError unless shape and type stay.
        Where NumPy says "output array is read-only", `x.data -= step` was tried: write `x.data = x.data - step`.
        """
        return self._data

    @data.setter
    def data(self, new: np.ndarray) -> None:
        new = np.asarray(new)
        if (new.shape, new.dtype) != (self.shape, self.dtype):
            raise ValueError(f"expected {self.dtype} of shape {self.shape}, came {new.dtype} of shape {new.shape}")
        self._data = _locked(new if new.base is None else new.copy())  # who holds the whole could write to a part

    def backward(self, gradient: Any = None) -> None:
        """Add the gradient of this tensor with respect to each that it was computed from to that one's `grad`.

        `gradient`, in this tensor's shape, is that of the final result with respect to it: how much each entry counts.
        A single number needs none: it is the result. Raises RuntimeError where nothing wants a gradient, and ValueError
        where this is not a single number and no gradient of its shape is given.
        """
        if not self.requires_grad:
            raise RuntimeError("nothing here wants a gradient: give a tensor requires_grad=True, leave no_grad()")
        if gradient is None and self.size != 1:
            raise ValueError(f"expected a single number, came shape {self.shape}: take its sum, or give a gradient")
        gradient = np.ones(self.shape, self.dtype) if gradient is None else _copied(gradient, self.dtype)
        if gradient.shape != self.shape:
            raise ValueError(f"expected a gradient of shape {self.shape}, came {gradient.shape}")

        arriving = {self: gradient}
        for tensor in reversed([x for x in topological_order(self) if x.requires_grad]):
            g = _locked(arriving.pop(tensor))  # complete: whatever used this tensor has had its turn
            tensor.grad = g if tensor.grad is None else _locked(tensor.grad + g)
            for source, rule in zip(tensor.inputs, OPERATIONS.get(tensor.operation, ())[1:], strict=True):
                if source.requires_grad:
                    share = fitted(np.asarray(rule(g, *tensor.saved, **tensor.settings)), source.data)
                    arriving[source] = arriving[source] + share if source in arriving else share

    shape, dtype = property(lambda self: self._data.shape), property(lambda self: self._data.dtype)
    ndim, size = property(lambda self: self._data.ndim), property(lambda self: self._data.size)
    __len__, __iter__ = (lambda self: len(self._data)), (lambda self: (self[i] for i in range(len(self))))
    __bool__, __float__ = (lambda self: bool(self.item())), (lambda self: float(self.item()))

    def item(self) -> float:
        """The number in a tensor that has only one, else a ValueError; `float(x)` and `if x:` ask for it too."""
        return self._data.item()

    def __repr__(self) -> str:
        origin = f", operation={self.operation}" if self.operation else ", requires_grad=True" * self.requires_grad
        return f"Tensor({np.array2string(self._data, separator=', ')}, dtype={self.dtype}{origin})"

    # What can be computed: a name for each row of the table.

    __add__, __radd__ = method("add"), reflected("add")
    __sub__, __rsub__ = method("sub"), reflected("sub")
    __mul__, __rmul__ = method("mul"), reflected("mul")
    __truediv__, __rtruediv__ = method("div"), reflected("div")
    __pow__, __rpow__ = method("pow"), reflected("pow")
    __matmul__, __rmatmul__ = (lambda self, other: matmul(self, other)), (lambda self, other: matmul(other, self))
    __neg__, __abs__, exp, log, tanh = method("neg"), method("abs"), method("exp"), method("log"), method("tanh")
    sigmoid, relu, maximum = method("sigmoid"), method("relu"), method("maximum")
    sum, mean, max = reduction("sum"), reduction("mean"), reduction("max")
    __lt__, __le__, __gt__, __ge__ = map(comparison, (np.less, np.less_equal, np.greater, np.greater_equal))
    # a tensor in a dictionary is itself, whatever equals it: the graph relies on that
    __eq__, __ne__, __hash__ = comparison(np.equal), comparison(np.not_equal), object.__hash__
    __pos__, detach = (lambda self: self), (lambda self: Tensor(self.data))  # `detach`: the numbers without the graph

    def __getitem__(self, index: Any) -> "Tensor":
        parts = index if isinstance(index, tuple) else (index,)
        chosen = tuple(_copied(part) if isinstance(part, Tensor | np.ndarray | Sequence) else part for part in parts)
        return apply("getitem", self, index=chosen)

    def reshape(self, *shape: int | Sequence[int]) -> "Tensor":
        return apply("reshape", self, shape=tuple(np.ravel(shape).tolist()))

    def permute(self, *axes: int | Sequence[int]) -> "Tensor":
        return apply("permute", self, axes=tuple(np.ravel(axes).tolist()))

    T = property(lambda self: self.permute(*range(self.ndim - 2), -1, -2))  # every matrix transposed

    def conv2d(self, weight: Any, stride: int = 1, padding: int = 0) -> "Tensor":
        """(batch, maps, height, width) seen through kernels (out, maps, kh, kw), as `torch.nn.functional.conv2d` has it."""
        return apply("conv2d", self, weight, stride=stride, padding=padding)

    def max_pool(self, size: int) -> "Tensor":
        """The largest of each square of (batch, maps, height, width); rows and columns that fill none are left out."""
        batch, maps, *sides = self.shape
        rows, columns = (side // size for side in sides)
        whole = self if sides == [rows * size, columns * size] else self[:, :, : rows * size, : columns * size]
        return whole.reshape(batch, maps, rows, size, columns, size).max((3, 5))

    def log_softmax(self, axis: int = -1) -> "Tensor":
        return apply("log_softmax", self, axis=axis)

    def cross_entropy(self, labels: Any) -> "Tensor":
        """The mean over all examples of -log p(label); self (..., classes) are logits, labels (...) are integers."""
        labels, (*shape, classes) = _copied(labels), self.shape
        if labels.dtype.kind not in "iu" or labels.shape != (*shape,) or not labels.size:
            raise ValueError(f"expected integers {(*shape,)}, not empty, came {labels.dtype} {labels.shape}")
        if not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"expected labels from 0 to {classes - 1}, came {labels.min()} to {labels.max()}")
        return apply("cross_entropy", self, labels=labels)


def apply(name: str, *operands: Any, **settings: Any) -> Tensor:
    """Compute a row of the table, and remember the inputs if a gradient may be wanted.

    Raises ValueError where shapes do not fit.

    >>> apply("mul", Tensor([1.0, 2.0]), 3)
    Tensor([3., 6.], dtype=float64, operation=mul)
    """
    inputs = _tensors(operands)
    result, arrays = Tensor.__new__(Tensor), [x.data for x in inputs]
    try:
        result._data = _locked(OPERATIONS[name][0](*arrays, **settings))
    except ValueError as error:
        raise ValueError(f"{name} of shape {' and '.join(str(x.shape) for x in inputs)}: {error}") from error
    result.operation, result.requires_grad = name, recording.get() and any(x.requires_grad for x in inputs)
    if result.requires_grad:
        result.inputs, result.settings, result.saved = inputs, settings, (result.data, *arrays)
    return result


def topological_order(result: Tensor) -> list[Tensor]:
    """Everything that `result` was computed from, and itself, each once, inputs before what was computed from them.

    A loop with a stack of its own: a recursive function would end at Python's limit, a thousand operations deep.
    """
    order, stack = dict[Tensor, None](), [(result, False)]
    while stack:
        tensor, inputs_are_done = stack.pop()
        if inputs_are_done:
            order[tensor] = None
        elif tensor not in order:
            stack += [(tensor, True), *((source, False) for source in reversed(tensor.inputs))]
    return list(order)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without remembering: to use a network rather than to train it.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     (x * x).requires_grad
    False
    """
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


def matmul(a: Any, b: Any) -> Tensor:
    """Products of matrices, (..., n, k) @ (..., k, m); axes in front are broadcast, a vector is a row or a column."""
    a, b = _tensors((a, b))
    if b.ndim == 1:
        return matmul(a, b.reshape(-1, 1))[..., 0]
    if a.ndim == 1:
        return matmul(a.reshape(1, -1), b)[..., 0, :]
    return apply("matmul", a, b)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Entries of `a` where the condition holds, of `b` elsewhere; the condition itself has no gradient."""
    return apply("where", a, b, condition=_copied(condition, bool))


def concatenate(tensors: Iterable[Tensor], axis: int = 0) -> Tensor:
    """At least one tensor, one after another along an axis that they have: two are joined, then the next to them."""
    return reduce(lambda a, b: apply("concatenate", a, b, axis=axis), tensors)


def _tensors(operands: Sequence[Any]) -> tuple[Tensor, ...]:
    """The operands, each a tensor; a constant takes the type of the first tensor of real numbers."""
    like = next((x.dtype for x in operands if isinstance(x, Tensor) and x.dtype in FLOATS), None)
    return tuple(x if isinstance(x, Tensor) else Tensor(x, dtype=like) for x in operands)


def _copied(data: Any, dtype: Any = None) -> np.ndarray:
    """The numbers of a tensor, an array or a list, where nobody else can write to them.

    The type is judged before it is changed: NumPy would make nan of None, 1.5 of "1.5", and 0 of the imaginary unit.
    """
    array = np.array(data.data if isinstance(data, Tensor) else data)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected real numbers, came {type(data).__name__} of {array.dtype}")
    return array.astype(dtype or array.dtype, copy=False)


def _locked(data: Any) -> np.ndarray:
    """The array, read-only from here on; a bare number, which NumPy makes of one without axes, is an array again."""
    data = np.asarray(data)
    data.setflags(write=False)
    return data
