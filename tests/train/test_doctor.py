"""Faults are planted into real trainings of a tiny network, and healthy trainings must be left in peace."""

import json
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from learnable.files import finite
from learnable.optim.schedules import constant, one_cycle, warmup_cosine
from learnable.train.doctor import CHECKS, Diverged, diagnose, watch

SGD, ADAM = torch.optim.SGD, torch.optim.Adam
MOMENTUM = partial(SGD, momentum=0.9)
FACTS = {"steps": 300, "classes": 10}


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(pixels).float()[order] / 16, torch.from_numpy(labels)[order]


def mlp(width=64, last=1.0):
    model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
    with torch.no_grad():
        model[-1].weight.mul_(last)
    return model


def deep(scale):
    """Ten layers whose weights are `scale` times what keeps a signal's size."""
    layers = [layer for _ in range(10) for layer in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=scale * math.sqrt(2 / 64))
    return model


def trained(
    digits, optimizer=ADAM, rate=3e-3, *, model=mlp, steps=300, batch=64, every=5, seed=0,
    schedule=constant, examples=1200, spoil=lambda step, x, y: (x, y), clip=None,
):  # fmt: skip
    """Train for a second and give the rows that the loop would have written."""
    x, y = digits
    torch.manual_seed(seed)
    model = model()
    optimizer = optimizer(model.parameters(), lr=rate)
    generator = torch.Generator().manual_seed(seed)
    rows, losses, norms = [], [], []
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule(step - 1, steps)
        index = torch.randint(examples, (batch,), generator=generator)
        loss = F.cross_entropy(model(spoil(step, x[index], y[index])[0]), spoil(step, x[index], y[index])[1])
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), clip or math.inf).item())
        losses.append(loss.item())
        optimizer.step()
        if step == 1 or step % every == 0:
            row = {"step": step, "loss": sum(losses) / len(losses), "learning_rate": optimizer.param_groups[0]["lr"]}
            rows.append(row | {"gradient_norm": sum(norms) / len(norms)})
            losses, norms = [], []
            if step % (4 * every) == 0:
                with torch.no_grad():
                    rows[-1]["valid"] = {"loss": F.cross_entropy(model(x[1200:]), y[1200:]).item()}
    return rows


def names(rows, **facts):
    return [found.name for found in diagnose(rows, FACTS | facts)]


HEALTHY = {
    "Adam 1e-3": {"rate": 1e-3},
    "Adam 3e-3": {},
    "Adam 1e-2": {"rate": 1e-2},
    "Adam 3e-2": {"rate": 3e-2},
    "SGD 0.3": {"optimizer": SGD, "rate": 0.3},
    "SGD 1": {"optimizer": SGD, "rate": 1.0},
    "momentum 0.1": {"optimizer": MOMENTUM, "rate": 0.1},
    "a wide network": {"model": partial(mlp, width=512), "rate": 1e-3},
    "cosine": {"schedule": warmup_cosine, "rate": 5e-3},
    "one cycle": {"schedule": one_cycle, "rate": 1e-2},
    "a short run that its schedule ends": {"schedule": warmup_cosine, "rate": 2e-3, "steps": 150},
    "clipped": {"clip": 0.5},
    "batches of 8": {"batch": 8},
    "batches of 4, every step": {"batch": 4, "every": 1},
    "batches of 2, every step": {"batch": 2, "every": 1, "steps": 600},
    "few rows": {"every": 25},
    "ten layers": {"model": partial(deep, 1.0), "rate": 1e-3},
    "the last layer at zero": {"model": partial(mlp, last=0.0)},
}


@pytest.mark.parametrize("settings", HEALTHY.values(), ids=HEALTHY)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_healthy_training_is_left_in_peace(digits, settings, seed):
    rows = trained(digits, seed=seed, **settings)
    assert diagnose(rows, FACTS | {"steps": settings.get("steps", 300)}) == []


def half_blank(step, x, y):
    return (torch.full_like(x, math.nan) if step == 150 else x), y


def shuffled(step, x, y):
    return x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(step))]


