"""What crosses between the examiner and the process in which the learner's code runs: JSON and safetensors, no pickle.

A message is a frame: eight bytes of length, then the bytes of a safetensors file whose header holds the JSON. Tensors,
NumPy's arrays, numbers, strings, None and lists, tuples, dicts, sets and ranges of these go both ways. A module made of
torch's own layers goes as its classes' names, arguments and weights, and a plain function as its source; both go from
the examiner to the learner's code only. Nothing that comes from there can name code to be run: the worst that a
forged frame can say is a wrong number, or nothing that can be read.
"""

import inspect
import json
import os
import select
import textwrap
import time
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

LIMIT = 64_000_000  # bytes of a message: far more than an exercise needs, and less than harms
PIECE = 1 << 12  # bytes that are written at once: a write of more may wait, however ready the line is
DEPTH = 50  # of lists in lists
PLAIN = frozenset({type(None), bool, int, float, str})  # what JSON has too
LISTS: dict[str, Callable[[list], Any]] = {"tuple": tuple, "list": list, "set": set, "frozenset": frozenset}


class Unreadable(ValueError):
    """A frame that no honest side has sent."""


class Unsendable(TypeError):
    """A value that cannot cross; `kind` says what it is."""

    def __init__(self, value: Any):
        self.kind = a_kind(value)
        super().__init__(self.kind)


class Line:
    """One end of a line of frames, over one or two descriptors."""

    def __init__(self, reading: int, writing: int):
        self.reading, self.writing = reading, writing
        self.begun = False  # whether a part of a frame has been read

    def send(self, value: Any) -> None:
        self.put(pack(value))

    def put(self, data: bytes, until: float | None = None) -> None:
        """Write a frame.

        Raises:
            TimeoutError: `until` has come, and the other side has not read it.
        """
        view = memoryview(len(data).to_bytes(8, "little") + data)
        while view:
            if until is None or os.name == "nt":
                view = view[os.write(self.writing, view) :]
            elif select.select([], [self.writing], [], max(0.0, until - time.monotonic()))[1]:
                view = view[os.write(self.writing, view[:PIECE]) :]
            else:
                raise TimeoutError

    def receive(self, until: float | None = None, trusted: bool = False, given: Callable[[], dict] = dict) -> Any:
        """The next value.

        Args:
            until: a time of `time.monotonic()`.
            trusted: whether modules and functions are built.
            given: the names that a function by source may use.

        Raises:
            EOFError: the other side has closed its end.
            TimeoutError: `until` has come.
            Unreadable: this is no frame of ours.
        """
        self.begun = False
        length = int.from_bytes(self._read(8, until), "little")
        if length > LIMIT:
            raise Unreadable(f"{length} bytes")
        data = self._read(length, until)
        self.begun = False
        return unpack(data, trusted, given)

    def _read(self, count: int, until: float | None) -> bytes:
        data = bytearray()
        while len(data) < count:
            if until is not None and os.name != "nt":
                ready, _, _ = select.select([self.reading], [], [], max(0.0, until - time.monotonic()))
                if not ready:
                    raise TimeoutError
            try:
                piece = os.read(self.reading, min(count - len(data), 1 << 20))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise EOFError
            data += piece
            self.begun = True
        return bytes(data)

    def close(self) -> None:
        for descriptor in {self.reading, self.writing}:
            os.close(descriptor)


def pack(value: Any) -> bytes:
    """A value as the bytes of a safetensors file.

    Raises:
        Unsendable: it holds something that cannot cross.
    """
    from safetensors.torch import save

    tensors: dict[str, Any] = {}
    tree = _tree(value, tensors, DEPTH)
    return save(tensors, {"json": json.dumps(tree)})


