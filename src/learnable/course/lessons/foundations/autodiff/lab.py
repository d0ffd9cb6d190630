"""Two labs: any expression, forwards and backwards, number by number; and a Jacobian, filled by columns or by rows."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from learnable.course.lab import Choice, Lab, Slider, TextField
from learnable.course.views import Axis, Edge, Graph, Heatmap, Lines, Mark, Node, Series, Table, Text, View

if TYPE_CHECKING:
    import numpy as np

    from learnable.engine import Tensor

LETTERS = ("a", "b", "c")
STEPS = 32  # that the slider reaches: an expression that needs more is refused
FIRST = "tanh(a*b + c)*a"
SHAPES = (
    "a*a*a",
    "exp(a)/(exp(a) + exp(b))",
    "d = a*b; d*d + d",
    "log(1 + exp(a*b))",
    "(tanh(2*a - b + c) + 1)**2",
    "max(a, b) + relu(c)",
)


# ------------------------------------------------------------------------------------------------- the reader's words


class Refused(Exception):
    """What was typed is not what the engine can compute; the message is a sentence for the reader."""


OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
FUNCTIONS = {"exp": 1, "log": 1, "tanh": 1, "sigmoid": 1, "relu": 1, "abs": 1, "sqrt": 1, "max": 2}  # name: arguments
ALLOWED = f"Numbers, {', '.join(LETTERS)}, + - * / **, brackets and {', '.join(FUNCTIONS)} are understood"


def parsed(text: str) -> list[ast.stmt]:
    """Names given on the way, "d = a*b;", and at the end an expression.

    Raises:
        Refused: it is something else. Nothing of it is ever run by Python.
    """
    if not text.strip():
        raise Refused(f"Type an expression, for example {FIRST}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's remarks on odd literals are not for the reader of a formula
            body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = (
            f" near “{text.strip()[max(0, (error.offset or 1) - 3) : (error.offset or 1) + 3].strip()}”"
            if isinstance(error, SyntaxError)
            else ""
        )
        raise Refused(
            f"This cannot be read as a formula{at}. Is a bracket missing, or a sign of multiplication (2*a, not 2a)?"
        ) from None
    if not isinstance(body[-1], ast.Expr):
        raise Refused("The last piece must be the result, without an = sign: d = a*b; d*d + d")
    return body


def computed(body: list[ast.stmt], leaves: Mapping[str, Tensor]) -> Tensor:
    """The expression in the engine's operations.

    Raises:
        Refused: a piece of it is not among those allowed.
    """
    names = dict(leaves)
    for line in body[:-1]:
        if not isinstance(line, ast.Assign) or len(line.targets) != 1 or not isinstance(line.targets[0], ast.Name):
            raise Refused("Before the result only names can be given, as in d = a*b; d*d + d")
        name = line.targets[0].id
        if name in names or name in FUNCTIONS or len(name) > 8:
            raise Refused(f"The name {name[:12]} is taken or too long; take another letter.")
        names[name] = value(line.value, names)
        if names[name].operation and not names[name].name:
            names[name].name = name
    assert isinstance(body[-1], ast.Expr)
    return value(body[-1].value, names)


def value(node: ast.expr, names: Mapping[str, Tensor]) -> Tensor:
    """One piece of the syntax tree, and all below it."""
    from learnable.engine import Tensor
    from learnable.engine.tensor import apply

    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            try:
                return Tensor(float(number))
            except OverflowError:
                raise Refused("A number is too large for 64 bits.") from None
        case ast.Name(id=name):
            if name not in names:
                hint = f"{name} is a function: {name}(a)" if name in FUNCTIONS else f"{name[:20]} has no value"
                raise Refused(
                    f"{hint}. The sliders are {', '.join(LETTERS)}; give other names before, as in d = a*b; d*d + d"
                )
            return names[name]
        case ast.BinOp(op=ast.BitXor()):
            raise Refused("In Python ^ is no power; write a**2.")
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            return apply(OPERATORS[type(op)], value(left, names), value(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return value(operand, names)
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]):
            if name not in FUNCTIONS:
                raise Refused(f"The engine has no row for {name[:20]} in its table. There are {', '.join(FUNCTIONS)}.")
            if len(given) != FUNCTIONS[name]:
                raise Refused(f"{name} takes {FUNCTIONS[name]} number{'s' * (FUNCTIONS[name] > 1)}, came {len(given)}.")
            inside = [value(one, names) for one in given]
            if name == "sqrt":
                return apply("pow", inside[0], 0.5)
            return apply("maximum" if name == "max" else name, *inside)
    raise Refused(f"“{ast.unparse(node)[:40]}” is not allowed here. {ALLOWED}.")


# ------------------------------------------------------------------------------------------------- its two passes


SIGNS = {"add": "+", "sub": "−", "mul": "·", "div": "/", "pow": "**"}
WORDS: dict[str, tuple[str, ...]] = {  # why the slope is what it is, input by input
    "add": ("a sum passes changes on as they are",) * 2,
    "sub": ("a difference passes its first part on as it is", "what is taken away counts with a minus"),
    "mul": ("the slope of a product in one factor is the other factor",) * 2,
    "div": ("above the bar the slope is 1 / below", "below the bar the slope is −result / below"),
    "pow": ("the slope of x**p is p · x**(p − 1)", "the slope in the exponent is result · log of the base"),
    "maximum": ("the larger one takes all, the other nothing; equals share",) * 2,
    "neg": ("a minus turns the slope round",),
    "abs": ("the slope is the sign: 1, or −1 below zero",),
    "exp": ("the slope of exp is its own result",),
    "log": ("the slope of log is 1 / x",),
    "tanh": ("the slope of tanh is 1 − result²",),
    "sigmoid": ("the slope is result · (1 − result)",),
    "relu": ("the slope is 1 above zero, else 0",),
}  # fmt: skip


class Share(NamedTuple):
    """What one tensor sends back to one of its inputs."""

    sender: int  # both as places in the order
    receiver: int
    input: int
    slope: float
    amount: float


class Walk(NamedTuple):
    """A computation in the order in which it happens, and what flows back."""

    order: list[Tensor]
    labels: list[str]  # the whole formula
    short: list[str]  # what stands in a box
    names: list[str]
    shares: list[Share]

    @property
    def steps(self) -> int:
        return len(self.order) + 1 + len(self.shares)


def number(x: float) -> str:
    """Four digits, a real minus, and no minus before zero."""
    return "≈ 0" if 0 < abs(x) < 1e-12 else f"{x + 0.0:.4g}".replace("-", "−")


def factor(x: float) -> str:
    return f"({number(x)})" if x < 0 else number(x)


def walk(result: Tensor) -> Walk:
    """The engine's own order, and its `backward` share by share."""
    import numpy as np

    from learnable.engine.operations import OPERATIONS
    from learnable.engine.tensor import topological_order

    order = topological_order(result)
    place = {tensor: at for at, tensor in enumerate(order)}
    names, labels, short, count = [], [], [], 0
    end = "y" if all(tensor.name != "y" for tensor in order[:-1]) else "result"
    for tensor in order:
        if not tensor.operation or not tensor.inputs:
            names.append(tensor.name or number(tensor.item()))
            labels.append(names[-1])
            short.append(names[-1])
            continue
        count += not tensor.name
        names.append(end if tensor is result else tensor.name or f"v{count}")
        inside = [names[place[source]] for source in tensor.inputs]
        sign = SIGNS.get(tensor.operation)
        formula = f"{inside[0]} {sign} {inside[1]}" if sign else f"{tensor.operation}({', '.join(inside)})"
        labels.append(f"{names[-1]} = {formula}")
        short.append(f"{names[-1]}: {sign.replace('·', '×') if sign else tensor.operation}")
    gradients, shares = dict.fromkeys(order, 0.0), []
    gradients[result] = 1.0
    for tensor in reversed(order):
        for at, source in enumerate(tensor.inputs):
            if source.requires_grad:
                slope = float(OPERATIONS[tensor.operation][1 + at](np.ones(()), *tensor.saved, **tensor.settings))
                amount = gradients[tensor] * slope
                gradients[source] += amount
                shares.append(Share(place[tensor], place[source], at, slope, amount))
    return Walk(order, labels, short, names, shares)


