import pytest
import torch

from learnable.data.examples import Info
from learnable.data.tokenizers.bpe import BPE
from learnable.data.tokenizers.formats import bert, roberta, to_json
from learnable.data.tokenizers.learning import learn_bpe
from learnable.data.tokenizers.wordpiece import SPECIAL, WordPiece
from learnable.data.words import Rows, Words, framed, words_of
from learnable.errors import CallError, WorldError


def table(*pieces):
    return {piece: number for number, piece in enumerate(pieces)}


TOY = Words(bert(WordPiece(table(*SPECIAL, "c", "cat", "##s", "##a", "##t"))))
BYTES = Words(roberta(BPE(table("<s>", "<pad>", "</s>", "<unk>", "c", "a", "t", "at", "<mask>"), [("a", "t")])))


def test_the_tokens_that_are_no_words():
    assert (TOY.first, TOY.last, TOY.padding, TOY.mask) == (2, 3, 0, 4) and TOY.special == (0, 1, 2, 3, 4)
    assert (BYTES.first, BYTES.last, BYTES.padding, BYTES.mask) == (0, 2, 1, 8) and BYTES.special == (0, 1, 2, 3, 8)
    assert len(TOY) == 10 and len(BYTES) == 9


def test_a_text_is_cut_as_its_tokenizer_cuts_it():
    assert TOY.encode("Cats cast") == [6, 7, 5, 8, 7, 9] and BYTES.encode("cat") == [4, 7]
    assert TOY.encode("") == BYTES.encode("") == []


def test_a_frame_cuts_what_does_not_fit():
    assert TOY.frame("cat cat cat", 4) == [TOY.first, 6, 6, TOY.last]
    assert framed(["cat", "cat cats"], TOY, 6).tolist() == [[2, 6, 3, 0, 0, 0], [2, 6, 6, 7, 3, 0]]
    assert framed(["cat", "catca"], BYTES, 5).tolist() == [[0, 4, 7, 2, 1], [0, 4, 7, 4, 2]]


def test_a_tokenizer_of_another_kind():
    with pytest.raises(WorldError, match=r"expected the token \[PAD\] or <pad> in the vocabulary of 260 tokens"):
        Words(learn_bpe("low lower lowest " * 9, 260))
    with pytest.raises(WorldError, match=r"expected the token \[MASK\] or <mask>"):
        Words(bert(WordPiece(table("[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat"))))
    with pytest.raises(WorldError, match="one token before a text and one behind it"):
        Words(bert(WordPiece(table("[PAD]", "[UNK]", "[MASK]", "cat"))))


def test_those_of_a_run():
    info = Info("toy", tokenizer=to_json(TOY.tokenizer))
    assert words_of(info).encode("cats") == TOY.encode("cats")
    with pytest.raises(CallError, match="came digits, which has no tokenizer"):
        words_of(Info("digits"))


def test_a_batch_is_as_long_as_its_longest_text():
    rows = Rows(
        torch.tensor([[2, 6, 3, 0, 0], [2, 6, 6, 3, 0], [2, 6, 6, 6, 3]]), 0, {"label": torch.tensor([7, 8, 9])}
    )
    batch = rows.batch(torch.tensor([1, 0]), {})
    assert batch["tokens"].tolist() == [[2, 6, 6, 3], [2, 6, 3, 0]] and batch["label"].tolist() == [8, 7]
    assert len(rows) == 3 and rows.draw(2, torch.Generator()) == {}


def test_a_text_that_speaks_of_padding_keeps_its_end():
    rows = Rows(framed(["cat [PAD] cat", "cat"], TOY, 8), TOY.padding)
    assert rows.batch(torch.tensor([0]), {})["tokens"].tolist() == [[2, 6, 0, 6, 3]]


def test_a_text_of_ten_thousand_letters_is_one_unknown_word():
    assert TOY.encode("c" * 10_000) == [1]
