"""The contract of every model: what a good teacher would ask of each, asked of all by one table.

A model of the catalog that has no row here fails the first test. What parity with a reference cannot see (weights are
copied there) is seen here: how a model starts, whether all of it learns, and what leaks where.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from learnable import catalog
from learnable.models.generative.gan import mlp_gan
from learnable.models.language.gpt import GPT, GPT2, GPTConfig
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.models.vision.fastnet import FastNet
from learnable.models.vision.lenet import LENET, LeNet, LeNet1998
from learnable.models.vision.mlp import MLP
from learnable.objectives.adversarial import discriminate
from learnable.objectives.classification import classify
from learnable.objectives.next_token import next_token
from learnable.objectives.recall import recall

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """How to build a model at toy size, what to feed it, and what it may be asked."""

    build: Callable[[], nn.Module]
    batch: Callable[[Generator, int], Batch]  # (generator, examples); the first axis of every tensor is the example
    answer: Callable[[nn.Module, Batch], Tensor]  # one row for each example, and all of the model has a part in it
    objective: Callable[[nn.Module, Batch], dict[str, Tensor]]
    guessing: float  # the loss of someone who knows nothing
    causal: str = ""  # the field along whose second axis nobody may look ahead
    learning_rate: float = 3e-3
    variants: Iterable[tuple[Callable[[], nn.Module], int]] = field(default=())  # how to build, published parameters


def pictures(generator: Generator, examples: int, size: int = 28, classes: int = 10) -> Batch:
    return {
        "image": torch.rand(examples, 1, size, size, generator=generator),
        "label": torch.randint(classes, (examples,), generator=generator),
    }


def text(generator: Generator, examples: int) -> Batch:
    return {"tokens": torch.randint(65, (examples, 13), generator=generator)}


def lines(generator: Generator, examples: int) -> Batch:
    """`a3 f7 k1 f?` with five pairs out of eight letters and ten digits."""
    letters = torch.stack([torch.randperm(8, generator=generator)[:5] for _ in range(examples)])
    digits = torch.randint(10, (examples, 5), generator=generator)
    asked = torch.randint(5, (examples, 1), generator=generator)
    question = torch.stack([letters.gather(1, asked), torch.full_like(asked, 10)], dim=-1)
    return {
        "tokens": torch.cat([torch.stack([letters, digits], dim=-1), question], dim=1),
        "label": digits.gather(1, asked)[:, 0],
    }


def points(generator: Generator, examples: int) -> Batch:
    return {
        "point": 2 + torch.randn(examples, 2, generator=generator),
        "noise": torch.randn(examples, 8, generator=generator),
    }


def see(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["image"])


def read(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["tokens"])


def forge_and_judge(model: nn.Module, batch: Batch) -> Tensor:
    return model.discriminator(model.generator(batch["noise"]))


def small_gpt() -> GPT:
    return GPT(GPTConfig(depth=2, width=32, heads=4, vocab=65, context=16))


CLASSIFIER = partial(Case, batch=pictures, answer=see, objective=classify, guessing=math.log(10))
READER = partial(Case, batch=lines, answer=read, objective=recall, guessing=math.log(10))

CASES = {
    "LeNet": CLASSIFIER(LeNet, variants=[(partial(LeNet, **settings), size) for settings, size in LENET.values()]),
    "LeNet1998": CLASSIFIER(LeNet1998),
    "FastNet": CLASSIFIER(FastNet),
    "MLP": CLASSIFIER(partial(MLP, 28 * 28, [32], 10)),
    "AttentionRecall": READER(partial(AttentionRecall, keys=8, values=10, width=32)),
    "MeanRecall": READER(partial(MeanRecall, keys=8, values=10, width=32)),
    "GPT": Case(
        small_gpt, text, read, next_token, guessing=math.log(65), causal="tokens",
        variants=[(partial(GPT, config), size) for config, size in GPT2.values()],
    ),
    "GAN": Case(partial(mlp_gan, noise=8, width=32), points, forge_and_judge, discriminate, guessing=math.log(4)),
}  # fmt: skip

each_model = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def built(case: Case, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return case.build()


def drawn(case: Case, examples: int = 8, seed: int = 1) -> Batch:
    return case.batch(Generator().manual_seed(seed), examples)


def test_every_model_of_the_catalog_is_under_contract():
    assert {model.name for model in catalog.models()} == set(CASES)
    for model in catalog.models():
        assert type(built(CASES[model.name])) is catalog.load(model.target)


@each_model
def test_every_parameter_learns(case: Case):
    """No dead weights: whatever a parameter is for, this batch has a use for it."""
    model, batch = built(case), drawn(case, 32)
    answer = case.answer(model, batch)
    (answer * torch.randn_like(answer)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"nothing reaches {name}"
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), f"the gradient of {name} is nought"


@each_model
def test_examples_do_not_leak_into_each_other(case: Case):
    model, batch, others = built(case).eval(), drawn(case), drawn(case, seed=2)
    changed = {name: torch.cat([batch[name][:1], others[name][1:]]) for name in batch}
    with torch.no_grad():
        before, after = case.answer(model, batch), case.answer(model, changed)
        alone = case.answer(model, {name: tensor[:1] for name, tensor in batch.items()})
    assert_close(after[:1], before[:1])
    assert_close(alone, before[:1])
    assert not torch.allclose(after[1:], before[1:]), "the others' answers ought to have changed"


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.causal], ids=[n for n, c in CASES.items() if c.causal])
def test_causal_models_do_not_look_ahead(case: Case):
    model, batch, others = built(case).eval(), drawn(case), drawn(case, seed=2)
    tokens = batch[case.causal]
    with torch.no_grad():
        before = case.answer(model, batch)
        for place in range(tokens.shape[1]):
            changed = tokens.clone()
            changed[:, place:] = (others[case.causal][:, place:] + 1) % 65
            changed[:, place] = (tokens[:, place] + 1) % 65
            after = case.answer(model, {**batch, case.causal: changed})
            assert_close(after[:, :place], before[:, :place])
            assert not torch.allclose(after[:, place], before[:, place]), "a token ought to see itself"


@each_model
def test_overfits_one_batch(case: Case):
    """The whole chain works: model, objective and gradient together can learn a few examples by heart."""
    model, batch = built(case).train(), drawn(case)
    optimizer = torch.optim.Adam(model.parameters(), case.learning_rate)
    for _ in range(400):
        optimizer.zero_grad()
        loss = case.objective(model, batch)["total"]
        loss.backward()
        optimizer.step()
        if loss < 0.05 * case.guessing:
            break
    assert loss < 0.05 * case.guessing


@each_model
@pytest.mark.parametrize("seed", range(3))
def test_a_new_model_is_undecided(case: Case, seed: int):
    """Untrained, its loss is that of guessing; more means that the initial weights shout."""
    model, batch = built(case, seed).train(), drawn(case, 64)
    with torch.no_grad():
        loss = case.objective(model, batch)["total"]
    assert loss < 1.1 * case.guessing


@each_model
def test_survives_a_round_trip_to_disk(case: Case, tmp_path: Path):
    model, other, batch = built(case).eval(), built(case, seed=1).eval(), drawn(case)
    with torch.no_grad():
        answer = case.answer(model, batch)
        assert not torch.equal(case.answer(other, batch), answer)
        save_file(model.state_dict(), tmp_path / "model.safetensors")
        other.load_state_dict(load_file(tmp_path / "model.safetensors"))
        assert torch.equal(case.answer(other, batch), answer)


@each_model
def test_a_seed_makes_the_same_model(case: Case):
    first, second = built(case), built(case)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


VARIANTS = [
    pytest.param(build, size, id=f"{name}-{size}") for name, case in CASES.items() for build, size in case.variants
]


@pytest.mark.parametrize("build, parameters", VARIANTS)
def test_a_variant_has_the_published_size(build: Callable[[], nn.Module], parameters: int):
    with torch.device("meta"):
        model = build()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
