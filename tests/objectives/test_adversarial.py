import math

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from learnable.errors import CallError
from learnable.models.generative.gan import GAN, mlp_gan
from learnable.objectives.adversarial import discriminate, discriminate_smoothly, minimax, non_saturating, steepness


class Table(nn.Module):
    """A discriminator over a few numbered points: a logit of its own for each."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float64))

    def forward(self, points):
        return self.logits[points[:, 0].long()]


class Counted(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.module(x)


def numbered(real, fake):
    """A batch in which point i comes real[i] times and is made fake[i] times (the generator lets it through)."""
    rows = lambda counts: torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[:, None].double()
    return {"point": rows(real), "noise": rows(fake)}


def game(logits):
    return GAN(generator=nn.Identity(), discriminator=Table(logits))


def toy(seed=0, **settings):
    torch.manual_seed(seed)
    model = mlp_gan(noise=3, width=16, **settings).double()
    return model, {"point": torch.randn(12, 2).double(), "noise": torch.randn(12, 3).double()}


def gradients(module):
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


# The discriminator


def test_the_loss_by_hand():
    losses = discriminate(game([2.0, -1.0]), numbered(real=[1, 0], fake=[0, 1]))
    assert_close(losses["real"], torch.tensor(-math.log(1 / (1 + math.exp(-2.0)))).double())
    assert_close(losses["fake"], torch.tensor(-math.log(1 - 1 / (1 + math.exp(1.0)))).double())
    assert_close(losses["total"], losses["real"] + losses["fake"])


def test_who_can_only_guess_pays_log_4():
    losses = discriminate(game([0.0, 0.0, 0.0]), numbered(real=[3, 4, 5], fake=[5, 4, 3]))
    assert_close(losses["total"], torch.tensor(math.log(4)).double())


@pytest.mark.parametrize("real, fake", [([6, 3, 1], [1, 3, 6]), ([4, 4, 2], [4, 4, 2]), ([7, 2, 1], [1, 8, 1])])
def test_the_best_discriminator_is_p_over_p_plus_q(real, fake):
    """Proposition 1 and theorem 1: no slope is left at D* = p / (p + q), and the value is -log 4 + 2 JSD(p, q)."""
    p, q = (torch.tensor(counts).double() / 10 for counts in (real, fake))
    best = p / (p + q)
    model = game(torch.logit(best).tolist())
    losses = discriminate(model, numbered(real, fake))
    losses["total"].backward()
    assert_close(model.discriminator.logits.grad, torch.zeros(3).double(), atol=1e-12, rtol=0)
    middle = (p + q) / 2
    jsd = 0.5 * (p * (p / middle).log()).sum() + 0.5 * (q * (q / middle).log()).sum()
    assert_close(-losses["total"].detach(), -math.log(4) + 2 * jsd)
    worse = game((torch.logit(best) + torch.tensor([0.1, -0.1, 0.2])).tolist())
    assert discriminate(worse, numbered(real, fake))["total"] > losses["total"]


def test_it_is_learned_for_two_gaussians():
    """log p/q of N(1, 1) against N(-1, 1) is 2x: a linear discriminator learns slope 2 and no offset."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    spread = torch.cat([spread, -spread])  # in pairs, so that the offset is exact
    linear = nn.Linear(1, 1, dtype=torch.float64)
    model = GAN(nn.Identity(), nn.Sequential(linear, nn.Flatten(0)))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        total = discriminate(model, {"point": 1 + spread, "noise": -1 + spread})["total"]
        total.backward()
        return total

    optimizer.step(loss)
    assert_close(linear.weight.item(), 2.0, atol=0.05, rtol=0)
    assert_close(linear.bias.item(), 0.0, atol=1e-3, rtol=0)


@pytest.mark.parametrize("objective", [discriminate, discriminate_smoothly])
def test_the_generator_learns_nothing_from_the_discriminators_move(objective):
    model, batch = toy()
    objective(model, batch)["total"].backward()
    assert gradients(model.generator) == [None] * len(gradients(model.generator))
    assert all(gradient is not None for gradient in gradients(model.discriminator))


def test_it_does_not_ask_for_slopes_in_the_batch():
    model, batch = toy()
    discriminate_smoothly(model, batch)
    assert not batch["point"].requires_grad and batch["point"].grad is None


# The generator


def test_the_generators_losses_by_hand():
    batch = numbered(real=[1, 1], fake=[1, 1])
    logits = [0.5, -3.0]
    d = [1 / (1 + math.exp(-logit)) for logit in logits]
    assert_close(minimax(game(logits), batch)["total"].item(), sum(math.log(1 - x) for x in d) / 2)
    assert_close(non_saturating(game(logits), batch)["total"].item(), -sum(math.log(x) for x in d) / 2)


@pytest.mark.parametrize("objective", [minimax, non_saturating])
def test_the_generator_wants_its_points_to_look_real(objective):
    model = game([-2.0, 0.0, 2.0])
    objective(model, numbered(real=[1, 1, 1], fake=[1, 1, 1]))["total"].backward()
    assert (model.discriminator.logits.grad < 0).all()


@pytest.mark.parametrize("logit", [0.0, -2.0, -5.0, -10.0, -20.0])
def test_minimax_saturates_where_the_other_does_not(logit):
    """Slopes in the logit are -D and -(1 - D): their ratio is D / (1 - D) = e^logit, so 2e-9 at -20."""
    slopes = {}
    for objective in (minimax, non_saturating):
        model = game([logit])
        objective(model, numbered(real=[1], fake=[1]))["total"].backward()
        slopes[objective] = model.discriminator.logits.grad.item()
    sure = 1 / (1 + math.exp(-logit))
    assert_close(slopes[minimax], -sure, rtol=1e-9, atol=0)
    assert_close(slopes[non_saturating], -(1 - sure), rtol=1e-9, atol=0)
    assert_close(slopes[minimax] / slopes[non_saturating], math.exp(logit), rtol=1e-9, atol=0)


