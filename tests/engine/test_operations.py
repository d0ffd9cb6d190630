"""Every row of the table against torch.autograd, in float64; a row without a case here is a failure."""

import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from learnable.engine import Tensor, concatenate, gradcheck, where
from learnable.engine.operations import OPERATIONS, fitted

PAIRS = [  # shapes that broadcast, both ways, with empty axes and without axes
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1, 3), (4, 1)), ((2, 3), ()), ((), (2, 3)), ((), ()),
    ((1,), (5,)), ((1, 1), (2, 3)), ((0, 3), (1, 3)), ((1, 3), (0, 1)), ((4, 1, 2), (1, 3, 1)),
]  # fmt: skip
MATRICES = [
    ((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((6, 1, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 3), (3, 0)),
]  # fmt: skip
SHAPES = [(), (3,), (2, 3), (2, 3, 4), (0, 3), (1,)]
AXES = [
    (None, False),
    (None, True),
    (0, False),
    (-1, True),
    ((0, 1), False),
    ((1, -1), True),
    ((0, 2), False),
    ((-3,), True),
]


def pairs(ours, theirs, shapes=PAIRS, positive=False):
    return [(ours, theirs, shape, positive) for shape in shapes]


def single(ours, theirs=None, shapes=SHAPES, positive=False):
    return [(ours, theirs or ours, (shape,), positive) for shape in shapes]


def reductions(name, theirs):
    """torch takes an empty tuple of axes for all of them, NumPy for none: only real axes are compared."""
    cases = []
    for axis, keepdims in AXES:
        axes = (0, 1, 2) if axis is None else axis
        ours = lambda x, axis=axis, keepdims=keepdims: getattr(x, name)(axis, keepdims)
        reference = lambda x, axes=axes, keepdims=keepdims: theirs(x, axes, keepdims)
        cases += single(ours, reference, [(2, 3, 4), (1, 3, 1)])
    cases += single(lambda x: getattr(x, name)(), lambda x: theirs(x, tuple(range(x.ndim)), False), [(), (3,), (2, 3)])
    return cases + single(lambda x: getattr(x, name)(1), lambda x: theirs(x, 1, False), [(0, 3)])


def indexing(index):
    theirs = tuple(torch.tensor(part) if isinstance(part, list | tuple | range) else part for part in index)
    return (lambda x: x[index], lambda x: x[theirs], ((4, 3, 2),), False)


def every_entry(logits, labels):
    """torch wants the classes in the second axis."""
    return F.cross_entropy(logits.flatten(0, -2), torch.tensor(labels).flatten())


def pooled(x):
    """torch's own pool gives a tie to the first; our `max`, and torch's `amax`, share it."""
    return (
        F.unfold(x.flatten(0, 1)[:, None], 2, stride=2)
        .amax(1)
        .unflatten(1, [side // 2 for side in x.shape[2:]])
        .unflatten(0, x.shape[:2])
    )


LABELS = [[0, 2, 1], [2, 2, 0]]
CONDITION = np.array([[True, False, True], [False, False, True]])
INDEXES = [
    (0,), (-1,), (slice(1, 3),), (slice(None, None, 2), 1), (..., 0), (None, 2), (slice(0, 0),), (1, 2, 0),
    ([0, 0, 3, 0],), ([0, 1, 0], [2, 2, 2]), ([1, 1], slice(None), [0, 0]), (slice(None), [2, 2]),
    (slice(None), (0, 0)), ((0, 0), (1, 1)), (range(1, 3),), ((3, 3), ..., 0), (True,), ([True, False, True, True],),
]  # fmt: skip

CASES = {
    "add": pairs(lambda a, b: a + b, torch.add),
    "sub": pairs(lambda a, b: a - b, torch.sub),
    "mul": pairs(lambda a, b: a * b, torch.mul),
    "div": pairs(lambda a, b: a / b, torch.div, positive=True),
    "pow": pairs(lambda a, b: a**b, torch.pow, positive=True)
    + single(lambda x: x**2)
    + single(lambda x: x**3)
    + single(lambda x: 2.0**x),
    "matmul": pairs(lambda a, b: a @ b, torch.matmul, MATRICES)
    + single(lambda x: x @ x.T, lambda x: x @ x.mT, [(2, 3), (5, 2, 3)])
    + single(lambda x: x.T @ x, lambda x: x.mT @ x, [(2, 3)]),
    "maximum": pairs(lambda a, b: a.maximum(b), torch.maximum)
    + single(lambda x: x.maximum(x), lambda x: torch.maximum(x, x)),
    "where": pairs(
        lambda a, b: where(CONDITION, a, b),
        lambda a, b: torch.where(torch.tensor(CONDITION), a, b),
        [((2, 3), (2, 3)), ((3,), (2, 1)), ((), (2, 3)), ((4, 1, 1), (3,))],
    ),
    "concatenate": pairs(
        lambda a, b: concatenate([a, b]), lambda a, b: torch.cat([a, b]), [((2, 3), (4, 3)), ((0, 3), (2, 3))]
    )
    + pairs(
        lambda a, b: concatenate([a, b, a], -1), lambda a, b: torch.cat([a, b, a], -1), [((2, 3), (2, 1)), ((2,), (3,))]
    ),
    "conv2d": [
        (
            lambda a, b, stride=stride, padding=padding: a.conv2d(b, stride, padding),
            lambda a, b, stride=stride, padding=padding: F.conv2d(a, b, None, stride, padding),
            shapes,
            False,
        )
        for shapes in (((2, 2, 5, 6), (3, 2, 3, 2)), ((1, 1, 3, 3), (1, 1, 3, 3)), ((2, 3, 4, 7), (2, 3, 1, 1)))
        for stride, padding in ((1, 0), (2, 0), (3, 1), (1, 2))
    ],
    "neg": single(lambda x: -x),
    "abs": single(abs),
    "exp": single(lambda x: x.exp()),
    "log": single(lambda x: x.log(), positive=True),
    "tanh": single(lambda x: x.tanh()),
    "sigmoid": single(lambda x: x.sigmoid()) + single(lambda x: (100 * x).sigmoid()),
    "relu": single(lambda x: x.relu()),
    "sum": reductions("sum", torch.sum),
    "mean": reductions("mean", torch.mean),
    "max": reductions("max", torch.amax)
    + single(lambda x: (x * x).max_pool(2), lambda x: pooled(x * x), [(2, 3, 4, 6), (1, 2, 5, 3)]),
    "reshape": single(lambda x: x.reshape(3, -1), shapes=[(2, 3), (4, 3, 1)])
    + single(lambda x: x.reshape(), lambda x: x.reshape(()), [(1, 1)]),
    "permute": single(lambda x: x.permute(2, 0, 1), shapes=[(2, 3, 4), (0, 1, 2)])
    + single(lambda x: x.permute(-1, 0, -2), shapes=[(2, 3, 4)])
    + single(lambda x: x.T, lambda x: x.mT, [(2, 3), (2, 3, 4)]),
    "getitem": [indexing(index) for index in INDEXES],
    "log_softmax": single(lambda x: x.log_softmax(), lambda x: x.log_softmax(-1), [(3,), (2, 3), (2, 3, 4)])
    + single(lambda x: x.log_softmax(0), shapes=[(2, 3)])
    + single(lambda x: (1000 * x).log_softmax(-1), shapes=[(2, 3)]),
    "cross_entropy": single(lambda x: x.cross_entropy(LABELS), lambda x: every_entry(x, LABELS), [(2, 3, 3), (2, 3, 5)])
    + single(lambda x: (1000 * x).cross_entropy([1, 1]), lambda x: every_entry(1000 * x, [1, 1]), [(2, 3)]),
}


def test_every_row_of_the_table_has_a_case():
    assert set(CASES) == set(OPERATIONS)


@pytest.mark.reference
@pytest.mark.parametrize("name", OPERATIONS)
def test_agrees_with_torch(name):
    for number, (ours, theirs, shapes, positive) in enumerate(CASES[name]):
        random = np.random.default_rng(number)
        arrays = [random.uniform(0.5, 2, shape) if positive else random.normal(size=shape) for shape in shapes]
        if name in ("abs", "max", "maximum", "relu"):
            arrays = [np.round(array) for array in arrays]  # so that there are ties, and zeros
        mine = [Tensor(array, requires_grad=True) for array in arrays]
        reference = [torch.tensor(array, requires_grad=True) for array in arrays]
        y, expected = ours(*mine), theirs(*reference)
        g = random.normal(size=expected.shape)
        y.backward(g)
        expected.backward(torch.tensor(g))
        label = f"{name} case {number}, shapes {shapes}"
        np.testing.assert_allclose(y.data, expected.detach(), rtol=1e-12, atol=1e-12, strict=True, err_msg=label)
        for tensor, twin in zip(mine, reference, strict=True):
            wanted = np.zeros(tensor.shape) if twin.grad is None else twin.grad.numpy()
            np.testing.assert_allclose(tensor.grad, wanted, rtol=1e-12, atol=1e-12, strict=True, err_msg=label)


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradient_is_the_slope(name):
    ours, _, shapes, positive = CASES[name][0]
    random = np.random.default_rng(0)
    gradcheck(ours, *(random.uniform(0.5, 2, shape) if positive else random.normal(size=shape) for shape in shapes))


@pytest.mark.parametrize("name", OPERATIONS)
def test_float32_stays_float32(name):
    """Also the arrays on the way: a rule that computed in float64 would be right, and twice as slow."""
    for ours, _, shapes, _ in CASES[name]:
        inputs = [Tensor(np.full(shape, 0.5, np.float32), requires_grad=True) for shape in shapes]
        result = ours(*inputs)
        result.backward(np.ones(result.shape))
        assert result.dtype == np.float32
        assert all(x.grad is not None and x.grad.dtype == np.float32 for x in inputs)
        if result.size and result.ndim:
            for rule in OPERATIONS[name][1:]:
                if result.operation == name:
                    share = rule(np.ones(result.shape, np.float32), *result.saved, **result.settings)
                    assert share.dtype == np.float32


@pytest.mark.parametrize(
    "gradient, shape, expected",
    [
        (np.arange(6.0).reshape(2, 3), (3,), [3, 5, 7]),
        (np.arange(6.0).reshape(2, 3), (2, 1), [[3], [12]]),
        (np.arange(6.0).reshape(2, 3), (), 15),
        (np.arange(6.0).reshape(2, 3), (1, 1, 3)[1:], [[3, 5, 7]]),
        (np.ones((0, 3)), (1, 3), [[0, 0, 0]]),
    ],
)
def test_unbroadcasting_sums_over_the_copies(gradient, shape, expected):
    np.testing.assert_array_equal(fitted(gradient, np.zeros(shape)), np.array(expected, float), strict=True)


def test_equal_maxima_share_the_gradient():
    x = Tensor([2.0, 5.0, 5.0, 1.0], requires_grad=True)
    x.max().backward()
    np.testing.assert_array_equal(x.grad, [0, 0.5, 0.5, 0])


def test_an_entry_that_was_picked_twice_gets_both_gradients():
    x = Tensor([1.0, 2.0], requires_grad=True)
    x[[0, 0, 1]].backward([10.0, 1.0, 5.0])
    np.testing.assert_array_equal(x.grad, [11, 5])


def test_nothing_overflows_where_the_answer_is_small():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = Tensor([-1e4, 0.0, 1e4], requires_grad=True)
        np.testing.assert_array_equal(x.sigmoid().data, [0, 0.5, 1])
        np.testing.assert_array_equal(x.log_softmax().data, [-2e4, -1e4, 0])
        loss = x.cross_entropy(2)
        loss.backward()
        assert loss.item() == 0
        assert Tensor(-700.0).sigmoid().item() == pytest.approx(np.exp(-700.0), rel=1e-10)


def test_a_power_at_zero_has_a_slope():
    x = Tensor([0.0, 0.0, 2.0], requires_grad=True)
    y = Tensor([0.0, 1.0, 0.0], requires_grad=True)
    (x**y).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 1, 0])
    np.testing.assert_allclose(y.grad, [0, 0, np.log(2)])
