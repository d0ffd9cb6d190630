"""Two labs: draw a digit and follow it through the network; train one and see what it still confuses."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from learnable.course.lab import Choice, Drawing, Knobs, Lab, Progress, Slider
from learnable.course.views import Axis, Bars, Heatmap, Images, Lines, Picture, Series, Text, View

if TYPE_CHECKING:
    from torch import Tensor, nn

    from learnable.data.examples import Data, Info
    from learnable.models.vision.lenet import LeNet

DIGITS = tuple("0123456789")
LAYERS = {"c1": 6, "s2": 6, "c3": 16, "s4": 16}


# ------------------------------------------------------------------------------------------------- draw a digit


class Trained(NamedTuple):
    """A LeNet that can read, and where it comes from."""

    model: LeNet
    info: Info
    origin: str


class Both(NamedTuple):
    """The lab's own, which has seen digits moved and turned, and the learner's, if there is one."""

    lab: Trained
    yours: Trained | None


def prepare() -> Generator[Progress, None, Both]:
    """A LeNet that reads drawings, trained once on scans that are moved and turned a little; and the learner's own."""
    import torch

    from learnable.course.trained import kept
    from learnable.data.images import labeled_images
    from learnable.models.vision.lenet import LeNet

    data = labeled_images()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LeNet()
    yield from kept(Path(__file__), "lenet", model, learn(model, data))
    origin = "trained for this lab on the embedded digits, each moved and turned a little whenever it was shown"
    return Both(Trained(model, data.info, origin), learners_own())


