import pytest

from learnable.data.tokenizers import cutting, joining
from learnable.data.tokenizers.bpe import BPE
from learnable.data.tokenizers.cleaning import Lowercase
from learnable.data.tokenizers.learning import learn_bpe
from learnable.data.tokenizers.tokenizer import Added, Template, Tokenizer
from learnable.errors import CallError


def toy(*added, **parts):
    return Tokenizer(BPE({letter: at for at, letter in enumerate("abcd ")}, []), added=added, **parts)


def test_special_tokens_are_found_first_and_the_longest_of_them():
    tokenizer = toy(Added(7, "<ab>"), Added(8, "<ab>b"))
    assert tokenizer.encode("a<ab>b<ab>c") == [0, 8, 7, 2]
    assert tokenizer.decode([0, 8, 7, 2]) == "a c" and tokenizer.decode([0, 8], skip_special=False) == "a <ab>b"


def test_spaces_and_words_around_a_special_token():
    assert toy(Added(7, "<m>", lstrip=True)).encode("a  <m> b") == [0, 7, 4, 1]
    assert toy(Added(7, "<m>", rstrip=True)).encode("a <m>  b") == [0, 4, 7, 1]
    assert toy(Added(7, "ab", single_word=True)).encode("ab abc") == [7, 4, 0, 1, 2]


def test_after_cleaning_or_before():
    before, after = Added(7, "B"), Added(7, "B", normalized=True)
    assert toy(before, normalizer=Lowercase()).encode("aBb") == [0, 7, 1]
    assert toy(after, normalizer=Lowercase()).encode("aBb") == [0, 7, 7]


def test_two_texts_in_a_frame():
    template = Template(((8, 0), ("A", 0), (9, 0)), ((8, 0), ("A", 0), (9, 0), ("B", 1), (9, 1)))
    tokenizer = toy(Added(8, "<s>"), Added(9, "</s>"), template=template)
    assert tokenizer.encode("ab") == [8, 0, 1, 9] and tokenizer.encode("ab", special=False) == [0, 1]
    assert tokenizer.encode_pair("a", "bc") == ([8, 0, 9, 1, 2, 9], [0, 0, 0, 1, 1, 1])
    assert len(tokenizer) == 10


def test_a_stream_never_breaks_a_character():
    tokenizer = learn_bpe("no emoji here", 260)
    text = "né 👩‍👩‍👧 東京"
    parts = list(tokenizer.stream(tokenizer.encode(text)))
    assert "".join(parts) == text and not any("�" in part for part in parts) and len(parts) > 8


def test_what_is_refused():
    tokenizer = toy(pretokenizer=cutting.Whitespace(), decoder=joining.Fuse())
    with pytest.raises(CallError, match="lone|surrogates"):
        tokenizer.encode("a\udc00")
    with pytest.raises(CallError, match="expected tokens from 0 to 4, came 5"):
        tokenizer.decode([0, 5])
    assert tokenizer.encode("") == [] and tokenizer.decode([]) == ""


def test_a_long_row_of_spaces_beside_a_special_token():
    tokenizer = toy(Added(7, "<m>", lstrip=True), Added(8, "<n>", lstrip=True, rstrip=True))
    spaces = " " * 200_000
    assert tokenizer.encode(f"a{spaces}<m>{spaces}") == [0, 7] + [4] * 200_000
    assert tokenizer.encode(f"{spaces}<n>{spaces}<n>{spaces}") == [8, 8]


def test_part_of_a_longer_word_is_left_whole():
    # As the reference: what was found and is no word by itself is not looked at again for a shorter token.
    assert toy(Added(7, "ab", single_word=True), Added(8, "a")).encode("abc ab") == [0, 1, 2, 4, 7]
