"""Two labs: the game on a plane, with the knobs that make it collapse; and what a perfect discriminator teaches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from learnable.course.lab import Choice, Knobs, Lab, Slider
from learnable.course.views import Arrow, Axis, Cloud, Field, Heatmap, Lines, Mark, Series, Table, Text, View

if TYPE_CHECKING:
    from torch import Tensor, nn

    from learnable.models.generative.gan import GAN

LOSSES = ("non-saturating", "minimax")
SHAPES = {
    "ring of 8": "ring", "grid of 25": "grid", "two moons": "moons", "two circles": "circles", "two spirals": "spirals",
}  # fmt: skip
SIGMA = 0.1  # of the ring and the grid: wider than in the recipe, so that a minute of watching is enough
BATCH = 128
SHOWN = 200  # points of each kind that are drawn
CELLS = 37  # of the field, along each side
PAST = 48  # frames that the strip of modes keeps
MOVES = 20  # of the discriminator from one frame to the next
GUESSING = math.log(4)  # the loss of a discriminator that can only guess


# ------------------------------------------------------------------------------------------------- the game


class Shape(NamedTuple):
    """Points to be imitated, where their modes are (or nothing), and how far the picture reaches."""

    points: Tensor
    centers: Tensor | None
    reach: float


def shapes() -> dict[str, Shape]:
    import torch

    from learnable.data.points import MIXTURES, TOYS, around

    made = {}
    for label, name in SHAPES.items():
        centers = MIXTURES[name][0]() if name in MIXTURES else None
        if centers is not None:
            points, _ = around(centers, SIGMA, 4000)
        else:
            points, _ = TOYS[name](4000)
            points = 1.5 * (points - points.mean(dim=0)) / points.std(dim=0)
        made[label] = Shape(points.float(), centers, math.ceil(2 * float(torch.quantile(points.abs(), 0.999)) + 1) / 2)
    return made


class Past:
    """What the plots over time are made of."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.detective: list[float] = []
        self.forger: list[float] = []
        self.forget()

    def forget(self) -> None:
        """Other data have come: how well the old ones were covered says nothing any more."""
        self.covered: list[float] = []
        self.shares: list[list[int]] = []


class Game:
    """Two players, their optimizers, and what has happened so far."""

    def __init__(self, noise: int, seed: int):
        import torch

        from learnable.models.generative.gan import mlp_gan
        from learnable.optim.adam import adam

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.gan = mlp_gan(noise, 2, width=32, depth=2)
        self.noise = noise
        self.random = torch.Generator().manual_seed(seed)
        self.shown = torch.randn(1000, noise, generator=self.random)
        self.optimizers = adam(self.gan.discriminator, 1e-3), adam(self.gan.generator, 1e-3)
        self.past = Past()
        self.rounds = 0

    def batch(self, points: Tensor) -> dict[str, Tensor]:
        import torch

        pick = torch.randint(len(points), (BATCH,), generator=self.random)
        return {"point": points[pick], "noise": torch.randn(BATCH, self.noise, generator=self.random)}

    def play(self, points: Tensor, objective: Any, steps: int, smooth: float, rates: tuple[float, float]) -> None:
        """One round: `steps` moves of the discriminator, one of the generator."""
        from learnable.objectives.adversarial import discriminate, discriminate_smoothly

        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate
        discriminator, generator = self.optimizers
        for _ in range(steps):
            batch = self.batch(points)
            judged = discriminate_smoothly(self.gan, batch, smooth) if smooth else discriminate(self.gan, batch)
            discriminator.zero_grad()
            judged["total"].backward()
            discriminator.step()
        wanted = objective(self.gan, self.batch(points))["total"]
        generator.zero_grad()
        wanted.backward()
        generator.step()
        self.rounds += 1
        self.losses = (judged["real"] + judged["fake"]).item(), wanted.item()


