"""Four hearts of reverse mode: adding up, summing copies, a rule of the table, and the order of it all."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import ndarray

from learnable.course.exercise import Check, Exercise
from learnable.course.grader.compare import agrees, shown
from learnable.engine.operations import fitted

Tape = list[tuple[str, list[tuple[str, float]]]]

# ------------------------------------------------------------------------------------------------- accumulate


def accumulate_stub(tape: list, result: str) -> dict[str, float]:
    """The gradient of one value with respect to all that it was computed from.

    Args:
        tape: what was computed, in that order: pairs (name, uses), where uses lists for each input its name and the
            local slope, as pairs. A value that was given has no uses. An input that is used twice is listed twice.
        result: the name of the value whose gradient is asked for.

    Returns:
        name -> gradient. What the result does not depend on has 0, or is left out.

    >>> accumulate([("x", []), ("y", [("x", 3.0), ("x", 3.0)])], "y")  # y = x * x at x = 3
    {'y': 1.0, 'x': 6.0}
    """
    raise NotImplementedError


def accumulate(tape: Tape, result: str) -> dict[str, float]:
    gradients = {result: 1.0}
    for name, uses in reversed(tape):
        for source, slope in uses:
            gradients[source] = gradients.get(source, 0.0) + slope * gradients.get(name, 0.0)
    return gradients


def overwritten(tape: Tape, result: str) -> dict[str, float]:
    gradients = {result: 1.0}
    for name, uses in reversed(tape):
        for source, slope in uses:
            gradients[source] = slope * gradients.get(name, 0.0)
    return gradients


def once_a_step(tape: Tape, result: str) -> dict[str, float]:
    return accumulate([(name, list(dict(uses).items())) for name, uses in tape], result)


def walked_forwards(tape: Tape, result: str) -> dict[str, float]:
    return accumulate(tape[::-1], result)


def slopes_added(tape: Tape, result: str) -> dict[str, float]:
    gradients = {result: 1.0}
    for name, uses in reversed(tape):
        for source, slope in uses:
            if name in gradients:
                gradients[source] = gradients.get(source, 0.0) + slope + gradients[name] - 1.0
    return gradients


def local_slopes_only(tape: Tape, result: str) -> dict[str, float]:
    gradients = {result: 1.0}
    for _, uses in reversed(tape):
        for source, slope in uses:
            gradients[source] = gradients.get(source, 0.0) + slope
    return gradients


def begun_with_nothing(tape: Tape, result: str) -> dict[str, float]:
    gradients = {name: 0.0 for name, _ in tape}
    for name, uses in reversed(tape):
        for source, slope in uses:
            gradients[source] += slope * gradients[name]
    return gradients


def of_the_last(tape: Tape, result: str) -> dict[str, float]:
    return accumulate(tape, tape[-1][0])


def passed_on_too_early(tape: Tape, result: str) -> dict[str, float]:
    uses_of, gradients = dict(tape), {result: 1.0}

    def visit(name: str) -> None:
        for source, slope in uses_of[name]:
            gradients[source] = gradients.get(source, 0.0) + slope * gradients[name]
            visit(source)

    visit(result)
    return gradients


def tape_turned_round(tape: Tape, result: str) -> dict[str, float]:
    tape.reverse()
    return accumulate(tape[::-1], result)


def fetched_from_the_users(tape: Tape, result: str) -> dict[str, float]:
    gradients: dict[str, float] = {}
    for at in range(len(tape) - 1, -1, -1):
        name = tape[at][0]
        fetched = [slope * gradients[user] for user, uses in tape[at + 1 :] for source, slope in uses if source == name]
        gradients[name] = sum(fetched) + (name == result)
    return gradients


def check_accumulate(f: Any) -> Iterator[Check]:
    def one(name: str, tape: Tape, result: str, given: str, wanted: str = "") -> Check:
        """The gradients of all names, or only of those named."""
        expected = accumulate(tape, result)
        came = f(tape, result)
        if not isinstance(came, dict):
            return Check(name, False, f"expected a dict from names to gradients, came {shown(came)}")
        asked = wanted.split() or [one for one, _ in tape]
        mine = {key: came.get(key, 0.0) for key in asked}
        return agrees(name, mine, {key: expected.get(key, 0.0) for key in asked}, given)

    p, q, r, s = (float(x) for x in np.random.choice([-3, -2, 2, 3, 4, 5, 7], 4, replace=False))  # noqa: NPY002
    chain: Tape = [("x", []), ("u", [("x", p)]), ("y", [("u", q)])]
    yield one("the result's own gradient is 1", chain, "y", f"y = {q:g}·u, u = {p:g}·x", "y")
    yield one("along a path slopes are multiplied", chain, "y", f"y = {q:g}·u, u = {p:g}·x")
    square: Tape = [("x", []), ("y", [("x", p), ("x", p)])]
    yield one("a value that is used twice gets both shares", square, "y", f"y = x·x at x = {p:g}")
    fork: Tape = [("x", []), ("u", [("x", p)]), ("v", [("x", q)]), ("y", [("u", r), ("v", s)])]
    yield one(
        "shares that come over different steps add up", fork, "y", f"u = {p:g}·x, v = {q:g}·x, y = {r:g}·u + {s:g}·v"
    )
    beside: Tape = [("x", []), ("z", []), ("y", [("x", p)]), ("w", [("x", q), ("z", r), ("y", s)])]
    yield one(
        "what came after the result, or beside it, counts nothing",
        beside,
        "y",
        f"y = {p:g}·x; then w = {q:g}·x + {r:g}·z + {s:g}·y",
    )
    knot: Tape = [("x", []), ("d", [("x", p)]), ("v", [("d", q)]), ("y", [("v", 1.0), ("d", r)])]
    yield one(
        "a gradient is passed on when it is complete, and once", knot, "y", f"d = {p:g}·x, v = {q:g}·d, y = v + {r:g}·d"
    )
    f(knot, "y")
    yield Check(
        "the tape is left as it was",
        not f.changed_arguments,
        "the list that was given has changed: .reverse() and .pop() work in place",
    )
    names = [f"t{at}" for at in range(14)]
    wild: Tape = [
        (name, [(names[int(np.random.randint(at))], float(np.random.randint(-2, 3))) for _ in range(np.random.randint(1, 4))] if at > 2 else [])  # noqa: NPY002
        for at, name in enumerate(names)
    ]  # fmt: skip
    yield one("any tape", wild, names[-1], "a tape of 14 values")
    long: Tape = [("t0", []), *((f"t{at}", [(f"t{at - 1}", 1.0)]) for at in range(1, 2000))]
    yield one("a tape of 2,000 steps", long, "t1999", "t1 = t0, t2 = t1, …", "t0")


# ------------------------------------------------------------------------------------------------- unbroadcast


def unbroadcast_stub(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    """The gradient of an array that NumPy broadcast, from the gradient of the broadcast one.

    Args:
        gradient: one number for each copy.
        shape: that of the array before it was broadcast: axes may be missing in front, and some may have length 1.

    Returns:
        the gradient in that shape.

    >>> unbroadcast(np.ones((4, 3)), (3,))
    array([4., 4., 4.])
    """
    raise NotImplementedError


def unbroadcast(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    new = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(new)))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=stretched, keepdims=True)


def by_mean(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    new = gradient.ndim - len(shape)
    gradient = gradient.mean(axis=tuple(range(new))) if new else gradient
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.mean(axis=stretched, keepdims=True) if stretched else gradient


def first_copy(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    gradient = gradient[(0,) * (gradient.ndim - len(shape))]
    return gradient[tuple(slice(0, 1) if size == 1 else slice(None) for size in shape)]


def front_only(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


def stretched_only(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    new = gradient.ndim - len(shape)
    return gradient.sum(axis=tuple(new + axis for axis, size in enumerate(shape) if size == 1), keepdims=True)


def squeezed(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    return unbroadcast(gradient, shape).squeeze()


def from_behind(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=-1)
    return gradient.sum(axis=tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True)


def always_the_rows(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    return gradient.sum(axis=0)


def not_shifted(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    new = gradient.ndim - len(shape)
    axes = {*range(new), *(axis for axis, size in enumerate(shape) if size == 1)}
    summed = gradient.sum(axis=tuple(axes))
    return summed.reshape(shape) if summed.size == np.prod(shape) else summed


def as_the_library(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    return np.asarray(fitted(gradient, np.zeros(shape)))


def axis_by_axis(gradient: ndarray, shape: tuple[int, ...]) -> ndarray:
    while gradient.ndim > len(shape):
        gradient = gradient.sum(0)
    for axis, size in enumerate(shape):
        if size != gradient.shape[axis]:
            gradient = gradient.sum(axis, keepdims=True)
    return gradient


def check_unbroadcast(f: Any) -> Iterator[Check]:
    def draw(*shape: int) -> ndarray:
        return np.random.randint(1, 9, shape).astype(float)  # noqa: NPY002

    def one(name: str, gradient: ndarray, shape: tuple[int, ...]) -> Check:
        return agrees(
            name,
            f(gradient, shape),
            as_the_library(gradient, shape),
            f"shape {shape} and the gradient\n{shown(gradient)}\n",
        )

    yield one("nothing was copied, nothing is summed", draw(2, 3), (2, 3))
    gradient = draw(3, 2)
    came = f(gradient, (2,))
    total = float(np.sum(came)) if isinstance(came, ndarray | float | int) else None
    yield agrees(
        "nothing gets lost: every copy counts in full",
        total,
        float(gradient.sum()),
        f"the sum over all, with shape (2,) and\n{shown(gradient)}\n",
    )
    yield one("axes that were put in front are summed away", draw(3, 3), (3,))
    gradient = draw(2, 3)
    expected, came = gradient.sum(1), f(gradient, (2, 1))
    flat = np.ravel(came) if isinstance(came, ndarray) else came
    yield agrees(
        "an axis stretched from length 1 is summed",
        flat,
        expected,
        f"the numbers, with shape (2, 1) and\n{shown(gradient)}\n",
    )
    yield one("and it stays where it was, with length 1", gradient, (2, 1))
    yield one("both at once", draw(2, 4, 3), (4, 1))
    yield one("a single number that was added to everything", draw(2, 3), ())
    some = np.random.randint(2, 5, 4)  # noqa: NPY002
    for shape in ((1, 1), (1,), (int(some[2]), 1, 1), (1, int(some[2]), 1, int(some[3]))):
        full = (
            *(int(x) for x in some[: 4 - len(shape)]),
            *(int(some[4 - len(shape) + at]) if size == 1 else size for at, size in enumerate(shape)),
        )
        found = one("any shapes", draw(*full), shape)
        if not found.passed:
            break
    yield found
    gradient = draw(3, 2)
    f(gradient, (2,))
    yield Check(
        "the gradient that was given is left as it was", not f.changed_arguments, "it has changed: += works in place"
    )


# ------------------------------------------------------------------------------------------------- matmul's gradient


def matmul_gradient_stub(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    """What comes back to both factors of y = a @ b.

    Args:
        g: the gradient of the loss with respect to y, (..., n, m).
        a: (..., n, k)
        b: (..., k, m), with the same axes in front as a: a stack of matrices.

    Returns:
        the gradients with respect to a, (..., n, k), and to b, (..., k, m).
    """
    raise NotImplementedError


def matmul_gradient(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ g


def each_its_own(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return a.swapaxes(-1, -2) @ g, g @ b.swapaxes(-1, -2)


def not_transposed(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g @ b, a @ g


def a_only(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g @ b.swapaxes(-1, -2), a @ g


def wrong_side(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g @ b.swapaxes(-1, -2), g @ a.swapaxes(-1, -2)


def entry_by_entry(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g * b, g * a


def without_g(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return matmul_gradient(np.ones_like(g), a, b)


def meaned(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ g / a.shape[-2]


def all_axes_turned(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return g @ b.T, a.T @ g


def by_letters(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    return np.einsum("...nm,...km->...nk", g, b), np.einsum("...nk,...nm->...km", a, g)


def matrix_by_matrix(g: ndarray, a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    if g.ndim == 2:
        return g.dot(b.T), g.T.dot(a).T
    pairs = [matrix_by_matrix(*three) for three in zip(g, a, b, strict=True)]
    return np.stack([one for one, _ in pairs]), np.stack([one for _, one in pairs])


def check_matmul_gradient(f: Any) -> Iterator[Check]:
    def draw(*shape: int) -> ndarray:
        return np.random.randint(-4, 5, shape).astype(float)  # noqa: NPY002

    def one(name: str, g: ndarray, a: ndarray, b: ndarray, which: int | None = None) -> Check:
        expected, came = matmul_gradient(g, a, b), f(g, a, b)
        if not isinstance(came, tuple | list) or len(came) != 2:
            return Check(name, False, f"expected two arrays, for a and for b, came {shown(came)}")
        given = f"g\n{shown(g)}\na\n{shown(a)}\nb\n{shown(b)}\n"
        return (
            agrees(name, came, expected, given) if which is None else agrees(name, came[which], expected[which], given)
        )

    g, a, b = (np.array([[float(x)]]) for x in np.random.permutation([2, 3, 5, 7])[:3])  # noqa: NPY002
    yield one("for single numbers it is the rule of products", g, a, b)
    g, a, b = np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([[1.0, 4.0], [2.0, 0.0]]), np.array([[5.0, 0.0], [1.0, 2.0]])
    yield one("a gets g times b, transposed", g, a, b, 0)
    yield one("b gets a, transposed, times g", g, a, b, 1)
    n, k, m = (int(x) for x in np.random.permutation([2, 3, 4]))  # noqa: NPY002
    yield one("each gradient has the shape of what it belongs to", draw(n, m), draw(n, k), draw(k, m))
    g, a, b = draw(2, 2, 2), draw(2, 2, 2), draw(2, 2, 2)
    g[0], a[1], b[0], b[1] = [[1, 2], [3, 4]], [[0, 3], [1, 1]], [[1, 5], [0, 2]], [[4, 0], [1, -2]]
    yield one("in a stack each matrix is for itself", g, a, b)
    yield one("any stack", draw(3, 2, n, m), draw(3, 2, n, k), draw(3, 2, k, m))
    yield Check(
        "the arguments are left as they were",
        not f.changed_arguments,
        "one of g, a and b has changed: *= and += work in place",
    )


# ------------------------------------------------------------------------------------------------- topological order


def topological_order_stub(inputs: dict, result: str) -> list[str]:
    """All that a result was computed from, and itself, each once, inputs before what was computed from them.

    Args:
        inputs: name -> the names that it was computed from; none for a value that was given. Others, which
            the result does not depend on, may be among them. A chain may be many thousand long.
        result: a name.

    >>> topological_order({"x": [], "u": ["x"], "y": ["x", "u"]}, "y")
    ['x', 'u', 'y']
    """
    raise NotImplementedError


Inputs = dict[str, list[str]]


def topological_order(inputs: Inputs, result: str) -> list[str]:
    order: dict[str, None] = {}
    stack = [(result, False)]
    while stack:
        name, inputs_are_done = stack.pop()
        if inputs_are_done:
            order[name] = None
        elif name not in order:
            stack.append((name, True))
            stack += [(source, False) for source in inputs[name]]
    return list(order)


def recursive(inputs: Inputs, result: str) -> list[str]:
    order: list[str] = []
    seen = set()

    def visit(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for source in inputs[name]:
                visit(source)
            order.append(name)

    visit(result)
    return order


def result_first(inputs: Inputs, result: str) -> list[str]:
    return topological_order(inputs, result)[::-1]


def by_distance(inputs: Inputs, result: str) -> list[str]:
    order, at = [result], 0
    while at < len(order):
        order += [source for source in dict.fromkeys(inputs[order[at]]) if source not in order]
        at += 1
    return order[::-1]


def marked_when_seen(inputs: Inputs, result: str) -> list[str]:
    order, stack, seen = [], [result], {result}
    while stack:
        name = stack.pop()
        order.append(name)
        for source in inputs[name]:
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return order[::-1]


def each_time(inputs: Inputs, result: str) -> list[str]:
    order: list[str] = []
    stack = [result]
    while stack and len(order) < 5000:
        name = stack.pop()
        order.append(name)
        stack += inputs[name]
    return order[::-1]


def everything(inputs: Inputs, result: str) -> list[str]:
    order: dict[str, None] = {}
    for name in inputs:
        order |= dict.fromkeys(topological_order(inputs, name))
    return list(order)


def without_itself(inputs: Inputs, result: str) -> list[str]:
    return topological_order(inputs, result)[:-1]


def inputs_emptied(inputs: Inputs, result: str) -> list[str]:
    order = topological_order(inputs, result)
    for name in order:
        inputs[name].clear()
    return order


def by_counting_users(inputs: Inputs, result: str) -> list[str]:
    users = {result: 0}
    waiting = [result]
    while waiting:
        for source in inputs[waiting.pop()]:
            if source not in users:
                users[source] = 0
                waiting.append(source)
            users[source] += 1
    order, ready = [], [result]
    while ready:
        name = ready.pop()
        order.append(name)
        for source in inputs[name]:
            users[source] -= 1
            if not users[source]:
                ready.append(source)
    return order[::-1]


def round_after_round(inputs: Inputs, result: str) -> list[str]:
    order: list[str] = []
    placed = set()
    stack = [result]
    while stack:
        missing = [source for source in inputs[stack[-1]] if source not in placed]
        if missing:
            stack.append(missing[0])
            continue
        name = stack.pop()
        if name not in placed:
            placed.add(name)
            order.append(name)
    return order


def check_topological_order(f: Any) -> Iterator[Check]:
    def told(inputs: Inputs, result: str) -> str:
        lines = [f"{name} from {' and '.join(sources)}" if sources else name for name, sources in inputs.items()]
        return f"{', '.join(lines)}; result {result}"

    def fault(inputs: Inputs, result: str, what: str) -> str:
        """What is wrong with the order in this respect, in words; "" if nothing."""
        order = f({name: list(sources) for name, sources in inputs.items()}, result)
        if not isinstance(order, list | tuple) or not all(name in inputs for name in order):
            return f"expected a list of names, came {shown(order)}"
        given = f"{told(inputs, result)}: came {shown(list(order))}" if len(inputs) < 9 else f"{len(inputs):,} values"
        place = {name: at for at, name in enumerate(order)}
        if what == "all" and result not in place:
            return f"{given}; the result itself is missing"
        if what == "once" and len(place) < len(order):
            return f"{given}; {next(name for name in place if list(order).count(name) > 1)} is there more than once"
        needed = set(topological_order(inputs, result))
        if what == "needed" and set(place) - needed:
            return f"{given}; {sorted(set(place) - needed)[0]} has nothing to do with {result}"
        if what in ("before", "all") and needed - set(place):
            return f"{given}; {sorted(needed - set(place))[0]} is missing"
        if what == "before":
            for name in needed:
                late = [source for source in inputs[name] if place[source] > place[name]]
                if late:
                    return f"{given}; {name} is computed from {late[0]}, which comes after it"
        return ""

    def check(name: str, what: str, *cases: tuple[Inputs, str]) -> Check:
        wrong = next((found for case in cases if (found := fault(*case, what))), "")
        return Check(name, not wrong, wrong)

    chain: Inputs = {"x": [], "u": ["x"], "y": ["u"]}
    short_and_long = [{"x": [], "u": ["x"], "y": pair} for pair in (["x", "u"], ["u", "x"])]
    diamond: Inputs = {"x": [], "u": ["x"], "v": ["x"], "y": ["u", "v"]}
    square: Inputs = {"x": [], "y": ["x", "x"]}
    beside: Inputs = {"x": [], "z": [], "u": ["x"], "w": ["u", "z"], "y": ["u"]}
    some = np.random.permutation(12)  # noqa: NPY002
    names = [f"t{at}" for at in some]
    wild: Inputs = {
        name: [names[int(np.random.randint(at))] for _ in range(np.random.randint(1, 4))] if at else []  # noqa: NPY002
        for at, name in enumerate(names)
    }
    mixed = {name: wild[name] for name in sorted(wild)}
    small = [
        check("everything is there, the result among it", "all", ({"x": []}, "x"), (chain, "y")),
        check("inputs come before what was computed from them", "before", (chain, "y")),
        check("each is there once, however often it is used", "once", (square, "y"), (diamond, "y")),
        check(
            "a value waits for the longest way that leads to it",
            "before",
            *((case, "y") for case in short_and_long),
            (diamond, "y"),
        ),
        check("what the result does not depend on is left out", "needed", (beside, "y")),
        check("any graph", "before", (mixed, names[-1])),
    ]
    yield from small
    f(beside, "y")
    unchanged = not f.changed_arguments
    yield Check(
        "the graph is left as it was",
        unchanged,
        "the lists that were given have changed: .pop() and .clear() work in place",
    )
    if not unchanged or not all(one.passed for one in small):
        return  # what is large comes when what is small is right
    ladder: Inputs = {"t0": []}
    for at in range(40):
        ladder |= {f"u{at}": [f"t{at}"], f"v{at}": [f"t{at}"], f"t{at + 1}": [f"u{at}", f"v{at}"]}
    yield check("forty diamonds in a row, which have a million million paths", "before", (ladder, "t40"))
    deep: Inputs = {"t0": []} | {f"t{at}": [f"t{at - 1}"] for at in range(1, 20_000)}
    yield check("a chain of 20,000, deeper than Python's recursion goes", "before", (deep, "t19999"))


EXERCISES = (
    Exercise(
        name="accumulate",
        title="Add up what comes back",
        task="""
            The whole of reverse mode, with numbers for tensors. You get a *tape*: what was computed, in that order, each value with the inputs that it
            used and the local slope in each. Walk it backwards and return every value's gradient.
            """,
        stub=accumulate_stub,
        solution=accumulate,
        why="On the way back every user of a value stands behind it on the tape and has sent its share before the value's own turn comes. `+=` is the chain rule for several variables; `get(…, 0)` lets what the result does not depend on pass on nothing.",
        hints=(
            "y = x·x has two arrows from x to y, each with slope x. Which slope has y, and what must happen to the two shares?",
            "Begin with {result: 1.0}, go through reversed(tape), and give to each input slope × the gradient of the value itself.",
            "gradients[source] = gradients.get(source, 0.0) + slope * gradients.get(name, 0.0)",
        ),
        mutants={
            "overwritten, not added": (overwritten, "a value that is used twice gets both shares"),
            "a dict of uses, which keeps one of two": (once_a_step, "a value that is used twice gets both shares"),
            "walked forwards": (walked_forwards, "along a path slopes are multiplied"),
            "slopes added along a path": (slopes_added, "along a path slopes are multiplied"),
            "the local slope alone": (local_slopes_only, "along a path slopes are multiplied"),
            "begun with zeros only": (begun_with_nothing, "the result's own gradient is 1"),
            "the last one taken for the result": (of_the_last, "what came after the result, or beside it, counts nothing"),
            "passed on before it was complete": (passed_on_too_early, "a gradient is passed on when it is complete, and once"),
            "the tape reversed in place": (tape_turned_round, "the tape is left as it was"),
        },
        others={"fetched from the users": fetched_from_the_users},
        check=check_accumulate,
    ),
    Exercise(
        name="unbroadcast",
        title="Sum over the copies",
        task="""
            A bias of shape (3,) was added to an array of shape (4, 3): NumPy used each of its numbers four times. So its gradient is the sum over these four. Write
            it for all shapes that NumPy broadcasts.
            """,
        stub=unbroadcast_stub,
        solution=unbroadcast,
        why="NumPy aligns shapes at their ends: what is missing is missing in front, so the first sum takes the front axes. After it both have the same number of axes, and the second sum finds the stretched ones by their own numbers; keepdims leaves them in place with length 1.",
        hints=(
            "In which two ways does NumPy make a small array fit a large one? Where in the shape does it begin to compare?",
            "First the axes in front: gradient.ndim - len(shape) of them. Then those where shape has a 1.",
            "gradient.sum(axis=tuple(range(new))), then gradient.sum(axis=stretched, keepdims=True)",
        ),
        mutants={
            "means for sums": (by_mean, "nothing gets lost: every copy counts in full"),
            "the first copy only": (first_copy, "nothing gets lost: every copy counts in full"),
            "always over the rows": (always_the_rows, "nothing was copied, nothing is summed"),
            "stretched axes only": (stretched_only, "axes that were put in front are summed away"),
            "axes taken away from behind": (from_behind, "axes that were put in front are summed away"),
            "front axes only": (front_only, "an axis stretched from length 1 is summed"),
            "axes of length 1 dropped": (squeezed, "and it stays where it was, with length 1"),
            "numbers of axes not shifted": (not_shifted, "both at once"),
        },
        others={"as the library does it": as_the_library, "axis by axis": axis_by_axis},
        check=check_unbroadcast,
    ),
    Exercise(
        name="matmul_gradient",
        title="A row of the table: the product of matrices",
        task="""
            $y = ab$, and the gradient `g` of the loss with respect to $y$ has come back. Write the rules for both factors. Shapes nearly tell you, but not for square matrices: write down one entry,
            $y_{nm} = \\sum_k a_{nk} b_{km}$, and ask which entries of $y$ a single $a_{nk}$ touches.
            """,
        stub=matmul_gradient_stub,
        solution=matmul_gradient,
        why="a[n, k] touches the whole row y[n, :], and y[n, m] with slope b[k, m]: the sum over m of g[n, m]·b[k, m] is g @ bᵀ. In the same way b[k, m] touches the column y[:, m]. No Jacobian is built: for two 1000×1000 matrices it would have 10¹² entries.",
        hints=(
            "Let a be 1×1 and b be 1×1. Which rule do you know? Now let a be one row: which numbers of y does its first entry touch?",
            "gradient of a[n, k] = Σ_m g[n, m] · b[k, m]. Which matrix product sums over the *last* axis of both?",
            "g @ np.swapaxes(b, -1, -2) and np.swapaxes(a, -1, -2) @ g; .T would reverse the axes of the stack, too.",
        ),
        mutants={
            "each gets its own": (each_its_own, "for single numbers it is the rule of products"),
            "g forgotten": (without_g, "for single numbers it is the rule of products"),
            "nothing transposed": (not_transposed, "a gets g times b, transposed"),
            "entry by entry": (entry_by_entry, "a gets g times b, transposed"),
            "a not transposed": (a_only, "b gets a, transposed, times g"),
            "a on the wrong side": (wrong_side, "b gets a, transposed, times g"),
            "mean over the examples": (meaned, "b gets a, transposed, times g"),
            ".T in a stack": (all_axes_turned, "in a stack each matrix is for itself"),
        },
        others={"with einsum": by_letters, "matrix by matrix": matrix_by_matrix},
        check=check_matmul_gradient,
    ),
    Exercise(
        name="topological_order",
        title="Inputs first",
        task="""
            The order without which nothing adds up in time: everything that the result was computed from, each once, inputs before what was computed from them. Any such order will do.
            A network may be a chain of many thousand operations, so recursion will not do.
            """,
        stub=topological_order_stub,
        solution=topological_order,
        why="Each name is met twice: once to put its inputs on top of the stack, once, when they are done, to be placed. The second visit is what recursion would do after its loop; here the stack is a list and may be as deep as memory.",
        hints=(
            "When may y be placed? When all its inputs are. What must you do with y in the meantime?",
            "Put y back on the stack with a mark “inputs first”, and its inputs on top of it. When it comes up with the mark, place it. Skip what is placed already.",
            "stack of pairs (name, inputs_are_done); pop: if done, order[name] = None; elif name not in order: push (name, True), then all (source, False).",
        ),
        mutants={
            "the result left out": (without_itself, "everything is there, the result among it"),
            "result first": (result_first, "inputs come before what was computed from them"),
            "placed at each visit": (each_time, "each is there once, however often it is used"),
            "by distance from the result": (by_distance, "a value waits for the longest way that leads to it"),
            "marked when first seen": (marked_when_seen, "a value waits for the longest way that leads to it"),
            "everything there is": (everything, "what the result does not depend on is left out"),
            "inputs emptied on the way": (inputs_emptied, "the graph is left as it was"),
            "recursive": (recursive, "it runs to its end"),
        },
        others={"by counting users": by_counting_users, "with one stack": round_after_round},
        check=check_topological_order,
    ),
)  # fmt: skip