def learn(model: LeNet, data: Data, steps: int = 500) -> Generator[Progress, None, None]:
    """Train in a few seconds, so that digits drawn by anybody are read."""
    import torch
    from torch.nn import functional as F

    from learnable.optim.schedules import one_cycle

    told = "training a LeNet on 1,257 digits, moved and turned a little"
    yield Progress(0.02, told)
    columns = data.train.batch(torch.arange(len(data.train)), {})
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * one_cycle(step, steps)
        pick = torch.randint(len(data.train), (64,), generator=generator)
        loss = F.cross_entropy(model(wobbled(columns["image"][pick], generator)), columns["label"][pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 25 == 24:
            yield Progress((step + 1) / steps, f"{told}: loss {loss.item():.2f}")


def learners_own() -> Trained | None:
    """The latest finished LeNet of digits among the runs, MNIST's before the embedded ones."""
    from learnable.course import trained
    from learnable.models.vision.lenet import LeNet

    run = trained.learners_own(
        "lenet",
        fits=lambda run: run.info.classes == DIGITS and run.info.image == (1, 28, 28),
        best=lambda run: float(run.info.data == "mnist"),
    )
    if run is None or not isinstance(run.model, LeNet):
        return None
    return Trained(run.model, run.info, f"your own: {run.described}")


def wobbled(image: Tensor, generator: Any) -> Tensor:
    """Each picture turned by up to 15 degrees, moved by up to two pixels, and larger or smaller by a tenth."""
    import torch
    from torch.nn import functional as F

    count = len(image)
    turn, scale, x, y = (2 * torch.rand(4, count, generator=generator) - 1) * torch.tensor(
        [[0.26], [0.1], [0.14], [0.14]]
    )
    scale = 1 + scale
    rows = torch.stack([torch.stack([scale * turn.cos(), -turn.sin(), x], -1),
                        torch.stack([turn.sin(), scale * turn.cos(), y], -1)], dim=1)  # fmt: skip
    return F.grid_sample(image, F.affine_grid(rows, list(image.shape), align_corners=False), align_corners=False)


def show_maps(
    state: Both, drawing: list[list[float]], layer: str, number: int, place: float, weights: str
) -> list[View]:
    """Everything between the drawing and the answer; one number of it worked out."""
    import torch
    from torch.nn import functional as F

    from learnable.data.pictures import as_scan

    if weights == "your own" and state.yours is None:
        return [
            Text(
                text="There is no LeNet of yours yet: train one with the button above, then load this page again.",
                wide=True,
            )
        ]
    used = state.yours if weights == "your own" and state.yours is not None else state.lab
    drawn = torch.tensor(drawing)
    if float(drawn.max()) < 0.1:
        return [Text(text="Draw a digit, or take one of the examples below the paper.", wide=True)]
    if float(drawn.min()) > 0.5:
        return [Text(text="All of the paper is ink: there is nothing to read. Clear it, and draw a digit.", wide=True)]
    like = used.info.more.get("ink") or "mnist"
    large = F.interpolate(drawn[None, None], scale_factor=4, mode="bilinear")[0]  # never taken for a finished scan
    image = as_scan(large, like)[None]
    if image.shape[-1] != 28:
        image = F.interpolate(image, size=(28, 28), mode="bilinear", antialias=True).clamp(0, 1)
    model = used.model
    with torch.no_grad():
        maps = {"image": image, "c1": F.relu(model.c1(image))}
        maps["s2"] = model.s2(maps["c1"])
        maps["c3"] = F.relu(model.c3(maps["s2"]))
        maps["s4"] = model.s4(maps["c3"])
        probabilities = model(image)[0].softmax(-1)
        erased = without_a_patch(model, image, int(probabilities.argmax()))
    number = min(number, LAYERS[layer] - 1)
    size = maps[layer].shape[-1]
    row, column = divmod(min(round(place / 100 * size**2), size**2 - 1), size)
    best = int(probabilities.argmax())
    ends = max(10.0, float(erased.abs().max()))
    low, high = (float(maps[layer].min()), float(maps[layer].max()))
    return [
        Bars(
            title="what it says", labels=DIGITS, values=100 * probabilities, y=Axis(label="probability (%)", low=0, high=100),
            digits=0, highlight=[best], summary=f"It says {best}, with {100 * float(probabilities[best]):.0f} %.",
        ),
        Images(
            title="what goes in",
            items=[Picture(pixels=image[0, 0], label="cropped, centered", box=seen(layer, row, column))],
            scale="ink", low=0.0, high=1.0, size=160, narrow=True,
            summary="The drawing as the network gets it: cropped and centered by the rule of its training data. "
            "The frame is all that the one number below has seen of it.",
        ),
        Heatmap(
            title=f"points that {best} loses when a spot is painted over", values=erased, scale="diverging", narrow=True,
            low=-ends, high=ends, summary=lost(erased, best),
        ),
        Images(
            title=f"{layer}: {LAYERS[layer]} maps of {maps[layer].shape[-1]}×{maps[layer].shape[-1]}, click one",
            items=[
                Picture(pixels=one, label=f"{at}", box=(column, row, 1, 1) if at == number else None)
                for at, one in enumerate(maps[layer][0])
            ],
            scale="sequential", low=low, high=high or 1.0, size=64, select="number", selected=number, wide=True,
            summary=f"The {LAYERS[layer]} maps of {layer}; {silent(maps[layer][0])} of them are silent for this drawing.",
        ),
        *one_number(model, maps, layer, number, row, column),
        Text(text=f"The weights: {used.origin}.", wide=True),
    ]  # fmt: skip


def without_a_patch(model: LeNet, image: Tensor, answer: int) -> Tensor:
    """How many points of probability the answer loses when a square of 6×6 pixels is painted over, for 11×11 places."""
    import torch

    places = range(0, 23, 2)
    pictures = image.repeat(len(places) ** 2, 1, 1, 1)
    for at in range(len(pictures)):
        row, column = places[at // len(places)], places[at % len(places)]
        pictures[at, :, row : row + 6, column : column + 6] = 0
    with torch.no_grad():
        after = model(pictures).softmax(-1)[:, answer].view(len(places), len(places))
        return 100 * (model(image).softmax(-1)[0, answer] - after)


def lost(erased: Tensor, answer: int) -> str:
    worst = float(erased.max())
    if worst < 5:
        return f"No single spot decides: whatever is painted over, it still says {answer}."
    at = int(erased.argmax())
    row, column = divmod(at, erased.shape[1])
    where_ = (
        ("top", "middle", "bottom")[row * 3 // erased.shape[0]],
        ("left", "center", "right")[column * 3 // erased.shape[1]],
    )
    return f"Painting over the spot at the {where_[0]} {where_[1]} takes {worst:.0f} points of probability from “{answer}”."


def seen(layer: str, row: int, column: int) -> tuple[float, float, float, float]:
    """What a number of a map has seen of the picture (its receptive field): left, top, width, height, cut at the edges.

    >>> seen("c1", 10, 12), seen("s4", 0, 4)
    ((10, 8, 5, 5), (14, 0, 14, 14))
    """
    step, size = {"c1": (1, 5), "s2": (2, 6), "c3": (2, 14), "s4": (4, 16)}[layer]
    top, left = step * row - 2, step * column - 2
    bottom, right = min(28, top + size), min(28, left + size)
    top, left = max(0, top), max(0, left)
    return left, top, right - left, bottom - top


def silent(maps: Tensor) -> int:
    return int((maps.flatten(1).max(dim=1).values <= 1e-6).sum())


def one_number(model: LeNet, maps: Mapping[str, Tensor], layer: str, number: int, row: int, column: int) -> list[View]:
    """The number in the frame, from what it was made of."""
    from torch.nn import functional as F

    value = float(maps[layer][0, number, row, column])
    if layer in ("s2", "s4"):
        block = maps["c1" if layer == "s2" else "c3"][0, number, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        return [
            Heatmap(
                title=f"one number of {layer}, map {number}", values=block, digits=2,
                summary=f"The largest of these four is {value:.2f}, and that is what {layer} keeps; where exactly it lay is forgotten.",
            )
        ]  # fmt: skip
    convolution = model.c1 if layer == "c1" else model.c3
    source = F.pad(maps["image"], (2, 2, 2, 2)) if layer == "c1" else maps["s2"]
    patch = source[0, :, row : row + 5, column : column + 5]
    kernel = convolution.weight[number].detach()
    bias = float(convolution.bias.detach()[number])  # type: ignore[union-attr]
    products = patch * kernel
    total = float(products.sum()) + bias
    limit = float(kernel.abs().max())
    if layer == "c1":
        return [
            Heatmap(title="5×5 pixels of the picture", narrow=True, values=patch[0], digits=1, low=0.0, high=1.0,
                    summary="The patch below the kernel."),
            Heatmap(title=f"times kernel {number}", narrow=True, values=kernel[0], digits=1, scale="diverging", low=-limit, high=limit,
                    summary="The kernel's 25 weights: blue counts against, vermilion for."),
            Text(text=f"sum of the 25 products {total - bias:+.2f}\nbias                   {bias:+.2f}\n"
                      f"together               {total:+.2f}\nafter ReLU             {value:+.2f}", code=True),
        ]  # fmt: skip
    return [
        Bars(
            title=f"one number of c3, map {number}: what each map of s2 adds", labels=[f"{at}" for at in range(6)],
            values=products.sum(dim=(1, 2)), digits=2, y=Axis(label="sum of 25 products"), color="model",
            summary=f"Six kernels on six maps add up to {total - bias:+.2f}; with the bias {bias:+.2f} that is {total:+.2f}, after ReLU {value:.2f}.",
        ),
        Images(
            title="its six kernels, one for each map of s2", scale="diverging", low=-limit, high=limit, size=56,
            items=[Picture(pixels=one, label=f"{at}") for at, one in enumerate(kernel)],
            summary="A map of c3 has its own kernel of 5×5 for each map of s2: 150 weights and a bias.",
        ),
        Text(text=f"sum of the 150 products {total - bias:+.2f}\nbias                    {bias:+.2f}\n"
                  f"together                {total:+.2f}\nafter ReLU              {value:+.2f}", code=True),
    ]  # fmt: skip


def drawings() -> list[dict[str, Any]]:
    """Digits to begin with, drawn for this lab as lines and put on paper here: nothing of a data set."""
    return json.loads((Path(__file__).parent / "drawings.json").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------- train it


def train(state: Any, knobs: Knobs) -> Iterator[list[View]]:
    """LeNet on the embedded digits, with every knob in the reader's hand while it learns."""
    import torch
    from torch.nn import functional as F

    from learnable.models.vision.lenet import LeNet

    image, label, valid, truth = state
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(knobs.seed))
        model = LeNet()
    generator = torch.Generator().manual_seed(int(knobs.seed))
    kind, optimizer = "", None
    steps: list[int] = []
    losses: list[float] = []
    valid_losses: list[float] = []
    step = 0
    while True:
        if knobs.optimizer != kind:
            kind, optimizer = knobs.optimizer, optimizers()[knobs.optimizer](model)
        assert optimizer is not None
        loss = torch.tensor(0.0)
        for _ in range(5):
            for group in optimizer.param_groups:
                group["lr"] = knobs.rate
            pick = torch.randint(len(image), (int(knobs.batch),), generator=generator)
            loss = F.cross_entropy(model(image[pick]), label[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        with torch.no_grad():
            logits = model(valid)
            valid_loss = float(F.cross_entropy(logits, truth))
        steps.append(step)
        losses.append(loss.item())
        valid_losses.append(valid_loss)
        yield training_views(model, steps, losses, valid_losses, logits, valid, truth)
        if not loss.item() < 1e6:
            return


def training_data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    import torch

    from learnable.data.images import labeled_images

    data = labeled_images()
    train = data.train.batch(torch.arange(len(data.train)), {})
    test = data.test.batch(torch.arange(len(data.test)), {})
    return train["image"], train["label"], test["image"], test["label"]


def optimizers() -> dict[str, Any]:
    import torch

    return {
        "gradient descent": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        "with momentum": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "AdamW": lambda model: torch.optim.AdamW(model.parameters(), lr=0.1),
    }


def training_views(
    model: nn.Module,
    steps: list[int],
    losses: list[float],
    valid_losses: list[float],
    logits: Tensor,
    image: Tensor,
    truth: Tensor,
) -> list[View]:
    import torch

    broken = not losses[-1] < 1e6
    said = logits.argmax(-1)
    right = 100 * float((said == truth).float().mean())
    table = torch.zeros(10, 10)
    for one, other in zip(truth.tolist(), said.tolist(), strict=True):
        table[one, other] += 1
    mistakes = table.clone().fill_diagonal_(0)
    worst = divmod(int(mistakes.argmax()), 10)
    wrong = (said != truth).nonzero()[:, 0][:10]
    kernels = model.c1.weight.detach()[:, 0]  # type: ignore[union-attr,operator]
    limit = float(kernels.abs().max()) if not broken else 1.0
    cut = [min(value, 5.0) if value == value else None for value in losses]
    views: list[View] = [
        Lines(
            title="loss, cut at 5",
            series=[
                Series(name="train", x=steps, y=cut, color="train"),
                Series(name="test", x=steps, y=[min(v, 5.0) if v == v else None for v in valid_losses], color="validation", dashed=True),
            ],
            x=Axis(label="steps"), y=Axis(label="nats", low=0),
            summary=f"After {steps[-1]} steps: training loss {losses[-1]:.2f}, test loss {valid_losses[-1]:.2f}, {right:.1f} % of the test digits right.",
        ),
        Images(
            title="the six kernels of c1", items=[Picture(pixels=one) for one in kernels], scale="diverging", low=-limit, high=limit, size=72,
            summary="Noise at first; with training, edges and bars of several directions.",
        ),
        Heatmap(
            title=f"test digits: {right:.1f} % right", values=table, rows=DIGITS, columns=DIGITS, row_label="it is", column_label="it says",
            summary=f"The commonest mistake now: a {worst[0]} read as {worst[1]}, {int(mistakes.max())} times." if mistakes.max() else "No mistake.",
        ),
        Images(
            title="still misread", scale="ink", low=0.0, high=1.0, size=56,
            items=[
                Picture(pixels=image[at, 0], label=f"{int(truth[at])}, says {int(said[at])}", color="backward") for at in wrong.tolist()
            ],
            summary=f"{int((said != truth).sum())} of {len(truth)} test digits are misread; the first ten are shown.",
        ),
    ]  # fmt: skip
    if broken:
        views.insert(
            0,
            Text(
                text="Diverged: the loss is no number any more. Lower the learning rate, then reset.",
                tone="warning",
                wide=True,
            ),
        )
    return views


LABS = {
    "draw": Lab(
        title="Which of its numbers make it say so?",
        controls=(
            Drawing("drawing", "Draw a digit", size=28, default=drawings()[0]["pixels"], examples=drawings()),
            Choice("layer", "Layer", tuple(LAYERS), "c1", help="c1 and c3 look for patterns, s2 and s4 halve the size"),
            Slider("number", "Map", 0, 15, 0, step=1, help="counted from 0; c1 and s2 have 6 maps, c3 and s4 have 16"),
            Slider("place", "Slide the kernel", 0, 100, 38, step=0.5, unit="%",
                   help="over the picture, row by row; one number of the map comes of each place"),
            Choice("weights", "Weights", ("the lab's", "your own"), "the lab's", help="your latest LeNet, if you have trained one"),
        ),
        prepare=prepare,
        show=show_maps,
        grid={"drawing": [one["pixels"] for one in drawings()[:4]], "layer": tuple(LAYERS), "number": (0, 2, 4), "place": (26, 38, 50, 62)},
        rows=1180,
    ),
    "train": Lab(
        title="What does it learn first, and at which learning rate does it fail?",
        controls=(
            Slider("rate", "Learning rate", 1e-4, 3.0, 0.1, log=True, help="how far each step goes; can be turned while it learns"),
            Choice("optimizer", "Optimizer", ("gradient descent", "with momentum", "AdamW"), "gradient descent"),
            Slider("batch", "Digits a step", 1, 256, 32, step=1),
            Slider("seed", "Seed", 0, 9, 0, step=1, help="other initial weights; from the next reset on"),
        ),
        prepare=training_data,
        play=train,
        frames=60,
        rows=1200,
    ),
}  # fmt: skip
