"""What the lesson on GANs measures for its pictures; about six minutes on two CPU cores that others use, too."""

import itertools
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.course.figures import Figure, load
from learnable.course.views import Axis, Bars, Cloud, Field, Heatmap, Lines, Mark, Points, Series
from learnable.data.points import around, ring_centers
from learnable.metrics.modes import coverage, energy_distance
from learnable.models.generative.gan import GAN, mlp, mlp_gan
from learnable.objectives.adversarial import discriminate, minimax, non_saturating
from learnable.optim.adam import adam

SEEDS = (0, 1, 2)
SIGMA = 0.1  # wider than in the recipe, so that fewer rounds are enough
RING = {"centers": ring_centers().tolist(), "sigma": SIGMA}
RATE = 2e-3
lab = load(Path(__file__).with_name("lab.py"))  # the lab's own game is what is measured here


@cache
def ring(count: int = 4000) -> Tensor:
    return around(ring_centers(), SIGMA, count)[0].float()


def percent(values: list[float]) -> str:
    around_ = f" ± {100 * stdev(values):.0f}" if len(set(values)) > 1 else ""
    return f"{100 * mean(values):.0f}{around_} %"


def spread(values: list[float], digits: int = 1) -> str:
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def drawn(points: Tensor, count: int = 250) -> tuple[list[float], list[float]]:
    return tuple([round(x, 2) for x in column.tolist()] for column in points[:count].T)  # type: ignore[return-value]


# ------------------------------------------------------------------------------------------------- the blurry mean


def squared(seed: int, steps: int = 600) -> tuple[Tensor, Tensor]:
    """A generator trained the ordinary way: each noise gets a real point, and the squared distance is lowered."""
    torch.manual_seed(seed)
    generator = mlp(2, 2, 32, 2)
    optimizer = adam(generator, RATE, betas=(0.9, 0.999))
    random = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        point = ring()[torch.randint(len(ring()), (128,), generator=random)]
        loss = F.mse_loss(generator(torch.randn(128, 2, generator=random)), point)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return generator(torch.randn(2500, 2, generator=random)), loss.detach()


def gaussian(seed: int) -> Tensor:
    """The Gaussian of greatest likelihood: mean and covariance of the data."""
    factor = torch.linalg.cholesky(torch.cov(ring().T))
    return ring().mean(dim=0) + torch.randn(2500, 2, generator=torch.Generator().manual_seed(seed)) @ factor.T