@pytest.mark.parametrize("objective", [minimax, non_saturating])
def test_the_gradient_reaches_every_parameter_of_the_generator(objective):
    model, batch = toy()
    objective(model, batch)["total"].backward()
    assert all(g is not None and g.abs().sum() > 0 for g in gradients(model.generator))


@pytest.mark.parametrize("objective", [discriminate, minimax, non_saturating])
def test_a_sure_discriminator_overflows_nothing(objective):
    for logits in ([1e4, -1e4], [-1e4, 1e4]):
        model = game(logits)
        losses = objective(model, numbered(real=[1, 0], fake=[0, 1]))
        losses["total"].backward()
        assert all(value.isfinite() for value in losses.values())
        assert model.discriminator.logits.grad.isfinite().all()


# R1


def test_steepness_by_hand():
    """The logit x² + 3y has the gradient (2x, 3), of squared length 4x² + 9."""
    point = torch.tensor([[1.0, 5.0], [2.0, -1.0]], requires_grad=True)
    logits = point[:, 0] ** 2 + 3 * point[:, 1]
    assert_close(steepness(logits, point), torch.tensor(((4 + 9) + (16 + 9)) / 2))


def test_r1_is_half_its_weight_times_the_steepness_at_real_points():
    model, batch = toy()
    plain, smooth = discriminate(model, batch), discriminate_smoothly(model, batch, weight=3.0)
    by_hand = []
    for row in batch["point"]:  # the slow twin: point by point, by small steps
        slopes = []
        for axis in torch.eye(2).double() * 1e-5:
            up, down = model.discriminator((row + axis)[None]), model.discriminator((row - axis)[None])
            slopes.append((up - down).item() / 2e-5)
        by_hand.append(sum(slope**2 for slope in slopes))
    assert_close(smooth["slope"].item(), sum(by_hand) / len(by_hand), rtol=1e-5, atol=0)
    assert_close(smooth["total"], plain["total"] + 1.5 * smooth["slope"])


def test_the_gradient_of_r1_is_the_slope_of_its_value():
    model, batch = toy()
    weight = model.discriminator[0][0].weight
    discriminate_smoothly(model, batch, weight=2.0)["total"].backward()
    expected = weight.grad[1, 0].item()
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            weight[1, 0] += step
        values.append(discriminate_smoothly(model, batch, weight=2.0)["total"].item())
    assert_close((values[0] - values[1]) / 2e-6, expected, rtol=1e-4, atol=1e-9)


def test_r1_refuses_divided_weights():
    model, batch = toy()
    model.discriminator.reshard = lambda: None  # what FSDP2 gives to every module that it divides
    with pytest.raises(CallError, match="parallel ddp"):
        discriminate_smoothly(model, batch)


# What the loop relies on


@pytest.mark.parametrize("objective", [discriminate, discriminate_smoothly, minimax, non_saturating])
def test_each_part_is_called_once(objective):
    model, batch = toy()
    model.generator, model.discriminator = Counted(model.generator), Counted(model.discriminator)
    objective(model, batch)
    assert (model.generator.calls, model.discriminator.calls) == (1, 1)


@pytest.mark.parametrize("objective", [discriminate, discriminate_smoothly, minimax, non_saturating])
def test_nothing_is_random_but_the_batch(objective):
    model, batch = toy()
    before = torch.get_rng_state()
    first, second = objective(model, batch), objective(model, batch)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("objective", [discriminate, discriminate_smoothly, minimax, non_saturating])
def test_a_batch_in_halves_is_the_batch(objective):
    """What two processes or two micro-batches see, averaged, is what one sees: totals and gradients are plain means."""
    model, batch = toy(pack=2)
    whole = objective(model, batch)
    whole["total"].backward()
    expected = gradients(model)
    model.zero_grad()
    halves = [objective(model, {key: rows.chunk(2)[i] for key, rows in batch.items()}) for i in (0, 1)]
    for half in halves:
        (half["total"] / 2).backward()
    assert_close(whole["total"], (halves[0]["total"] + halves[1]["total"]) / 2)
    for mine, theirs in zip(gradients(model), expected, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert_close(mine, theirs)


def test_packs_never_mix_real_and_made():
    model, batch = toy(pack=4)
    odd = {
        key: rows[:6] for key, rows in batch.items()
    }  # 12 points make three packs of 4, the second one half and half
    with pytest.raises(CallError, match="whole packs"):
        discriminate(model, odd)


@pytest.mark.filterwarnings("ignore:Grad strides do not match")  # of the (1, width) weight, whose strides mean the same
@pytest.mark.parametrize("objective", [discriminate, discriminate_smoothly, non_saturating])
def test_gradients_are_the_same_in_a_wrapper(objective, tmp_path):
    """DDP on one process: the double backward of R1 goes through it as well."""
    model, batch = toy()
    objective(model, batch)["total"].backward()
    expected = gradients(model)
    model.zero_grad()
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        parts = (model.generator, model.discriminator)
        model.generator, model.discriminator = (DistributedDataParallel(part) for part in parts)
        objective(model, batch)["total"].backward()
    finally:
        torch.distributed.destroy_process_group()
    for mine, theirs in zip((p.grad for part in parts for p in part.parameters()), expected, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert_close(mine, theirs)
