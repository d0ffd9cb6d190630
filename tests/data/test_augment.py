import torch

from learnable.data.augment import Augmented, cropped, flipped
from learnable.data.examples import Examples, TensorExamples, WithNoise
from learnable.train.batches import Batches


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=6, channels=2, side=5):
    image = torch.rand(count, channels, side, side, generator=generator())
    return TensorExamples({"image": image, "label": torch.arange(count)})


def test_cropping_is_what_the_slow_way_gives():
    """One window after another, written out."""
    image = pictures().columns["image"]
    shift = torch.tensor([[0, 0], [2, 2], [4, 4], [4, 0], [1, 3], [2, 0]])
    for picture, (down, right), seen in zip(image, shift.tolist(), cropped(image, shift, pad=2), strict=True):
        padded = torch.zeros(2, 9, 9)
        padded[:, 2:7, 2:7] = picture
        assert torch.equal(seen, padded[:, down : down + 5, right : right + 5])


def test_a_rectangle_is_cropped_too():
    image = torch.rand(3, 1, 4, 7, generator=generator())
    assert torch.equal(cropped(image, torch.full((3, 2), 1), pad=1), image)


def test_flipping_twice_changes_nothing():
    image = pictures().columns["image"]
    flip = torch.tensor([True, False, True, False, False, True])
    once = flipped(image, flip)
    assert torch.equal(flipped(once, flip), image)
    assert torch.equal(once[0], image[0].flip(-1)) and torch.equal(once[1], image[1])


def test_without_draws_the_pictures_are_as_they_were():
    examples = pictures()
    seen = Augmented(examples, flip=True, pad=2).batch(torch.arange(6), {})
    assert torch.equal(seen["image"], examples.columns["image"]) and list(seen) == ["image", "label"]


def test_the_data_is_left_alone():
    examples = pictures()
    before = examples.columns["image"].clone()
    augmented = Augmented(examples, flip=True, pad=2)
    batch = augmented.batch(torch.arange(6), augmented.draw(6, generator()))
    batch["image"].zero_()
    assert torch.equal(examples.columns["image"], before)


def test_about_half_are_flipped_and_every_shift_comes():
    draws = Augmented(pictures(), flip=True, pad=2).draw(2000, generator())
    assert 900 < int(draws["flip"].sum()) < 1100
    assert len(draws["shift"].unique(dim=0)) == 25 and draws["shift"].min() == 0 and draws["shift"].max() == 4


def test_nothing_is_drawn_where_nothing_is_wanted():
    assert Augmented(pictures()).draw(3, generator()) == {}


def test_it_can_be_put_around_others():
    examples = Augmented(WithNoise(pictures(), width=3), flip=True, pad=1)
    assert isinstance(examples, Examples)
    batch = examples.batch(torch.arange(2), examples.draw(2, generator()))
    assert batch["image"].shape == (2, 2, 5, 5) and len(examples) == 6


def test_several_processes_see_what_one_sees():
    examples = Augmented(pictures(8), flip=True, pad=2)
    whole = Batches(examples, 8, seed=0).at(3)[0]["image"]
    halves = [Batches(examples, 8, seed=0, rank=rank, world=2).at(3)[0]["image"] for rank in range(2)]
    assert torch.equal(torch.cat(halves), whole)
    assert not torch.equal(whole, Batches(examples, 8, seed=0).at(4)[0]["image"])
