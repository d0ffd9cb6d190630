"""Three hearts of a GAN: what the detective wants, what the forger wants, and that neither learns from the other's wish."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.course.exercise import Check, Exercise
from learnable.course.grader.compare import agrees, difference, shown

# ------------------------------------------------------------------------------------------------- the discriminator


def discriminator_loss_stub(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))], where D is the sigmoid of a logit.

    Args:
        real_logits: (real,) what the discriminator says of real points, from minus to plus infinity.
        fake_logits: (made,) what it says of made ones; there may be more or fewer of these.

    Returns:
        One number, shape (). It must be right for a logit of 200, too.
    """
    raise NotImplementedError


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def sigmoid_first(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return discriminator_loss(real_logits.sigmoid(), fake_logits.sigmoid())


def swapped(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return discriminator_loss(fake_logits, real_logits)


def all_labeled_real(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return F.softplus(-real_logits).mean() + F.softplus(-fake_logits).mean()


def summed(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()


def halved(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return discriminator_loss(real_logits, fake_logits) / 2


def to_be_raised(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return -discriminator_loss(real_logits, fake_logits)


def one_mean_of_all(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return 2 * torch.cat([F.softplus(-real_logits), F.softplus(fake_logits)]).mean()


def logarithm_of_sigmoid(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return -torch.log(real_logits.sigmoid()).mean() - torch.log(1 - fake_logits.sigmoid()).mean()


def with_a_small_number(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    small = 1e-8
    return -torch.log(real_logits.sigmoid() + small).mean() - torch.log(1 - fake_logits.sigmoid() + small).mean()


def cut_off(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return discriminator_loss(real_logits, fake_logits.detach())


def by_cross_entropy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    return real + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))


def by_logsigmoid(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return -(F.logsigmoid(real_logits).mean() + F.logsigmoid(-fake_logits).mean())


CUT = "no gradient arrives: somewhere the way is cut (`.detach()`, `.item()`, NumPy)"


def check_discriminator_loss(f: Any) -> Iterator[Check]:
    def value(real: float, fake: float) -> float:
        return float(f(torch.tensor([real]), torch.tensor([fake])))

    came = f(torch.randn(3), torch.randn(3))
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    yield Check("the answer is one number", shape == (), f"3 logits each: expected a tensor of shape (), came {shape}")
    if shape != ():
        return
    least = float(came)
    yield Check(
        "it is a loss, to be lowered: never below zero", least >= 0, f"three random logits each gave {least:.3f}"
    )
    high, low = value(3.0, 0.0), value(-3.0, 0.0)
    yield Check("a real point is to get a high logit", high < low,
                f"real 3, made 0: {high:.3f}; real -3, made 0: {low:.3f}. The first should cost less")  # fmt: skip
    low, high = value(0.0, -3.0), value(0.0, 3.0)
    yield Check("a made point is to get a low logit", low < high,
                f"real 0, made -3: {low:.3f}; real 0, made 3: {high:.3f}. The first should cost less")  # fmt: skip
    sure = value(20.0, -20.0)
    yield Check("logits go in as they are: being sure and right costs nothing", abs(sure) < 1e-3,
                f"real 20, made -20: expected 0.000, came {sure:.3f}"
                + (", the price of a sigmoid before a loss that takes logits" if abs(sure - 1.0064) < 0.01 else ""))  # fmt: skip
    yield agrees(
        "guessing costs log 4 = 1.386", value(0.0, 0.0), math.log(4), "one real and one made point with logit 0"
    )
    count = int(torch.randint(2, 6, ()))
    yield agrees("the mean over the points, not their sum", f(torch.zeros(count), torch.zeros(count)), torch.tensor(math.log(4)),
                 f"{count} points of each kind, all logits 0")  # fmt: skip
    real, fake = torch.randn(2), 3 * torch.randn(5)
    yield agrees("each kind has a mean of its own: they need not be equally many", f(real, fake), discriminator_loss(real, fake),
                 f"real logits {shown(real)}, made {shown(fake)}")  # fmt: skip
    yield agrees("a logit of 200 is no trouble", value(-200.0, 200.0), 400.0, "real -200, made 200")
    real, fake = torch.randn(4), torch.randn(3)
    slopes = f.gradient(real, fake, wrt=(0, 1))
    expected = (-(1 - real.sigmoid()) / 4, fake.sigmoid() / 3)
    wrong = CUT if any(slope is None for slope in slopes) else difference(slopes, expected)
    yield Check("slopes reach both: -(1 - D) of a real point, D of a made one", not wrong,
                f"real {shown(real)}, made {shown(fake)}: {wrong}")  # fmt: skip


# ------------------------------------------------------------------------------------------------- the generator


def generator_loss_stub(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    """What the generator lowers: -E[log D(G(z))], or with `minimax` E[log(1 - D(G(z)))].

    Args:
        fake_logits: (made,) what the discriminator says of made points.
        minimax: the loss by the book in place of the one that is used.

    Returns:
        One number, shape (). It must be right for a logit of 200, too.
    """
    raise NotImplementedError


def generator_loss(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return -F.softplus(fake_logits).mean() if minimax else F.softplus(-fake_logits).mean()


def minimax_always(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return -F.softplus(fake_logits).mean()


def never_minimax(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return F.softplus(-fake_logits).mean()


def labeled_as_made(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return -F.softplus(-fake_logits).mean() if minimax else F.softplus(fake_logits).mean()


def sigmoid_before(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return generator_loss(fake_logits.sigmoid(), minimax)


def generator_summed(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return generator_loss(fake_logits, minimax) * len(fake_logits)


def minimax_turned_around(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return F.softplus(fake_logits).mean() if minimax else F.softplus(-fake_logits).mean()


def minimax_by_logarithm(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return torch.log(1 - fake_logits.sigmoid()).mean() if minimax else F.softplus(-fake_logits).mean()


def generator_by_numbers(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    return generator_loss(fake_logits.detach(), minimax)


def generator_by_cross_entropy(fake_logits: Tensor, minimax: bool = False) -> Tensor:
    labels = torch.full_like(fake_logits, 0.0 if minimax else 1.0)
    loss = F.binary_cross_entropy_with_logits(fake_logits, labels)
    return -loss if minimax else loss


def check_generator_loss(f: Any) -> Iterator[Check]:
    def value(logit: float, **how: bool) -> float:
        return float(f(torch.tensor([logit]), **how))

    came = f(torch.randn(3))
    shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
    yield Check("the answer is one number", shape == (), f"3 logits: expected a tensor of shape (), came {shape}")
    if shape != ():
        return
    middle = value(0.0)
    yield Check("unless asked for the minimax loss it is -log D, which is never negative", middle > 0,
                f"logit 0, so D = 1/2: expected 0.693, came {middle:.3f}, which is log(1 - D)")  # fmt: skip
    high, low = value(3.0), value(-3.0)
    yield Check("the generator wants its points to be taken for real", high < low,
                f"logit 3: {high:.3f}; logit -3: {low:.3f}. The first should cost less: it has fooled the discriminator")  # fmt: skip
    fooled = value(20.0)
    yield Check("logits go in as they are: a perfect forgery costs nothing", abs(fooled) < 1e-3,
                f"logit 20: expected 0.000, came {fooled:.3f}"
                + (", the price of a sigmoid before a loss that takes logits" if abs(fooled - 0.3133) < 0.01 else ""))  # fmt: skip
    logits = 2 * torch.randn(int(torch.randint(3, 7, ())))
    yield agrees(
        "the mean over the points, not their sum", f(logits), generator_loss(logits), f"logits {shown(logits)}"
    )
    slope = f.gradient(torch.tensor([-8.0]))
    wrong = CUT if slope is None else difference(slope, torch.tensor([-0.99966]))
    yield Check("where the discriminator is sure, the slope is nearly -1", not wrong, f"logit -8: {wrong}")
    half = value(0.0, minimax=True)
    yield Check(
        "minimax: log(1 - D), so never above zero", half < 0, f"logit 0, minimax=True: expected -0.693, came {half:.3f}"
    )
    high, low = value(3.0, minimax=True), value(-3.0, minimax=True)
    yield Check(
        "minimax: it wants the same", high < low, f"logit 3: {high:.3f}; logit -3: {low:.3f}. The first should be less"
    )
    yield agrees(
        "minimax: the mean over the points",
        f(logits, minimax=True),
        generator_loss(logits, True),
        f"logits {shown(logits)}",
    )
    yield agrees("a logit of 200 is no trouble", (value(-200.0), value(200.0, minimax=True)), (200.0, -200.0),
                 "logit -200 without, and logit 200 with minimax=True")  # fmt: skip
    slope = f.gradient(torch.tensor([-8.0]), minimax=True)
    wrong = CUT if slope is None else difference(slope, torch.tensor([-0.000335]), 1e-6)
    yield Check(
        "minimax: where the discriminator is sure, the slope is nearly nothing",
        not wrong,
        f"logit -8, minimax=True: {wrong}",
    )


# ------------------------------------------------------------------------------------------------- both, apart


def both_losses_stub(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Both players' losses (the generator's non-saturating), such that neither teaches the wrong one.

    The caller does `(loss_d + loss_g).backward()`. Then every weight of the discriminator must have the gradient of
    `loss_d` alone, and every weight of the generator that of `loss_g` alone.

    Args:
        generator: noise (batch, n) -> points (batch, 2)
        discriminator: points (batch, 2) -> logits (batch, 1)
        point: (batch, 2) real ones
        noise: (batch, n)

    Returns:
        (loss_d, loss_g), each of shape ()
    """
    raise NotImplementedError


def both_losses(generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made.detach())).mean()
    discriminator.requires_grad_(False)
    loss_g = F.softplus(-discriminator(made)).mean()
    discriminator.requires_grad_(True)
    return loss_d, loss_g


def not_detached(generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made)).mean()
    discriminator.requires_grad_(False)
    loss_g = F.softplus(-discriminator(made)).mean()
    discriminator.requires_grad_(True)
    return loss_d, loss_g


def detached_for_both(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    made = generator(noise).detach()
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made)).mean()
    discriminator.requires_grad_(False)
    loss_g = F.softplus(-discriminator(made)).mean()
    discriminator.requires_grad_(True)
    return loss_d, loss_g


def judged_without_gradient(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made.detach())).mean()
    with torch.no_grad():
        logits = discriminator(made)
    return loss_d, F.softplus(-logits).mean()


def not_frozen(generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made.detach())).mean()
    return loss_d, F.softplus(-discriminator(made)).mean()


def frozen_too_early(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    discriminator.requires_grad_(False)
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made.detach())).mean()
    loss_g = F.softplus(-discriminator(made)).mean()
    discriminator.requires_grad_(True)
    return loss_d, loss_g


def never_thawed(generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    loss_d = F.softplus(-discriminator(point)).mean() + F.softplus(discriminator(made.detach())).mean()
    discriminator.requires_grad_(False)
    return loss_d, F.softplus(-discriminator(made)).mean()


def minimax_here(generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    loss_d, _ = both_losses(generator, discriminator, point, noise)
    discriminator.requires_grad_(False)
    loss_g = -F.softplus(discriminator(generator(noise))).mean()
    discriminator.requires_grad_(True)
    return loss_d, loss_g


def real_and_made_swapped(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    loss_d = F.softplus(discriminator(point)).mean() + F.softplus(-discriminator(generator(noise).detach())).mean()
    _, loss_g = both_losses(generator, discriminator, point, noise)
    return loss_d, loss_g


def sums_for_means(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    loss_d, loss_g = both_losses(generator, discriminator, point, noise)
    return loss_d * len(point), loss_g * len(point)


def already_stepped(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    found = both_losses(generator, discriminator, point, noise)
    with torch.no_grad():
        for weight in discriminator.parameters():
            weight.sub_(0.1)
    return found[0].detach().requires_grad_(), found[1].detach().requires_grad_()


def with_a_frozen_copy(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    judge = copy.deepcopy(discriminator).requires_grad_(False)
    with torch.no_grad():
        forged = generator(noise)
    logits = discriminator(torch.cat([point, forged]))
    labels = torch.cat([torch.ones(len(point), 1), torch.zeros(len(forged), 1)])
    loss_g = F.binary_cross_entropy_with_logits(judge(generator(noise)), torch.ones(len(noise), 1))
    return 2 * F.binary_cross_entropy_with_logits(logits, labels), loss_g


def by_functional_call(
    generator: nn.Module, discriminator: nn.Module, point: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    made = generator(noise)
    held = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    loss_g = -F.logsigmoid(torch.func.functional_call(discriminator, held, (made,))).mean()
    return -(F.logsigmoid(discriminator(point)) + F.logsigmoid(-discriminator(made.detach()))).mean(), loss_g


def check_both_losses(f: Any) -> Iterator[Check]:
    width = int(torch.randint(2, 5, ()))
    generator = nn.Sequential(nn.Linear(width, 5), nn.Tanh(), nn.Linear(5, 2))
    discriminator = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))
    for weight in (*generator.parameters(), *discriminator.parameters()):  # larger than at the start, so that all shows
        nn.init.normal_(weight, std=0.7)
    point, noise = torch.randn(4, 2) + 1, torch.randn(4, width)
    given = (generator, discriminator, point, noise)

    came = f(*given)
    moved = [("generator", "discriminator", "point", "noise")[int(at)] for at in f.changed_arguments]
    pair = (
        isinstance(came, tuple | list)
        and len(came) == 2
        and all(isinstance(one, Tensor) and one.shape == () for one in came)
    )
    yield Check("two losses, each one number", pair, f"expected two tensors of shape (), came {shown(came)}")
    if not pair:
        return
    yield Check("no weight is moved yet: that is the optimizer's task", not moved, f"changed: {', '.join(moved)}")
    with torch.no_grad():
        real, fake = discriminator(point), discriminator(generator(noise))
    yield agrees("the discriminator's loss: real points real, made ones made", came[0], discriminator_loss(real, fake),
                 f"real logits {shown(real[:, 0])}, made {shown(fake[:, 0])}")  # fmt: skip
    yield agrees(
        "the generator's loss: -log D of what it makes",
        came[1],
        generator_loss(fake),
        f"made logits {shown(fake[:, 0])}",
    )

    def own(loss: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The gradients of one loss, in generator and discriminator, if nothing is held back."""
        total = (
            discriminator_loss(discriminator(point), discriminator(generator(noise)))
            if loss == 0
            else generator_loss(discriminator(generator(noise)))
        )
        slopes = [
            torch.autograd.grad(total, list(one.parameters()), retain_graph=True) for one in (generator, discriminator)
        ]
        return tuple(
            dict(zip(dict(one.named_parameters()), slope, strict=True))
            for one, slope in zip((generator, discriminator), slopes, strict=True)
        )  # type: ignore[return-value]

    def learns(name: str, slopes: Any, expected: dict[str, Tensor], reason: str) -> Check:
        if silent(slopes):
            return Check(name, False, f"no gradient arrives: {reason}")
        wrong = difference(slopes, expected, 1e-3)
        return Check(name, not wrong, wrong)

    def rests(name: str, slopes: Any, reason: str) -> Check:
        if silent(slopes):
            return Check(name, True)
        worst = max(float(slope.abs().max()) for slope in slopes.values() if slope is not None)
        return Check(name, False, f"expected no gradient, came slopes up to {worst:.3g}: {reason}")

    in_g, in_d = f.gradient(*given, wrt=(0, 1), upstream=(torch.tensor(1.0), torch.tensor(0.0)))
    yield learns("the discriminator's loss teaches the discriminator", in_d, own(0)[1],
                 "were its weights frozen when its own loss was computed, or never thawed again?")  # fmt: skip
    yield rests(
        "the discriminator's loss teaches the generator nothing",
        in_g,
        "the made points still carry the way back to the generator",
    )
    in_g, in_d = f.gradient(*given, wrt=(0, 1), upstream=(torch.tensor(0.0), torch.tensor(1.0)))
    yield learns("the generator's loss teaches the generator", in_g, own(1)[0],
                 "the way from the logits back to the noise is cut; only the discriminator's loss wants detached points")  # fmt: skip
    yield rests("the generator's loss teaches the discriminator nothing", in_d, "it would learn to be fooled")
    in_g, in_d = f.gradient(*given, wrt=(0, 1))
    wrong = "" if not silent(in_g) and not silent(in_d) else "one of the players got no gradient"
    wrong = wrong or difference(in_g, own(1)[0], 1e-3) or difference(in_d, own(0)[1], 1e-3)
    yield Check("after (loss_d + loss_g).backward() each has its own", not wrong, wrong)


def silent(slopes: Any) -> bool:
    """Whether no gradient has arrived, or only zeros."""
    return not isinstance(slopes, dict) or all(
        slope is None or not bool(slope.abs().max() > 0) for slope in slopes.values()
    )


EXERCISES = (
    Exercise(
        name="discriminator_loss",
        title="What the detective wants",
        task="""
            Write the loss of the discriminator from its logits. Two questions are asked, “is this real?” of real points and of made ones; the loss is the sum of
            two means. Do not go through probabilities: `log(sigmoid(-200))` is minus infinity for a computer.
            """,
        stub=discriminator_loss_stub,
        solution=discriminator_loss,
        why="-log D = softplus(-l) and -log(1 - D) = softplus(l): exact for any logit, since the exponential and the logarithm never meet. `F.binary_cross_entropy_with_logits` with labels 1 and 0 is the same.",
        hints=(
            "With D = 1 / (1 + exp(-l)): what is -log D, written with l? And -log(1 - D)?",
            "-log D = log(1 + exp(-l)). PyTorch has log(1 + exp(·)) in a form that never overflows: F.softplus. Labels and a cross-entropy that takes logits are another way.",
            "F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()",
        ),
        mutants={
            "value to be raised": (to_be_raised, "it is a loss, to be lowered: never below zero"),
            "real and fake swapped": (swapped, "a real point is to get a high logit"),
            "wrong label: all are real": (all_labeled_real, "a made point is to get a low logit"),
            "sigmoid before a loss of logits": (sigmoid_first, "logits go in as they are: being sure and right costs nothing"),
            "half of it": (halved, "guessing costs log 4 = 1.386"),
            "sum for mean": (summed, "the mean over the points, not their sum"),
            "one mean over all": (one_mean_of_all, "each kind has a mean of its own: they need not be equally many"),
            "logarithm of the sigmoid": (logarithm_of_sigmoid, "a logit of 200 is no trouble"),
            "with a small number in the logarithm": (with_a_small_number, "a logit of 200 is no trouble"),
            "made logits cut off": (cut_off, "slopes reach both: -(1 - D) of a real point, D of a made one"),
        },
        others={"by cross-entropy with logits": by_cross_entropy, "by logsigmoid": by_logsigmoid},
        check=check_discriminator_loss,
    ),
    Exercise(
        name="generator_loss",
        title="What the forger wants, in two ways",
        task="""
            Write both losses of the generator from the logits of its points: the non-saturating one that is used, and with `minimax=True` the one by the book. They
            want the same, and differ in how hard they pull.
            """,
        stub=generator_loss_stub,
        solution=generator_loss,
        why="The slopes in the logit tell them apart: -(1 - D) for the first, -D for the second. At a logit of -8 the first is 3,000 times as large.",
        hints=(
            "Which label would the generator like its points to have? Under minimax: what of the discriminator's loss depends on the generator, and which sign does it have here?",
            "-log D = softplus(-l); log(1 - D) = -softplus(l).",
            "-F.softplus(fake_logits).mean() if minimax else F.softplus(-fake_logits).mean()",
        ),
        mutants={
            "minimax for non-saturating": (minimax_always, "unless asked for the minimax loss it is -log D, which is never negative"),
            "wrong label": (labeled_as_made, "the generator wants its points to be taken for real"),
            "sigmoid before a loss of logits": (sigmoid_before, "logits go in as they are: a perfect forgery costs nothing"),
            "sum for mean": (generator_summed, "the mean over the points, not their sum"),
            "the flag is forgotten": (never_minimax, "minimax: log(1 - D), so never above zero"),
            "minimax with the discriminator's sign": (minimax_turned_around, "minimax: log(1 - D), so never above zero"),
            "logarithm of the sigmoid": (minimax_by_logarithm, "a logit of 200 is no trouble"),
            "cut off from the graph": (generator_by_numbers, "where the discriminator is sure, the slope is nearly -1"),
        },
        others={"by cross-entropy with logits": generator_by_cross_entropy},
        check=check_generator_loss,
    ),
    Exercise(
        name="both_losses",
        title="Two losses, and neither teaches the other player",
        task="""
            Compute both losses so that one `(loss_d + loss_g).backward()` gives each player its own gradient and nothing of the other's. The generator learns *through* the
            discriminator: its gradient passes there, and must leave nothing behind.
            """,
        stub=both_losses_stub,
        solution=both_losses,
        why="`detach` cuts the way to the generator where the discriminator learns. The other direction cannot be cut, since it is the way the generator's gradient takes; so the weights on it are told not to collect.",
        hints=(
            "Draw the way noise → made → logits → loss twice. On which of the two must the gradient stop, and where? On which must it pass through without leaving anything?",
            "made.detach() for the discriminator's loss. For the generator's: weights that have requires_grad off when a layer is computed collect nothing, but let pass.",
            "discriminator.requires_grad_(False); loss_g = F.softplus(-discriminator(made)).mean(); discriminator.requires_grad_(True), all after loss_d was computed.",
        ),
        mutants={
            "moves the weights itself": (already_stepped, "no weight is moved yet: that is the optimizer's task"),
            "real and fake swapped": (real_and_made_swapped, "the discriminator's loss: real points real, made ones made"),
            "sum for mean": (sums_for_means, "the discriminator's loss: real points real, made ones made"),
            "minimax for non-saturating": (minimax_here, "the generator's loss: -log D of what it makes"),
            "frozen too early": (frozen_too_early, "the discriminator's loss teaches the discriminator"),
            "never thawed": (never_thawed, "the discriminator's loss teaches the discriminator"),
            "no detach": (not_detached, "the discriminator's loss teaches the generator nothing"),
            "detach in the generator's step": (detached_for_both, "the generator's loss teaches the generator"),
            "no_grad in the generator's step": (judged_without_gradient, "the generator's loss teaches the generator"),
            "discriminator not frozen": (not_frozen, "the generator's loss teaches the discriminator nothing"),
        },
        others={"with a frozen copy": with_a_frozen_copy, "by functional_call": by_functional_call},
        check=check_both_losses,
    ),
)  # fmt: skip
