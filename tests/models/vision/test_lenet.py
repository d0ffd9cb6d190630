import inspect
import math
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.vision.lenet import LENET, TABLE_I, LeNet, LeNet1998, PaperC3, Subsampling, size_of_s4, squash

MODELS = [LeNet, LeNet1998]


def seeded(build: type[nn.Module], **settings: int) -> nn.Module:
    torch.manual_seed(0)
    return build(**settings)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# Size


@pytest.mark.parametrize("settings, expected", LENET.values(), ids=LENET)
def test_has_the_published_size(settings: dict[str, int], expected: int):
    with torch.device("meta"):
        assert parameters(LeNet(**settings)) == expected


def test_the_papers_sixty_thousand_is_exact():
    counts = {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
    with torch.device("meta"):
        model = LeNet1998(size=32)
    assert {name: parameters(layer) for name, layer in model.named_children() if name != "output"} == counts
    assert sum(counts.values()) == 60_000


def test_table_one_is_the_papers():
    """Its rows as printed: an X where a map of c3 sees the map of s2."""
    printed = [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]
    ours = ["".join("X" if row in seen else "." for seen in TABLE_I) for row in range(6)]
    assert ours == printed


# Shapes


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("size", [16, 17, 20, 28, 29, 32, 64])
def test_takes_pictures_of_other_sizes(build: type[nn.Module], size: int):
    assert build(classes=3, channels=2, size=size)(torch.rand(2, 2, size, size)).shape == (2, 3)


def test_maps_have_the_papers_sizes():
    seen = {}
    model = LeNet()
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda _, __, output, name=name: seen.update({name: tuple(output.shape[1:])}))
    model(torch.rand(1, 1, 28, 28))
    assert seen == {
        "c1": (6, 28, 28),
        "s2": (6, 14, 14),
        "c3": (16, 10, 10),
        "s4": (16, 5, 5),
        "c5": (120,),
        "f6": (84,),
        "output": (10,),
    }


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("size", [15, 8, 0])
def test_a_picture_that_is_too_small_is_an_error_that_says_what_to_do(build: type[nn.Module], size: int):
    with pytest.raises(ValueError, match=f"at least 16x16 pixels, came {size}x{size}; enlarge"):
        build(size=size)


def test_what_is_left_for_c5_is_what_the_layers_leave():
    for size in range(16, 70):
        layers = nn.Sequential(
            nn.Conv2d(1, 1, 5, padding=2 * (size == 28)), nn.MaxPool2d(2), nn.Conv2d(1, 1, 5), nn.MaxPool2d(2)
        )
        with torch.device("meta"):
            left = layers.to("meta")(torch.empty(1, 1, size, size)).shape[-1]
        assert size_of_s4(size) == left


@pytest.mark.parametrize("build", MODELS)
def test_a_picture_of_28_is_the_same_picture_in_a_field_of_32(build: type[nn.Module]):
    small, large = seeded(build, size=28).eval(), seeded(build, size=32).eval()
    large.load_state_dict(small.state_dict())
    picture = torch.rand(3, 1, 28, 28)
    assert_close(small(picture), large(F.pad(picture, (2, 2, 2, 2))))


# Parts


def test_paper_c3_is_the_full_connection_with_what_is_not_in_the_table_cut():
    sparse, full = PaperC3(), nn.Conv2d(6, 16, 5)
    with torch.no_grad():
        full.weight.zero_()
        for number, (one, seen) in enumerate(zip(sparse.maps, TABLE_I, strict=True)):
            full.weight[number, list(seen)] = one.weight[0]
            full.bias[number] = one.bias[0]
    x = torch.rand(2, 6, 14, 14)
    assert_close(sparse(x), full(x))
    assert parameters(full) == 2_416


def test_subsampling_by_hand():
    layer = Subsampling(2)
    with torch.no_grad():
        layer.scale[1], layer.shift[1] = 10.0, 1.0
    x = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]).expand(1, 2, 2, 2)
    assert_close(layer(x), torch.tensor([[[[3.0]], [[31.0]]]]))


def test_c5_is_the_papers_convolution():
    linear, convolution = seeded(LeNet).c5, nn.Conv2d(16, 120, 5)
    convolution.load_state_dict({"weight": linear.weight.view(120, 16, 5, 5), "bias": linear.bias})
    maps = torch.rand(2, 16, 5, 5)
    assert_close(linear(maps.flatten(1)), convolution(maps).flatten(1))


