import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.tokenizers.bytelevel import BYTES, LETTERS, Pieces, stream_text, to_letters
from learnable.data.tokenizers.joining import token_bytes
from learnable.errors import CallError


def test_each_byte_has_a_letter_of_its_own():
    assert len(LETTERS) == len(BYTES) == 256 and LETTERS[32] == "Ġ" and LETTERS[10] == "Ċ" and LETTERS[65] == "A"
    assert all(letter.isprintable() and not letter.isspace() for letter in BYTES)


@given(st.text())
def test_there_and_back(text):
    assert token_bytes(to_letters(text)).decode() == text


@given(st.text(max_size=30), st.integers(1, 3))
def test_pieces_make_the_whole(text, size):
    data = text.encode()
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    given = list(stream_text(range(len(parts)), parts.__getitem__))
    assert "".join(given) == text and "�" not in "".join(given).replace("�" if "�" in text else "", "")


def test_a_cut_character():
    pieces = Pieces()
    assert (pieces.add("é".encode()[:1]), pieces.add(b"a"), pieces.end()) == ("", "�a", "")


def test_half_a_character_is_refused():
    with pytest.raises(CallError, match=r"U\+D800 at character 2"):
        to_letters("a\ud800")
