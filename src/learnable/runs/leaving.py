"""Out of the house: a trained model as ONNX, as a program of torch.export, or as bare weights."""

from pathlib import Path
from typing import Any

from learnable.data.tokenizers.formats import to_json
from learnable.data.tokens import tokenizer_of
from learnable.errors import CallError, WorldError
from learnable.export.program import Exported
from learnable.files import write_json
from learnable.runs.run import Run

# What transformers calls the tokens of BERT that are no words.
ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}


def input_in_words(run: Run) -> str:
    """What the exported model expects, step by step, for whoever calls it without this library."""
    info, recipe = run.info, run.recipe
    if info.image is not None:
        channels, height, width = info.image
        steps = [
            f"float32 of shape (batch, {channels}, {height}, {width})",
            f"{'gray' if channels == 1 else 'red, green, blue'}, from 0 (black) to 1 (white): value / 255",
        ]
        if info.more.get("ink"):
            steps.append("light ink on a dark ground: invert a picture of dark ink on paper")
            steps.append(
                "crop to the ink, scale its longer side to 20 of 28 pixels, and put its center of mass into the middle"
                if info.more["ink"] == "mnist"
                else "crop to the ink and scale it to fill the height"
            )
        else:
            steps.append("scale the shorter side to fit and cut the middle out")
        return "; ".join(steps)
    if info.more.get("columns"):
        return f"float32 of shape (batch, {info.width}): the columns of {info.data}, as learnable.data.tables prepares them"
    if info.tokenizer:
        return f"int64 of shape (batch, tokens), at most {info.context} tokens: those of the tokenizer.json that lies beside"
    if _reads_text(run):
        return f"int64 of shape (batch, tokens), at most {info.context} tokens: places in the alphabet {''.join(info.alphabet)!r}"
    if info.noise:
        return f"float32 of shape (batch, {info.noise}): standard normal noise"
    return f"{', '.join(recipe.inputs)}: as the recipe {run.recipe_name} makes them; classes: {', '.join(info.classes)}"


def leave(run: Run, to: str, path: Path, *, overwrite: bool = False) -> Exported:
    """Write the run's model in the format `to`, compared with the original before it gets its name.

    Raises:
        CallError: the recipe has no inputs to export with, or the path has another suffix.
        WorldError: the path exists already, the exporter is not installed, or its result differs.
    """
    beside = path.with_suffix(".tokenizer.json") if run.info.tokenizer and path.suffix else None
    if beside is not None and beside.exists() and not overwrite:
        raise WorldError(f"{beside} exists already and is left as it is; choose another name, or say --overwrite.")
    written = _leave(run, to, path, overwrite)
    if beside is not None:
        write_json(beside, dict(run.info.tokenizer))
    return written


def tokenizer_files(run: Run) -> dict[str, Any]:
    """What transformers' AutoTokenizer reads; nothing where the model reads no text."""
    if not _reads_text(run):
        return {}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": run.info.context,
                "clean_up_tokenization_spaces": False}  # fmt: skip
    tokenizer = tokenizer_of(run.info)
    roles = {role: token for role, token in ROLES.items() if token in tokenizer.numbers}
    return {"tokenizer.json": to_json(tokenizer), "tokenizer_config.json": settings | roles}


def _reads_text(run: Run) -> bool:
    return bool(run.info.vocab) and run.recipe.inputs == ("tokens",) and not run.info.classes


def _leave(run: Run, to: str, path: Path, overwrite: bool) -> Exported:
    recipe = run.recipe
    about = {
        "run": run.name,
        "recipe": run.recipe_name,
        "data": run.info.data,
        "classes": list(run.info.classes),
        "input": input_in_words(run),
    }
    if to == "safetensors":
        from learnable.export.safetensors import to_safetensors

        files = tokenizer_files(run)
        published = bool(files) and hasattr(run.model, "save_pretrained")
        return to_safetensors(run.model, path, about=about, overwrite=overwrite, files=files, published=published)
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