def play(state: dict[str, Shape], knobs: Knobs) -> Iterator[list[View]]:
    """Both players learn. The noise and the seed begin a new game; every other knob acts at once, the data, too."""
    from learnable.objectives.adversarial import minimax, non_saturating

    objectives = dict(zip(LOSSES, (non_saturating, minimax), strict=True))
    game, data = Game(int(knobs.noise), int(knobs.seed)), knobs.data
    begun = (knobs.noise, knobs.seed)
    while True:
        if begun != (knobs.noise, knobs.seed):
            game, begun = Game(int(knobs.noise), int(knobs.seed)), (knobs.noise, knobs.seed)
        if data != knobs.data:
            game.past.forget()
        data, objective, steps = knobs.data, objectives[knobs.loss], int(knobs.steps)
        for _ in range(max(1, MOVES // steps)):
            game.play(state[data].points, objective, steps, knobs.smooth, (knobs.rate_d, knobs.rate_g))
        if not abs(game.losses[0]) + abs(game.losses[1]) < 1e6:
            yield [Text(text="A loss is no number any more: the game has exploded. Lower both learning rates, then reset.",
                        tone="warning", wide=True)]  # fmt: skip
            return
        game.past.rounds.append(game.rounds)
        game.past.detective.append(game.losses[0])
        game.past.forger.append(game.losses[1])
        yield game_views(game.gan, state[data], game.past, game.shown, objective)


def game_views(gan: GAN, shape: Shape, past: Past, noise: Tensor, objective: Any) -> list[View]:
    import torch

    from learnable.metrics.modes import coverage, energy_distance

    with torch.no_grad():
        made = gan(noise)
        ticks = torch.linspace(-shape.reach, shape.reach, CELLS)
        plane = torch.cartesian_prod(ticks, ticks).flip(1)  # the first row lies at the bottom
        surface = gan.discriminator(plane).sigmoid().view(CELLS, CELLS)
    arrows, pull, belief = pulls(gan, noise[:24], objective)
    if shape.centers is not None:
        found = coverage(made, {"centers": shape.centers.tolist(), "sigma": SIGMA})
        past.covered.append(found["modes"])
        nearest = torch.cdist(made, shape.centers).argmin(dim=1)
        share = nearest.bincount(minlength=len(shape.centers)) / len(made)
        past.shares.append([round(100 * x) for x in share.tolist()])
        of = len(shape.centers)
        said = f"{found['modes']:.0f} of {of} modes are covered; the fullest one has {100 * float(share.max()):.0f} % of the made points."
        over_time = kept("modes covered", past.rounds[-len(past.covered) :], past.covered, "model")
        axis = Axis(label="modes", low=0, high=of)
    else:
        past.covered.append(float(energy_distance(made[:400], shape.points[:400])))
        said = f"The made points are {past.covered[-1]:.2f} away from the real ones (energy distance; two samples of the same kind: about 0.01)."
        over_time = kept("distance", past.rounds[-len(past.covered) :], past.covered, "model")
        axis = Axis(label="energy distance", low=0)
    views: list[View] = [
        Field(
            title="who is taken for real, and where the generator's points are pulled", values=rounded(surface), scale="diverging",
            x=Axis(low=-shape.reach, high=shape.reach), y=Axis(low=-shape.reach, high=shape.reach),
            low=0.0, high=1.0, middle=0.5, contours=(0.5,), arrows=arrows, label="D(x): how real",
            clouds=(
                Cloud(name="real", x=rounded(shape.points[:SHOWN, 0]), y=rounded(shape.points[:SHOWN, 1]), color="data", size=2.2),
                Cloud(name="made", x=rounded(made[:SHOWN, 0]), y=rounded(made[:SHOWN, 1]), color="model", size=2.6),
            ),
            summary=f"After {past.rounds[-1]} rounds: {said} The discriminator gives made points {belief:.2f} on average; "
            f"the mean pull on one of them is {pull:.2g}.",
        ),
        Lines(
            title="both losses",
            series=[kept("discriminator", past.rounds, past.detective, "data"), kept("generator", past.rounds, past.forger, "model")],
            x=Axis(label="rounds"), y=Axis(label="nats"),
            summary=f"Discriminator {past.detective[-1]:.2f} (log 4 = {GUESSING:.2f} is guessing), generator {past.forger[-1]:.2f}.",
        ),
        Lines(title="is it any good?", series=[over_time], x=Axis(label="rounds"), y=axis, summary=said),
    ]  # fmt: skip
    if shape.centers is not None:
        strip = [list(row) for row in zip(*past.shares[-PAST:], strict=True)]
        of = len(shape.centers)
        least = min(min(row) for row in strip[:1]) if strip else 0
        views.append(
            Heatmap(
                title=f"who sits where: the last {min(PAST, len(past.shares))} pictures, one column each",
                values=strip, rows=[f"{at + 1}" for at in range(of)] if of < 10 else (), row_label="mode", column_label="time",
                low=0.0, high=float(min(100, 300 // of if of > 10 else 50)),
                summary=f"Even rows are a good sign: each mode then has {100 / of:.1f} % of the points at every time. "
                f"Now the shares go from {min(past.shares[-1])} to {max(past.shares[-1])} %; the first mode was once down to {least} %.",
            )
        )  # fmt: skip
    return views


def pulls(gan: GAN, noise: Tensor, objective: Any) -> tuple[list[Arrow], float, float]:
    """For some made points: where the generator's loss pulls them, the mean strength, and what the discriminator thinks."""
    import torch

    with torch.no_grad():
        made = gan(noise)
    judged = Stand(made.requires_grad_(), gan.discriminator).module
    loss = objective(judged, {"noise": noise})["total"] * len(made)  # of each point, not of their mean
    (slope,) = torch.autograd.grad(loss, made)
    strength = slope.norm(dim=1)
    with torch.no_grad():
        belief = float(gan.discriminator(made).sigmoid().mean())
    # As long as the pull is strong, up to a limit: so one sees that under the minimax loss they vanish.
    step = -slope * (0.35 * strength.clamp(max=2.0) / strength.clamp(min=1e-9))[:, None]
    arrows = [
        Arrow(x=round(float(x), 2), y=round(float(y), 2), dx=round(float(dx), 3), dy=round(float(dy), 3), color="backward")
        for (x, y), (dx, dy) in zip(made.detach(), step, strict=True)
    ]  # fmt: skip
    return arrows, float(strength.mean()), belief


class Stand:
    """A pair of players whose generator has made its points already."""

    def __init__(self, made: Tensor, discriminator: nn.Module):
        from torch import nn

        class Made(nn.Module):
            def forward(self, noise: Tensor) -> Tensor:
                return made

        self.module = nn.ModuleDict({"generator": Made(), "discriminator": discriminator})


def kept(name: str, rounds: list[int], values: list[float], color: str) -> Series:
    """A line with at most about 200 points."""
    every = 1 + len(values) // 200
    return Series(name=name, x=rounds[::-1][::every][::-1], y=[round(y, 3) for y in values[::-1][::every][::-1]], color=color)  # fmt: skip


def rounded(values: Tensor, digits: int = 2) -> Any:
    """Fine enough for a picture, and short to send."""
    import torch

    return torch.round(values.double(), decimals=digits)


# ------------------------------------------------------------------------------------------------- a perfect discriminator

LEFT, RIGHT, WIDE = -1.5, 1.5, 0.5  # the data: two humps of the same weight
FIELD = 9.0  # half the line on which integrals are sums


def log_density(x: Tensor, mean: Any, spread: Any, apart: Any) -> Tensor:
    """The logarithm of half a Gaussian at mean - apart/2 and half a one at mean + apart/2."""
    import torch

    humps = [-0.5 * ((x - center) / spread) ** 2 for center in (mean - apart / 2, mean + apart / 2)]
    return torch.logaddexp(*humps) - math.log(2 * math.sqrt(2 * math.pi)) - torch.log(torch.as_tensor(spread))


def log_data(x: Tensor) -> Tensor:
    return log_density(x, (LEFT + RIGHT) / 2, WIDE, RIGHT - LEFT)


def quantiles(count: int = 400) -> Tensor:
    """Noise that stands for all noise: (2 * count, 2) rows of a side, -1 or 1, and an evenly weighted normal number."""
    import torch

    normal = torch.special.ndtri((torch.arange(count) + 0.5) / count)
    return torch.cat([torch.stack([torch.full_like(normal, side), normal], dim=1) for side in (-1.0, 1.0)])


def toy(means: Sequence[float], spread: float, apart: float) -> nn.Module:
    """Generators with three numbers to learn, one for each mean, and the best discriminator of each: log p - log q."""
    import torch
    from torch import nn

    places = torch.tensor(means)[:, None]

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Parameter(places)
            self.spread = nn.Parameter(torch.tensor(float(spread)))
            self.apart = nn.Parameter(torch.tensor(float(apart)))

        def forward(self, noise: Tensor) -> Tensor:
            points = self.mean + noise[:, 0] * self.apart / 2 + noise[:, 1] * self.spread
            return points.reshape(-1, 1)

    class Best(nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            x = points.view(len(places), -1)
            return (log_data(x) - log_density(x, places.detach(), spread, apart)).flatten()

    return nn.ModuleDict({"generator": Generator(), "discriminator": Best()})


def lesson(objective: Any, mean: float, spread: float, apart: float, noise: Tensor) -> dict[str, float]:
    """A generator's loss against the perfect discriminator, and its slopes in the generator's three numbers."""
    import torch

    game = toy([mean], spread, apart)
    loss = objective(game, {"noise": noise})["total"]
    generator: Any = game["generator"]  # type: ignore[index]
    slopes = torch.autograd.grad(loss, [generator.mean, generator.spread, generator.apart])
    found = dict(zip(("mean", "spread", "apart"), map(float, slopes), strict=True))
    if apart == 0:  # what one half gains by moving out the other gains, too, and they cancel; rounding would hide it
        found["apart"] = 0.0
    return {"loss": loss.item()} | found


def pull(objective: Any, means: Sequence[float], spread: float, apart: float) -> list[float]:
    """The size of the loss's slope in the mean, for a generator at each of these means."""
    import torch

    game = toy(means, spread, apart)
    loss = objective(game, {"noise": quantiles(24)})["total"] * len(means)  # of each, not of their mean
    (slopes,) = torch.autograd.grad(loss, game["generator"].mean)  # type: ignore[index]
    return [float(slope) for slope in slopes[:, 0].abs()]


def divergences(mean: float, spread: float, apart: float) -> tuple[float, float]:
    """Jensen-Shannon, and KL(q || p), in nats, by sums over a fine line."""
    import torch

    x = torch.linspace(-FIELD, FIELD, 3601, dtype=torch.float64)
    p, q = log_data(x), log_density(x, mean, spread, apart)
    middle = torch.logaddexp(p, q) - math.log(2)
    step = float(x[1] - x[0])
    kl = lambda a, b: float((a.exp() * (a - b)).sum()) * step
    return max(0.0, (kl(p, middle) + kl(q, middle)) / 2), max(0.0, kl(q, p))


def perfect(state: Tensor, mean: float, spread: float, apart: float) -> list[View]:
    """Everything about the game between a generator of three numbers and the best answer to it."""
    import torch

    from learnable.objectives.adversarial import minimax, non_saturating

    x = torch.linspace(-6, 6, 121)
    p, q = log_data(x), log_density(x, mean, spread, apart)
    best = torch.sigmoid(p - q)
    js, kl = divergences(mean, spread, apart)
    learned = {"minimax": lesson(minimax, mean, spread, apart, state),
               "non-saturating": lesson(non_saturating, mean, spread, apart, state)}  # fmt: skip
    places = [at / 4 for at in range(-24, 25)]
    along = {
        name: pull(loss, places, spread, apart)
        for name, loss in (("minimax", minimax), ("non-saturating", non_saturating))
    }
    own = {name: abs(row["mean"]) for name, row in learned.items()}
    size = lambda row: math.hypot(row["mean"], row["spread"], row["apart"])
    short = lambda values: [float(f"{value:.3g}") for value in values]
    floor = 1e-6
    return [
        Lines(
            title="both densities", y=Axis(label="density", low=0), x=Axis(label="x"),
            series=[Series(name="data p", x=short(x.tolist()), y=short(p.exp().tolist()), color="data"),
                    Series(name="generator q", x=short(x.tolist()), y=short(q.exp().tolist()), color="model")],
            summary=f"Jensen-Shannon divergence {js:.3f} nats; 0 is equal, log 2 = 0.693 is no overlap at all.",
        ),
        Lines(
            title="the perfect discriminator, p / (p + q)", x=Axis(label="x"), y=Axis(label="D*(x)", low=0, high=1),
            series=[Series(name="D*", x=short(x.tolist()), y=short(best.tolist()), color="accent")],
            summary=judged(best, q, x),
        ),
        Lines(
            title="how hard the mean is pulled, wherever it stands", x=Axis(label="mean of the generator"),
            y=Axis(label="size of the slope", log=True, low=floor, high=1e3),
            series=[Series(name=name, x=places, y=short(max(floor, y) for y in row), color=color)
                    for (name, row), color in zip(along.items(), ("backward", "model"), strict=True)],
            marks=[Mark(x=mean, y=min(1e3, max(floor, own["non-saturating"])), label="here")],
            summary=compared(own["minimax"], own["non-saturating"]),
        ),
        Table(
            title="in numbers", columns=("generator's loss", "value", "slope: mean", "slope: spread", "slope: apart"), numbers=(1, 2, 3, 4),
            rows=[(name, said(row["loss"]), said(row["mean"]), said(row["spread"]), said(row["apart"])) for name, row in learned.items()],
            summary=f"All slopes together: minimax {size(learned['minimax']):.2g}, non-saturating {size(learned['non-saturating']):.2g}.",
        ),
        Text(
            text=f"value of the game V    {2 * js - GUESSING:+.3f}\n= 2 JS - log 4         2 · {js:.3f} - {GUESSING:.3f}\n"
            f"KL(q || p)             {kl:.3f}", code=True,
            summary=f"Against its best opponent the game is worth {2 * js - GUESSING:+.3f}; KL(q || p) is {kl:.3f}.",
        ),
    ]  # fmt: skip


def compared(minimax: float, other: float) -> str:
    """Which of the two losses pulls the mean harder, in words."""
    if max(minimax, other) < 1e-3:
        return "Here neither loss pulls the mean anywhere."
    times = f", {other / minimax:,.0f} times as hard" if minimax > 1e-12 and other > 2 * minimax else ""
    return f"Here the minimax loss pulls the mean with {minimax:.2g}, the non-saturating one with {other:.2g}{times}."


def said(value: float) -> str:
    return f"{value:+.3f}" if abs(value) >= 0.0005 else "0" if value == 0 else f"{value:+.0e}"


def judged(best: Tensor, log_q: Tensor, x: Tensor) -> str:
    """What the perfect discriminator thinks of what the generator makes."""
    share = log_q.exp() * float(x[1] - x[0])
    mean = float((share * best).sum() / share.sum().clamp(min=1e-12))
    if mean > 0.495:
        return "One half everywhere that points come from: it can only guess, and the generator has won."
    if mean < 0.01:
        return f"Of a made point it believes {mean:.1g} on average: it is sure, and log(1 - D*) is flat there."
    return f"Of a made point it believes {mean:.2f} on average; one half would be guessing."


LABS = {
    "perfect": Lab(
        title="What can a generator learn from a perfect opponent?",
        controls=(
            Slider("mean", "Generator's mean", -6.0, 6.0, -4.5, step=0.25),
            Slider("spread", "Spread of each hump", 0.2, 3.0, 0.5, step=0.1),
            Slider("apart", "Humps apart by", 0.0, 5.0, 0.0, step=0.25, help="the data are two humps of spread 0.5, 3 apart"),
        ),
        prepare=quantiles,
        show=perfect,
        grid={"mean": (-6.0, -4.5, -3.0, -1.5, 0.0, 1.5, 3.0), "spread": (0.2, 0.5, 1.0, 1.6, 3.0), "apart": (0.0, 1.5, 3.0, 5.0)},
        rows=1300,
    ),
    "game": Lab(
        title="Which knob makes it forget the other modes, and which one mends it?",
        controls=(
            Choice("data", "Data", tuple(SHAPES), "ring of 8"),
            Choice("loss", "Generator's loss", LOSSES, "non-saturating"),
            Slider("rate_g", "Generator's learning rate", 1e-4, 0.1, 2e-3, log=True),
            Slider("rate_d", "Discriminator's learning rate", 1e-4, 0.1, 2e-3, log=True),
            Slider("steps", "Discriminator's steps a round", 1, 10, 1, step=1),
            Slider("smooth", "Penalty for slopes (R1)", 0.0, 5.0, 0.0, step=0.1, help="what the discriminator pays for being steep at real points"),
            Slider("noise", "Width of the noise", 1, 16, 2, step=1, help="numbers that the generator starts from; begins a new game"),
            Slider("seed", "Seed", 0, 9, 0, step=1, help="begins a new game"),
        ),
        prepare=shapes,
        play=play,
        frames=80,
        rows=1500,
    ),
}  # fmt: skip
