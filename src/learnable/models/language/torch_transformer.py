"""PyTorch's own `nn.Transformer` between our embedding and our head: what our Transformer is measured against.

Everything that `nn.Transformer` does not bring is `Transformer`'s, the start of the embeddings included, so that whoever
trains the two alike compares the stacks alone.

Paper    Vaswani et al. 2017, "Attention is all you need" - https://arxiv.org/abs/1706.03762
Differs  from our `Transformer`: a norm more at the end of each stack, also behind norms that follow each step; nothing is
         remembered while writing
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.models.language.transformer import TransformerConfig, interleaved


class TorchTransformer(nn.Module):
    """Logits of the next token of a translation, at every place of it.

    >>> model = TorchTransformer(TransformerConfig(depth=2, width=32, heads=4, hidden=64, vocab=50, context=16))
    >>> model(torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 9, 10]])).shape
    torch.Size([1, 3, 50])
    """

    position: Tensor

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.register_buffer("position", interleaved(config.context, config.width), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.body = nn.Transformer(config.width, config.heads, config.depth, config.depth, config.hidden, config.dropout,
                                   batch_first=True)  # fmt: skip
        # Without it, the encoder would cut its answer to the longest text whenever nothing is learned.
        self.body.encoder.enable_nested_tensor = self.body.encoder.use_nested_tensor = False
        nn.init.normal_(self.token.weight, std=config.width**-0.5)

    def forward(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocab"]:
        """Texts of different lengths are filled up on the right with `config.padding`."""
        memory, allowed = self.encode(source)
        return self.decode(target, memory, allowed)

    def encode(self, source: Int[Tensor, "batch source"]) -> tuple[Tensor, Tensor]:
        """The memory (batch, source, width), and which places of it are words (batch, 1, 1, source)."""
        filling = source == self.config.padding
        return self.body.encoder(self.embed(source), src_key_padding_mask=filling), ~filling[:, None, None]

    def decode(
        self,
        target: Int[Tensor, "batch target"],
        memory: Float[Tensor, "batch source width"],
        allowed: Bool[Tensor, "#batch 1 1 source"],
    ) -> Float[Tensor, "batch target vocab"]:
        """Their masks say where not to look."""
        future = torch.ones(2 * target.shape[1:], dtype=torch.bool, device=target.device).triu(1)
        x = self.body.decoder(self.embed(target), memory, future, memory_key_padding_mask=~allowed[:, 0, 0])
        return F.linear(x, self.token.weight)

    def embed(self, tokens: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens width"]:
        """What is said, plus where it is said."""
        return self.dropout(self.token(tokens) * math.sqrt(self.config.width) + self.position[: tokens.shape[1]])


def torch_transformer(config: TransformerConfig) -> TorchTransformer:
    """The twin of `Transformer(config)`; it is no model of the course, but what one of them is held against."""
    return TorchTransformer(config)