def nudged(body: list[ast.stmt], values: Mapping[str, float], name: str, step: float = 1e-6) -> float:
    """The slope by moving one letter a little to both sides."""
    from learnable.engine import Tensor, no_grad

    with no_grad():
        ends = [
            computed(body, {key: Tensor(x + (key == name) * moved, name=key) for key, x in values.items()}).item()
            for moved in (step, -step)
        ]
    return (ends[0] - ends[1]) / (2 * step)


def show_steps(state: Any, expression: str, step: int, **values: float) -> list[View]:
    import numpy as np

    from learnable.engine import Tensor

    with np.errstate(all="ignore"):
        leaves = {name: Tensor(values[name], requires_grad=True, name=name) for name in LETTERS}
        try:
            body = parsed(expression)
            result = computed(body, leaves)
            if not result.requires_grad:
                raise Refused("Nothing here can be moved: use at least one of a, b and c.")
            if not result.operation:
                raise Refused("One letter alone has nothing to compute: add an operation.")
            way = walk(result)
            if way.steps > STEPS:
                raise Refused(
                    f"This needs {way.steps} steps, and the slider has {STEPS}. Shorten it, or give a part that occurs twice a name."
                )
        except (Refused, RecursionError) as error:
            words = str(error) if isinstance(error, Refused) else "This is nested too deeply."
            return [Text(text=words, tone="warning", wide=True, summary=words)]
        result.backward()
        slopes = {name: nudged(body, values, name) for name in LETTERS if leaves[name] in way.order}
    return [*passes(way, min(step, way.steps)), verdict(way, leaves, slopes, step)]


