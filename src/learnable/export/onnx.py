"""A model for every other runtime: ONNX, read by ONNX Runtime, browsers, phones, databases.

The file is checked three times before it appears: by ONNX's own checker, by running it in ONNX Runtime on the example,
and on an input of another size with other values.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from learnable.errors import CallError, WorldError
from learnable.export.program import (
    Exported,
    Inputs,
    at_rest,
    compared,
    described,
    destination,
    quiet,
    traceable,
    written,
)

LIMIT = 2_000_000_000  # bytes: the format's own (protobuf's), for a model in a single file
Names = tuple[Sequence[str], Sequence[str]]


def to_onnx(
    model: nn.Module, example: Inputs, path: str | Path, *, names: Names = (("input",), ("output",)),
    dynamic: Sequence[str] = ("batch",), about: Mapping[str, Any] | None = None, overwrite: bool = False,
) -> Exported:  # fmt: skip
    """Write `model` as a `.onnx` file.

    Args:
        example: inputs that the model takes; their sizes matter only on the axes that `dynamic` does not free.
        names: of the inputs and of the outputs, in order.
        dynamic: names of the leading axes that may have any size: ("batch",), or ("batch", "tokens") for sequences.
        about: what a reader should know (classes, what the input is, the run); kept in the file's metadata, what is
            not text as JSON.

    Raises:
        CallError: the path does not end in `.onnx`, or there are not as many names as inputs and outputs.
        WorldError: the path exists, its folder does not, `onnx` is not installed, the model is too large for one file
            or cannot be translated, or the translation differs from it.
    """
    path = destination(path, ".onnx", overwrite)
    onnx, onnxruntime = _libraries()
    if len(names[0]) != len(example):
        raise CallError(f"expected as many input names as inputs ({len(example)}), came {list(names[0])}")
    size = sum(x.numel() * x.element_size() for x in model.state_dict().values())
    if size > LIMIT:
        raise WorldError(f"the model has {size / 1e9:.1f} GB of weights and ONNX holds 2 GB in one file; "
                         "export it --to torch or --to safetensors.")  # fmt: skip

    with at_rest(model) as still:
        outputs = torch.utils._pytree.tree_leaves(still(*example))
        if len(outputs) != len(names[1]):
            raise CallError(f"expected as many output names as outputs ({len(outputs)}), came {list(names[1])}")
        with quiet("ONNX export"):
            free = tuple({axis: name for axis, name in enumerate(dynamic) if axis < x.dim()} for x in example)
            program = torch.onnx.export(
                still, traceable(example, len(dynamic)), dynamo=True, verbose=False, dynamic_shapes=free,
                input_names=list(names[0]), output_names=list(names[1]),
            )  # fmt: skip
            assert program is not None
            proto = program.model_proto
            for key, value in described(about).items():
                proto.metadata_props.add(
                    key=key, value=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                )
            onnx.checker.check_model(proto, full_check=True)
            content = proto.SerializeToString()
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4  # fatal: what fails, fails with an exception
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

        def run(inputs: Inputs) -> list[Tensor]:
            answers = session.run(None, {name: x.numpy() for name, x in zip(names[0], inputs, strict=True)})
            return [torch.from_numpy(answer) for answer in answers]

        difference, tried = compared(still, run, example, dynamic, "ONNX Runtime")
    return written(path, content, difference, tried)


def _libraries() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  # torch.onnx translates with it
    except ImportError as error:
        raise WorldError(f'ONNX export needs {error.name}: pip install "learnable[onnx]"') from error
    return onnx, onnxruntime
