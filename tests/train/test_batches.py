import pytest
import torch

from learnable.data.examples import TensorExamples, WithNoise
from learnable.train.batches import Batches, BatchNumbers, stream


def test_an_epoch_sees_every_example_once():
    numbers = BatchNumbers(count=12, batch_size=4, seed=3)
    seen = torch.cat([numbers.at(step) for step in range(3)])
    assert sorted(seen.tolist()) == list(range(12))


def test_the_next_epoch_has_another_order():
    numbers = BatchNumbers(count=12, batch_size=12, seed=3)
    assert numbers.at(0).tolist() != numbers.at(1).tolist()


def test_a_step_is_a_pure_function_of_seed_and_step():
    """Asked in any order, by any object: that is what makes resuming exact for free."""
    forward, backward = BatchNumbers(20, 3, seed=5), BatchNumbers(20, 3, seed=5)
    ahead = [forward.at(step).tolist() for step in range(15)]
    assert [backward.at(step).tolist() for step in reversed(range(15))] == ahead[::-1]
    assert BatchNumbers(20, 3, seed=6).at(0).tolist() != ahead[0]


@pytest.mark.parametrize("size", [0, -1, 11])
def test_a_batch_that_cannot_be_filled_is_refused(size):
    with pytest.raises(ValueError, match="expected a batch of 1 to 10"):
        BatchNumbers(10, size, seed=0)


def test_processes_and_micro_batches_divide_the_same_global_batch():
    examples = WithNoise(TensorExamples({"x": torch.arange(40.0)}), width=3)
    whole = Batches(examples, 8, seed=1).at(7)[0]
    pieces = [
        micro for rank in range(2) for micro in Batches(examples, 8, seed=1, accumulate=2, rank=rank, world=2).at(7)
    ]
    assert len(pieces) == 4
    for key in ("x", "noise"):
        assert torch.equal(torch.cat([piece[key] for piece in pieces]), whole[key])


def test_noise_is_new_in_every_step():
    batches = Batches(WithNoise(TensorExamples({"x": torch.arange(8.0)}), width=2), 8, seed=1)
    assert not torch.equal(batches.at(0)[0]["noise"], batches.at(1)[0]["noise"])


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ValueError, match="multiple of 6"):
        Batches(TensorExamples({"x": torch.arange(40.0)}), 8, seed=1, accumulate=3, world=2)


def test_streams_of_one_seed_differ():
    names = [(0, "a"), (0, "b"), (1, "a"), (0, "a", 1), (0, "a", 11)]
    assert len({stream(*name).initial_seed() for name in names}) == len(names)


def test_batches_of_like_sizes():
    """Every example once, near ones together, and long batches at any time of the epoch."""
    sizes = torch.randint(1, 60, (4_000,), generator=torch.Generator().manual_seed(0))
    numbers = BatchNumbers(4_000, 32, seed=1, sizes=sizes)
    batches = [numbers.at(step) for step in range(numbers.steps_per_epoch)]
    assert torch.cat(batches).unique().numel() == len(batches) * 32
    ranges = torch.tensor([int(sizes[batch].max() - sizes[batch].min()) for batch in batches]).float()
    assert ranges.mean() < 6, "chance would give 56"
    longest = torch.tensor([int(sizes[batch].max()) for batch in batches]).float()
    assert longest[:62].mean() == pytest.approx(longest[62:].mean().item(), abs=8)
    assert not torch.equal(longest[:20], longest[:20].sort().values), "short ones first"
    again = BatchNumbers(4_000, 32, seed=1, sizes=sizes)
    assert torch.equal(again.at(130), numbers.at(130)) and not torch.equal(again.at(5), numbers.at(130))


def test_examples_that_say_their_sizes_are_put_together_by_them():
    class Texts(TensorExamples):
        @property
        def sizes(self):
            return self.columns["x"]

    def width(examples):
        batch = Batches(examples, 8, seed=1).at(0)[0]["x"]
        return int(batch.max() - batch.min())

    columns = {"x": torch.arange(40)}
    assert width(Texts(columns)) == 7 < width(TensorExamples(columns))
