r"""A GPT as one would build it today: the same stack of blocks, each part replaced by what was found since.

    tokens -> token -> norm -> block -> block -> ... -> norm -> head -> how much each token is expected

    GPT-2                    here                                      because
    learned positions        rotary positions (RoPE)                   distance is what matters; no table to learn
    LayerNorm with gain      RMSNorm without                           neither mean nor gain is needed
    GELU                     ReLU squared                              found by a search over programs: Primer, section 4
    -                        queries and keys normalized (QK norm)     scores stay bounded at high learning rates
    biases                   none                                      they change nothing but the number of kernels
    head = embedding         a head of its own                         the two want different learning rates
    -                        logits held within 15 by tanh             nobody can be too sure (Gemma 2, section 2.3)
    N(0, 0.02) everywhere    what is added to the sum begins at zero   every block begins as the identity

It is to be trained with Muon (`learnable.optim.muon`), which has the larger share in how fast it learns; the recipe
`gpt-modern` does so, and `recipes/LOG.md` says what each change brings.

It is nanochat's architecture, and reads its published weights.

Paper    Karpathy 2025, nanochat - https://github.com/karpathy/nanochat; Jordan et al. 2024, modded-nanogpt -
         https://github.com/KellerJordan/modded-nanogpt
         RoPE: Su et al. 2021 - https://arxiv.org/abs/2104.09864; RMSNorm: Zhang & Sennrich 2019 -
         https://arxiv.org/abs/1910.07467; ReLU²: So et al. 2021 (Primer) - https://arxiv.org/abs/2109.08668; QK norm:
         Henry et al. 2020 - https://arxiv.org/abs/2010.04245, in this form Dehghani et al. 2023 (ViT-22B), section 2
Letters  nanochat's n_layer is our `depth`, n_embd `width`, n_head `heads`, sequence_len `context`
Differs  as many key heads as heads; nothing of what nanochat has got since its first release (value embeddings, windows);
         against Dehghani's QK norm: no gains
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.attention import attend_fast
from learnable.nn.tokens import check_tokens, outside
from learnable.ops.rotary import rotary_turns, rotate_halves
from learnable.weights.checkpoint import read_checkpoint, write_checkpoint
from learnable.weights.modern_gpt import TABLE, config_json, settings_from
from learnable.weights.table import copies, translate, untranslate

CAP = 15.0  # of the logits
EPS = 1e-6  # of all norms

Turns = tuple[Tensor, Tensor]  # cosine and sine of each position's angles, (batch or 1, 1, tokens, head_width / 2)


@dataclass(frozen=True)
class ModernGPTConfig:
    """What may be chosen of the architecture; the rest follows from it.

    >>> ModernGPTConfig(depth=12, width=768, heads=6).head_width
    128
    """

    depth: int  # blocks
    width: int  # channels per token
    heads: int
    vocab: int = 65536  # distinct tokens
    context: int = 2048  # longest sequence, in tokens

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 1 or self.width % (2 * self.heads):
            raise CallError(f"expected numbers of at least 1 and a width that the heads divide into even parts, came {self}; "
                            "try a width of heads x 32")  # fmt: skip

    @property
    def head_width(self) -> int:
        return self.width // self.heads


#        config                                                parameters
NANOCHAT = {
    "d20": (ModernGPTConfig(depth=20, width=1280, heads=10),   560_988_160),
    "d26": (ModernGPTConfig(depth=26, width=1664, heads=13), 1_081_999_360),
    "d32": (ModernGPTConfig(depth=32, width=2048, heads=16), 1_879_048_192),
}  # fmt: skip


class ModernGPT(nn.Module):
    """Logits of the next token at every place of a text.

    >>> model = ModernGPT(ModernGPTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 65])
    """

    def __init__(self, config: ModernGPTConfig):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.blocks = nn.ModuleList(ModernBlock(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.RMSNorm(config.width, eps=EPS, elementwise_affine=False)
        self.unembed = nn.Linear(config.width, config.vocab, bias=False)
        self.reset_parameters()

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
        positions: Int[Tensor, "#batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens vocab"]:
        """A batch that is padded on the left needs `allowed` and `positions` (`left_padded` in `gpt`); nothing else does.

        Raises:
            CallError: not a table of whole numbers, a text longer than the context, a token outside the vocabulary.
        """
        check_tokens(tokens, self.config.context)
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
        x, turns = self.embed(tokens, positions), self.turns(positions)
        for block in self.blocks:
            x = block(x, turns, allowed)
        return self.to_logits(x)

    def embed(
        self, tokens: Int[Tensor, "batch tokens"], positions: Int[Tensor, "..."]
    ) -> Float[Tensor, "batch tokens width"]:
        """What is said; where it is said, the blocks are told by `turns`."""
        try:
            return self.norm(self.token(tokens))
        except IndexError as error:
            raise outside(tokens, self.config.vocab) from error

    def turns(self, positions: Int[Tensor, "#batch tokens"]) -> Turns:
        """By how much queries and keys are turned at these positions, the same in all blocks and heads.

        Backwards, as in nanochat's files: the product of the two knows the distance all the same.
        """
        cos, sin = rotary_turns(positions, self.config.head_width, dtype=self.token.weight.dtype)
        return cos[..., None, :, :], -sin[..., None, :, :]

    def to_logits(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """From the residual sum to a score for each token, between -15 and 15."""
        return CAP * torch.tanh(self.head(self.norm(x)) / CAP)

    def head(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """A matrix of its own: the embedding wants another learning rate."""
        return self.unembed(x)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        r"""Every block begins as the identity and every token is equally expected; nothing shouts, nothing is lost.

        Matrices that read the sum: uniform with variance 1 / width, so that numbers of size 1 stay so (nanochat; Muon's step
        has one size for all, and wants weights of one size). Matrices that write to it: zero (modded-nanogpt, after
        Zhang et al. 2019, "Fixup"). They learn from the first step on, those before them from the second. The head:
        zero, so the first loss is ln(vocab) exactly. Embeddings: N(0, 1), which the norm behind them brings to one length.
        """
        nn.init.normal_(self.token.weight)
        nn.init.zeros_(self.unembed.weight)
        for name, module in self.blocks.named_modules():
            if isinstance(module, nn.Linear):
                if name.endswith(("to_out", "down")):
                    nn.init.zeros_(module.weight)
                else:
                    bound = (3 / self.config.width) ** 0.5  # a uniform number within ±b has variance b²/3
                    nn.init.uniform_(module.weight, -bound, bound)

    @classmethod
    def from_pretrained(
        cls, place: str | Path, *, dtype: torch.dtype | None = torch.float32, allow_pickle: bool = False
    ) -> "ModernGPT":
        """A nanochat in Hugging Face's form, or one saved by `save_pretrained`: a folder, a .safetensors file, or "owner/name".

        Raises:
            WorldError: nothing there, a torn file, tensors missing, left over or of another shape, or another model's config.
        """
        config, state = read_checkpoint(place, allow_pickle=allow_pickle)
        with torch.device("meta"):
            model = cls(ModernGPTConfig(**settings_from(config)))
        translated = translate(state, TABLE, like=model.state_dict())
        model.load_state_dict(copies(translated, dtype), assign=True)
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` as transformers' `NanoChatForCausalLM` reads them.

        Raises:
            WorldError: the disk is full, or the folder cannot be written to.
        """
        config = config_json(asdict(self.config), self.token.weight.dtype)
        write_checkpoint(Path(folder), config, untranslate(self.state_dict(), TABLE))


