r"""Llama: GPT's stack of blocks with four parts exchanged, each for a reason that was measured.

    tokens -> token -> block -> block -> ... -> norm -> how much each token of the vocabulary is expected

    learned positions    rotary ones, in every layer: a product of query and key knows how far apart they are
    LayerNorm            RMSNorm: as good, with less to compute
    GELU MLP             SwiGLU: one half of the hidden channels decides how much of the other passes
    as many keys         fewer (from 70B, and in all of Llama 3): less to keep in memory for every token
                         of a text, and less to read again for each that is written

Its files' form became a standard, so that other models are rows here: Mistral looks at most `window` tokens back, Qwen2 has
biases on queries, keys and values, small models use the token embedding as their head.

Paper    Touvron et al. 2023, section 2.2 - https://arxiv.org/abs/2302.13971; Llama 2: Touvron et al. 2023, section 2.2;
         Llama 3: Dubey et al. 2024, table 3; Mistral 7B: Jiang et al. 2023; Qwen2: Yang et al. 2024; SwiGLU: Shazeer 2020
Letters  their dim is our `width`, n_heads `heads`, n_kv_heads `key_heads`, n_layers `depth`; rope_theta is our `base`
Differs  new models start as GPT-2 does (the papers do not say how theirs did); rotary pairs are a first with a second
         half, as in Hugging Face's files, where Meta's own take neighbors (`ops.rotary` turns one into the other)
Lesson   course/lessons/transformers/llama
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.multihead import MultiHeadAttention, Turns
from learnable.nn.norm import RMSNorm
from learnable.nn.tokens import check_tokens, outside
from learnable.ops.rotary import DynamicScaling, Llama3Scaling, Scaling, rotary_turns
from learnable.weights.checkpoint import read_checkpoint, write_checkpoint
from learnable.weights.llama import TABLE, config_json, plain_names, settings_from
from learnable.weights.table import copies, translate, untranslate


@dataclass(frozen=True)
class LlamaConfig:
    """What may be chosen of the architecture; the rest follows from it.

    >>> LlamaConfig(depth=32, width=4096, heads=32, key_heads=8, hidden=14336).head_width
    128
    """

    depth: int  # blocks
    width: int  # channels per token
    heads: int
    key_heads: int  # as many as heads, or fewer that are shared
    hidden: int  # channels inside the MLP
    vocab: int = 32_000  # distinct tokens
    context: int = 4096  # longest sequence, in tokens
    base: float = 10_000.0  # of the rotary frequencies
    scaling: Scaling | None = None  # of the rotary frequencies, for long texts
    window: int | None = None  # tokens that one may look back, itself included; None: all
    tied: bool = False  # the head is the token embedding
    biases: bool = False  # on queries, keys and values
    eps: float = 1e-5
    own_head_width: int | None = None  # None: width / heads

    def __post_init__(self) -> None:
        sizes = (self.depth, self.width, self.heads, self.key_heads, self.hidden, self.vocab, self.context)
        if min(*sizes, 1 if self.window is None else self.window) < 1:
            raise CallError(f"expected numbers of at least 1, came {self}")
        if self.heads % self.key_heads or self.head_width < 1 or self.head_width % 2:
            raise CallError(f"expected heads that share the key heads evenly, and an even width for each, came {self.heads} "
                            f"heads, {self.key_heads} key heads, {self.head_width} wide")  # fmt: skip
        if self.own_head_width is None and self.width % self.heads:
            raise CallError(f"expected a width that the heads divide evenly, came width {self.width} and {self.heads} heads; "
                            "or say which own_head_width they have")  # fmt: skip

    @property
    def head_width(self) -> int:
        return self.own_head_width or self.width // self.heads

    @property
    def steady(self) -> int:
        """How long a text may grow before what was computed for its first tokens has to be computed again."""
        return min(self.scaling.context, self.context) if isinstance(self.scaling, DynamicScaling) else self.context


def _llama3(factor: float) -> Llama3Scaling:
    return Llama3Scaling(factor, context=8192)


# The first five numbers of a config: depth, width, heads, key_heads, hidden.
_THREE: dict[str, Any] = {"vocab": 128_256, "base": 500_000.0, "context": 8192}
_THREE_1: dict[str, Any] = _THREE | {"context": 131_072, "scaling": _llama3(8.0)}
_THREE_2: dict[str, Any] = _THREE | {"context": 131_072, "scaling": _llama3(32.0), "tied": True}
_QWEN: dict[str, Any] = {"base": 1e6, "eps": 1e-6, "biases": True, "context": 131_072}
_QWEN_5: dict[str, Any] = _QWEN | {"context": 32_768}
_SMALL: dict[str, Any] = {"vocab": 151_936, "tied": True}
_LARGE: dict[str, Any] = {"vocab": 152_064}

#                     config                                                                       parameters
LLAMA: dict[str, tuple[LlamaConfig, int]] = {
    "llama-7b":        (LlamaConfig(32, 4096, 32, 32, 11_008, context=2048, eps=1e-6),             6_738_415_616),
    "llama-13b":       (LlamaConfig(40, 5120, 40, 40, 13_824, context=2048, eps=1e-6),            13_015_864_320),
    "llama-33b":       (LlamaConfig(60, 6656, 52, 52, 17_920, context=2048, eps=1e-6),            32_528_943_616),
    "llama-65b":       (LlamaConfig(80, 8192, 64, 64, 22_016, context=2048, eps=1e-5),            65_285_660_672),
    "llama-2-7b":      (LlamaConfig(32, 4096, 32, 32, 11_008),                                     6_738_415_616),
    "llama-2-13b":     (LlamaConfig(40, 5120, 40, 40, 13_824),                                    13_015_864_320),
    "llama-2-70b":     (LlamaConfig(80, 8192, 64,  8, 28_672),                                    68_976_648_192),
    "llama-3-8b":      (LlamaConfig(32, 4096, 32,  8, 14_336, **_THREE),                           8_030_261_248),
    "llama-3-70b":     (LlamaConfig(80, 8192, 64,  8, 28_672, **_THREE),                          70_553_706_496),
    "llama-3.1-8b":    (LlamaConfig(32, 4096, 32,  8, 14_336, **_THREE_1),                         8_030_261_248),
    "llama-3.1-70b":   (LlamaConfig(80, 8192, 64,  8, 28_672, **_THREE_1),                        70_553_706_496),
    "llama-3.1-405b":  (LlamaConfig(126, 16_384, 128, 8, 53_248, **_THREE_1),                    405_853_388_800),
    "llama-3.2-1b":    (LlamaConfig(16, 2048, 32,  8,  8192, **_THREE_2),                          1_235_814_400),
    "llama-3.2-3b":    (LlamaConfig(28, 3072, 24,  8,  8192, **_THREE_2),                          3_212_749_824),
    "mistral-7b":      (LlamaConfig(32, 4096, 32,  8, 14_336, context=32_768, window=4096),        7_241_732_096),
    "mistral-7b-v0.3": (LlamaConfig(32, 4096, 32,  8, 14_336, 32_768, 32_768, base=1e6),           7_248_023_552),
    "qwen2-0.5b":      (LlamaConfig(24,  896, 14,  2,  4864, **_QWEN, **_SMALL),                     494_032_768),
    "qwen2-1.5b":      (LlamaConfig(28, 1536, 12,  2,  8960, **_QWEN, **_SMALL),                   1_543_714_304),
    "qwen2-7b":        (LlamaConfig(28, 3584, 28,  4, 18_944, **_QWEN, **_LARGE),                  7_615_616_512),
    "qwen2-72b":       (LlamaConfig(80, 8192, 64,  8, 29_568, **_QWEN, **_LARGE),                 72_706_203_648),
    "qwen2.5-0.5b":    (LlamaConfig(24,  896, 14,  2,  4864, **_QWEN_5, **_SMALL),                   494_032_768),
    "qwen2.5-3b":      (LlamaConfig(36, 2048, 16,  2, 11_008, **_QWEN_5, **_SMALL),                3_085_938_688),
    "qwen2.5-14b":     (LlamaConfig(48, 5120, 40,  8, 13_824, **_QWEN, **_LARGE),                 14_770_033_664),
    "qwen2.5-32b":     (LlamaConfig(64, 5120, 40,  8, 27_648, **_QWEN, **_LARGE),                 32_763_876_352),
    "tinyllama-1.1b":  (LlamaConfig(22, 2048, 32,  4,  5632, context=2048),                        1_100_048_384),
    "smollm2-135m":    (LlamaConfig(30,  576,  9,  3,  1536, 49_152, 8192, base=1e5, tied=True),     134_515_008),
    "smollm2-360m":    (LlamaConfig(32,  960, 15,  5,  2560, 49_152, 8192, base=1e5, tied=True),     361_821_120),
}  # fmt: skip


class Llama(nn.Module):
    """Logits of the next token at every place of a text.

    >>> model = Llama(LlamaConfig(depth=2, width=32, heads=4, key_heads=2, hidden=88, vocab=65, context=16))
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 65])
    """

    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.blocks = nn.ModuleList(LlamaBlock(config) for _ in range(config.depth))
        self.norm = RMSNorm(config.width, config.eps)
        self.unembed = None if config.tied else nn.Linear(config.width, config.vocab, bias=False)
        self.reset_parameters()

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
        positions: Int[Tensor, "#batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens vocab"]:
        """A batch that is padded on the left needs `allowed` and `positions` (see `gpt.left_padded`); nothing else does.

        Raises:
            CallError: not a table of whole numbers, a text longer than the context, a token outside the vocabulary.
        """
        check_tokens(tokens, self.config.context)
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
        x = self.embed(tokens, positions)
        turns, allowed = self.turns(positions), self.near(tokens, allowed)
        for block in self.blocks:
            x = block(x, turns, allowed)
        return self.to_logits(x)

    def embed(
        self, tokens: Int[Tensor, "batch tokens"], positions: Int[Tensor, "..."]
    ) -> Float[Tensor, "batch tokens width"]:
        """What is said; where it is said is added in every layer, as a turn of queries and keys."""
        try:
            return self.token(tokens)
        except IndexError as error:
            raise outside(tokens, self.config.vocab) from error

    def turns(self, positions: Int[Tensor, "batch tokens"]) -> Turns:
        """Cosine and sine of every pair's angle, the same for all layers and heads: each (batch, 1, tokens, half)."""
        config = self.config
        cos, sin = rotary_turns(positions, config.head_width, config.base, config.scaling, self.token.weight.dtype)
        return cos[:, None], sin[:, None]

    def near(self, tokens: Int[Tensor, "batch tokens"], allowed: Tensor | None) -> Tensor | None:
        """What is allowed, and of that the last `window` tokens alone; that nobody looks ahead is left to the blocks."""
        count, window = tokens.shape[1], self.config.window
        # While a model is exported for any number of tokens, the count is no int, and nothing may be decided by it.
        if window is None or (isinstance(count, int) and count <= window):
            return allowed
        near = torch.ones(count, count, dtype=torch.bool, device=tokens.device).triu(1 - window)
        return near[None, None] if allowed is None else near & allowed

    def to_logits(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """From the residual sum to a score for each token."""
        return self.head(self.norm(x))

    def head(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """How much each token is expected: by a matrix of its own, or by the token embedding, read the other way."""
        return F.linear(x, self.token.weight) if self.unembed is None else self.unembed(x)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """As GPT: N(0, 0.02), and what is added to the residual sum smaller the more is added."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                added = name.endswith(("attention.to_out", "mlp.down"))
                nn.init.normal_(module.weight, std=0.02 / (2 * self.config.depth) ** 0.5 if added else 0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @classmethod
    def from_pretrained(
        cls,
        place: str | Path,
        *,
        dtype: torch.dtype | None = torch.float32,
        allow_pickle: bool = False,
        context: int | None = None,
    ) -> "Llama":
        """A published Llama, Mistral or Qwen2, or one saved by `save_pretrained`: a folder, a .safetensors file, or
        "owner/name" on the hub.

        Args:
            dtype: files in half precision are converted to this; None keeps what the file says.
            allow_pickle: read `pytorch_model.bin` where there is no safetensors file (tensors only, never code).
            context: the longest text to accept, where it is not the file's `max_position_embeddings`.

        Raises:
            WorldError: nothing there, a torn file, tensors missing, left over or of another shape, or a config that asks
                for something this model does not do.
        """
        config, state = read_checkpoint(place, allow_pickle=allow_pickle)
        settings = settings_from(config)
        with torch.device("meta"):  # shapes alone: the numbers come from the file
            model = cls(LlamaConfig(**(settings if context is None else settings | {"context": context})))
        translated = translate(plain_names(state, model.config.tied), TABLE, like=model.state_dict())
        model.load_state_dict(copies(translated, dtype), assign=True)
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` as transformers reads them.

        It becomes a Llama, a Mistral if it has a window, a Qwen2 if it has biases.

        Raises:
            WorldError: the disk is full, or the folder cannot be written to.
        """
        settings = {**asdict(self.config), "scaling": self.config.scaling}
        theirs = untranslate(self.state_dict(), TABLE)
        write_checkpoint(Path(folder), config_json(settings, self.token.weight.dtype), theirs)


class LlamaBlock(nn.Module):
    """Two residual steps: first the tokens talk, then each thinks for itself."""

    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.norm1 = RMSNorm(config.width, config.eps)
        self.attention = MultiHeadAttention(
            config.width,
            config.heads,
            key_heads=config.key_heads,
            head_width=config.head_width,
            biases=config.biases,
            out_biases=False,
            causal=True,
        )
        self.norm2 = RMSNorm(config.width, config.eps)
        self.mlp = SwiGLU(config.width, config.hidden)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        turns: Turns,
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """`turns` say where each token stands, `allowed` which of those before it a token may look at; None: all."""
        x = x + self.attention(self.norm1(x), turns=turns, allowed=allowed)
        x = x + self.mlp(self.norm2(x))
        return x


class SwiGLU(nn.Module):
    r"""An MLP with a gate: down(silu(gate(x)) * up(x)), where silu(z) = z * sigmoid(z).

    Three matrices instead of two; at two thirds of the hidden channels they are as many parameters (Shazeer 2020, who
    has no explanation for its success and attributes it to divine benevolence).
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        return self.down(F.silu(self.gate(x)) * self.up(x))