def passes(way: Walk, step: int) -> list[View]:
    """The graph, the sentence on the step, and the list of all that is known so far."""
    count, last = len(way.order), len(way.order) - 1
    back = step - count - 1  # shares sent so far; below 0 on the way forward
    gradients: dict[int, float] = {last: 1.0} if back >= 0 else {}
    for share in way.shares[: max(0, back)]:
        gradients[share.receiver] = gradients.get(share.receiver, 0.0) + share.amount
    now = way.shares[back - 1] if back > 0 else None
    open_ = {share.receiver for share in way.shares[max(0, back) :]}  # what still waits for a share
    active = now.sender if now else last if back == 0 else step - 1
    nodes = [
        Node(
            id=str(at), label=way.short[at], note=way.labels[at] if tensor.inputs else "",
            value=number(tensor.item()) if at < step else "·",
            gradient=(number(gradients[at]) if at in gradients else "·") if tensor.requires_grad else "",
            kind="output" if at == last else "operation" if tensor.inputs else "input",
            state="active" if at == active else "waiting" if at >= step else "done" if at in gradients and at not in open_ else "",
        )
        for at, tensor in enumerate(way.order)
    ]  # fmt: skip
    place = {tensor: at for at, tensor in enumerate(way.order)}
    slopes = {(share.sender, share.input): share.slope for share in way.shares}
    edges = [
        Edge(
            source=str(place[source]), target=str(at),
            label=f"×{slopes[at, one]:.3g}".replace("-", "−") if (at, one) in slopes else "",
            state="backward" if now and (now.sender, now.input) == (at, one) else "forward" if back < 0 and at == active else "",
        )
        for at, tensor in enumerate(way.order) for one, source in enumerate(tensor.inputs)
    ]  # fmt: skip
    words = sentence(way, step, back, now, gradients)
    rows = [
        (way.labels[at], number(tensor.item()) if at < step else "",
         ("" if not tensor.requires_grad else "0 so far" if back >= 0 and at not in gradients else number(gradients[at]) if at in gradients else "")
         + (" so far" if at in gradients and at in open_ else ""))
        for at, tensor in enumerate(way.order)
    ]  # fmt: skip
    direction = "forwards" if back < 0 else "backwards"
    return [
        Graph(title=f"Step {step} of {way.steps}, {direction}", nodes=nodes, edges=edges, wide=True, summary=words),
        Text(text=words, wide=True, summary=words),
        Table(title="The tape: down to compute, up to differentiate", columns=("step", "value", "gradient"), rows=rows, numbers=(1, 2),
              highlight=(active,), summary=f"{min(step, count)} of {count} values and {len(gradients)} gradients are known."),
    ]  # fmt: skip


