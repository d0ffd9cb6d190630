import torch
from torch import nn
from torch.testing import assert_close

from learnable.optim.adam import adam


def test_it_trains_all_of_the_module_at_the_rate_given():
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    optimizer = adam(module, 0.01)
    assert [p for group in optimizer.param_groups for p in group["params"]] == list(module.parameters())
    assert optimizer.defaults["lr"] == 0.01 and optimizer.defaults["weight_decay"] == 0


def test_its_memory_is_short():
    """After gradients 1 and -1 the first moment is 0.5·0.5 - 0.5 = -0.25: the parameter has turned."""
    parameter = nn.ParameterList([nn.Parameter(torch.zeros(1))])
    optimizer = adam(parameter, 1.0, betas=(0.5, 0.99))
    for gradient in (1.0, -1.0):
        parameter[0].grad = torch.tensor([gradient])
        optimizer.step()
    moment = -0.25 / (1 - 0.5**2)
    assert_close(parameter[0].item(), -1.0 - moment, atol=1e-6, rtol=0)
