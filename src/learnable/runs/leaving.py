"""Out of the house: a trained model as ONNX, as a program of torch.export, or as bare weights."""

from pathlib import Path

from learnable.errors import CallError
from learnable.export.program import Exported
from learnable.runs.run import Run

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}


def leave(run: Run, to: str, path: Path, *, overwrite: bool = False) -> Exported:
    """Write the run's model in the format `to`, compared with the original before it gets its name.

    Raises:
        CallError: the recipe has no inputs to export with, or the path has another suffix.
        WorldError: the path exists already, the exporter is not installed, or its result differs.
    """
    recipe = run.recipe
    about = {
        "run": run.name,
        "recipe": run.recipe_name,
        "data": run.info.data,
        "classes": list(run.info.classes),
        "input": run.info.to_json(),
    }
    if to == "safetensors":
        from learnable.export.safetensors import to_safetensors

        return to_safetensors(run.model, path, about=about, overwrite=overwrite)
    if recipe.example is None:
        raise CallError(
            f"{run.recipe_name} says nothing of its inputs, so it leaves as weights alone: --to safetensors"
        )
    example = recipe.example(run.info)
    if to == "onnx":
        from learnable.export.onnx import to_onnx

        names = (recipe.inputs, recipe.outputs)
        return to_onnx(run.model, example, path, names=names, dynamic=recipe.free, about=about, overwrite=overwrite)
    from learnable.export.program import to_program

    return to_program(run.model, example, path, dynamic=recipe.free, about=about, overwrite=overwrite)
