import pytest

from learnable.data.tokenizers.learning import learn_bpe, learn_unigram, learn_wordpiece
from learnable.metrics.tokenization import bytes_per_token, come_back, fertility, premium, unknown

TEXT = "the cat sat on the mat (the hat). " * 20


def test_by_hand():
    cutter = learn_bpe(TEXT, 256)  # bytes alone
    assert bytes_per_token("äb", cutter.encode("äb")) == 1
    assert fertility("the cat", cutter.encode("the cat")) == 3.5
    assert premium(cutter, "größer", "bigger") == 8 / 6
    assert come_back(cutter, ["größer ", "a  b"]) == 1 and unknown(cutter, "ж") == 0


def test_wordpiece_does_not_give_every_text_back():
    cutter = learn_wordpiece(TEXT, 60)
    assert come_back(cutter, ["the cat", "the  cat"]) == 0.5
    assert unknown(cutter, "the ж") == 0.5 and unknown(cutter, "the") == 0


def test_unigram_gives_single_blanks_back_and_does_not_know_other_letters():
    cutter = learn_unigram(TEXT, 40)
    assert come_back(cutter, ["the cat sat (on)"]) == 1 > come_back(cutter, ["the  cat"])
    assert unknown(cutter, "the ж") > 0


def test_pieces_make_a_text_shorter():
    few, many = (bytes_per_token(TEXT, learn_bpe(TEXT, size).encode(TEXT)) for size in (258, 275))
    assert 1 < few < many and fertility(TEXT, learn_bpe(TEXT, 275).encode(TEXT)) == pytest.approx(4.25 / many, rel=0.01)
