"""Channel shuffle: by hand, and its fast twin."""

import torch

from learnable.ops.shuffle import channel_shuffle, interleave


def test_the_first_of_each_group_comes_first():
    x = torch.arange(6).reshape(1, 6, 1, 1)
    assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert channel_shuffle(x, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    assert torch.equal(channel_shuffle(x, 1), x)


def test_as_many_groups_as_places_undo_it():
    x = torch.randn(2, 12, 3, 5)
    assert torch.equal(channel_shuffle(channel_shuffle(x, 3), 4), x)


def test_interleaving_is_joining_and_shuffling():
    a, b = torch.randn(2, 3, 8, 5, 4)
    assert torch.equal(interleave(a, b), channel_shuffle(torch.cat([a, b], 1), 2))


def test_agrees_with_torch():
    x = torch.randn(2, 12, 3, 5)
    assert torch.equal(channel_shuffle(x, 4), torch.nn.functional.channel_shuffle(x, 4))
