"""Two ways to answer `a3 f7 k1 f?`: look the letter up by attention, or squeeze the line into one vector first.

A token is a letter with its neighbor: the sum of two embeddings. The question is a token too, its neighbor being "?".
From there the two models differ in one box, which has exactly as many parameters in both:

    AttentionRecall    the question asks, the token with the same letter answers, with its digit
    MeanRecall         every token is written into one mean, and the question is answered from that

What to see: the first learns *how* to look something up and is then right whatever the pairs are. The second has to fit
all pairs into a vector before it knows which one will be asked for, so it gets worse with every pair.

Paper    the task: Ba et al. 2016, section 4.1 - https://arxiv.org/abs/1610.06258; the mean of encoded tokens: Zaheer
         et al. 2017, "Deep sets" - https://arxiv.org/abs/1703.06114
Differs  Ba et al. feed letters and digits one by one to a recurrent network; here a pair is one token, so that one
         layer of attention is enough and its weights can be read. With one token per character it takes two: the first
         tells each digit which letter is before it (Olsson et al. 2022, "induction heads")
Lesson   course/lessons/transformers/self-attention
"""

from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.nn.attention import SelfAttention, attention_weights


class AttentionRecall(nn.Module):
    """One layer of attention with one head, and no positions: the order of the pairs does not matter.

    >>> import torch
    >>> model = AttentionRecall(keys=26, values=10, width=64)
    >>> model(torch.tensor([[[0, 3], [5, 7], [10, 1], [5, 10]]])).shape  # a3 f7 k1 f?
    torch.Size([1, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    19722
    """

    def __init__(self, keys: int, values: int, width: int):
        super().__init__()
        self.embed = PairEmbedding(keys, values, width)
        self.attention = SelfAttention(width, heads=1)
        self.to_value = nn.Linear(width, values)

    def forward(self, tokens: Int[Tensor, "batch tokens 2"]) -> Float[Tensor, "batch values"]:
        x, there = self.embed(tokens)  # (batch, tokens, width), (batch, tokens)
        heard = self.attention(x, rearrange(there, "b t -> b 1 1 t"))
        return self.to_value(heard[:, -1])  # what the question heard

    def weights(self, tokens: Int[Tensor, "batch tokens 2"]) -> Float[Tensor, "batch tokens"]:
        """How the question divides its attention over the tokens, itself included; to look at."""
        x, there = self.embed(tokens)
        query, key, _ = self.attention.to_qkv(x).chunk(3, dim=-1)
        return attention_weights(query[:, -1:], key, rearrange(there, "b t -> b 1 t"))[:, 0]


class MeanRecall(nn.Module):
    """The same with a mean for a memory: encode each pair, average, and answer the question from the average.

    Its two MLPs have as many parameters as the attention that they stand for.

    >>> sum(parameter.numel() for parameter in MeanRecall(keys=26, values=10, width=64).parameters())
    19722
    """

    def __init__(self, keys: int, values: int, width: int):
        super().__init__()
        self.embed = PairEmbedding(keys, values, width)
        self.encode = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.decode = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.to_value = nn.Linear(width, values)

    def forward(self, tokens: Int[Tensor, "batch tokens 2"]) -> Float[Tensor, "batch values"]:
        x, there = self.embed(tokens)
        present = there[:, :-1, None]
        memory = (self.encode(x[:, :-1]) * present).sum(dim=1) / present.sum(dim=1)  # (batch, width), for any question
        return self.to_value(self.decode(memory + x[:, -1]))


class PairEmbedding(nn.Module):
    """A letter and its neighbor become one vector. Letter number `keys` is none: it only fills up the line."""

    def __init__(self, keys: int, values: int, width: int):
        super().__init__()
        self.letter = nn.Embedding(keys + 1, width)
        self.digit = nn.Embedding(values + 1, width)  # the last one is the question mark
        self.keys = keys

    def forward(
        self, tokens: Int[Tensor, "batch tokens 2"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Bool[Tensor, "batch tokens"]]:
        letter, digit = tokens.unbind(dim=-1)
        return self.letter(letter) + self.digit(digit), letter != self.keys
