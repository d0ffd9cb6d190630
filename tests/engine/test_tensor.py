import gc
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.engine import Tensor, concatenate, no_grad, where
from learnable.engine.tensor import apply, topological_order


def test_a_tensor_that_is_used_twice_gets_both_shares():
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    (y * x + y).backward()  # x³ + x²
    assert x.grad == 3 * 9 + 2 * 3


def test_gradients_add_up_until_they_are_forgotten():
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    loss.backward()
    np.testing.assert_array_equal(x.grad, [4, 8])
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad, [2, 4])


def test_a_part_may_serve_two_losses():
    x = Tensor(2.0, requires_grad=True)
    middle = x * x
    (middle * 3).backward()
    (middle * 5).backward()
    assert x.grad == 4 * 8
    assert middle.grad == 8


def test_inputs_come_before_results_and_everything_once():
    x = Tensor(1.0, requires_grad=True)
    left, right = x.exp(), x.tanh()
    top = left * right + left
    order = topological_order(top)
    place = {tensor: number for number, tensor in enumerate(order)}
    assert len(order) == len(place) == 5
    for tensor in order:
        assert all(place[source] < place[tensor] for source in tensor.inputs)


def test_twenty_diamonds_are_not_a_million_paths():
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad == 1
    assert len(topological_order(y)) == 1 + 60 * 3


def test_a_long_chain_does_not_exhaust_the_stack():
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(10_000):
        y = y + 1
    y.backward()
    assert x.grad == 1
    del y
    gc.collect()  # forgetting a long chain is a recursion too


# Random programs: a list of steps, each of which takes tensors made before it, so diamonds and reuse are the rule.

STEPS = {
    "add": (2, lambda a, b: a + b),
    "sub": (2, lambda a, b: a - b),
    "mul": (2, lambda a, b: a * b.tanh()),  # bounded: squares of squares would overflow
    "div": (2, lambda a, b: a / (b * b + 1)),
    "tanh": (1, lambda a: a.tanh()),
    "sigmoid": (1, lambda a: a.sigmoid()),
    "neg": (1, lambda a: -a),
    "sum": (1, lambda a: a.sum(0, keepdims=True)),
    "mean": (1, lambda a: a.mean(-1, keepdims=True)),
    "square": (1, lambda a: (a.tanh()) ** 2),
    "row": (1, lambda a: a[:1]),
    "reshape": (1, lambda a: a.reshape(1, *a.shape)[0]),
}
SHAPES = [(2, 3), (1, 3), (2, 1), (3,), ()]
program = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=12
)


def run(steps, leaves):
    made = list(leaves)
    for name, first, second in steps:
        count, function = STEPS[name]
        picked = [made[i % len(made)] for i in (first, second)[:count]]
        if name in ("sum", "mean", "row") and not picked[0].shape:
            continue
        made.append(function(*picked))
    total = made[0].sum() * 0.5
    for tensor in made[-4:]:
        total = total + tensor.sum()
    return total


@pytest.mark.reference
@given(program, st.integers(0, 2**16), st.lists(st.booleans(), min_size=5, max_size=5))
@settings(max_examples=100, deadline=None)
def test_random_programs_agree_with_torch(steps, seed, wanted):
    wanted = [True, *wanted[1:]]  # the first leaf is in every total
    arrays = [np.random.default_rng(seed).normal(size=shape) for shape in SHAPES]
    ours = [Tensor(array, requires_grad=w) for array, w in zip(arrays, wanted, strict=True)]
    theirs = [torch.tensor(array, requires_grad=w) for array, w in zip(arrays, wanted, strict=True)]
    total, expected = run(steps, ours), run(steps, theirs)
    for _ in range(2):  # a graph may be walked again, and gradients add up
        total.backward()
        expected.backward(retain_graph=True)
    np.testing.assert_allclose(total.data, expected.detach(), rtol=1e-10, atol=1e-10)
    for mine, reference in zip(ours, theirs, strict=True):
        if reference.grad is None:
            assert mine.grad is None
        else:
            np.testing.assert_allclose(mine.grad, reference.grad, rtol=1e-10, atol=1e-10)


# What must not happen without a word.


def test_backward_needs_a_number_or_a_gradient():
    y = Tensor([1.0, 2.0], requires_grad=True) * 2
    with pytest.raises(ValueError, match=r"single number, came shape \(2,\)"):
        y.backward()
    with pytest.raises(ValueError, match=r"gradient of shape \(2,\), came \(3,\)"):
        y.backward([1.0, 1.0, 1.0])
    y.backward([1.0, 0.0])


def test_backward_needs_something_that_wants_a_gradient():
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        (Tensor(1.0) * 2).backward()


