import pytest
import torch
from torch.testing import assert_close

from learnable.nn.block import Block


def perturbed(block):
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return block


@pytest.mark.reference
@pytest.mark.parametrize("causal", [False, True])
def test_it_is_torch_s_own_layer_with_the_norms_first(causal):
    torch.manual_seed(0)
    ours = perturbed(Block(16, 4, causal)).double()
    theirs = torch.nn.TransformerEncoderLayer(16, 4, 64, 0.0, "gelu", 1e-5, batch_first=True, norm_first=True).double()
    rows = {
        "self_attn.in_proj_weight": "attention.to_qkv.weight", "self_attn.in_proj_bias": "attention.to_qkv.bias",
        "self_attn.out_proj.weight": "attention.to_out.weight", "self_attn.out_proj.bias": "attention.to_out.bias",
        "linear1.weight": "mlp.up.weight", "linear1.bias": "mlp.up.bias",
        "linear2.weight": "mlp.down.weight", "linear2.bias": "mlp.down.bias",
        "norm1.weight": "norm1.weight", "norm1.bias": "norm1.bias", "norm2.weight": "norm2.weight", "norm2.bias": "norm2.bias",
    }  # fmt: skip
    theirs.load_state_dict({name: ours.state_dict()[own] for name, own in rows.items()})
    x = torch.randn(2, 5, 16, dtype=torch.float64)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64) if causal else None
    mine, reference = ours(x), theirs(x, src_mask=mask, is_causal=causal)
    assert_close(mine, reference, atol=1e-10, rtol=0)
    weight = torch.randn_like(mine)
    (mine * weight).sum().backward()
    (reference * weight).sum().backward()
    for name, own in rows.items():
        assert_close(ours.get_parameter(own).grad, theirs.get_parameter(name).grad, atol=1e-10, rtol=0, msg=name)


def test_the_sum_runs_through_untouched():
    """With nothing added, what goes in comes out: no norm stands in the way."""
    block, x = Block(8, 2), torch.randn(1, 3, 8)
    with torch.no_grad():
        for last in (block.attention.to_out, block.mlp.down):
            last.weight.zero_()
            last.bias.zero_()
    assert torch.equal(block(x), x)


def test_who_may_look_at_whom_is_handed_on():
    torch.manual_seed(0)
    block, x = perturbed(Block(8, 2)), torch.randn(1, 3, 8)
    alone = torch.eye(3, dtype=torch.bool)[None, None]
    assert_close(block(x, alone)[:, 1:2], block(x[:, 1:2]))
