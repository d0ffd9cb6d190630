"""The questions to pictures and sizes."""

import pytest
import torch

from learnable.errors import CallError
from learnable.nn.pictures import check_pictures, check_sizes


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 1, 8, 8), (2, 3, 7, 8), (2, 3, 8, 7), (2, 8, 8, 3)])
def test_other_pictures_are_refused(shape):
    with pytest.raises(CallError, match=r"batch, 3, height, width.*at least 8x8"):
        check_pictures(torch.zeros(shape), 3, smallest=8)


def test_pictures_that_fit_pass():
    check_pictures(torch.zeros(2, 3, 8, 9), 3, smallest=8)


@pytest.mark.parametrize("numbers", [(0,), (3, -1), ()])
def test_sizes_of_nothing_are_refused(numbers):
    with pytest.raises(CallError, match="at least 1 for a str"):
        check_sizes("", *numbers)
    check_sizes("", 1, 2)
