r"""The Transformer: one stack reads a text, another writes its translation and looks, word by word, at what was read.

    source -> embedding + position -> layer -> layer -> ... = memory        each layer: attend, think
    target -> embedding + position -> layer -> layer -> ... -> logits       each layer: attend, look at the memory, think

Reading has no order of its own: all places are worked on at once, which a recurrent network cannot do. Writing has one, and
yet training does it in a single pass, since each place of the known translation may look back only.

Paper    Vaswani et al. 2017, "Attention is all you need" - https://arxiv.org/abs/1706.03762; figure 1 is `EncoderLayer`,
         `DecoderLayer` and `Transformer.forward`
Letters  their N is our `depth`, d_model our `width`, h our `heads`, d_ff our `hidden`, P_drop our `dropout`
Dropout  where section 5.4 has it: on what a sub-layer adds, and on the sum of embedding and position. It is the only model
         of this course's beginning with dropout, as it is trained on few pairs for many epochs
Differs  projections have biases, as in everybody's code since (theirs: none mentioned); the norm may move to the front
         (`PRE_NORM`, Xiong et al. 2020 - https://arxiv.org/abs/2002.04745); the embeddings start from N(0, 1 / width)
         and the matrices as Glorot & Bengio 2010 propose, on which the paper is silent
Lesson   course/lessons/transformers/transformer
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.attention import SelfAttention
from learnable.nn.mlp import MLP
from learnable.nn.multihead import MultiHeadAttention
from learnable.weights.checkpoint import read_checkpoint, write_checkpoint
from learnable.weights.marian import TABLE, checked, config_json, plain_names, settings_from
from learnable.weights.table import copies, translate, untranslate


@dataclass(frozen=True)
class TransformerConfig:
    """What may be chosen of the architecture, and which tokens are no words.

    >>> TransformerConfig(depth=6, width=512, heads=8, hidden=2048).head_width
    64
    """

    depth: int  # layers that read, and as many that write
    width: int  # channels per token
    heads: int
    hidden: int  # channels of a token while it thinks for itself
    vocab: int = 37_000  # distinct tokens, of both languages together
    context: int = 512  # longest text, in tokens
    dropout: float = 0.1  # share of the numbers that are dropped
    padding: int = 0  # fills short texts up, on the right; nobody looks at it
    start: int = 1  # begins a translation
    end: int = 2  # ends one

    def __post_init__(self) -> None:
        sizes = (self.depth, self.width, self.heads, self.hidden, self.vocab, self.context)
        if min(sizes) < 1 or self.width % self.heads or self.width % 2:
            raise CallError(f"expected numbers of at least 1 and an even width that the heads divide evenly, came {self}; "
                            "try a width of heads x 32")  # fmt: skip
        if not 0 <= self.dropout < 1:
            raise CallError(f"expected a dropout of 0 to under 1, came {self.dropout}")
        if not all(0 <= token < self.vocab for token in (self.padding, self.start, self.end)):
            raise CallError(f"expected padding, start and end among the {self.vocab} tokens, came {self.padding}, "
                            f"{self.start} and {self.end}")  # fmt: skip

    @property
    def head_width(self) -> int:
        return self.width // self.heads


# Table 3 says 65 and 213 million, the vocabulary "about 37000" (section 5.1). Counted from its own description, every matrix
# and bias and the one embedding that serves source, target and head: 63.1 and 214.2. No single vocabulary gives both: 65
# would need 40,745 tokens, 213 only 35,784.
#          config                                                                parameters
VASWANI = {
    "base":  (TransformerConfig(depth=6, width=512,  heads=8,  hidden=2048),              63_082_496),
    "big":   (TransformerConfig(depth=6, width=1024, heads=16, hidden=4096, dropout=0.3), 214_245_376),
}  # fmt: skip


class AddThenNorm(nn.Module):
    """The box "Add & Norm" as published: what the step says is added, and the sum is normalized ("post-norm")."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch tokens width"], step: Callable[[Tensor], Tensor]) -> Tensor:
        return self.norm(x + self.dropout(step(x)))


class NormThenAdd(nn.Module):
    """The same with the norm in front of the step ("pre-norm"): the sum itself runs untouched from bottom to top."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch tokens width"], step: Callable[[Tensor], Tensor]) -> Tensor:
        return x + self.dropout(step(self.norm(x)))


class Norms(NamedTuple):
    """Where the norms stand: in each residual step, and at the end of a stack."""

    step: Callable[[int, float], nn.Module]  # (width, dropout) -> a module that is called as step(x, function)
    end: Callable[[int], nn.Module]


POST_NORM = Norms(AddThenNorm, nn.Identity)  # the last step has just normalized
PRE_NORM = Norms(NormThenAdd, nn.LayerNorm)  # the sum has grown with every step


class EncoderLayer(nn.Module):
    """The left half of figure 1: every word looks at all words, then thinks."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        norms: Norms = POST_NORM,
        activation: Callable[[Tensor], Tensor] = F.relu,
    ):
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.add_norm1 = norms.step(width, dropout)
        self.mlp = MLP(width, hidden, activation)
        self.add_norm2 = norms.step(width, dropout)

    def forward(
        self,
        x: Float[Tensor, "batch source width"],
        allowed: Bool[Tensor, "#batch #heads #source source"] | None = None,
    ) -> Float[Tensor, "batch source width"]:
        x = self.add_norm1(x, lambda x: self.attention(x, allowed))
        x = self.add_norm2(x, self.mlp)
        return x


