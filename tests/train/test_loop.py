import pytest
import torch
from torch import nn
from torch.testing import assert_close

from learnable.data.examples import TensorExamples, WithNoise
from learnable.errors import CallError
from learnable.optim.schedules import constant, warmup_cosine
from learnable.train.batches import Batches
from learnable.train.loop import Team, train
from learnable.train.machine import Machine
from learnable.train.recipe import Player
from toy import RECIPE, classify, network, points


def sgd(module, rate):
    return torch.optim.SGD(module.parameters(), rate)


def fresh(seed=0):
    torch.manual_seed(seed)
    return network(points().info)


def run(model, players, batches, steps, **options):
    team = Team(model, players, Machine("cpu"))
    return team, list(train(team, batches, steps=steps, **options))


def test_it_is_the_plain_loop():
    """Ten steps written out by hand end in the same weights, to the last bit."""
    data = points()
    ours, plain = fresh(), fresh()
    batches = Batches(data.train, 32, seed=4)
    run(ours, (Player(classify, sgd, 0.1, warmup_cosine),), batches, 10, clip=0.5)
    optimizer = torch.optim.SGD(plain.parameters(), 0.1)
    for step in range(10):
        optimizer.param_groups[0]["lr"] = 0.1 * warmup_cosine(step, 10)
        optimizer.zero_grad()
        classify(plain, batches.at(step)[0])["total"].backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
        optimizer.step()
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_accumulation_is_the_whole_batch():
    data = points()
    whole, pieces = fresh().double(), fresh().double()
    data.train.columns["point"] = data.train.columns["point"].double()
    player = (Player(classify, sgd, 0.1),)
    _, at_once = run(whole, player, Batches(data.train, 32, seed=4), 10, clip=1.0)
    _, in_four = run(pieces, player, Batches(data.train, 32, seed=4, accumulate=4), 10, clip=1.0)
    for mine, theirs in zip(pieces.parameters(), whole.parameters(), strict=True):
        assert_close(mine, theirs, rtol=0, atol=1e-14)
    assert_close(in_four[-1][1]["loss"], at_once[-1][1]["loss"])
    assert_close(in_four[-1][1]["gradient_norm"], at_once[-1][1]["gradient_norm"])


def test_clipping_limits_the_step():
    model = fresh()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    run(model, (Player(classify, sgd, 1.0),), Batches(points().train, 32, seed=0), 1, clip=1e-3)
    moved = torch.cat([(after - old).flatten() for after, old in zip(model.parameters(), before, strict=True)])
    assert_close(moved.norm(), torch.tensor(1e-3), rtol=1e-3, atol=0)


class Pair(nn.Module):
    """Two parts that meet in one loss, each with a batch norm."""

    def __init__(self):
        super().__init__()
        self.maker = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.judge = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def judging(model, batch):
    real, fake = model.judge(batch["point"]), model.judge(model.maker(batch["noise"]).detach())
    return {"total": nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean()}


def making(model, batch):
    return {"total": nn.functional.softplus(-model.judge(model.maker(batch["noise"]))).mean()}


def pair():
    torch.manual_seed(0)
    return Pair()


def game():
    return Batches(WithNoise(TensorExamples({"point": torch.randn(64, 2)}), 2), 16, seed=0)


def test_only_the_player_that_moves_is_moved():
    model = pair()
    judge = {name: tensor.clone() for name, tensor in model.judge.state_dict().items()}
    team, steps = run(
        model, (Player(making, sgd, 0.1, part="maker"), Player(judging, sgd, 0.0, part="judge")), game(), 1
    )
    for name, tensor in model.judge.named_parameters():
        assert torch.equal(tensor, judge[name]), name
    assert all(parameter.grad is None for parameter in team.parameters)
    assert {"maker.loss", "judge.loss", "judge.gradient_norm"} <= set(steps[0][1])


def test_a_player_that_looks_on_keeps_its_statistics():
    """The judge's batch norm sees the maker's fakes while the maker moves, and does not count them."""
    model = pair()
    judge = {name: tensor.clone() for name, tensor in model.judge[1].named_buffers()}
    run(model, (Player(making, sgd, 0.1, part="maker"),) * 1 + (Player(still, sgd, 0.1, part="judge"),), game(), 1)
    for name, tensor in model.judge[1].named_buffers():
        assert torch.equal(tensor, judge[name]), name
    assert model.maker[1].num_batches_tracked == 1
    assert model.judge[1].track_running_stats