def leaking(step, x, y):
    return torch.cat([x[:, :54], F.one_hot(y, 10).float()], dim=1), y


WHOLE = {"batch": 1200, "every": 1, "steps": 100}
FEW = {"examples": 50, "rate": 1e-2, "model": partial(mlp, width=256)}
ONE = {"examples": 10, "rate": 1e-2}
FAULTS = {
    "NaN in the data":              ("diverged",                {"spoil": half_blank}),
    "SGD at 30":                    ("diverged",                {"optimizer": SGD, "rate": 30.0}),
    "SGD at 2":                     ("learning rate too high",  {"optimizer": SGD, "rate": 2.0}),  # 1.5 hangs on rounding
    "SGD at 2, another seed":       ("learning rate too high",  {"optimizer": SGD, "rate": 2.0, "seed": 2}),
    "SGD at 3":                     ("learning rate too high",  {"optimizer": SGD, "rate": 3.0}),
    "Adam at 0.3":                  ("learning rate too high",  {"rate": 0.3}),
    "Adam at 0.3, stuck":           ("does not learn",          {"rate": 0.3}),
    "full batches at 2":            ("learning rate too high",  WHOLE | {"optimizer": SGD, "rate": 2.0}),
    "Adam at 1e-6":                 ("does not learn",          {"rate": 1e-6}),
    "labels that do not belong":    ("does not learn",          {"spoil": shuffled}),
    "SGD at 0.01":                  ("learning rate too low",   {"optimizer": SGD, "rate": 0.01}),
    "Adam at 1e-4":                 ("learning rate too low",   {"rate": 1e-4}),
    "Adam at 1e-4 under a cosine":  ("learning rate too low",   {"rate": 1e-4, "schedule": warmup_cosine}),
    "stopped on the way down":      ("learns too slowly",       {"rate": 1e-3, "steps": 150}),
    "50 examples":                  ("overfits",                FEW),
    "one example per class":        ("does not generalize",     ONE | {"every": 25}),
    "last layer 100 times too big": ("starts too sure",         {"model": partial(mlp, last=100.0)}),
    "weights 3 times too big":      ("exploding gradients",     {"model": partial(deep, 3.0)}),
}  # fmt: skip