class DecoderLayer(nn.Module):
    """The right half of figure 1: every word looks back at what is written, then at what was read, then thinks."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        norms: Norms = POST_NORM,
        activation: Callable[[Tensor], Tensor] = F.relu,
    ):
        super().__init__()
        self.attention = SelfAttention(width, heads, causal=True)
        self.add_norm1 = norms.step(width, dropout)
        self.cross_attention = MultiHeadAttention(
            width, heads
        )  # who writes asks, what was read answers (section 3.2.3)
        self.add_norm2 = norms.step(width, dropout)
        self.mlp = MLP(width, hidden, activation)
        self.add_norm3 = norms.step(width, dropout)

    def forward(
        self,
        x: Float[Tensor, "batch target width"],
        memory: Float[Tensor, "batch source width"],
        allowed: Bool[Tensor, "#batch #heads #target source"] | None = None,
    ) -> Float[Tensor, "batch target width"]:
        x = self.add_norm1(x, self.attention)
        x = self.add_norm2(x, lambda x: self.cross_attention(x, memory, allowed=allowed))
        x = self.add_norm3(x, self.mlp)
        return x


def interleaved(context: int, width: int) -> Float[Tensor, "context width"]:
    r"""Sinusoidal positions (section 3.5): channels 2i and 2i + 1 are sin and cos of position / 10000^(2i / width).

    A clock with many hands, the fastest turning once in 6 tokens and the slowest hardly at all. To go on by k tokens is
    the same rotation wherever one stands, which is what attention needs to look "three words back".

    >>> interleaved(context=2, width=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    return angles(context, width, lambda sin, cos: torch.stack([sin, cos], dim=-1).flatten(1))


def halved(context: int, width: int) -> Float[Tensor, "context width"]:
    """The same numbers with all sines first, then all cosines, as the authors' own code and Marian have them."""
    return angles(context, width, lambda sin, cos: torch.cat([sin, cos], dim=1))


def angles(context: int, width: int, merge: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Sines and cosines of every position, computed in float64, since float32 has few digits left for position 500."""
    frequency = 10_000 ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(context, dtype=torch.float64)[:, None] * frequency  # (context, width / 2)
    return merge(angle.sin(), angle.cos()).float()


class Transformer(nn.Module):
    """Logits of the next token of a translation, at every place of it.

    Args:
        norms: where the norms stand: `POST_NORM`, as published, or `PRE_NORM`.
        activation: between the two layers of every MLP; theirs is ReLU.
        positions: (context, width) -> a table that is added to the embeddings.
        head_bias: whether each token has a logit of its own, whatever was read; theirs has none, Marian's has.

    >>> model = Transformer(TransformerConfig(depth=2, width=32, heads=4, hidden=64, vocab=50, context=16))
    >>> source, target = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 9, 10]])
    >>> model(source, target).shape
    torch.Size([1, 3, 50])
    """

    position: Tensor

    def __init__(
        self,
        config: TransformerConfig,
        *,
        norms: Norms = POST_NORM,
        activation: Callable[[Tensor], Tensor] = F.relu,
        positions: Callable[[int, int], Tensor] = interleaved,
        head_bias: bool = False,
    ):
        super().__init__()
        self.config = config
        layer = (config.width, config.heads, config.hidden, config.dropout, norms, activation)
        self.token = nn.Embedding(config.vocab, config.width)  # for source, target and head (section 3.4)
        self.register_buffer("position", positions(config.context, config.width), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(EncoderLayer(*layer) for _ in range(config.depth))
        self.encoder_end = norms.end(config.width)
        self.decoder = nn.ModuleList(DecoderLayer(*layer) for _ in range(config.depth))
        self.decoder_end = norms.end(config.width)
        self.bias = nn.Parameter(torch.zeros(config.vocab)) if head_bias else None
        self.norms, self.activation = norms, activation
        self.reset_parameters()

    def forward(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocab"]:
        """Texts of different lengths are filled up on the right with `config.padding`; logits there mean nothing.

        Raises:
            CallError: no tables of whole numbers, a text longer than the context, a token outside the vocabulary.
        """
        memory, allowed = self.encode(source)
        return self.decode(target, memory, allowed)

    def encode(self, source: Int[Tensor, "batch source"]) -> tuple[Tensor, Tensor]:
        """Read: the memory (batch, source, width), and which places of it are words (batch, 1, 1, source)."""
        self.check(source, "source")
        allowed = (source != self.config.padding)[:, None, None, :]
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, allowed)
        return self.encoder_end(x), allowed

    def decode(
        self,
        target: Int[Tensor, "batch target"],
        memory: Float[Tensor, "batch source width"],
        allowed: Bool[Tensor, "#batch 1 1 source"],
    ) -> Float[Tensor, "batch target vocab"]:
        """Write: padding at the end of a target needs no mask, as no word looks at what comes after it."""
        self.check(target, "target")
        x = self.embed(target)
        for layer in self.decoder:
            x = layer(x, memory, allowed)
        return self.head(self.decoder_end(x))

    def embed(self, tokens: Int[Tensor, "batch tokens"], start: int = 0) -> Float[Tensor, "batch tokens width"]:
        """What is said, plus where it is said; `start` is the first token's place in its text.

        The embedding is small because it is also the head; times the root of the width it is as large as the position.
        """
        try:
            word = self.token(tokens) * math.sqrt(self.config.width)
        except IndexError as error:  # the CPU's own check: one of ours would make a GPU wait in every step
            raise CallError(f"expected tokens from 0 to {self.config.vocab - 1}, came {int(tokens.min())} to "
                            f"{int(tokens.max())}; was the text encoded with this model's own vocabulary?") from error  # fmt: skip
        return self.dropout(word + self.position[start : start + tokens.shape[1]])

    def head(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """The embedding read the other way: how much does each token resemble what is here?"""
        return F.linear(x, self.token.weight, self.bias)

    def check(self, tokens: Tensor, name: str) -> None:
        if tokens.dim() != 2 or tokens.dtype not in (torch.int64, torch.int32):
            raise CallError(f"expected the {name} as whole numbers of shape (batch, tokens), came {tokens.dtype} of shape "
                            f"{tuple(tokens.shape)}; a single text is tokens[None].long()")  # fmt: skip
        if tokens.shape[1] < 1:
            raise CallError(f"expected a {name} of at least 1 token, came an empty one; "
                            "a translation begins with the token config.start")  # fmt: skip
        if tokens.shape[1] > self.config.context:
            raise CallError(f"expected a {name} of at most {self.config.context} tokens, which is this model's context, "
                            f"came {tokens.shape[1]}; translate it sentence by sentence")  # fmt: skip

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Embeddings N(0, 1 / width), so that their scaled sum with the positions and the first logits are near one.

        Matrices are Xavier's, those of query, key and value as if the three were one, as in `torch.nn.Transformer`: the paper does
        not say how its network began.
        """
        nn.init.normal_(self.token.weight, std=self.config.width**-0.5)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                alone = name.endswith(("to_query", "to_key", "to_value"))
                nn.init.xavier_uniform_(module.weight, gain=0.5**0.5 if alone else 1.0)
                nn.init.zeros_(module.bias)

    @classmethod
    def from_pretrained(
        cls, place: str | Path, *, dtype: torch.dtype | None = torch.float32, allow_pickle: bool = False
    ) -> "Transformer":
        """A translator in Marian's form (OPUS-MT, say), or one saved by `save_pretrained`.

        Args:
            place: a folder, a .safetensors file, or "owner/name" on the Hugging Face hub.
            dtype: files in half precision are converted to this; None keeps what the file says.
            allow_pickle: read `pytorch_model.bin` where there is no safetensors file (tensors only, never code).

        Raises:
            WorldError: nothing there, a torn file, tensors missing, left over or of another shape, or a config that asks
                for something this model does not do.
        """
        config, state = read_checkpoint(place, allow_pickle=allow_pickle)
        settings, activation = settings_from(config)
        with torch.device("meta"):  # shapes alone: the numbers come from the file
            model = cls(TransformerConfig(**settings), activation=activation, positions=halved, head_bias=True)
        model.position = halved(model.config.context, model.config.width)
        theirs = checked(plain_names(state), model.position)
        translated = translate(theirs, TABLE, like=model.state_dict())
        own = copies(translated, dtype)
        model.load_state_dict(own, assign=True)
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` as transformers' `MarianMTModel` reads them.

        Raises:
            CallError: this one is not of Marian's form: norms after each step, sines before cosines.
            WorldError: the disk is full, or the folder cannot be written to.
        """
        if self.norms != POST_NORM or not torch.equal(self.position.cpu().float(), halved(*self.position.shape)):
            raise CallError("Marian's files know norms after each step and positions with the sines first; build the model "
                            "with norms=POST_NORM and positions=halved, or keep its state_dict() as it is")  # fmt: skip
        state = self.state_dict()
        state.setdefault("bias", torch.zeros_like(self.token.weight[:, 0]))
        theirs = untranslate(state, TABLE)
        config = config_json(asdict(self.config), self.activation, self.token.weight.dtype)
        write_checkpoint(Path(folder), config, theirs)
