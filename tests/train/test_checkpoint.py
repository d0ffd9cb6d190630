import json
import shutil

import pytest
import torch
from torch import nn

from learnable.errors import WorldError
from learnable.train import checkpoint
from learnable.train.loop import Team
from learnable.train.machine import Machine
from learnable.train.recipe import Player


def files(value=1.0):
    return {"model": {"weight": torch.full((2, 3), value)}, "optimizer": {"0/weight/exp_avg": torch.zeros(2, 3)}}


STATE = {"seconds": 1.5, "best": None, "stale": 0, "run": {"recipe": "toy"}}


def warnings_of(run):
    told = []
    found = checkpoint.latest(run, told.append)
    return found, told


def test_what_is_saved_is_loaded(tmp_path):
    folder = checkpoint.save(tmp_path, 7, files(), STATE)
    tensors, state = checkpoint.load(folder)
    assert torch.equal(tensors["model"]["weight"], torch.ones(2, 3))
    assert state["step"] == 7 and state["run"] == {"recipe": "toy"}


def test_only_the_newest_are_kept(tmp_path):
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, step, files(), STATE)
    assert checkpoint.steps_saved(tmp_path) == [10, 2]


def cut_model(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])


def flip_a_bit(folder):
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def tear_state(folder):
    (folder / "state.json").write_text((folder / "state.json").read_text()[:30])


def empty_state(folder):
    (folder / "state.json").write_text("{}")


def lose_optimizer(folder):
    (folder / "optimizer.safetensors").unlink()


def another_step(folder):
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "step": 99}))


@pytest.mark.parametrize("damage", [cut_model, flip_a_bit, tear_state, empty_state, lose_optimizer, another_step])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(damage, tmp_path):
    checkpoint.save(tmp_path, 1, files(1.0), STATE)
    damage(checkpoint.save(tmp_path, 2, files(2.0), STATE))
    found, told = warnings_of(tmp_path)
    assert found is not None and found[0].name == "step-1"
    assert len(told) == 1 and told[0].startswith("step-2") and "the checkpoint before it is used" in told[0]


def test_when_all_are_damaged_it_says_so(tmp_path):
    cut_model(checkpoint.save(tmp_path, 1, files(), STATE))
    with pytest.raises(WorldError, match="no checkpoint of .* can be read"):
        warnings_of(tmp_path)


def test_no_checkpoint_is_no_error(tmp_path):
    assert warnings_of(tmp_path) == (None, [])
    assert warnings_of(tmp_path / "nowhere") == (None, [])


def test_a_kill_while_saving_leaves_nothing_that_counts(tmp_path):
    """What is half written has another name."""
    checkpoint.save(tmp_path, 1, files(), STATE)
    shutil.copytree(tmp_path / "step-1", tmp_path / ".step-2.0a1b2c3d.part")
    assert checkpoint.steps_saved(tmp_path) == [1]


def test_a_full_disk_harms_nothing(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, files(), STATE)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.tensors, "save_file", full)
    with pytest.raises(WorldError, match="the disk is full"):
        checkpoint.save(tmp_path, 2, files(), STATE)
    assert checkpoint.steps_saved(tmp_path) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_tied_weights_are_stored_once_and_come_back_tied(tmp_path):
    def tied():
        model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
        model[1].weight = model[0].weight
        return model

    model, other = tied(), tied()
    checkpoint.tensors.write(tmp_path / "m.safetensors", model.state_dict())
    stored = checkpoint.tensors.read(tmp_path / "m.safetensors")
    assert set(stored) == {"0.weight", "1.weight"}
    checkpoint.load_model(other, stored, "m")
    assert torch.equal(other[1].weight, model[0].weight) and other[0].weight is other[1].weight


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.pop("bias"), r"missing bias of shape \(2,\)"),
        (lambda t: t.update(extra=torch.zeros(3)), r"unknown extra of shape \(3,\)"),
        (lambda t: t.update(weight=torch.zeros(3, 2)), r"weight: expected shape \(2, 3\), came \(3, 2\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, message):
    tensors = dict(nn.Linear(3, 2).state_dict())
    change(tensors)
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    with pytest.raises(WorldError, match=message):
        checkpoint.load_model(model, tensors, "x")
    assert torch.equal(model.weight, before)


def test_a_pickle_is_not_opened(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(WorldError, match="a pickle, not safetensors"):
        checkpoint.tensors.read(tmp_path / "model.safetensors")


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, "momentum"])
def test_a_restored_team_goes_on_bit_for_bit(kind):
    def optimizer(module, rate):
        if kind == "momentum":
            return torch.optim.SGD(module.parameters(), rate, momentum=0.9)
        return kind(module.parameters(), rate)

    def team():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 1))
        return Team(model, (Player(lambda m, b: {}, optimizer, 0.1),), Machine("cpu"))

    def step(team):
        team.model(torch.ones(4, 3)).square().mean().backward()
        team.seats[0].optimizer.step()
        team.model.zero_grad()

    ours, other = team(), team()
    for _ in range(3):
        step(ours)
    saved = {name: {k: v.clone() for k, v in part.items()} for name, part in checkpoint.team_state(ours).items()}
    step(ours)
    torch.manual_seed(99)
    checkpoint.restore_team(other, saved, "x")
    step(other)
    for mine, theirs in zip(ours.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_another_recipes_optimizer_is_refused():
    def team(part):
        return Team(
            nn.Linear(2, 2),
            (Player(lambda m, b: {}, lambda m, r: torch.optim.AdamW(m.parameters(), r), 0.1),),
            Machine("cpu"),
        )

    saved = checkpoint.team_state(team(""))
    with pytest.raises(WorldError, match="nothing of the optimizer"):
        checkpoint.restore_team(team(""), saved, "x")


def test_what_an_optimizer_remembers_lies_in_memory_as_its_parameter_does():
    """Else the next step's rounding is another, and a resumed run ends elsewhere."""
    parameter = torch.nn.Parameter(torch.rand(4, 3, 3, 3).to(memory_format=torch.channels_last))
    value = torch.rand(4, 3, 3, 3)
    placed = checkpoint._placed(value, parameter)
    assert placed.stride() == parameter.stride() and torch.equal(placed, value) and not placed.requires_grad
