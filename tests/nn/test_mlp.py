import torch
import torch.nn.functional as F
from torch.testing import assert_close

from learnable.nn.mlp import MLP


def test_it_is_two_layers_with_a_bend_between():
    torch.manual_seed(0)
    mlp, x = MLP(4, 7, activation=torch.relu), torch.randn(2, 3, 4)
    by_hand = torch.relu(x @ mlp.up.weight.T + mlp.up.bias) @ mlp.down.weight.T + mlp.down.bias
    assert_close(mlp(x), by_hand)
    assert MLP(4, 7).activation is F.gelu


def test_no_token_sees_another_one():
    torch.manual_seed(0)
    mlp, x = MLP(4, 16), torch.randn(1, 5, 4)
    assert_close(mlp(x)[:, 2:3], mlp(x[:, 2:3]))
    assert_close(mlp(x.flip(1)), mlp(x).flip(1))