class ModernBlock(nn.Module):
    """Two residual steps: first the tokens talk, then each thinks for itself.

    >>> ModernBlock(width=8, heads=2)(torch.zeros(1, 5, 8), (torch.ones(5, 2), torch.zeros(5, 2))).shape
    torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.RMSNorm(width, eps=EPS, elementwise_affine=False)
        self.attention = ModernAttention(width, heads)
        self.norm2 = nn.RMSNorm(width, eps=EPS, elementwise_affine=False)
        self.mlp = ModernMLP(width, 4 * width)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        turns: Turns,
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        x = x + self.attention(self.norm1(x), turns, allowed)
        x = x + self.mlp(self.norm2(x))
        return x


class ModernAttention(nn.Module):
    """Causal attention whose queries and keys are turned by their places and have one length.

    The score is then head_width ** 0.5 times the cosine of the angle between query and key: it cannot grow with the weights.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_query = nn.Linear(width, width, bias=False)  # three matrices: Muon treats each by itself
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        turns: Turns,
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        query, key, value = self.project(x, turns=turns)
        return self.finish(attend_fast(query, key, value, allowed, causal=True))

    def project(
        self, x: Float[Tensor, "batch tokens width"], *, turns: Turns | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What is asked, offered and handed over, each (batch, heads, tokens, head_width)."""
        query, key, value = (
            rearrange(to(x), "b t (h d) -> b h t d", h=self.heads) for to in (self.to_query, self.to_key, self.to_value)
        )
        if turns is not None:
            query, key = rotate_halves(query, *turns), rotate_halves(key, *turns)
        return unit(query).to(value.dtype), unit(key).to(value.dtype), value

    def finish(self, answers: Float[Tensor, "batch heads tokens head_width"]) -> Float[Tensor, "batch tokens width"]:
        return self.to_out(rearrange(answers, "b h t d -> b t (h d)"))


class ModernMLP(nn.Module):
    """Widen, bend, narrow; bent by the square of what is positive."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return self.down(relu_squared(self.up(x)))


def unit(x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """RMSNorm without a gain, for each head: the vector's direction, at a root mean square of one.

    >>> unit(torch.tensor([3.0, -3.0]))
    tensor([ 1.0000, -1.0000])
    """
    return F.rms_norm(x, x.shape[-1:], eps=EPS)


def relu_squared(x: Tensor) -> Tensor:
    """max(0, x)²; as a product, whose gradient torch finds in half the time that a square's takes.

    >>> relu_squared(torch.tensor([-2.0, 3.0])).tolist() == [0, 9]
    True
    """
    return x * F.relu(x)