@pytest.mark.parametrize(
    "constant, came",
    [(None, "NoneType of object"), ("1.5", "str of <U3"), (np.array([1j, 2]), "ndarray of complex128")],
)
def test_a_constant_that_is_no_real_number_is_refused(constant, came):
    x = Tensor([1.0, 2.0], requires_grad=True)
    for use in (
        lambda: x + constant,
        lambda: constant * x,
        lambda: x == constant,
        lambda: Tensor(constant, dtype=np.float32),
        lambda: where(constant, x, x),
        lambda: x.backward(["1.5", "2"] if constant is None else constant),
    ):
        with pytest.raises(TypeError, match="expected real numbers, came"):
            use()
    with pytest.raises(TypeError, match=came):
        x - constant
    with pytest.raises(TypeError, match="came list of object"):
        x * [x[0], x[1]]  # a list would lose their gradients


def test_comparisons_are_arrays_of_bool():
    x = Tensor(np.array([[0.1, 2], [3, 4]], np.float32), requires_grad=True)
    np.testing.assert_array_equal(x == 0.1, [[True, False], [False, False]])  # the constant is float32 too
    for compare in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
        for other in (3, np.array([2, 3]), Tensor([[0.5], [3]]), x):
            ours = getattr(x, compare)(other)
            theirs = getattr(x.data, compare)(other.data if isinstance(other, Tensor) else other)
            assert type(ours) is np.ndarray and ours.dtype == bool
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.array([2, 3]) < x, x.data > [2, 3])
    assert 2.0 in x[0] and 7.0 not in x[0]


def test_equal_tensors_are_two_tensors_in_a_graph():
    a, b = Tensor(2.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    assert a == b and len({a, b}) == 2
    (a * b * 3 + a).backward()
    assert a.grad == 7 and b.grad == 6


def test_one_number_is_a_number():
    assert float(Tensor([[2]])) == 2.0 and isinstance(float(Tensor(2)), float)
    assert Tensor([0.5]) and not Tensor(0.0)
    for wrong in (bool, float):
        with pytest.raises(ValueError, match="size 1"):
            wrong(Tensor([1.0, 2.0]))


def test_rows_are_counted_and_walked():
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    assert len(x) == 3
    first, _, last = x
    (first * 10 + last).sum().backward()
    np.testing.assert_array_equal(x.grad, [[10, 10], [0, 0], [1, 1]])
    for wrong in (len, list):
        with pytest.raises(TypeError, match="unsized"):
            wrong(Tensor(1.0))


def test_a_detached_tensor_has_the_numbers_without_the_graph():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * (+x * 3).detach()).sum().backward()
    np.testing.assert_array_equal(x.grad, [3, 6])
    assert not x.detach().requires_grad and not (x * 2).detach().inputs


def test_axes_may_come_as_one_tuple_or_list():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    for shape in ((6, 4), [6, -1], (-1,)):
        np.testing.assert_array_equal(x.reshape(shape).data, x.data.reshape(shape), strict=True)
    np.testing.assert_array_equal(x.permute((2, 0, 1)).data, x.data.transpose(2, 0, 1), strict=True)
    for name in ("sum", "mean", "max"):
        result = getattr(x, name)([0, -1])
        np.testing.assert_array_equal(result.data, getattr(x.data, name)((0, -1)), strict=True)
        result.backward(np.ones(3))
    assert x.reshape((6, 4)).settings == {"shape": (6, 4)}  # as a drawing shows it


@pytest.mark.parametrize("name", ["add", "mul", "maximum", "matmul"])
def test_shapes_that_do_not_fit_are_named(name):
    with pytest.raises(ValueError, match=rf"{name} of shape \(2, 3\) and \(4, 5\)"):
        apply(name, Tensor(np.ones((2, 3))), Tensor(np.ones((4, 5))))


def test_other_shape_errors_are_named():
    x = Tensor(np.ones((2, 3)))
    for wrong in (
        lambda: x.reshape(4),
        lambda: x.sum(5),
        lambda: concatenate([x, x[0]]),
        lambda: x[0].T,
        lambda: x.permute(0, 0),
    ):
        with pytest.raises(ValueError, match=r"of shape \("):
            wrong()
    with pytest.raises(TypeError, match="empty"):
        concatenate([])


def test_integers_have_no_gradient():
    with pytest.raises(TypeError, match=r"came int64: write 1\.0 for 1"):
        Tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match="float16"):
        Tensor(np.ones(2, np.float16))
    with pytest.raises(TypeError, match="<U3"):
        Tensor("abc")
    assert Tensor([1, 2]).dtype == np.int64
    assert Tensor([1, 2], requires_grad=True, dtype=np.float32).dtype == np.float32
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * Tensor([3, 4])).sum().backward()
    np.testing.assert_array_equal(x.grad, [3, 4])