def blurry() -> Figure:
    made = {"squared error": [squared(seed)[0] for seed in SEEDS], "one Gaussian": [gaussian(seed) for seed in SEEDS]}
    good = {name: [coverage(one, RING)["quality"] for one in sets] for name, sets in made.items()}
    far = [float(one.norm(dim=1).mean()) for one in made["squared error"]]
    box = Axis(low=-3.0, high=3.0)
    x, y = drawn(ring(), 300)
    views = []
    for name, sets in made.items():
        a, b = drawn(sets[0])
        views.append(
            Points(
                title=name, x=box, y=box,
                clouds=(Cloud(name="real", x=x, y=y, color="data", size=2.0), Cloud(name="made", x=a, y=b, color="model", size=2.5)),
                summary=f"Of the points made by this way, {percent(good[name])} lie near one of the eight heaps.",
            )
        )  # fmt: skip
    return Figure(
        views=views,
        caption="Gray: the data, eight heaps on a circle of radius 2. Left: a network that was given a real point for each noise and trained by squared error. "
        "Right: the Gaussian of greatest likelihood. Both are the best of their kind, and both put their points where there are no data.",
        numbers={"squared": percent(good["squared error"]), "gaussian": percent(good["one Gaussian"]),
                 "radius": f"{mean(far):.2f}", "real": percent([coverage(ring(), RING)["quality"]])},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the game


def played(
    seed: int,
    rounds: int,
    objective: Callable[..., Any] = non_saturating,
    steps: int = 1,
    smooth: float = 0.0,
    rates: tuple[float, float] = (RATE, RATE),
    noise: int = 2,
    every: int = 50,
    see: Callable[[Any], None] = lambda game: None,
) -> list[dict[str, float]]:
    """Play the lab's game, and measure it `every` so many rounds."""
    game = lab.Game(noise, seed)
    rows = []
    for round_ in range(1, rounds + 1):
        game.play(ring(), objective, steps, smooth, rates)
        if round_ % every == 0:
            with torch.no_grad():
                rows.append(
                    coverage(game.gan(game.shown), RING) | {"detective": game.losses[0], "forger": game.losses[1]}
                )
            see(game)
    return rows


def plane(gan: GAN, cells: int = 31, reach: float = 3.0) -> Tensor:
    ticks = torch.linspace(-reach, reach, cells)
    with torch.no_grad():
        return gan.discriminator(torch.cartesian_prod(ticks, ticks).flip(1)).sigmoid().view(cells, cells)


def field(title: str, surface: Tensor, made: Tensor, summary: str) -> Field:
    x, y = drawn(ring(), 160)
    a, b = drawn(made, 160)
    return Field(
        title=title, values=lab.rounded(surface), x=Axis(low=-3.0, high=3.0), y=Axis(low=-3.0, high=3.0), low=0.0, high=1.0,
        middle=0.5, contours=(0.5,), label="D(x): how real", summary=summary,
        clouds=(Cloud(name="real", x=x, y=y, color="data", size=2.0), Cloud(name="made", x=a, y=b, color="model", size=2.4)),
    )  # fmt: skip


def moments() -> Figure:
    """Four pictures of one game."""
    taken: list[Field] = []
    at = (20, 300, 800, 2000)
    found: list[dict[str, float]] = []

    def see(game: Any) -> None:
        if game.rounds in at:
            with torch.no_grad():
                made = game.gan(game.shown)
                belief = float(game.gan.discriminator(made).sigmoid().mean())
            row = coverage(made, RING) | {"belief": belief}
            found.append(row)
            taken.append(field(f"after {game.rounds} rounds", plane(game.gan), made,
                               f"{row['modes']:.0f} of 8 heaps are covered; made points get {belief:.2f} on average."))  # fmt: skip

    played(0, at[-1], every=20, see=see)
    return Figure(
        views=taken,
        caption="The same two networks at four moments. The color is the discriminator's opinion, the black line is where it cannot decide. "
        "First it draws a border, and the generator climbs across; then the border is drawn anew. In the end it is nearly white where points are: nothing left to tell apart.",
        numbers={"modes": f"{found[-1]['modes']:.0f}", "belief": f"{found[-1]['belief']:.2f}", "early": f"{found[0]['belief']:.2f}"},
    )  # fmt: skip


def collapse() -> Figure:
    """Who sits where, over time: with equal rates, and with a generator that is ten times as fast."""
    views = []
    numbers: dict[str, int | str] = {}
    for name, rates in (
        ("equal learning rates", (RATE, RATE)),
        ("the generator ten times as fast", (RATE / 2, 5 * RATE)),
    ):
        strip: list[list[int]] = []

        def see(game: Any, strip: list[list[int]] = strip) -> None:
            with torch.no_grad():
                nearest = torch.cdist(game.gan(game.shown), ring_centers()).argmin(dim=1)
            strip.append([round(x / 10) for x in nearest.bincount(minlength=8).tolist()])

        rows = played(0, 1500, rates=rates, every=25, see=see)
        fullest = [max(row) for row in strip[20:]]
        kept = "fast" if "ten" in name else "equal"
        numbers[kept] = f"{mean(fullest):.0f} %"
        seats = [row.index(max(row)) for row in strip[20:]]
        moves = sum(a != b for a, b in itertools.pairwise(seats))
        numbers[f"{kept}_moves"] = moves
        views.append(
            Heatmap(
                title=name, values=[list(row) for row in zip(*strip, strict=True)], rows=[f"{at + 1}" for at in range(8)],
                row_label="heap", column_label="time, 25 rounds a column", low=0.0, high=100.0,
                summary=f"In the last two thirds the fullest heap has {mean(fullest):.0f} % of the points on average (12.5 % would be even), "
                f"and the fullest one changes {moves} times; at the end {rows[-1]['modes']:.0f} heaps are covered.",
            )
        )  # fmt: skip
    return Figure(
        views=views,
        caption="Each row is one of the eight heaps, each column a moment; bright means that many made points sit there. "
        "Left the rows fill evenly. Right all points sit on one heap, the discriminator notices, and all of them move to another one.",
        numbers=numbers,
    )


# ------------------------------------------------------------------------------------------------- saturation


def saturation() -> Figure:
    """A new generator, held still, while the discriminator gets better: what would the generator learn now?"""
    every, steps = 20, 400
    sizes: dict[str, list[list[float]]] = {"minimax": [], "non-saturating": []}
    beliefs = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        gan, random = mlp_gan(2, 2, 32, 2), torch.Generator().manual_seed(seed)
        optimizer = adam(gan.discriminator, RATE)
        noise = torch.randn(1000, 2, generator=random)
        rows: dict[str, list[float]] = {name: [] for name in sizes}
        for step in range(steps + 1):
            batch = {
                "point": ring()[torch.randint(len(ring()), (128,), generator=random)],
                "noise": torch.randn(128, 2, generator=random),
            }
            if step % every == 0:
                for name, objective in (("minimax", minimax), ("non-saturating", non_saturating)):
                    slopes = torch.autograd.grad(
                        objective(gan, {"noise": noise})["total"], list(gan.generator.parameters())
                    )
                    rows[name].append(math.sqrt(sum(float(slope.square().sum()) for slope in slopes)))
            optimizer.zero_grad()
            discriminate(gan, batch)["total"].backward()
            optimizer.step()
        for name, row in rows.items():
            sizes[name].append(row)
        with torch.no_grad():
            beliefs.append(float(gan.discriminator(gan(noise)).sigmoid().mean()))
    x = list(range(0, steps + 1, every))
    series = [
        Series(name=name, x=x, y=[mean(at) for at in zip(*rows, strict=True)], low=[min(at) for at in zip(*rows, strict=True)],
               high=[max(at) for at in zip(*rows, strict=True)], color=color)
        for (name, rows), color in zip(sizes.items(), ("backward", "model"), strict=True)
    ]  # fmt: skip
    last = {name: mean(row[-1] for row in rows) for name, rows in sizes.items()}
    first = {name: mean(row[0] for row in rows) for name, rows in sizes.items()}
    return Figure(
        views=[
            Lines(
                series=series, x=Axis(label="steps that the discriminator is ahead"), y=Axis(label="length of the generator's gradient", log=True),
                summary=f"At first both gradients are as long. After {steps} steps the minimax gradient is {last['minimax']:.1g} long, the non-saturating one {last['non-saturating']:.2g}.",
            )
        ],
        caption="A fresh generator is held still while the discriminator learns to see through it (three seeds, the band is their range). "
        "The better the detective, the less a minimax forger would learn from it.",
        numbers={
            "times": f"{last['non-saturating'] / last['minimax']:,.0f}", "fall": f"{first['minimax'] / last['minimax']:,.0f}",
            "belief": f"{100 * mean(beliefs):.1g} %",
        },
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the best discriminator


class Still(nn.Module):
    """A generator that does not learn: one Gaussian hump."""

    def __init__(self, center: float, wide: float):
        super().__init__()
        self.center, self.wide = center, wide

    def forward(self, noise: Tensor) -> Tensor:
        return self.center + self.wide * noise


def optimum() -> Figure:
    """Is p / (p + q) what a network learns, and does its loss tell the divergence?"""
    center, wide = 0.75, 1.0
    x = torch.linspace(-4, 4, 161)
    p, q = lab.log_data(x), lab.log_density(x, center, wide, 0.0)
    best = torch.sigmoid(p - q)
    js, _ = lab.divergences(center, wide, 0.0)
    learned, losses = [], []
    for seed in SEEDS:
        torch.manual_seed(seed)
        judge = mlp_gan(1, 1, 32, 2).discriminator
        game = nn.ModuleDict({"generator": Still(center, wide), "discriminator": judge})
        random = torch.Generator().manual_seed(seed)

        def batch(count: int, random: torch.Generator = random) -> dict[str, Tensor]:
            side = torch.randint(2, (count, 1), generator=random) * 2.0 - 1.0
            point = 1.5 * side + 0.5 * torch.randn(count, 1, generator=random)
            return {"point": point, "noise": torch.randn(count, 1, generator=random)}

        optimizer = adam(judge, 5e-3, betas=(0.9, 0.999))
        steps = 1200
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / steps)
            optimizer.zero_grad()
            discriminate(game, batch(512))["total"].backward()
            optimizer.step()
        with torch.no_grad():
            learned.append(judge(x[:, None]).sigmoid())
            losses.append(discriminate(game, batch(200_000))["total"].item())
    rows = torch.stack(learned)
    short = lambda values: [round(value, 4) for value in values.tolist()]
    apart = float((rows - best).abs()[:, p.exp() + q.exp() > 0.02].max())
    return Figure(
        views=[
            Lines(title="two densities", x=Axis(label="x"), y=Axis(label="density", low=0),
                  series=[Series(name="data p", x=short(x), y=short(p.exp()), color="data"),
                          Series(name="generator q", x=short(x), y=short(q.exp()), color="model")],
                  summary="The data have two humps, the generator one broad hump a little to the right."),
            Lines(title="computed, and learned", x=Axis(label="x"), y=Axis(label="D(x)", low=0, high=1),
                  series=[Series(name="p / (p + q)", x=short(x), y=short(best), color="accent", dashed=True),
                          Series(name="learned", x=short(x), y=short(rows.mean(dim=0)), low=short(rows.amin(dim=0)), high=short(rows.amax(dim=0)), color="3")],
                  summary=f"Where there are points at all, the learned curves are at most {apart:.2f} away from the computed one."),
        ],
        caption="A discriminator that has only ever seen samples, and the formula that knows both densities (three seeds). "
        "Where neither has points, far outside, it may say what it likes.",
        numbers={"predicted": f"{math.log(4) - 2 * js:.3f}", "measured": spread(losses, 3), "js": f"{js:.3f}", "apart": f"{apart:.2f}"},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- ablations


def ablations() -> Figure:
    """One knob at a time, three seeds each, measured over the last third of the game."""
    cases: dict[str, dict[str, Any]] = {
        "non-saturating": {},
        "minimax": {"objective": minimax},
        "5 steps": {"steps": 5},
        "5 steps, minimax": {"steps": 5, "objective": minimax},
        "5 steps, R1": {"steps": 5, "smooth": 1.0},
        "fast generator": {"rates": (RATE / 2, 5 * RATE)},
        "fast gen., R1": {"rates": (RATE / 2, 5 * RATE), "smooth": 1.0},
        "1 noise number": {"noise": 1},
    }
    measured: dict[str, dict[str, list[float]]] = {}
    for name, how in cases.items():
        games = [played(seed, 900, **how)[-6:] for seed in SEEDS]
        measured[name] = {
            key: [mean(row[key] for row in rows) for rows in games]
            for key in ("modes", "quality", "divergence", "forger", "detective")
        }
    key_of = lambda name: name.replace(" ", "_").replace(",", "").replace(".", "").replace("-", "_")
    numbers = {f"{key_of(name)}_{key}": percent(row[key]) if key == "quality" else spread(row[key], 2 if key != "modes" else 1)
               for name, row in measured.items() for key in ("modes", "quality", "divergence", "detective")}  # fmt: skip
    bars = lambda key: [mean(row[key]) for row in measured.values()]
    lows = lambda key: [min(row[key]) for row in measured.values()]
    highs = lambda key: [max(row[key]) for row in measured.values()]
    labels = list(cases)
    return Figure(
        views=[
            Bars(title="heaps covered, of 8", labels=labels, values=bars("modes"), low=lows("modes"), high=highs("modes"), digits=1,
                 y=Axis(label="heaps", low=0, high=8), color="model", reference=8.0, reference_label="all", wide=True,
                 summary="; ".join(f"{name}: {value:.1f}" for name, value in zip(labels, bars("modes"), strict=True)) + "."),
            Bars(title="unevenness (nats; 2.08 is all on one heap)", labels=labels, values=bars("divergence"), low=lows("divergence"),
                 high=highs("divergence"), digits=2, y=Axis(label="nats", low=0), color="backward", wide=True,
                 summary="; ".join(f"{name}: {value:.2f}" for name, value in zip(labels, bars("divergence"), strict=True)) + "."),
        ],
        caption="900 rounds each, three seeds (whiskers: the least and the greatest), averaged over the last third since some never come to rest. "
        "Both learning rates 0.002, one step a round, two noise numbers, unless the label says otherwise.",
        numbers=numbers,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- mistakes


def mistaken(seed: int, kind: str, rounds: int = 900) -> tuple[list[float], float, float]:
    """A loop as one writes it by hand, with one mistake: the discriminator's losses, heaps covered, distance."""
    torch.manual_seed(seed)
    gan, random = mlp_gan(2, 2, 32, 2), torch.Generator().manual_seed(seed)
    optimizer_d, optimizer_g = adam(gan.discriminator, RATE), adam(gan.generator, RATE)
    last: Callable[[Tensor], Tensor] = torch.sigmoid if kind == "sigmoid twice" else lambda logits: logits
    ones, zeros = torch.ones(128), torch.zeros(128)
    judge = lambda points: last(gan.discriminator(points))
    loss = F.binary_cross_entropy_with_logits
    losses = []
    for _ in range(rounds):
        point = ring()[torch.randint(len(ring()), (128,), generator=random)]
        made = gan(torch.randn(128, 2, generator=random))
        optimizer_d.zero_grad()
        if kind in ("no detach", "no detach, minimax"):
            optimizer_g.zero_grad()
        told = loss(judge(point), ones) + loss(judge(made if "no detach" in kind else made.detach()), zeros)
        told.backward(retain_graph="no detach" in kind)
        optimizer_d.step()
        if "no detach" not in kind:
            optimizer_g.zero_grad()
        wanted = -loss(judge(made), zeros) if "minimax" in kind else loss(judge(made), ones)
        wanted.backward()
        optimizer_g.step()
        losses.append(told.item())
    with torch.no_grad():
        made = gan(torch.randn(2500, 2, generator=random))
    return losses, coverage(made, RING)["modes"], float(energy_distance(made, ring(2500)))


def mistakes() -> Figure:
    kinds = ("as it should be", "sigmoid twice", "no detach", "no detach, minimax")
    results = {kind: [mistaken(seed, kind) for seed in SEEDS] for kind in kinds}
    every = 30
    colors = ("model", "6", "backward", "7")
    series = []
    for kind, color in zip(kinds, colors, strict=True):
        curves = [
            [mean(losses[max(0, at - every) : at + 1]) for at in range(0, 900, every)] for losses, _, _ in results[kind]
        ]
        columns = list(zip(*curves, strict=True))
        series.append(Series(name=kind, x=list(range(0, 900, every)), y=[round(mean(c), 3) for c in columns],
                             low=[round(min(c), 3) for c in columns], high=[round(max(c), 3) for c in columns], color=color))  # fmt: skip
    numbers: dict[str, str] = {}
    for kind, short in zip(kinds, ("right", "twice", "leak", "leak_minimax"), strict=True):
        numbers[f"{short}_modes"] = spread([modes for _, modes, _ in results[kind]])
        numbers[f"{short}_distance"] = spread([distance for _, _, distance in results[kind]], 2)
        numbers[f"{short}_least"] = f"{min(min(losses) for losses, _, _ in results[kind]):.2f}"
        numbers[f"{short}_loss"] = f"{mean(mean(losses[-100:]) for losses, _, _ in results[kind]):.2f}"
    return Figure(
        views=[
            Lines(
                series=series, x=Axis(label="rounds"), y=Axis(label="discriminator's loss (nats)", low=0),
                marks=[Mark(x=0, y=math.log(4), label="guessing: log 4")],
                summary="; ".join(f"{kind}: {mean(modes for _, modes, _ in rows):.1f} of 8 heaps" for kind, rows in results.items()) + ".",
            )
        ],
        caption="The same game with one mistake each, three seeds. No mistake is reported by anybody, and from the losses alone one would not choose the right curve.",
        numbers=numbers,
    )  # fmt: skip


FIGURES = {
    "blurry": blurry,
    "moments": moments,
    "collapse": collapse,
    "saturation": saturation,
    "optimum": optimum,
    "ablations": ablations,
    "mistakes": mistakes,
}