@pytest.mark.parametrize("name, settings", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_named(digits, name, settings):
    rows = trained(digits, **settings)
    assert name in names(rows, steps=settings.get("steps", 300))


def test_a_run_that_was_written_to_disk_says_the_same(digits):
    """JSON knows no NaN: it comes back as null."""
    rows = json.loads(json.dumps(finite(trained(digits, spoil=half_blank))))
    found = diagnose(rows, FACTS)
    assert found[0].name == "diverged"
    assert "step 150" in found[0].evidence
    assert len(found) == 1


def test_a_curve_that_diverged_is_not_read_on(digits):
    """That it also learns nothing is true, and no news; the leap at its start is the cause."""
    assert names(trained(digits, SGD, 30.0, every=10)) == ["diverged", "learning rate too high"]


def test_early_stopping_is_advised_where_validation_was_best(digits):
    rows = trained(digits, **FEW)
    valid = {row["step"]: row["valid"]["loss"] for row in rows if "valid" in row}
    best = min(valid, key=valid.get)
    (found,) = (one for one in diagnose(rows, FACTS) if one.name == "overfits")
    assert f"step {best} " in found.evidence
    assert f"step {best} " in found.advice
    assert f"{valid[best]:.3g}" in found.evidence


def test_a_validation_that_was_never_good_is_named_once(digits):
    rows = trained(digits, **ONE, every=25)
    (found,) = diagnose(rows, FACTS)
    valid = [row["valid"]["loss"] for row in rows if "valid" in row]
    assert found.name == "does not generalize"
    assert f"{min(valid[-3:]):.3g}" in found.evidence and "2.3" in found.evidence
    assert "augmentation" in found.advice
    assert names(rows, classes=None) == []  # what guessing costs is not known


def test_a_validation_that_turned_up_is_not_named_twice():
    def curve(valid):
        return [{"step": 10 * i, "loss": max(0.01, 2.3 - i / 4), "valid": {"loss": valid(i)}} for i in range(1, 31)]

    assert names(curve(lambda i: 2.0 + 0.1 * i)) == ["overfits"]
    assert names(curve(lambda i: 2.4)) == ["does not generalize"]
    assert names(curve(lambda i: 1.0)) == []


def test_a_network_that_sees_the_answer_begins_as_usual_and_one_that_is_told_it_does_not(digits):
    """A leak shows at the first step only when the model is wired to it; then the loss begins far below ln 10."""
    assert "starts too low" not in names(trained(digits, spoil=leaking))

    def wired():
        model = nn.Linear(64, 10)
        nn.init.zeros_(model.weight)
        model.weight.data[:, 54:] = 5 * torch.eye(10)
        return model

    rows = trained(digits, spoil=leaking, model=wired)
    assert "starts too low" in names(rows)
    assert "starts too low" not in names(rows, pretrained=True)


def game(discriminator_rate, steps=300):
    """A GAN on a ring, whose discriminator learns at its own rate."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    discriminator = nn.Sequential(
        nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
    )
    makes = ADAM(generator.parameters(), lr=1e-3 if discriminator_rate < 1e-2 else 1e-5, betas=(0.5, 0.9))
    judges = ADAM(discriminator.parameters(), lr=discriminator_rate, betas=(0.5, 0.9))
    rows = []
    for step in range(1, steps + 1):
        angle = 2 * math.pi * torch.rand(64)
        real, made = torch.stack([angle.cos(), angle.sin()], 1), generator(torch.randn(64, 4))
        judged = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(made.detach())).mean()
        judges.zero_grad()
        judged.backward()
        judges.step()
        fooled = F.softplus(-discriminator(generator(torch.randn(64, 4)))).mean()
        makes.zero_grad()
        fooled.backward()
        makes.step()
        if step % 5 == 0:
            rows.append({"step": step, "discriminator.loss": judged.item(), "generator.loss": fooled.item()})
    return rows


def test_a_discriminator_that_has_won_is_seen():
    assert names(game(discriminator_rate=2e-2)) == ["discriminator has won"]


def test_a_game_that_is_open_is_left_in_peace():
    assert names(game(discriminator_rate=1e-3)) == []


@pytest.mark.parametrize(
    "rows", [[], [{"step": 1}], [{"step": 1, "loss": 2.3}], [{"step": s, "valid": {}} for s in range(9)]]
)
def test_too_little_to_judge_is_not_judged(rows):
    assert diagnose(rows, {}) == []
    assert diagnose(rows, {"steps": None, "classes": None, "status": "stopped"}) == []


def test_a_run_that_is_not_over_is_not_called_slow(digits):
    rows = trained(digits, rate=1e-3, steps=150)
    assert names(rows, steps=600) == []


@pytest.mark.parametrize(
    "steps, name", [(60, "learns too slowly"), (99, "learns too slowly"), (100, "learning rate too low")]
)
def test_of_few_steps_a_straight_fall_says_only_that_there_should_be_more(steps, name):
    """At the beginning every curve is straight."""
    rows = [{"step": step, "loss": 2.3 - 0.8 * step / steps, "learning_rate": 1e-3} for step in range(1, steps + 1)]
    [found] = diagnose(rows, FACTS | {"steps": steps})
    assert found.name == name
    assert found.advice.startswith("Train for more steps") is (steps < 100)


def test_every_check_can_say_its_sentence():
    """A misspelt placeholder would only show on the day of the fault."""
    seen = {name for name, _ in FAULTS.values()} | {"discriminator has won", "starts too low"}
    assert {check.name for check in CHECKS} == seen


def test_watch_stops_at_the_first_number_that_is_none():
    watch({"step": 1, "loss": 2.0, "gradient_norm": 1.0, "valid": {"loss": 3.0}})
    watch({"step": 1, "perplexity": math.inf})
    for row in ({"loss": math.nan}, {"gradient_norm": math.inf}, {"generator.loss": -math.inf}):
        with pytest.raises(Diverged, match="step 7"):
            watch({"step": 7} | row)
