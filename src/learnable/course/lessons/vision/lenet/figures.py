"""What the lesson on LeNet measures for its pictures; about four minutes on two CPU cores, MNIST included."""

from functools import cache
from statistics import mean, stdev

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.course.figures import Figure
from learnable.course.views import Axis, Bars, Images, Lines, Mark, Picture, Series
from learnable.data.examples import Data, Examples
from learnable.data.images import labeled_images
from learnable.models.vision.lenet import LeNet
from learnable.models.vision.mlp import MLP
from learnable.optim.factories import adamw
from learnable.optim.schedules import one_cycle

SEEDS = (0, 1, 2)
SHIFTS = tuple(range(0, 7))


@cache
def mnist() -> Data:
    return labeled_images("mnist")


@cache
def digits() -> Data:
    return labeled_images()


def whole(examples: Examples, count: int | None = None) -> tuple[Tensor, Tensor]:
    batch = examples.batch(torch.arange(count or len(examples)), {})
    return batch["image"], batch["label"]


def trained(model: nn.Module, data: Data, seed: int, rate: float, steps: int = 2500, scale: float = 1.0) -> list[float]:
    """Train as the recipe does, and give the loss of each step."""
    image, label = whole(data.train)
    generator = torch.Generator().manual_seed(seed)
    optimizer = adamw(model, rate, weight_decay=0.01, betas=(0.9, 0.999))
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * one_cycle(step, steps)
        pick = torch.randint(len(image), (128,), generator=generator)
        loss = F.cross_entropy(model(scale * image[pick]), label[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(model: nn.Module, image: Tensor, label: Tensor) -> float:
    right = [
        (model(part).argmax(-1) == truth).float().sum()
        for part, truth in zip(image.split(1000), label.split(1000), strict=True)
    ]
    return float(sum(right)) / len(label)


@cache
def contestants() -> dict[str, list[nn.Module]]:
    """Both networks with about 60,000 numbers to learn, each at the best of three learning rates by validation."""
    models: dict[str, list[nn.Module]] = {"fully connected": [], "LeNet": []}
    for name, build in (("fully connected", lambda: MLP(784, [75], 10)), ("LeNet", LeNet)):
        scored = []
        for rate in (1e-3, 3e-3, 1e-2):
            torch.manual_seed(0)
            model = build()
            trained(model, mnist(), 0, rate, steps=1500)
            scored.append((accuracy(model, *whole(mnist().valid)), rate))
        for seed in SEEDS:
            torch.manual_seed(seed)
            model = build()
            trained(model, mnist(), seed, max(scored)[1])
            models[name].append(model)
    return models


def shifted(image: Tensor, right: int) -> Tensor:
    """Every picture moved to the right, paper coming in from the left."""
    return F.pad(image, (right, 0))[..., : image.shape[-1]]


def shift() -> Figure:
    image, label = whole(mnist().test)
    rows = {}
    for name, models in contestants().items():
        rows[name] = [[100 * accuracy(model, shifted(image, by), label) for model in models] for by in SHIFTS]
    series = [
        Series(
            name=name, x=SHIFTS, y=[mean(row) for row in rows[name]],
            low=[min(row) for row in rows[name]], high=[max(row) for row in rows[name]], color=color,
        )
        for name, color in (("LeNet", "model"), ("fully connected", "gray"))
    ]  # fmt: skip
    plain, lenet = rows["fully connected"], rows["LeNet"]
    say = lambda row: f"{mean(row):.1f} %"
    return Figure(
        views=[
            Lines(
                title="The same test digits, moved to the right",
                series=series,
                x=Axis(label="pixels moved"),
                y=Axis(label="test accuracy (%)", low=0, high=100),
                summary=f"Unmoved, both networks read nearly all digits. Moved by three pixels, the fully connected network reads "
                f"{say(plain[3])}, LeNet {say(lenet[3])}; by six, {say(plain[6])} and {say(lenet[6])}.",
            )
        ],
        caption="MNIST, trained on digits where they are, tested on the same digits moved. Both networks learn about 60,000 numbers; "
        "the bands are three seeds. Neither has ever seen a moved digit: what LeNet has is built in, not learned, and six pixels are too much for it, too.",
        numbers={
            "plain_0": say(plain[0]), "plain_3": say(plain[3]), "plain_6": say(plain[6]),
            "lenet_0": say(lenet[0]), "lenet_3": say(lenet[3]), "lenet_6": say(lenet[6]),
            "plain_parameters": sum(p.numel() for p in MLP(784, [75], 10).parameters()),
        },
    )  # fmt: skip


@torch.no_grad()
def shrinking() -> Figure:
    model = contestants()["LeNet"][0]
    assert isinstance(model, LeNet)
    images, labels = whole(mnist().test, 200)
    image = images[int((labels == 7).nonzero()[0])][None]
    c1 = F.relu(model.c1(image))
    s2 = model.s2(c1)
    c3 = F.relu(model.c3(s2))
    s4 = model.s4(c3)

    def row(name: str, maps: Tensor, what: str) -> Images:
        count, size = maps.shape[1], maps.shape[-1]
        return Images(
            title=f"{name}: {count} of {size}×{size}", items=[Picture(pixels=one) for one in maps[0]], scale="sequential",
            low=0.0, high=float(maps.max()), size=48 if count > 6 else 72, wide=True, summary=f"{name}: {what}",
        )  # fmt: skip

    views = [
        Images(title="the picture: 1 of 28×28", items=[Picture(pixels=image[0, 0])], scale="ink", low=0.0, high=1.0,
               size=112, wide=True, summary="A handwritten 7 of the test part."),
        row("c1", c1, "each map shines where its own kind of edge is."),
        row("s2", s2, "the same at half the size: the largest of each two by two."),
        row("c3", c3, "sparser: each map asks for a combination of edges."),
        row("s4", s4, "sixteen maps of five by five are all that the rest of the network sees."),
    ]  # fmt: skip
    return Figure(
        views=views,
        caption="One 7 on its way through a trained LeNet, real numbers, bright is large. "
        "Follow the upper bar: in c1 it is a line, in s4 a few pixels that say “a bar, up here”.",
        numbers={"silent": f"{100 * float((s4 == 0).float().mean()):.0f} %"},
    )


def budget() -> Figure:
    """Where the numbers to learn are, and where the work is."""
    model = LeNet()
    layers = ["c1", "c3", "c5", "f6", "output"]
    positions = {"c1": 28 * 28, "c3": 10 * 10, "c5": 1, "f6": 1, "output": 1}  # places where each weight is used
    parameters = [sum(p.numel() for p in getattr(model, name).parameters()) for name in layers]
    products = [getattr(model, name).weight.numel() * positions[name] for name in layers]
    share = lambda values: [100 * value / sum(values) for value in values]
    return Figure(
        views=[
            Bars(title="what is learned (% of 61,706 numbers)", labels=layers, values=share(parameters), digits=0,
                 y=Axis(label="%"), color="model",
                 summary=f"c5 alone holds {share(parameters)[2]:.0f} % of the parameters, the two convolutions {sum(share(parameters)[:2]):.0f} %."),
            Bars(title=f"what is computed (% of {sum(products):,} products)", labels=layers, values=share(products), digits=0,
                 y=Axis(label="%"), color="data",
                 summary=f"The two convolutions do {sum(share(products)[:2]):.0f} % of the multiplications."),
        ],
        caption="A convolution has few weights and uses each of them everywhere; a full connection has many and uses each once. "
        "So the memory of a network sits in its end, its time in its beginning.",
        numbers={
            "conv_parameters": f"{sum(share(parameters)[:2]):.0f} %", "conv_products": f"{sum(share(products)[:2]):.0f} %",
            "c5_parameters": f"{share(parameters)[2]:.0f} %", "products": sum(products),
        },
    )  # fmt: skip


def baselines() -> Figure:
    """What simpler methods reach on the same 55,000 digits."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    image, label = whole(mnist().train)
    test, truth = whole(mnist().test)
    flat, flat_test = image.flatten(1).numpy(), test.flatten(1).numpy()
    valid, valid_truth = (one.numpy() for one in whole(mnist().valid))
    valid = valid.reshape(len(valid), -1)
    fitted = [LogisticRegression(max_iter=300, C=c).fit(flat, label.numpy()) for c in (0.02, 0.1, 0.5)]
    linear = max(fitted, key=lambda one: one.score(valid, valid_truth))
    near = KNeighborsClassifier(3, algorithm="brute").fit(flat, label.numpy())
    scores = {
        "logistic regression": [100 * float(linear.score(flat_test, truth.numpy()))],
        "3 nearest neighbors": [100 * float(near.score(flat_test, truth.numpy()))],
        **{name: [100 * accuracy(model, test, truth) for model in models] for name, models in contestants().items()},
    }
    wrong = [100 - mean(values) for values in scores.values()]
    text = {
        key: f"{mean(values):.1f}" + (f" ± {stdev(values):.1f} %" if len(values) > 1 else " %")
        for key, values in scores.items()
    }
    return Figure(
        views=[
            Bars(
                title="Test digits misread, of 100", labels=list(scores), values=wrong, digits=1, highlight=[3],
                y=Axis(label="misread (%)"), color="gray",
                summary="; ".join(f"{name} misreads {value:.1f} %" for name, value in zip(scores, wrong, strict=True)) + ".",
            )
        ],
        caption="Four ways to read MNIST. The nearest neighbors keep all 55,000 digits and compare with each; LeNet keeps 61,706 numbers.",
        numbers={"linear": text["logistic regression"], "neighbors": text["3 nearest neighbors"],
                 "plain": text["fully connected"], "lenet": text["LeNet"]},
    )  # fmt: skip


class Twice(nn.Module):
    """The mistake: probabilities where the loss wants logits."""

    def __init__(self) -> None:
        super().__init__()
        self.network = LeNet()

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image).softmax(-1)


def mistakes() -> Figure:
    """Three curves of the embedded digits: right, raw pixels, softmax before the cross-entropy."""
    curves = {}
    for name, build, scale in (
        ("as it should be", LeNet, 1.0),
        ("pixels from 0 to 255", LeNet, 255.0),
        ("softmax twice", Twice, 1.0),
    ):
        torch.manual_seed(0)
        model = build()
        losses = trained(model, digits(), 0, 5e-3, steps=600, scale=scale)
        image, label = whole(digits().test)
        curves[name] = (losses, 100 * accuracy(model, scale * image, label))
        if name == "as it should be":
            raw, negative = (100 * accuracy(model, one, label) for one in (255 * image, 1 - image))
    every = 10
    smooth = lambda losses: [mean(losses[max(0, at - every) : at + 1]) for at in range(0, len(losses), every)]
    colors = {"as it should be": "model", "pixels from 0 to 255": "backward", "softmax twice": "6"}
    series = [
        Series(name=name, x=list(range(0, 600, every)), y=[min(4.0, y) for y in smooth(losses)], color=colors[name])
        for name, (losses, _) in curves.items()
    ]
    floor = smooth(curves["softmax twice"][0])[-1]
    return Figure(
        views=[
            Lines(
                series=series, x=Axis(label="steps"), y=Axis(label="training loss (nats), cut at 4", low=0),
                marks=[Mark(x=590, y=floor, label=f"stuck above {floor:.2f}")],
                summary=f"The right way goes to zero. Raw pixels begin far above and come down. With softmax twice the loss stays at {floor:.2f}, "
                "although nothing is reported as wrong.",
            )
        ],
        caption="The same network, data and learning rate, 600 steps on the embedded digits. Neither mistake is reported by anybody; only the curve tells.",
        numbers={
            "right": f"{curves['as it should be'][1]:.1f} %", "raw": f"{curves['pixels from 0 to 255'][1]:.1f} %",
            "twice": f"{curves['softmax twice'][1]:.1f} %", "floor": f"{floor:.2f}",
            "given_raw": f"{raw:.1f} %", "given_negative": f"{negative:.1f} %",
            "raw_first": f"{curves['pixels from 0 to 255'][0][0]:.0f}",
        },
    )  # fmt: skip


FIGURES = {"shift": shift, "shrinking": shrinking, "budget": budget, "baselines": baselines, "mistakes": mistakes}
