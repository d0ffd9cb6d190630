"""A model's step, done once and written down, then played without the model's own Python.

To write one token, a model of a dozen layers runs some three hundred small kernels. Between two of them Python goes through
modules, their hooks and the checks of arguments, and arrives at the same kernels every time; and as each token moves all weights
through the processor's caches, it finds its own code and objects in slow memory again. So the first step is watched: each
kernel is written down with what it was given, and the list becomes one function. Tensors that were there before, as weights
are, are kept as they are; what differs from step to step is handed in: the rows that go in, and `look`, which looks up the keys
so far, of which there are more each time. On a GPU the same idea is called a CUDA graph: captured once, then replayed.

A list can be played again only if the next step would be the same one. So none is made where Python read a number out of a
tensor, by which it may decide how to go on, where what came out has as many rows as the numbers said, where a hook wants to see
the modules at work, or where a module is neither torch's nor ours, as its Python may do something that no kernel shows; then the
step is done in the ordinary way each time. A list is made for one call and forgotten with it: numbers in weights may change
meanwhile, the model may not.

Docs     https://docs.pytorch.org/docs/stable/notes/extending.html#extending-torch-native-api
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as modules
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

Look = Callable[[int, Tensor, Tensor, Tensor], Tensor]  # block, its query, key and value -> answers
Step = Callable[[Any, Look], Tensor]  # tensors, in tuples and dicts, and what looks up -> scores

LITERAL = (int, float, str, torch.dtype, torch.layout, torch.memory_format, torch.device, type(None))
KNOWN = ("torch", "learnable")  # packages whose modules do nothing beside their kernels
READS = {Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.__dlpack__, Tensor.data_ptr, Tensor.untyped_storage}


class Recorded:
    """`step`, by its own Python the first time and from a list after that.

    >>> model = nn.Sequential(nn.Linear(2, 6), nn.GELU())
    >>> recorded = Recorded(lambda inputs, look: look(0, *model(*inputs).chunk(3)), model)
    >>> with torch.inference_mode():
    ...     for x in torch.randn(3, 2):
    ...         print(torch.equal(recorded([x], lambda block, *asked: torch.cat(asked)), model(x)))
    True
    True
    True
    """

    def __init__(self, step: Step, model: nn.Module):
        self.step = step
        self.modules = list(model.modules())
        self.known = all(type(each).__module__.split(".")[0] in KNOWN for each in self.modules)
        # For inputs of each shape and type; None where there can be no list.
        self.lists: dict[tuple[Any, ...], Step | None] = {}

    def __call__(self, inputs: Any, look: Look) -> Tensor:
        leaves = tree_leaves(inputs)
        if not self.known or self.is_watched() or not all(isinstance(x, Tensor) for x in leaves):
            return self.step(inputs, look)
        kind = (torch.is_autocast_enabled("cpu"), *((x.shape, x.dtype) for x in leaves))
        if kind not in self.lists:
            with Tape(leaves) as tape, Readings(tape):
                result = self.step(inputs, tape.noting(look))
            self.lists[kind] = None if tape.refused else tape.to_function(result)
            return result
        play = self.lists[kind]
        return self.step(inputs, look) if play is None else play(leaves, look)

    def is_watched(self) -> bool:
        """Whether somebody has asked to be told when a module is called."""
        hooks = (each._forward_hooks or each._forward_pre_hooks for each in self.modules)
        return bool(modules._has_any_global_hook()) or any(hooks)


@dataclass(frozen=True)
class Name:
    """Stands in a line for a tensor, or for whatever cannot be written as text."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass
class Line:
    """One kernel, what it was given, and what its results are called."""

    results: list[Name]
    kernel: Any
    given: list[Any]
    named: dict[str, Any] = field(default_factory=dict)
    several: bool = False  # results come as a tuple

    def __str__(self) -> str:
        given = [*map(repr, self.given), *(f"{key}={x!r}" for key, x in self.named.items())]
        call = f"{called(self.kernel)}({', '.join(given)})"
        return f"{', '.join(map(str, self.results))}{',' * self.several} = {call}"


class Tape(TorchDispatchMode):
    """Writes down the kernels that run while it is entered."""

    def __init__(self, inputs: Sequence[Tensor]):
        super().__init__()
        self.refused = False
        self.paused = False
        self.kept: dict[str, Any] = {}
        self.called: dict[int, Name] = {}
        self.seen: list[Any] = []  # kept alive, so that no two have the same id
        self.lines: list[Line] = []
        self.inputs = [self.name(x) for x in inputs]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.paused:
            self.note(func, args, kwargs or {}, result)
        return result

    def noting(self, look: Look) -> Look:
        """`look`, itself one line of the list."""

        def noted(block: int, *asked: Tensor) -> Tensor:
            self.paused = True
            answers = look(block, *asked)
            self.paused = False
            self.lines.append(Line([self.name(answers)], "look", [block, *map(self.given, asked)]))
            return answers

        return noted

    def note(self, kernel: Any, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        """One kernel more."""
        several = isinstance(result, tuple | list)
        results = list(result) if several else [result]
        if torch.Tag.dynamic_output_shape in kernel.tags or not all(isinstance(x, Tensor) for x in results):
            self.refused = True
        elif kernel._schema.is_mutable or any(id(x) not in self.called for x in results):  # else nothing was done
            given = [tree_map(self.given, x) for x in args]
            named = {key: tree_map(self.given, x) for key, x in kwargs.items()}
            self.lines.append(Line([self.result(x) for x in results], kernel, given, named, several))

    def given(self, x: Any) -> Any:
        """How an argument is written; what was not made in this step is kept."""
        if isinstance(x, LITERAL):
            return x
        if id(x) not in self.called:
            self.kept[str(self.name(x))] = x
        return self.called[id(x)]

    def result(self, x: Any) -> Name:
        """How a result is written: what was there before has its name."""
        return Name("_") if id(x) in self.called else self.name(x)

    def name(self, x: Any) -> Name:
        if id(x) not in self.called:
            self.seen.append(x)
            self.called[id(x)] = Name(f"x{len(self.seen)}")
        return self.called[id(x)]

    def to_function(self, result: Tensor) -> Step:
        """The lines as a function of the inputs and `look`."""
        inputs = ", ".join(map(str, self.inputs))
        texts = [f"{inputs}, = inputs", *map(str, self.lines), f"return {self.given(result)}"]
        kernels = {called(line.kernel): line.kernel._op for line in self.lines if line.kernel != "look"}  # unwrapped
        known = kernels | self.kept | {"torch": torch, "device": torch.device, "inf": math.inf, "nan": math.nan}
        exec("def play(inputs, look):\n    " + "\n    ".join(texts), known)
        self.seen.clear()
        play: Step = known["play"]
        return play


class Readings(TorchFunctionMode):
    """Tells the tape when numbers are read past the kernels."""

    def __init__(self, tape: Tape):
        super().__init__()
        self.tape = tape

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.tape.refused |= func in READS and not self.tape.paused
        return func(*args, **(kwargs or {}))


def called(kernel: Any) -> str:
    """A name that Python allows: of aten::add.Tensor, aten_add_Tensor."""
    return kernel if kernel == "look" else str(kernel.name()).replace("::", "_").replace(".", "_")
