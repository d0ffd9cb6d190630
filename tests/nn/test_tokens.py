"""The questions to tokens."""

import pytest
import torch

from learnable.errors import CallError
from learnable.nn.tokens import check_tokens, outside


@pytest.mark.parametrize(
    "tokens, says",
    [
        (torch.zeros(3, dtype=torch.int64), r"of shape \(3,\); a single text is tokens\[None\]"),
        (torch.zeros(1, 3), "came torch.float32"),
        (torch.zeros(1, 0, dtype=torch.int64), "expected 1 to 4 tokens.*came 0"),
        (torch.zeros(1, 5, dtype=torch.int64), r"came 5; keep the last ones: tokens\[:, -4:\]"),
    ],
    ids=["flat", "floats", "none", "many"],
)
def test_other_tokens_are_refused(tokens, says):
    with pytest.raises(CallError, match=says):
        check_tokens(tokens, 4)


def test_tokens_that_fit_pass():
    check_tokens(torch.zeros(2, 4, dtype=torch.int32), 4)
    with pytest.raises(CallError, match="cut it at 4"):
        check_tokens(torch.zeros(1, 9, dtype=torch.int64), 4, "cut it at {context}")


def test_a_token_outside_is_named():
    assert "expected tokens from 0 to 4, came 2 to 9" in str(outside(torch.tensor([[2, 9]]), 5))
