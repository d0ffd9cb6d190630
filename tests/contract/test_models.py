"""The contract of every model: what a good teacher would ask of each, asked of all by one table.

A model of the catalog that has no row in `rows/` fails the first test. What parity with a reference cannot see (weights are
copied there) is seen here: how a model starts, whether all of it learns, and what leaks where.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Generator, nn
from torch.testing import assert_close

from contract.case import Batch, Case
from learnable import catalog


def rows() -> dict[str, Case]:
    """All rows of all files, so that a new family is under contract by having a file here."""
    found: dict[str, Case] = {}
    for file in sorted((Path(__file__).parent / "rows").glob("*.py")):
        cases: dict[str, Case] = import_module(f"contract.rows.{file.stem}").CASES
        assert not found.keys() & cases.keys(), f"twice: {found.keys() & cases.keys()}"
        found |= cases
    return found


CASES = rows()

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
