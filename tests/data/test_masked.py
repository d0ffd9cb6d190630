import math

import pytest
import torch
from torch.testing import assert_close

from learnable.data.masked import Masked, Windows, masked_text, unigram
from learnable.data.tokenizers.formats import bert
from learnable.data.tokenizers.wordpiece import SPECIAL, WordPiece
from learnable.data.words import Rows, Words, words_of
from learnable.errors import CallError, WorldError
from learnable.train.batches import Batches

PIECES = (*SPECIAL, *(f"w{i}" for i in range(95)))
WORDS = Words(bert(WordPiece({piece: number for number, piece in enumerate(PIECES)})))


def many(rows=400, tokens=40):
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(5, 100, (rows, tokens), generator=generator)
    text[:, 0], text[:, -1] = 2, 3
    return Masked(Rows(text, 0), WORDS, tokens), text


def drawn(examples, count, seed=1):
    return examples.batch(torch.arange(count), examples.draw(count, torch.Generator().manual_seed(seed)))


def test_fifteen_percent_of_each_text_and_no_mark():
    examples, text = many()
    batch = drawn(examples, 400)
    chosen = batch["target"] >= 0
    assert (chosen.sum(dim=1) == round(0.15 * 38)).all()
    assert not chosen[:, [0, -1]].any()
    assert torch.equal(batch["target"][chosen], text[chosen])
    assert torch.equal(batch["tokens"][~chosen], text[~chosen])


def test_eight_of_ten_are_blotted_out_one_replaced_one_left():
    examples, text = many()
    batch = drawn(examples, 400)
    chosen = batch["target"] >= 0
    seen, true = batch["tokens"][chosen], text[chosen]
    blotted, same = seen == 4, seen == true
    share = torch.stack([blotted, same, ~blotted & ~same]).double().mean(dim=1)
    assert_close(share, torch.tensor([0.8, 0.1, 0.1], dtype=torch.double), atol=0.03, rtol=0)
    assert (seen[~blotted] >= 5).all()  # what replaces it is a word


def test_every_place_has_its_turn_and_each_time_others():
    examples, _ = many()
    often = sum((drawn(examples, 400, seed)["target"] >= 0).sum(dim=0) for seed in range(5))
    assert (often[1:-1] > 0.5 * often[1:-1].float().mean()).all()
    assert not torch.equal(drawn(examples, 400, 1)["target"], drawn(examples, 400, 2)["target"])


def test_several_processes_see_the_same_blots():
    examples, _ = many()
    (whole,) = Batches(examples, 8, seed=0).at(3)
    parts = [Batches(examples, 8, seed=0, rank=rank, world=2).at(3)[0] for rank in range(2)]
    assert torch.equal(torch.cat([part["target"] for part in parts]), whole["target"])
    assert torch.equal(torch.cat([part["tokens"] for part in parts]), whole["tokens"])


def test_short_texts_have_one_blot_and_padding_none():
    text = torch.tensor([[2, 7, 3, 0, 0, 0], [2, 7, 8, 9, 3, 0]])
    batch = drawn(Masked(Rows(text, 0), WORDS, 6), 2)
    assert ((batch["target"] >= 0).sum(dim=1) == 1).all() and batch["target"].shape == (2, 5)
    assert batch["target"][0, 1] == 7


def test_without_draws_a_text_is_as_it_was():
    examples, text = many(4)
    assert torch.equal(examples.batch(torch.arange(4), {})["tokens"], text)


def test_windows_are_framed():
    windows = Windows(torch.arange(10, 20), context=6, first=2, last=3)
    assert len(windows) == 7
    assert windows.batch(torch.tensor([0, 6]), {})["tokens"].tolist() == [
        [2, 10, 11, 12, 13, 3],
        [2, 16, 17, 18, 19, 3],
    ]


def test_counting_alone():
    train, test = torch.tensor([[2, 5, 5, 5, 6, 3]]), torch.tensor([[2, 5, 6, 3, 0, 0]])
    counted = unigram(train, test, WORDS)
    assert counted["accuracy"] == 0.5
    assert counted["loss"] == pytest.approx(-(math.log(3.01 / 5) + math.log(1.01 / 5)) / 2)


def test_the_standard_library_is_the_default():
    data = masked_text(context=32, vocab=1000)
    assert "stdlib" in data.info.data and data.info.context == 32 and data.info.vocab == 1000
    assert len(data.train) > 100_000 and data.valid.examples.tokens.shape[1] == 32
    words = words_of(data.info)
    stretch = data.valid.examples.tokens[0].tolist()
    assert stretch[0] == words.first and stretch[-1] == words.last and words.mask not in stretch
    assert 0.03 < data.info.more["unigram"]["accuracy"] < 0.2


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "my.txt"
    path.write_text("the cat sat on the mat and slept. " * 200)
    data = masked_text(str(path), context=16, vocab=60)
    assert data.info.data == "text my.txt"
    path.write_text("too short")
    with pytest.raises(WorldError, match="too short for a context of 16"):
        masked_text(str(path), context=16, vocab=60)


def test_texts_that_are_rows(mirror, monkeypatch):
    monkeypatch.setenv("LEARNABLE_DATA_MIRROR", str(mirror))
    data = masked_text("sst", vocab=2000)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [8544, 1101, 2210]


def test_wrong_calls():
    with pytest.raises(CallError, match="at least 8 tokens"):
        masked_text(context=3)
    with pytest.raises(CallError, match="between 0 and 1"):
        Masked(Rows(torch.tensor([[2, 7, 3]]), 0), WORDS, 3, share=1.0)
    with pytest.raises(CallError, match="did you mean 'stdlib'"):
        masked_text("stdlb")
