import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.examples import (
    Data,
    Examples,
    ImageBytes,
    Info,
    TensorExamples,
    TextWindows,
    WithNoise,
    few_of_each,
    split,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_examples_are_fetched_by_number_in_the_order_asked():
    examples = TensorExamples({"image": torch.arange(10.0).view(5, 2), "label": torch.arange(5)})
    batch = examples.batch(torch.tensor([4, 0, 4]), {})
    assert len(examples) == 5
    assert batch["label"].tolist() == [4, 0, 4] and batch["image"].tolist() == [[8, 9], [0, 1], [8, 9]]
    assert isinstance(examples, Examples)


def test_a_batch_is_a_copy():
    """What a training does to a batch must not reach the data."""
    examples = TensorExamples({"x": torch.zeros(3)})
    examples.batch(torch.arange(3), {})["x"] += 1
    assert examples.columns["x"].tolist() == [0, 0, 0]


def test_bytes_become_numbers_from_0_to_1_when_they_are_fetched():
    image = torch.arange(256, dtype=torch.uint8).view(2, 2, 8, 8)
    examples = ImageBytes(image, torch.tensor([3, 4]))
    batch = examples.batch(torch.tensor([1, 0]), {"noise": torch.ones(2)})
    assert isinstance(examples, Examples) and len(examples) == 2
    assert torch.equal(batch["image"], image[[1, 0]].float() / 255) and batch["label"].tolist() == [4, 3]
    assert batch["noise"].tolist() == [1, 1] and examples.draw(2, generator()) == {}
    batch["image"].zero_()
    assert int(examples.image.sum()) == 255 * 128


def test_a_few_of_each_class():
    label = torch.tensor([2, 0, 0, 2, 0, 5])
    examples = ImageBytes(torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1), label)
    few = few_of_each(examples, 2)
    assert few.image.flatten().tolist() == [0, 1, 2, 3, 5] and few.label.tolist() == [2, 0, 0, 2, 5]
    assert len(few_of_each(examples, 9)) == 6


def test_columns_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match=r"columns of one length, came \{'a': 2, 'b': 3\}"):
        TensorExamples({"a": torch.zeros(2), "b": torch.zeros(3)})
    with pytest.raises(ValueError, match="came {}"):
        TensorExamples({})


def test_a_number_beyond_the_end_is_an_error():
    with pytest.raises(IndexError):
        TensorExamples({"a": torch.zeros(2)}).batch(torch.tensor([2]), {})


def test_noise_is_drawn_once_for_the_whole_batch_and_shared_out():
    examples = WithNoise(TensorExamples({"x": torch.arange(6)}), width=3)
    draws = examples.draw(4, generator())
    assert draws["noise"].shape == (4, 3)
    halves = [
        examples.batch(torch.tensor([0, 1]), {"noise": draws["noise"][:2]}),
        examples.batch(torch.tensor([2, 3]), {"noise": draws["noise"][2:]}),
    ]
    whole = examples.batch(torch.arange(4), draws)
    for key in ("x", "noise"):
        assert torch.equal(torch.cat([half[key] for half in halves]), whole[key])
    assert torch.equal(examples.draw(4, generator())["noise"], draws["noise"])
    assert not torch.equal(examples.draw(4, generator(1))["noise"], draws["noise"])
    assert len(examples) == 6 and isinstance(examples, Examples)


def test_noise_is_standard_normal_and_does_not_touch_the_global_generator():
    before = torch.get_rng_state()
    noise = WithNoise(TensorExamples({"x": torch.zeros(1)}), 50).draw(400, generator())["noise"]
    assert torch.equal(torch.get_rng_state(), before)
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03


def test_noise_on_noise_keeps_both():
    """The outer one counts: it is drawn last."""
    inner = WithNoise(TensorExamples({"x": torch.zeros(2)}), 3)
    assert WithNoise(inner, 5).draw(2, generator())["noise"].shape == (2, 5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_windows_begin_at_every_token(dtype):
    windows = TextWindows(torch.arange(6, dtype=dtype), context=3)
    assert len(windows) == 3
    tokens = windows.batch(torch.tensor([2, 0]), {})["tokens"]
    assert tokens.tolist() == [[2, 3, 4, 5], [0, 1, 2, 3]] and tokens.dtype == torch.int64
    assert windows.draw(2, generator()) == {} and isinstance(windows, Examples)


def test_a_text_must_be_longer_than_its_windows():
    assert len(TextWindows(torch.zeros(4), context=3)) == 1
    with pytest.raises(ValueError, match="more than 3 tokens, came 3"):
        TextWindows(torch.zeros(3), context=3)


INFO = Info("photos", ("a", "b"), (3, 8, 8), ("x", "ü", "\n"), 16, 2, 4, {"ink": None, "list": [1, 2]})


def test_info_survives_json():
    again = Info.from_json(json.loads(json.dumps(INFO.to_json())))
    assert again == INFO and isinstance(again.image, tuple) and isinstance(again.alphabet, tuple)
    assert Info.from_json(json.loads(json.dumps(Info("points").to_json()))) == Info("points")


def test_vocab_counts_the_alphabet():
    assert INFO.vocab == 3 and Info("points").vocab == 0


def test_data_has_three_parts():
    part = TensorExamples({"x": torch.zeros(1)})
    assert Data(INFO, part, part, part).info is INFO


@given(st.integers(0, 300), st.lists(st.floats(0.01, 10), min_size=1, max_size=5), st.integers(0, 3))
def test_a_split_deals_every_number_once(count, parts, seed):
    found = split(count, parts, seed)
    assert len(found) == len(parts)
    assert sorted(torch.cat(found).tolist()) == list(range(count))
    for part, share in zip(found, parts, strict=True):
        assert abs(len(part) - count * share / sum(parts)) <= 1


def test_a_split_is_shuffled_and_the_same_each_time():
    one, other, third = split(100, [1, 1]), split(100, [1, 1]), split(100, [1, 1], seed=1)
    assert torch.equal(one[0], other[0]) and not torch.equal(one[0], third[0])
    assert one[0].tolist() != sorted(one[0].tolist())
