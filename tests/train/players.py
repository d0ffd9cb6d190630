"""Started by torchrun from test_processes.py: 20 steps of a game, the weights written by the first process."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

GAMES = ("one", "two", "gpt", "muon")


def build(game: str):
    """(model, players, examples) of a game with one player, with two, or of a small GPT."""
    from torch import nn
    from torch.nn.functional import softplus

    from learnable.data.examples import TensorExamples, TextWindows, WithNoise
    from learnable.optim.schedules import warmup_cosine
    from learnable.train.recipe import Player
    from toy import classify, network, points

    def adamw(module, rate):
        return torch.optim.AdamW(module.parameters(), rate)

    torch.manual_seed(0)
    if game == "one":
        data = points()
        return network(data.info, hidden=16), (Player(classify, adamw, 1e-2, warmup_cosine),), data.train
    if game == "two":

        class Pair(nn.Module):
            def __init__(self):
                super().__init__()
                self.maker = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
                self.judge = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

        def judging(model, batch):
            scores = model.judge(torch.cat([batch["point"], model.maker(batch["noise"]).detach()]))
            real, fake = scores.chunk(2)
            return {"total": softplus(-real).mean() + softplus(fake).mean()}

        def making(model, batch):
            return {"total": softplus(-model.judge(model.maker(batch["noise"]))).mean()}

        players = (Player(judging, adamw, 1e-2, part="judge"), Player(making, adamw, 1e-2, part="maker"))
        return Pair(), players, WithNoise(TensorExamples({"point": torch.randn(64, 2)}), 2)
    from learnable.objectives.next_token import next_token

    if game == "muon":
        from learnable.models.language.modern_gpt import ModernGPT, ModernGPTConfig
        from learnable.optim.factories import muon

        modern = ModernGPT(ModernGPTConfig(depth=2, width=32, heads=2, vocab=16, context=16))
        tokens = torch.randint(16, (500,), generator=torch.Generator().manual_seed(1))
        return modern, (Player(next_token, muon, 0.02, warmup_cosine),), TextWindows(tokens, 16)
    from learnable.models.language.gpt import GPT, GPTConfig

    model = GPT(GPTConfig(depth=2, width=32, heads=2, vocab=16, context=16))
    tokens = torch.randint(16, (500,), generator=torch.Generator().manual_seed(1))
    # The keys' bias cannot change the loss (softmax ignores what all scores share), so its gradient is rounding alone, which
    # Adam scales up to steps of the learning rate's size: at 1e-3 that bias, and nothing else, drifts apart by 2e-6 in float32.
    return model, (Player(next_token, adamw, 2e-4, warmup_cosine),), TextWindows(tokens, 16)


def play(game: str, parallel: str, kind: torch.dtype, steps: int = 20, accumulate: int = 2):
    """The weights after 20 steps with accumulation and clipping."""
    from learnable.train.batches import Batches
    from learnable.train.checkpoint import restore_team, team_state
    from learnable.train.loop import Team, train
    from learnable.train.machine import Machine

    place = Machine("cpu", parallel=parallel)
    model, players, examples = build(game)
    model.to(kind)
    columns = getattr(getattr(examples, "examples", examples), "columns", {})
    columns.update({key: value.to(kind) for key, value in columns.items() if value.is_floating_point()})
    if hasattr(examples, "draw") and hasattr(examples, "width"):
        draw = examples.draw
        examples.draw = lambda count, generator: {key: value.to(kind) for key, value in draw(count, generator).items()}
    team = Team(model, players, place)
    batches = Batches(examples, 16, seed=0, accumulate=accumulate, rank=place.rank, world=place.world)
    for step, _ in train(team, batches, steps=steps, clip=0.5):
        if step == steps // 2:  # through a checkpoint and back, which must change nothing
            restore_team(
                team,
                {name: {k: v.clone() for k, v in part.items()} for name, part in team_state(team).items()},
                "itself",
            )
    state = team_state(team)["model"]
    return {name: tensor.detach().clone() for name, tensor in state.items()} if place.first else None


if __name__ == "__main__":
    out, parallel, kind, *games = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parents[1]))
    for game in games:
        torch.manual_seed(0)
        state = play(game, parallel, getattr(torch, kind))
        if state is not None:
            save_file(
                {name: tensor.contiguous().clone() for name, tensor in state.items()}, Path(out) / f"{game}.safetensors"
            )
    from learnable.train.machine import Machine

    Machine("cpu").close()
