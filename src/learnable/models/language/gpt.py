r"""GPT-2: a stack of blocks that says, at every place of a text, which token comes next.

    tokens -> token + position -> block -> block -> ... -> norm -> how much each token of the vocabulary is expected

Each place sees only itself and what stands before it, so one pass over a text of n tokens answers n questions at once.

Paper    Radford et al. 2019, section 2.3 - https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
Letters  their n_layer is our `depth`, n_embd our `width`, n_head our `heads`, n_ctx our `context`
Differs  no dropout (theirs: 0.1 after the embeddings, on attention weights and before each residual sum);
         positions start from N(0, 0.02) like everything else (their code: N(0, 0.01))
Lesson   course/lessons/transformers/gpt
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.block import Block
from learnable.nn.tokens import check_tokens
from learnable.weights.checkpoint import read_checkpoint, write_checkpoint
from learnable.weights.gpt import TABLE, config_json, plain_names, settings_from
from learnable.weights.table import copies, translate, untranslate


@dataclass(frozen=True)
class GPTConfig:
    """What may be chosen of the architecture; the rest follows from it.

    >>> GPTConfig(depth=12, width=768, heads=12).head_width
    64
    """

    depth: int  # blocks
    width: int  # channels per token
    heads: int
    vocab: int = 50257  # distinct tokens
    context: int = 1024  # longest sequence, in tokens

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 1 or self.width % self.heads:
            raise CallError(f"expected numbers of at least 1 and a width that the heads divide evenly, came {self}; "
                            "try a width of heads x 32")  # fmt: skip

    @property
    def head_width(self) -> int:
        return self.width // self.heads


#          config                                      parameters
GPT2 = {
    "small":  (GPTConfig(depth=12, width=768,  heads=12),   124_439_808),
    "medium": (GPTConfig(depth=24, width=1024, heads=16),   354_823_168),
    "large":  (GPTConfig(depth=36, width=1280, heads=20),   774_030_080),
    "xl":     (GPTConfig(depth=48, width=1600, heads=25), 1_557_611_200),
}  # fmt: skip


class GPT(nn.Module):
    """Logits of the next token at every place of a text.

    >>> model = GPT(GPTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 65])
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.width)
        self.position = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, causal=True, activation=tanh_gelu, eps=1e-5) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width, eps=1e-5)
        self.reset_parameters()

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
        positions: Int[Tensor, "#batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens vocab"]:
        """A batch that is padded on the left needs `allowed` and `positions` (see `left_padded`); nothing else does.

        Padding on the right needs neither: no token looks at what comes after it.

        Raises:
            CallError: not a table of whole numbers, a text longer than the context, a token outside the vocabulary.
        """
        check_tokens(tokens, self.config.context)
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embed(tokens, positions)
        for block in self.blocks:
            x = block(x, allowed)
        return self.to_logits(x)

    def embed(
        self, tokens: Int[Tensor, "batch tokens"], positions: Int[Tensor, "..."]
    ) -> Float[Tensor, "batch tokens width"]:
        """What is said, plus where it is said."""
        try:
            return self.token(tokens) + self.position(positions)
        except IndexError as error:  # the CPU's own check: one of ours would make a GPU wait in every step
            raise CallError(f"expected tokens from 0 to {self.config.vocab - 1} and positions below {self.config.context}, "
                            f"came {int(tokens.min())} to {int(tokens.max())} and up to {int(positions.max())}; "
                            "was the text encoded with this model's own vocabulary?") from error  # fmt: skip

    def to_logits(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """From the residual sum to a score for each token."""
        return self.head(self.norm(x))

    def head(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocab"]:
        """The token embedding again, read the other way: how much does each token resemble what is here?"""
        return F.linear(x, self.token.weight)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """As published: N(0, 0.02), no biases, and what is added to the residual sum smaller the more is added.

        The sum of 2 x depth independent steps has 2 x depth times the variance of one, hence the square root. PyTorch's
        own N(0, 1) for embeddings would make the tied head shout: a loss of 20 where guessing has ln(vocab).
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                added = name.endswith(("attention.to_out", "mlp.down"))
                nn.init.normal_(module.weight, std=0.02 / (2 * self.config.depth) ** 0.5 if added else 0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    @classmethod
    def from_pretrained(
        cls, place: str | Path, *, dtype: torch.dtype | None = torch.float32, allow_pickle: bool = False
    ) -> "GPT":
        """A published GPT-2, or one saved by `save_pretrained`: a folder, a .safetensors file, or "owner/name" on the hub.

        Args:
            dtype: files in half precision are converted to this; None keeps what the file says.
            allow_pickle: read `pytorch_model.bin` where there is no safetensors file (tensors only, never code).

        Raises:
            WorldError: nothing there, a torn file, tensors missing, left over or of another shape, or a config that asks
                for something this model does not do.
        """
        config, state = read_checkpoint(place, allow_pickle=allow_pickle)
        with torch.device("meta"):  # shapes alone: the numbers come from the file
            model = cls(GPTConfig(**settings_from(config)))
        translated = translate(plain_names(state), TABLE, like=model.state_dict())
        model.load_state_dict(copies(translated, dtype), assign=True)
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` as transformers' `GPT2LMHeadModel` reads them.

        Raises:
            WorldError: the disk is full, or the folder cannot be written to.
        """
        theirs = {f"transformer.{name}": tensor for name, tensor in untranslate(self.state_dict(), TABLE).items()}
        write_checkpoint(Path(folder), config_json(asdict(self.config), self.token.weight.dtype), theirs)


def tanh_gelu(x: Tensor) -> Tensor:
    """GPT-2's GELU: its curve by way of tanh, up to 5e-4 from the exact one, which was slow in 2019."""
    return F.gelu(x, approximate="tanh")


def left_padded(lengths: Int[Tensor, "batch"], tokens: int) -> dict[str, Tensor]:
    """`allowed` and `positions` for texts that stand at the right end of their rows, with padding before them.

    Nobody looks at the padding, and positions count from the first real token; the logits of padding mean nothing.

    >>> left_padded(torch.tensor([2, 3]), tokens=3)["positions"]
    tensor([[0, 0, 1],
            [0, 1, 2]])
    """
    real = torch.arange(tokens, device=lengths.device) >= tokens - lengths[:, None]  # (batch, tokens)
    return {"allowed": real[:, None, None, :], "positions": (real.cumsum(1) - 1).clamp(min=0)}