def test_squash_is_one_at_one_and_bends_most_there():
    assert_close(squash(torch.tensor([1.0, -1.0])), torch.tensor([1.0, -1.0]), atol=1e-4, rtol=0)
    x = torch.linspace(0, 3, 3001, dtype=torch.float64)
    curvature = torch.diff(squash(x), n=2).abs()
    assert abs(x[curvature.argmax() + 1] - 1) < 0.05


# The contract


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Ten random patterns with a label each."""
    generator = torch.Generator().manual_seed(1)
    return {"image": torch.rand(10, 1, 28, 28, generator=generator), "label": torch.arange(10)}


@pytest.mark.parametrize("build", MODELS)
def test_every_parameter_learns(build: type[nn.Module], batch: dict[str, torch.Tensor]):
    model = seeded(build)
    F.cross_entropy(model(batch["image"]), batch["label"]).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


@pytest.mark.parametrize("build", MODELS)
def test_examples_do_not_leak_into_each_other(build: type[nn.Module], batch: dict[str, torch.Tensor]):
    model = seeded(build).eval()
    image = batch["image"].clone().requires_grad_()
    model(image)[3].sum().backward()
    touched = image.grad.flatten(1).abs().sum(1) > 0
    assert touched.nonzero().flatten().tolist() == [3]
    assert_close(model(batch["image"])[:5], model(batch["image"][:5]))


@pytest.mark.parametrize("build", MODELS)
def test_a_new_model_is_undecided(build: type[nn.Module], batch: dict[str, torch.Tensor]):
    assert F.cross_entropy(seeded(build)(batch["image"]), batch["label"]) < 1.1 * math.log(10)


@pytest.mark.parametrize("build", MODELS)
def test_overfits_one_batch(build: type[nn.Module], batch: dict[str, torch.Tensor]):
    model = seeded(build)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        loss = F.cross_entropy(model(batch["image"]), batch["label"])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.05


@pytest.mark.parametrize("build", MODELS)
def test_survives_a_round_trip_to_disk(build: type[nn.Module], batch: dict[str, torch.Tensor], tmp_path):
    model = seeded(build)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(1)
    again = build()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(model(batch["image"]), again(batch["image"]))


def test_a_shift_of_the_picture_by_four_pixels_shifts_the_maps_of_s4_by_one():
    """What convolution promises: the same weights everywhere."""
    model = seeded(LeNet, size=64)
    picture = torch.zeros(1, 1, 64, 64)
    picture[..., 20:40, 20:40] = torch.rand(20, 20)
    maps = lambda x: model.s4(F.relu(model.c3(model.s2(F.relu(model.c1(x))))))
    assert_close(maps(picture.roll((4, 4), (2, 3)))[..., 1:, 1:], maps(picture)[..., :-1, :-1])


@pytest.mark.parametrize(
    "shape",
    [(1, 28, 28), (28, 28), (2, 1, 29, 29), (2, 1, 32, 32), (2, 1, 28, 30), (2, 3, 28, 28)],
    ids=["no batch axis", "a bare table", "a pixel more", "larger", "not square", "colored"],
)
@pytest.mark.parametrize("build", MODELS)
def test_wrong_pictures(build: type[nn.Module], shape: tuple[int, ...]):
    forward = inspect.unwrap(build.forward)  # without the checks of shapes that only tests have: users meet ours
    with pytest.raises(CallError, match=r"shape \(batch, 1, 28, 28\), came " + re.escape(str(shape))):
        forward(build(), torch.rand(shape))


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("settings", [{"classes": 0}, {"channels": 0}, {"classes": -3}], ids=str)
def test_wrong_numbers(build: type[nn.Module], settings: dict[str, int]):
    with pytest.raises(CallError, match="at least 1 class and 1 channel, came"):
        build(**settings)


# Out of the house


@pytest.mark.reference
@pytest.mark.parametrize("build", MODELS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_gives_the_same_for_any_number_of_pictures(build: type[nn.Module], tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = seeded(build).eval()
    program = torch.onnx.export(
        model,
        (torch.zeros(2, 1, 28, 28),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    program.save(tmp_path / "lenet.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "lenet.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 2, 5):
        picture = torch.rand(count, 1, 28, 28)
        (logits,) = session.run(None, {session.get_inputs()[0].name: picture.numpy()})
        assert_close(torch.from_numpy(logits), model(picture), atol=1e-5, rtol=1e-5)
