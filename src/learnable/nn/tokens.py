"""What every model of text asks of its input, said before an embedding says it in its own words."""

import torch
from torch import Tensor

from learnable.errors import CallError


def check_tokens(tokens: Tensor, context: int, advice: str = "keep the last ones: tokens[:, -{context}:]") -> None:
    """Raises:
    CallError: not a table of whole numbers, no tokens, or more of them than the context; `advice` says what to do then.
    """
    if tokens.dim() != 2 or tokens.dtype not in (torch.int64, torch.int32):
        raise CallError(f"expected tokens as whole numbers of shape (batch, tokens), came {tokens.dtype} of shape "
                        f"{tuple(tokens.shape)}; a single text is tokens[None].long()")  # fmt: skip
    if not 1 <= tokens.shape[1] <= context:
        raise CallError(f"expected 1 to {context} tokens, which is this model's context, came {tokens.shape[1]}; "
                        + advice.format(context=context))  # fmt: skip


def outside(tokens: Tensor, vocab: int) -> CallError:
    """The error for a token that the vocabulary has not. To be raised where the CPU's own check has failed: one of ours in
    every step would make a GPU wait."""
    return CallError(f"expected tokens from 0 to {vocab - 1}, came {int(tokens.min())} to {int(tokens.max())}; "
                     "was the text encoded with this model's own vocabulary?")  # fmt: skip
