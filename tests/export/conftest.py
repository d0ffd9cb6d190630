"""Models of three kinds, small, with random weights, and inputs that they take."""

import pytest
import torch
from torch import nn

from learnable.models.language.gpt import GPT, GPTConfig
from learnable.models.vision.lenet import LeNet
from learnable.nn.attention import SelfAttention


class Reader(nn.Module):
    """Attention with a head that answers once per sequence."""

    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(11, 16)
        self.attention = SelfAttention(width=16, heads=4)
        self.head = nn.Linear(16, 5)

    def forward(self, tokens):
        return self.head(self.attention(self.token(tokens))[:, -1])


def lenet():
    return LeNet(), (torch.zeros(1, 1, 28, 28),), ("batch",)


def reader():
    return Reader(), (torch.randint(11, (2, 6)),), ("batch", "tokens")


def gpt():
    model = GPT(GPTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    return model, (torch.randint(65, (1, 8)),), ("batch", "tokens")


@pytest.fixture(params=[lenet, reader, gpt], ids=lambda make: make.__name__)
def case(request):
    torch.manual_seed(0)
    return request.param()
