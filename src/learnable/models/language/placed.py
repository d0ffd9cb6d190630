r"""A small language model that is told where its tokens stand in the way that one hands to it.

    tokens -> token [+ at_token(place)] -> block -> ... -> norm -> logits
              in each block: scores [+ at_score(distance)], queries and keys [turned by at_query(place)]

The three are the places at which positions have been told to transformers, and with none of them the mask alone says who is
before whom. Everything else stays equal, so what one way is worth can be measured.

Paper    Vaswani et al. 2017, section 3.5; Press et al. 2021; Su et al. 2021; Raffel et al. 2020 (see `nn.positions`)
Differs  none is a copy of its paper's model: the blocks are GPT's, for all of them
Lesson   course/lessons/transformers/positional-encoding
"""

from collections.abc import Callable
from types import SimpleNamespace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.mlp import MLP
from learnable.nn.multihead import MultiHeadAttention, Turns
from learnable.ops.rotary import rotary_turns


class PlacedLM(nn.Module):
    """Logits of the next token at every place of a text.

    >>> from learnable.nn.positions import Alibi
    >>> model = PlacedLM(vocab=65, width=32, heads=4, depth=2, longest=64, at_score=Alibi(heads=4))
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 65])
    """

    def __init__(
        self,
        vocab: int,
        width: int,
        heads: int,
        depth: int,
        longest: int,  # tokens of a text, at most
        at_token: nn.Module | None = None,  # positions -> what is added to the tokens
        at_score: nn.Module | None = None,  # positions -> what is added to the scores, (1, heads, tokens, tokens)
        at_query: Callable[[Tensor], Turns] | None = None,  # positions -> cosine and sine
    ):
        super().__init__()
        self.config = SimpleNamespace(context=longest)
        self.token = nn.Embedding(vocab, width)
        self.at_token = at_token
        self.at_score = at_score
        self.at_query = at_query
        self.blocks = nn.ModuleList(PlacedBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, vocab)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                added = name.endswith(("attention.to_out", "mlp.down"))
                nn.init.normal_(module.weight, std=0.02 / (2 * depth) ** 0.5 if added else 0.02)

    def forward(self, tokens: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens vocab"]:
        """
        Raises:
            CallError: a text that is longer than the longest.
        """
        if tokens.shape[1] > self.config.context:
            raise CallError(f"expected at most {self.config.context} tokens, came {tokens.shape[1]}")
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.token(tokens)
        if self.at_token is not None:
            x = x + self.at_token(places)
        bias = None if self.at_score is None else self.at_score(places)
        turns = None if self.at_query is None else self.at_query(places)
        for block in self.blocks:
            x = block(x, bias, turns)
        return self.to_logits(self.norm(x))


class PlacedBlock(nn.Module):
    """Two residual steps; what is known of the places goes to the attention."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads, causal=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, 4 * width)

    def forward(
        self, x: Float[Tensor, "batch tokens width"], bias: Tensor | None, turns: Turns | None
    ) -> Float[Tensor, "batch tokens width"]:
        x = x + self.attention(self.norm1(x), bias=bias, turns=turns)
        x = x + self.mlp(self.norm2(x))
        return x


def rotary(head_width: int, base: float = 10_000.0) -> Callable[[Tensor], Turns]:
    """Cosine and sine of every place, for `at_query`."""

    def turns(places: Int[Tensor, "tokens"]) -> Turns:
        cos, sin = rotary_turns(places, head_width, base)
        return cos[None, None], sin[None, None]

    return turns
