import pytest
import torch
from torch import nn

from learnable.errors import WorldError
from learnable.models.language.transformer import PRE_NORM, Transformer, TransformerConfig
from learnable.weights.table import translate
from learnable.weights.transformer import TABLE, cut, stacks

CONFIG = TransformerConfig(depth=2, width=8, heads=2, hidden=12, vocab=11, context=8)


def theirs(depth=2):
    return nn.Transformer(8, 2, depth, depth, 12, batch_first=True, norm_first=True).state_dict()


pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")


def test_the_matrix_between_the_texts_is_cut_in_three():
    whole = {"decoder.layers.0.multihead_attn.in_proj_weight": torch.arange(6.0)[:, None].expand(6, 2)}
    pieces = cut(whole)
    assert pieces["decoder.layers.0.multihead_attn.q_weight"][:, 0].tolist() == [0, 1]
    assert pieces["decoder.layers.0.multihead_attn.k_weight"][:, 0].tolist() == [2, 3]
    assert pieces["decoder.layers.0.multihead_attn.v_weight"][:, 0].tolist() == [4, 5]


def test_every_tensor_of_theirs_has_a_place_in_ours():
    ours = Transformer(CONFIG, norms=PRE_NORM)
    translated = translate(cut(theirs()), TABLE, like=stacks(ours.state_dict()))
    assert translated.keys() == ours.state_dict().keys() - {"token.weight"}


def test_another_depth_is_named():
    ours = Transformer(CONFIG, norms=PRE_NORM)
    with pytest.raises(WorldError, match="missing: encoder.layers.1.self_attn.in_proj_weight"):
        translate(cut(theirs(depth=1)), TABLE, like=stacks(ours.state_dict()))