def unpack(data: bytes, trusted: bool = False, given: Callable[[], dict] = dict) -> Any:
    """The value of a frame.

    Raises:
        Unreadable: the bytes are not of `pack`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return _value(json.loads(header["__metadata__"]["json"]), load(data), trusted, given)
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise Unreadable(str(error)[:200]) from error


def _tree(value: Any, tensors: dict[str, Any], depth: int) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    if depth < 0:
        raise Unsendable(value)
    if kind in (list, tuple):  # looked at first, and into, without a call for each number: there may be thousands
        return {kind.__name__: [item if type(item) in PLAIN else _tree(item, tensors, depth - 1) for item in value]}
    return _rare(value, tensors, depth)


def _rare(value: Any, tensors: dict[str, Any], depth: int) -> Any:
    import numpy as np
    import torch

    def below(item: Any) -> Any:
        return _tree(item, tensors, depth - 1)

    if isinstance(value, torch.Tensor):
        plain = value.detach()
        if plain.is_complex() or plain.layout is not torch.strided or plain.device.type != "cpu":
            raise Unsendable(value)
        return {
            "tensor": _store(plain, tensors),
            "grad": value.requires_grad and value.is_leaf,
            "graph": value.requires_grad,
            "parameter": isinstance(value, torch.nn.Parameter),
        }
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biuf":
            raise Unsendable(value)
        array = np.array(value)  # a copy that may be written to
        return {"array": _store(torch.from_numpy(array), tensors), "scalar": isinstance(value, np.generic)}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.nn.Module):
        return {"module": _described(value), "state": below(dict(value.state_dict())), "training": value.training,
                "frozen": [name for name, weight in value.named_parameters() if not weight.requires_grad]}  # fmt: skip
    if isinstance(value, FunctionType):
        return {"function": source_of(value), "name": value.__name__}
    if isinstance(value, dict):
        return {"dict": [[below(key), below(item)] for key, item in value.items()]}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, tuple | list | set | frozenset):
        name = next(kind.__name__ for kind in (tuple, list, set, frozenset) if isinstance(value, kind))
        return {name: [below(item) for item in value]}
    if isinstance(value, bool | str | int | float):  # of a class made from one of these
        return next(kind(value) for kind in (str, int, float) if isinstance(value, kind))
    raise Unsendable(value)


def _store(tensor: Any, tensors: dict[str, Any]) -> str:
    name = str(len(tensors))
    tensors[name] = tensor.clone().contiguous()
    return name


def _value(tree: Any, tensors: Mapping[str, Any], trusted: bool, given: Callable[[], dict]) -> Any:
    def below(item: Any) -> Any:
        return item if type(item) in PLAIN else _value(item, tensors, trusted, given)

    if not isinstance(tree, dict):
        if isinstance(tree, list):
            raise Unreadable("a list without its kind")
        return tree
    for name, kind in LISTS.items():
        if name in tree:
            return kind([below(item) for item in tree[name]])
    if "tensor" in tree:
        from torch import nn

        tensor = tensors[tree["tensor"]]
        if tree["grad"] and trusted:
            return nn.Parameter(tensor) if tree["parameter"] else tensor.requires_grad_()
        return tensor
    if "array" in tree:
        array = tensors[tree["array"]].numpy()
        return array[()] if tree["scalar"] else array
    if "dtype" in tree:
        import torch

        dtype = getattr(torch, tree["dtype"])
        if not isinstance(dtype, torch.dtype):
            raise Unreadable("no dtype")
        return dtype
    if "dict" in tree:
        return {below(key): below(item) for key, item in tree["dict"]}
    if "range" in tree:
        return range(*map(int, tree["range"]))
    if trusted and "module" in tree:
        module = _built(tree["module"])
        module.load_state_dict(below(tree["state"]))
        for name in tree["frozen"]:
            module.get_parameter(name).requires_grad_(False)
        return module.train(tree["training"])
    if trusted and "function" in tree:
        names = given()
        exec(compile(tree["function"], "<given>", "exec"), names)
        return names[tree["name"]]
    raise Unreadable(f"an unknown kind: {', '.join(map(str, tree))[:80]}")


def _described(module: Any) -> dict[str, Any]:
    """A layer of torch as its class's name and arguments: those of `__init__` that it remembers under their own names."""
    from torch import nn

    kind = type(module)
    if getattr(nn, kind.__name__, None) is not kind:
        raise Unsendable(module)
    if isinstance(module, nn.Sequential | nn.ModuleList):
        return {
            "class": kind.__name__,
            "layers": [[name, _described(layer)] for name, layer in module.named_children()],
        }
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("device", "dtype") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if name == "bias":
            arguments[name] = value is not None
        elif isinstance(value, bool | int | float | str | None):
            arguments[name] = value
        elif isinstance(value, tuple | list) and all(isinstance(item, int | float) for item in value):
            arguments[name] = list(value)
        elif parameter.default is parameter.empty:
            raise Unsendable(module)
    return {"class": kind.__name__, "arguments": arguments}


def _built(tree: Mapping[str, Any]) -> Any:
    from torch import nn

    kind = getattr(nn, tree["class"])
    if "layers" in tree:
        module = kind()
        for name, layer in tree["layers"]:
            module.add_module(name, _built(layer))
        return module
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in tree["arguments"].items()}
    )


def source_of(function: FunctionType) -> str:
    """The text of a plain function: no lambda, nothing that it remembers from around it."""
    if function.__closure__ or function.__name__ == "<lambda>":
        raise Unsendable(function)
    return textwrap.dedent(inspect.getsource(function))


def attached(value: Any) -> bool:
    """Whether a tensor in the value is the result of a graph that goes back to something that wants a gradient."""
    if isinstance(value, dict):
        return any(attached(item) for item in value.values())
    if isinstance(value, tuple | list):
        return any(type(item) not in PLAIN and attached(item) for item in value)
    return bool(getattr(value, "requires_grad", False))


def visible(value: Any) -> Any:
    """What can be seen of a value from outside, to be compared with what it was: of a module its weights, of a function nothing."""
    if type(value) in PLAIN:
        return value
    if hasattr(value, "state_dict"):
        return dict(value.state_dict())
    if isinstance(value, dict):
        return {key: visible(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(visible(item) for item in value) if type(value) in (tuple, list) else [*map(visible, value)]
    return None if callable(value) else value


def a_kind(value: Any) -> str:
    """What a value is, in words.

    >>> a_kind(None), a_kind((1, 2)), a_kind(3.0)
    ('None', 'a tuple of 2', 'the number 3.0')
    """
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return f"the number {value!r}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        what = "a tensor" if hasattr(value, "detach") else "an array"
        return f"{what} of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}"
    if inspect.isgenerator(value):
        return "a generator (a 'yield' where a 'return' belongs?)"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__} (not called?)"
    return f"an object of {type(value).__name__}"