def still(model, batch):
    return {"total": 0.0 * sum(parameter.sum() for parameter in model.judge.parameters())}


def test_players_move_in_turn_and_the_second_sees_the_first_ones_move():
    order = []

    def spy(name, objective):
        def wrapped(model, batch):
            order.append((name, model.maker[0].weight.detach().clone()))
            return objective(model, batch)

        return wrapped

    run(
        pair(),
        (Player(spy("maker", making), sgd, 0.1, part="maker"), Player(spy("judge", judging), sgd, 0.1, part="judge")),
        game(),
        1,
    )
    assert [name for name, _ in order] == ["maker", "judge"]
    assert not torch.equal(order[0][1], order[1][1])


def test_the_toy_learns():
    model = fresh()
    _, steps = run(model, RECIPE.players, Batches(points().train, 32, seed=0), 40)
    assert steps[-1][1]["loss"] < 0.75 * steps[0][1]["loss"]
    assert [step for step, _ in steps] == list(range(1, 41))


def test_starting_late_is_the_rest():
    assert [
        step
        for step, _ in run(
            fresh(), (Player(classify, sgd, 0.1, constant),), Batches(points().train, 32, seed=0), 5, start=3
        )[1]
    ] == [4, 5]


def test_a_part_may_learn_more_slowly():
    """Groups keep their own rates: a factory that gives the first layer a tenth is not overruled."""

    def factory(module, rate):
        groups = [{"params": module[0].parameters(), "lr": rate / 10}, {"params": module[2].parameters(), "lr": rate}]
        return torch.optim.SGD(groups, rate)

    team, _ = run(fresh(), (Player(classify, factory, 0.1, warmup_cosine),), Batches(points().train, 32, seed=0), 4)
    slow, fast = (group["lr"] for group in team.seats[0].optimizer.param_groups)
    assert 0 < slow < 0.1 and slow == pytest.approx(fast / 10)


@pytest.mark.parametrize("given", [torch.tensor(1.0), {"loss": torch.tensor(1.0)}, {"total": 1.0}, None])
def test_an_objective_that_gives_no_total_is_told_so(given):
    with pytest.raises(CallError, match="expected an objective to give"):
        run(fresh(), (Player(lambda model, batch: given, sgd, 0.1),), Batches(points().train, 32, seed=0), 1)


def test_a_part_of_the_loss_may_be_a_plain_number():
    def objective(model, batch):
        return {**classify(model, batch), "share": 0.5}

    _, steps = run(fresh(), (Player(objective, sgd, 0.1),), Batches(points().train, 32, seed=0), 1)
    assert float(steps[0][1]["share"]) == 0.5


def test_two_players_of_one_part_have_two_columns():
    players = (Player(classify, sgd, 0.1), Player(classify, sgd, 0.2))
    _, steps = run(fresh(), players, Batches(points().train, 32, seed=0), 1)
    assert {"model.loss", "model-2.loss"} <= set(steps[0][1])


def test_each_group_may_have_a_share_of_its_own():
    """A group whose share is 0 stays where it is; the others move as they would alone."""

    def by_part(module, rate):
        return torch.optim.SGD(
            [{"params": module[0].parameters(), "lr": rate / 2}, {"params": module[2].parameters()}], rate
        )

    def late(step, steps):
        return (0.0 if step < 5 else 1.0, 0.5)

    data, ours, plain = points(), fresh(), fresh()
    batches = Batches(data.train, 32, seed=4)
    run(ours, (Player(classify, by_part, 0.1, late),), batches, 8)
    optimizer = by_part(plain, 0.1)
    for step in range(8):
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = 0.05 * (step >= 5), 0.05
        optimizer.zero_grad()
        classify(plain, batches.at(step)[0])["total"].backward()
        optimizer.step()
        if step == 4:
            assert torch.equal(plain[0].weight, fresh()[0].weight)
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs)