def sentence(way: Walk, step: int, back: int, now: Share | None, gradients: Mapping[int, float]) -> str:
    """The rule of this step, in words and numbers."""
    count = len(way.order)
    if back < 0:
        tensor = way.order[step - 1]
        if not tensor.inputs:
            what = "is given by its slider" if tensor.requires_grad else "is a constant: no gradient is asked for"
            return f"{way.labels[step - 1]} {what}."
        known = " and ".join(f"{source.item():.4g}".replace("-", "−") for source in tensor.inputs)
        end = " The forward pass ends here; everything was kept for the way back." if step == count else ""
        return f"{way.labels[step - 1]}: from {known} comes {number(tensor.item())}.{end}"
    if now is None:
        return f"{way.labels[-1]} is the result. If it grows by one, it grows by one: its gradient is 1. From here on the order is walked backwards."
    sender, receiver = way.names[now.sender], way.names[now.receiver]
    why = WORDS[way.order[now.sender].operation][now.input]
    amount, total = now.amount, gradients[now.receiver]
    upstream = gradients[now.sender]
    text = f"{sender} to {receiver}: {why}, here {number(now.slope)}. Gradient of {sender} × slope = {number(upstream)} × {factor(now.slope)} = {number(amount)}."
    earlier = [share for share in way.shares[: back - 1] if share.receiver == now.receiver]
    if earlier:
        text += f" {receiver} was used more than once and has {number(total - amount)} already; effects add up: {number(total - amount)} + {factor(amount)} = {number(total)}."
    left = sum(share.receiver == now.receiver for share in way.shares[back:])
    if left:
        text += (
            f" {receiver} waits for {left} more before it may pass anything on."
            if way.order[now.receiver].inputs
            else f" {left} more to come."
        )
    if step == way.steps:
        text += " This was the last one."
    return text


def verdict(way: Walk, leaves: Mapping[str, Tensor], slopes: Mapping[str, float], step: int) -> Table:
    """What `backward` of the engine says, and what nudging says."""
    rows, good = [], True
    done = step >= way.steps
    for name, slope in slopes.items():
        gradient = leaves[name].grad
        exact = 0.0 if gradient is None else float(gradient)
        close = abs(slope - exact) <= 1e-5 * max(1.0, abs(slope))
        good &= close
        words = (
            "agrees"
            if close
            else "no number"
            if exact != exact or slope != slope
            else "differs: is there a corner, or no value, near here?"
        )
        rows.append(
            (
                name,
                number(exact) if done else "not yet all back",
                f"{slope:.7g}".replace("-", "−"),
                words if done else "",
            )
        )
    finding = (
        "Nudging each letter by a millionth finds the same slopes."
        if good
        else "Nudging finds other slopes: a corner, a pole or an overflow is near."
    )
    return Table(title="Check: nudge each letter by 0.000001", columns=("letter", "backward", "by nudging", "verdict"), rows=rows, numbers=(1, 2),
                 summary=finding if done else "The check can be read when the last gradient has arrived.")  # fmt: skip


# ------------------------------------------------------------------------------------------------- rows and columns

WIDTH = 8
LARGEST = 8


