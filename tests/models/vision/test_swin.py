"""Swin: windows that see no further than they should, and distances that mean what they say."""

import pytest
import torch

from learnable.errors import CallError
from learnable.models.vision.swin import Swin, SwinConfig, WindowAttention, distances, neighbors

TOY = SwinConfig(depths=(2, 2), heads=(2, 4), width=16, window=4)


@pytest.mark.parametrize("numbers", [{"heads": (2,)}, {"heads": (3, 4)}, {"depths": ()}, {"window": 0}])
def test_numbers_that_do_not_fit_are_refused(numbers: dict):
    with pytest.raises(CallError, match="expected"):
        SwinConfig(**{"depths": (2, 2), "heads": (2, 4), "width": 16} | numbers)


def test_pictures_smaller_than_a_patch_are_refused():
    with pytest.raises(CallError, match="at least 4x4"):
        Swin(TOY)(torch.zeros(1, 3, 3, 8))


def test_a_window_sees_itself_alone_and_a_moved_one_its_neighbors_but_not_around_the_edge():
    torch.manual_seed(0)
    for moved, seen in ((False, (0, 4)), (True, (0, 2))):
        attention = WindowAttention(8, 2, window=4, moved=moved)
        x = torch.randn(1, 8, 8, 8, requires_grad=True)
        attention(x)[0, 0, 0].sum().backward()
        rows = (x.grad.abs().sum((0, 2, 3)) > 1e-20).nonzero().flatten()
        assert (int(rows[0]), int(rows[-1]) + 1) == seen, "the corner's own window, which the move cuts to two by two"
    attention = WindowAttention(8, 2, window=4, moved=True)
    x = torch.randn(1, 8, 8, 8, requires_grad=True)
    attention(x)[0, 4, 4].sum().backward()
    rows = (x.grad.abs().sum((0, 2, 3)) > 1e-20).nonzero().flatten()
    assert (int(rows[0]), int(rows[-1])) == (2, 5), "the moved window in the middle lies across four"


def test_a_single_window_has_nothing_to_be_moved_against():
    still, moved = (WindowAttention(8, 2, window=4, moved=moved) for moved in (False, True))
    moved.load_state_dict(still.state_dict())
    x = torch.randn(2, 4, 4, 8)
    assert torch.equal(moved(x), still(x))


def test_a_distance_is_the_same_number_wherever_it_lies():
    table = distances(3).reshape(9, 9)
    assert int(table[0, 1]) == int(table[4, 5]) == int(table[7, 8]), "one to the right"
    assert int(table[0, 3]) == int(table[5, 8]), "one down"
    assert len(table.unique()) == 25


def test_neighbors_are_told_apart_by_hand():
    together = neighbors(4, 4, window=2, shift=[1, 1])
    assert together.shape == (4, 4, 4)
    assert together[0].all(), "the first window was not cut"
    assert together[3].tolist() == torch.eye(4).bool().tolist(), "in the last each patch comes from another corner"