def test_a_tensor_of_integers_does_not_round_a_constant():
    np.testing.assert_array_equal((Tensor([1, 2]) * 0.5).data, [0.5, 1])


def test_arrays_cannot_be_written_to_behind_the_graph():
    mine = np.array([1.0, 2.0])
    x = Tensor(mine, requires_grad=True)
    y = x * x
    for array in (x.data, y.data, x.reshape(2, 1).data, x[:1].data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    with pytest.raises(ValueError, match="read-only"):
        x.data -= 1
    assert Tensor.data.__doc__ is not None and "x.data = x.data - step" in Tensor.data.__doc__  # the remedy
    mine[:] = 100  # a copy was taken
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 4])
    with pytest.raises(ValueError, match="read-only"):
        x.grad[0] = 7


def test_an_update_between_forward_and_backward_changes_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    x.data = x.data - 5
    y.backward()
    np.testing.assert_array_equal(x.grad, [2, 4])
    np.testing.assert_array_equal(x.data, [-4, -3])


def test_an_update_keeps_shape_and_type():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    with pytest.raises(ValueError, match=r"float32 of shape \(3,\), came float64"):
        x.data = np.ones(3)
    with pytest.raises(ValueError, match=r"came float32 of shape \(1, 3\)"):
        x.data = np.ones((1, 3), np.float32)
    whole = np.zeros((2, 3), np.float32)
    x.data = whole[0]
    whole[:] = 9
    np.testing.assert_array_equal(x.data, [0, 0, 0])


@pytest.mark.parametrize("pick", ["index", "labels", "condition"])
def test_what_a_step_was_given_may_change_afterwards(pick):
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    given_array = np.array([0, 1])
    y = {
        "index": lambda: x[given_array],
        "labels": lambda: x.cross_entropy(given_array),
        "condition": lambda: where(given_array[:, None], x, 0.0),
    }[pick]()
    y.backward(np.ones(y.shape))
    before, x.grad = x.grad, None
    given_array[:] = 0
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(x.grad, before)


def test_the_same_gradient_in_two_places_cannot_be_changed_in_one():
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    (a + b).sum().backward()
    with pytest.raises(ValueError, match="read-only"):
        a.grad *= 2
    np.testing.assert_array_equal(b.grad, [1])


def test_labels_are_checked():
    logits = Tensor(np.zeros((2, 3)))
    for labels, message in [
        ([0, 3], "from 0 to 2, came 0 to 3"),
        ([-1, 0], "came -1 to 0"),
        ([0.0, 1.0], "came float64"),
        ([0], r"\(2,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            logits.cross_entropy(labels)
    with pytest.raises(ValueError, match="not empty"):
        Tensor(np.zeros((0, 3))).cross_entropy(np.zeros(0, int))


def test_nothing_is_remembered_where_nothing_is_wanted():
    x = Tensor(2.0, requires_grad=True)
    with no_grad():
        silent = x * x
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert not silent.requires_grad and not silent.inputs
    assert elsewhere == [True]  # another thread trains on
    assert (x * x).requires_grad
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * x).requires_grad
    assert not (Tensor(1.0) * 2).saved


def test_gradients_that_nobody_wants_are_not_computed():
    pictures, weight = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 4)), requires_grad=True)
    (pictures @ weight).sum().backward()
    assert pictures.grad is None and weight.grad.shape == (3, 4)


def test_arrays_and_numbers_may_stand_on_the_left():
    x = Tensor(np.full((2, 2), 2.0, np.float32), requires_grad=True)
    for y in (np.ones((2, 2)) + x, np.float64(3) * x, 1 - x, 1 / x, 2**x, np.eye(2) @ x, [[5, 6]] * x):
        assert isinstance(y, Tensor) and y.dtype == np.float32 and y.shape == (2, 2)


def test_it_shows_what_it_is():
    x = Tensor([1.0], requires_grad=True)
    assert repr(x) == "Tensor([1.], dtype=float64, requires_grad=True)"
    assert repr(x * 2) == "Tensor([2.], dtype=float64, operation=mul)"
    assert repr(Tensor(1)) == "Tensor(1, dtype=int64)"
    assert [float(part.item()) for part in Tensor([1.0, 2.0])] == [1, 2]


def test_a_gradient_lies_in_memory_as_the_weight_does():
    weight = Tensor(np.ones((4, 3)), requires_grad=True)
    (Tensor(np.ones((2, 3))) @ weight.T).sum().backward()
    assert weight.grad.flags.c_contiguous
