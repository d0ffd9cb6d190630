"""The models of the course's first five topics."""

import math
from functools import partial

import torch
from torch import Generator, Tensor, nn

from contract.case import CLASSIFIER, Batch, Case, read
from learnable.models.generative.gan import mlp_gan
from learnable.models.language.gpt import GPT, GPT2, GPTConfig
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.models.vision.fastnet import FastNet
from learnable.models.vision.lenet import LENET, LeNet, LeNet1998
from learnable.models.vision.mlp import MLP
from learnable.objectives.adversarial import discriminate
from learnable.objectives.next_token import next_token
from learnable.objectives.recall import recall


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


def forge_and_judge(model: nn.Module, batch: Batch) -> Tensor:
    return model.discriminator(model.generator(batch["noise"]))


def small_gpt() -> GPT:
    return GPT(GPTConfig(depth=2, width=32, heads=4, vocab=65, context=16))


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