def weights(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same numbers, whatever the size: first layer, second layer, a point."""
    import numpy as np

    random = np.random.default_rng(3)
    first, second, x = (random.normal(size=shape) for shape in ((WIDTH, LARGEST), (LARGEST, WIDTH), (LARGEST,)))
    return first[:, :inputs] * 0.7, second[:outputs] * 0.5, x[:inputs]


def by_columns(first: np.ndarray, second: np.ndarray, x: np.ndarray, count: int) -> np.ndarray:
    """Forward mode: each line of the program, and beside it how the line changes if x moves along one axis."""
    import numpy as np

    columns = []
    for direction in np.eye(len(x))[:count]:
        z, dz = first @ x, first @ direction
        h = np.tanh(z)
        dh = (1 - h * h) * dz
        columns.append(second @ dh)
    return np.stack(columns, axis=1)


def by_rows(first: np.ndarray, second: np.ndarray, x: np.ndarray, count: int) -> np.ndarray:
    """Reverse mode: the engine's `backward`, asked for one output after the other."""
    import numpy as np

    from learnable.engine import Tensor

    rows = []
    for which in np.eye(len(second))[:count]:
        leaf = Tensor(x, requires_grad=True)
        (Tensor(second) @ (Tensor(first) @ leaf).tanh()).backward(which)
        assert leaf.grad is not None
        rows.append(leaf.grad)
    return np.stack(rows)


def by_nudging(first: np.ndarray, second: np.ndarray, x: np.ndarray, count: int, step: float, kind: Any) -> np.ndarray:
    """(f(x + h) - f(x)) / h for the first inputs, in the float type `kind`; shape (outputs, count)."""
    import numpy as np

    first, second, x = (array.astype(kind) for array in (first, second, x))
    points = np.concatenate([x[None], x + kind(step) * np.eye(len(x), dtype=kind)[:count]])
    # sums, not products of matrices: BLAS adds up the last rows of a batch in another order, and that alone would show
    hidden = np.tanh((points[:, None] * first).sum(-1))
    values = (hidden[:, None] * second).sum(-1)
    return ((values[1:] - values[0]) / kind(step)).T.astype(np.float64)


def show_modes(state: Any, inputs: int, outputs: int, passes: int, nudge: float, precision: str) -> list[View]:
    import numpy as np

    first, second, x = weights(inputs, outputs)
    kind = {"float32": np.float32, "float64": np.float64}[precision]
    whole = by_rows(first, second, x, outputs)
    top = float(np.abs(whole).max())

    def filled(part: np.ndarray) -> list[list[float | None]]:
        inside = lambda i, j: i < part.shape[0] and j < part.shape[1]
        return [[float(part[i, j]) if inside(i, j) else None for j in range(inputs)] for i in range(outputs)]

    columns, rows = min(passes, inputs), min(passes, outputs)
    tried = min(passes - 1, inputs)
    with np.errstate(all="ignore"):
        rough = by_nudging(first, second, x, inputs, nudge, kind)
        sizes = 10.0 ** np.arange(-14, 0.01, 0.25)
        curves = {
            name: [relative(by_nudging(first, second, x, inputs, size, type_), whole) for size in sizes]
            for name, type_ in (("float32", np.float32), ("float64", np.float64))
        }
    error = relative(rough, whole)
    known = {"forward mode": columns * outputs, "reverse mode": rows * inputs, "nudging": tried * outputs}
    needed = {"forward mode": inputs, "reverse mode": outputs, "nudging": inputs + 1}
    total = inputs * outputs
    cells: dict[str, list[list[float | None]]] = {
        "forward mode": filled(by_columns(first, second, x, columns)), "reverse mode": filled(whole[:rows]), "nudging": filled(rough[:, :tried]),
    }  # fmt: skip
    gives = {"forward mode": "a column: one input's effect on all outputs", "reverse mode": "a row: all inputs' effect on one output",
             "nudging": "a column, roughly; the first pass only f(x)"}  # fmt: skip
    axes: dict[str, Any] = {
        "rows": [f"y{i + 1}" for i in range(outputs)],
        "columns": [f"x{i + 1}" for i in range(inputs)],
    }
    winner = min(needed, key=lambda name: needed[name])
    tie = inputs == outputs
    views: list[View] = [
        Heatmap(title=f"{name}: {known[name]} of {total}", values=cells[name], scale="diverging", low=-top, high=top, **axes,
                digits=1 if max(inputs, outputs) <= 4 else None,
                summary=f"After {passes} {'pass' if passes == 1 else 'passes'} {name} knows {known[name]} of {total} slopes; it needs {needed[name]} for all.")
        for name in cells
    ]  # fmt: skip
    views += [
        Table(
            title="For the whole matrix", columns=("way", "one pass gives", "passes", "error"), numbers=(2, 3),
            rows=[(name, gives[name], needed[name], f"{error:.0e}" if name == "nudging" else "rounding") for name in needed],
            highlight=() if tie else (list(needed).index(winner),),
            summary=f"With {inputs} input{'s' * (inputs > 1)} and {outputs} output{'s' * (outputs > 1)} " + ("forward and reverse mode need the same number of passes." if tie else f"{winner} needs the fewest passes, {needed[winner]}."),
        ),
        Lines(
            title="Error of nudging over the size of the nudge",
            series=[Series(name=name, x=sizes, y=values, color={"float32": "backward", "float64": "accent"}[name]) for name, values in curves.items()],
            x=Axis(label="nudge h", log=True), y=Axis(label="relative error", log=True, low=1e-10, high=10.0),
            marks=[Mark(x=nudge, y=min(max(error, 1e-10), 10.0), label="now")] if error == error else [],
            summary=f"With h = {nudge:.0e} in {precision} the relative error is {error:.0e}; the best h of float32 leaves {min(curves['float32']):.0e}, of float64 {min(curves['float64']):.0e}.",
        ),
    ]  # fmt: skip
    return views


def relative(came: np.ndarray, truth: np.ndarray) -> float:
    """How far away, in parts of the length of the truth; at most 10, so that a curve has an end."""
    import numpy as np

    away = float(np.linalg.norm(came - truth) / np.linalg.norm(truth))
    return min(away, 10.0) if away == away else 10.0


def letter(name: str, default: float) -> Slider:
    return Slider(name, name, -3.0, 3.0, default, step=0.1)


LABS = {
    "steps": Lab(
        title="Where does each number of a gradient come from?",
        controls=(
            TextField("expression", "Expression", default=FIRST, examples=SHAPES, limit=120,
                      help="of a, b, c and numbers; + - * / **, exp, log, tanh, sigmoid, relu, abs, sqrt, max; names on the way: d = a*b; d*d"),
            Slider("step", "Step", 1, STEPS, 10, step=1, help="forwards to the result, then back; past the last step it stays there"),
            letter("a", 2.0), letter("b", -1.5), letter("c", 2.5),
        ),
        show=show_steps,
        torch=False,
        grid={"expression": (FIRST, *SHAPES[:3], SHAPES[4]), "step": tuple(range(1, 22)), "a": (-2.0, 2.0)},
        rows=800,
    ),
    "modes": Lab(
        title="With so many passes, how much of all slopes do you know?",
        controls=(
            Slider("inputs", "Inputs", 1, LARGEST, 6, step=1),
            Slider("outputs", "Outputs", 1, LARGEST, 1, step=1, help="a loss has one"),
            Slider("passes", "Passes", 1, LARGEST + 1, 1, step=1, help="through the whole computation, spent by each way"),
            Slider("nudge", "Nudge h", 1e-14, 1.0, 1e-3, log=True, help="how far an input is moved"),
            Choice("precision", "Numbers", ("float32", "float64"), "float32", help="for nudging; the other two are exact but for rounding"),
        ),
        show=show_modes,
        torch=False,
        grid={"inputs": (1, 3, 6, 8), "outputs": (1, 3, 6, 8), "passes": (1, 2, 6, 9), "nudge": (1e-8, 1e-3, 1.0)},
        rows=1000,
    ),
}  # fmt: skip
