"""Full-size weights through files, both ways: every published variant up to 200 million parameters.

The standard library's own class gets random numbers and is saved as that library saves; ours reads the file or folder and must say
the same; what ours saves is read by the library again and must say the same, too. Torchvision's files are pickles of tensors,
timm's and transformers' are folders with safetensors, the latter in shards of 200 MB.

    python -m benchmarks.weights                 all (a quarter of an hour)
    python -m benchmarks.weights 'resnet*' gpt2-small
"""

import contextlib
import importlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks import kernels
from benchmarks.models import TEXT_MODELS, formats
from learnable import models
from learnable.models.language import bert

LARGEST = 200_000_000
CLOSE = 1e-4  # of the largest logit


@torch.no_grad()
def randomize(model: nn.Module) -> nn.Module:
    """Random numbers everywhere, statistics of norms included: what starts at one or nought would hide a mistake in its place."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.dim() <= 1:
            tensor.normal_(1.0 if name.endswith("weight") else 0.0, 0.2, generator=generator)
        else:
            tensor.normal_(0.0, (2 / max(1, tensor[0].numel())) ** 0.5, generator=generator)
    return model.eval()


@torch.no_grad()
def difference(one: Tensor, other: Tensor) -> float:
    """The largest, as a share of the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def pictures(variant: models.Variant, folder: Path) -> Iterator[tuple[str, float, float]]:
    """For each library that has this variant: its name, and the differences after reading its file, and after it read ours."""
    import timm
    import torchvision

    forms = formats(variant)
    ours = getattr(importlib.import_module(variant.module), variant.family)
    size = getattr(variant.config, "size", 64)
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(2))
    for library, form in forms.items():
        called = form.names.get(variant.name, variant.name)
        written = folder / library
        written.mkdir()
        if library == "torchvision" and hasattr(torchvision.models, called):
            theirs = randomize(getattr(torchvision.models, called)())
            torch.save(theirs.state_dict(), written / "model.pth")
            model = ours.from_pretrained(written / "model.pth", allow_pickle=True).eval()
        elif library == "timm" and timm.is_model(called):
            theirs = randomize(timm.create_model(called))
            timm.models.save_for_hf(theirs, written, safe_serialization=True)
            model = ours.from_pretrained(written).eval()
        else:
            continue
        if model.config != variant.config:
            raise AssertionError(f"{variant.name} was read as {model.config}")
        model.save_pretrained(folder / "ours")
        with torch.inference_mode():
            said = model(image)
            there = difference(said, theirs(image))
            if library == "timm" or timm.is_model(
                forms["timm"].names.get(variant.name, variant.name) if "timm" in forms else ""
            ):
                again = timm.create_model(f"local-dir:{folder / 'ours'}", pretrained=True).eval()
            else:
                again = getattr(torchvision.models, called)().eval()
                again.load_state_dict(load_file(folder / "ours" / "model.safetensors"))
            yield library, there, difference(again(image), said)


def texts(variant: models.Variant, folder: Path) -> Iterator[tuple[str, float, float]]:
    """transformers, its folder in shards."""
    import transformers

    (_, _), (theirs, _), library = TEXT_MODELS[variant.family](variant)
    if library != "transformers":
        return
    theirs.eval().save_pretrained(folder / "theirs", max_shard_size="200MB")  # type: ignore[operator]
    cls: Any = {"BERT": bert.MaskedLM}.get(variant.family) or getattr(
        importlib.import_module(variant.module), variant.family
    )
    ours = cls.from_pretrained(folder / "theirs").eval()
    text = torch.randint(10, ours.config.vocab, (1, 16), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        said = ours(text)
        there = difference(said, theirs(text).logits)
        ours.save_pretrained(folder / "ours")
        again = getattr(transformers, type(theirs).__name__).from_pretrained(folder / "ours").eval()
        yield library, there, difference(again(text).logits, said)


def check(name: str, say: Callable[[str], None] = print) -> bool:
    """Whether this variant went both ways through all libraries' files."""
    kernels.install()
    torch.manual_seed(0)
    variant = models.find(name)
    road = texts if variant.family in TEXT_MODELS else pictures
    if (road is pictures and not variant.weights) or variant.family == "Transformer":
        say(f"{name:26} no library has it in this form")
        return True
    good = True
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        for library, there, back in road(variant, Path(folder)):
            within = there < CLOSE and back < CLOSE
            good &= within
            say(f"{name:26} {variant.parameters:>13,}   {library:12} read {there:.1e}   back {back:.1e}"
                + ("" if within else "   DIFFERENT"))  # fmt: skip
    return good


def main() -> int:
    patterns = sys.argv[1:] or ["*"]
    names = [name for name in models.list() if models.find(name).parameters <= LARGEST
             and any(fnmatchcase(name, pattern) for pattern in patterns)]  # fmt: skip
    bad = [name for name in names if not check(name, lambda line: print(line, flush=True))]
    print(f"{len(names)} variants, {len(bad)} different" + (f": {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
