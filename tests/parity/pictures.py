"""What every parity test of picture networks asks, written once: outputs and gradients, in training and in use."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from learnable.weights.images import Format
from learnable.weights.table import translate, untranslate

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}


def randomize(model: nn.Module, seed: int = 1) -> nn.Module:
    """Random numbers in every parameter and buffer: a norm that starts at one and nought hides a mistake in its place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():  # tensors outside of it (a mask, say) follow from the settings
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)
            if name.endswith("running_var"):
                tensor.copy_(1 + 0.5 * noise.tanh())
            elif tensor.dim() <= 1:  # the scales of norms are near one, shifts and biases near nought
                tensor.copy_((1.0 if name.endswith("weight") else 0.0) + 0.2 * noise)
            else:
                tensor.copy_(noise * (2 / max(1, tensor[0].numel())) ** 0.5)
    return model


def same_weights(ours: nn.Module, theirs: nn.Module, form: Format, dtype: torch.dtype) -> None:
    """Random weights in both, ours by way of the table."""
    randomize(theirs)
    theirs.to(dtype)
    ours.to(dtype)
    state = translate(form.change(theirs.state_dict()), form.rows(ours.config), like=ours.state_dict())
    ours.load_state_dict(state)


def logits(output: Any) -> Tensor:
    """transformers wraps them."""
    return output if isinstance(output, Tensor) else output.logits


def assert_parity(
    ours: nn.Module,
    theirs: nn.Module,
    form: Format,
    image: Tensor,
    dtype: torch.dtype = torch.float64,
    train: bool = True,
) -> tuple[float, float]:
    """Same weights in, same logits, gradients and running statistics out; gives the largest relative differences."""
    same_weights(ours, theirs, form, dtype)
    ours.train(train), theirs.train(train)
    image = image.to(dtype)
    mine, reference = ours(image), logits(theirs(image))
    far = float(((mine - reference).abs().max() / reference.abs().max()).detach())
    assert far < TOLERANCE[dtype], f"logits differ by {far:.1e} of the largest"
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3), dtype=dtype)
    (mine * weight).sum().backward()
    (reference * weight).sum().backward()
    named = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    table = form.rows(ours.config)
    gradients = untranslate({name: p.grad for name, p in ours.named_parameters()}, table)
    scale = max(float(gradient.abs().max()) for gradient in named.values())
    worst = 0.0
    assert gradients.keys() == form.change(named).keys()
    for name, gradient in form.change(named).items():
        # A shift in front of a batch norm, or of all keys, has no effect: its gradient is rounding, on both sides.
        size = max(float(gradient.abs().max()), (1e-3 if dtype == torch.float32 else 1e-6) * scale)
        worst = max(worst, float((gradients[name] - gradient).abs().max()) / size)
        assert worst < 50 * TOLERANCE[dtype], f"the gradient of {name} differs by {worst:.1e} of its largest"
    after = translate(form.change(theirs.state_dict()), table, like=ours.state_dict())
    for name, tensor in ours.state_dict().items():
        assert_close(tensor, after[name], atol=1e-5 if dtype == torch.float32 else 1e-10, rtol=1e-5, msg=name)
    return far, worst


def assert_goes_both_ways(
    ours: Any, theirs: nn.Module, write: Callable[[nn.Module, Path], Any], read: Callable[[Path], nn.Module],
    folder: Path, image: Tensor, **options: Any,
) -> None:  # fmt: skip
    """What they save we read, and what we save they read: the same logits each time."""
    randomize(theirs).eval()
    written = write(theirs, folder / "theirs")
    place = written if isinstance(written, str | Path) else folder / "theirs"
    model = ours.from_pretrained(place, **options).eval()
    with torch.no_grad():
        assert_close(model(image), logits(theirs(image)), atol=1e-4, rtol=1e-4)
        model.save_pretrained(folder / "ours")
        again = ours.from_pretrained(folder / "ours").eval()
        assert again.config == model.config and torch.equal(again(image), model(image))
        assert_close(logits(read(folder / "ours").eval()(image)), model(image), atol=1e-4, rtol=1e-4)


def timm_reads(folder: Path) -> nn.Module:
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True)


def timm_writes(model: Any, folder: Path) -> None:
    from timm.models import save_for_hf

    save_for_hf(model, folder, safe_serialization=True)


def torch_writes(model: nn.Module, folder: Path) -> Path:
    """As torchvision's files are made."""
    folder.mkdir()
    torch.save(model.state_dict(), folder / "model.pth")
    return folder / "model.pth"


def transformers_writes(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def odd_sizes() -> Sequence[tuple[int, int]]:
    """Heights and widths that do not divide by anything a network halves by."""
    return (64, 64), (65, 47)


def assert_torchvisions(published: Sequence[Any], variants: Any) -> None:
    """Our rows of torchvision's weights say what torchvision says: address, accuracy, and how pictures are prepared."""
    import torchvision

    rows = {row.name: row for row in published if row.name.startswith("torchvision/")}
    for variant in variants:
        if variant not in torchvision.models.list_models():
            continue
        for weights in torchvision.models.get_model_weights(variant):
            if "SWAG" in weights.name or weights.name == "IMAGENET1K_FEATURES":  # other terms of use; no head
                continue
            row = rows.pop(f"torchvision/{variant}.{weights.name}")
            (metrics,) = weights.meta["_metrics"].values()
            asked = weights.transforms()
            assert row.address == weights.url and row.top1 == metrics["acc@1"] and row.variant == variant
            assert row.preprocessing.size == asked.crop_size[0]
            assert round(row.preprocessing.size / row.preprocessing.crop) == asked.resize_size[0]
            assert list(row.preprocessing.mean) == asked.mean and list(row.preprocessing.std) == asked.std
            assert row.preprocessing.interpolation == asked.interpolation.value
            assert variants[variant][1] == weights.meta["num_params"]
    assert not rows, f"torchvision has no {', '.join(rows)}"


def assert_full_size(ours: Any, config: Any, build: Callable[[], nn.Module], folder: Path) -> None:
    """A published shape, all its numbers random, from the reference's file into our model."""
    with torch.device("meta"):
        reference = build()
    state = {
        name: torch.zeros((), dtype=tensor.dtype) if not tensor.is_floating_point() else torch.rand(tensor.shape)
        for name, tensor in reference.state_dict().items()
    }
    torch.save(state, folder / "full.pth")
    model = ours.from_pretrained(folder / "full.pth", allow_pickle=True)
    numbers, came = (
        sorted(float(tensor.double().sum()) for tensor in tensors.values() if tensor.is_floating_point())
        for tensors in (state, model.state_dict())
    )
    assert came == numbers
    assert model.config == config
