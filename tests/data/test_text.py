import platform

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.text import STDLIB, STDLIB_ALPHABET, characters, cut, decode, encode, read_text, stdlib_text
from learnable.errors import CallError, LearnableError, WorldError


def test_the_standard_library_is_the_default():
    data = characters(context=32)
    assert data.info.data == f"stdlib of Python {platform.python_version()}"
    assert data.info.alphabet == STDLIB_ALPHABET and data.info.vocab == 96
    assert data.info.context == 32 and "'?'" in data.info.more["replaced"]
    assert data.train.batch(torch.tensor([0]), {})["tokens"].shape == (1, 33)
    shares = [len(part.tokens) for part in (data.train, data.valid, data.test)]
    assert 800_000 < sum(shares) < 1_500_000
    assert [round(100 * share / sum(shares)) for share in shares] == [90, 5, 5]


def test_the_standard_library_is_read_and_not_imported(monkeypatch, tmp_path):
    (tmp_path / "random.py").write_text("raise SystemExit('mine')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "Mersenne Twister" in stdlib_text()[0] and "'mine'" not in stdlib_text()[0]


def test_what_is_outside_the_alphabet_is_replaced_and_counted(tmp_path):
    for module in STDLIB:
        (tmp_path / f"{module}.py").write_text("x = 'é'\n\ty\n" if module == "copy" else "pass\n", encoding="utf-8")
    text, replaced = stdlib_text(tmp_path)
    assert replaced == 1 and "x = '?'\n    y\n" in text and set(text) <= set(STDLIB_ALPHABET)


def test_a_python_without_sources(tmp_path):
    with pytest.raises(WorldError, match="without the source of its standard library"):
        stdlib_text(tmp_path)


def test_tiny_shakespeare(mirror):
    data = characters("tinyshakespeare", context=64)
    assert data.info.data == "tinyshakespeare" and data.info.vocab == 65
    parts = [part.tokens for part in (data.train, data.valid, data.test)]
    assert sum(map(len, parts)) == 1_115_394 and len(parts[0]) == 1_003_854
    assert decode(parts[0][:14], data.info.alphabet) == "First Citizen:"


def test_names(mirror):
    data = characters("names", context=16)
    assert "".join(data.info.alphabet) == "\nabcdefghijklmnopqrstuvwxyz"


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_bytes("\ufeffzwölf\r\nBoxkämpfer\r".encode() * 20)
    data = characters(str(file), context=8)
    assert data.info.data == "text mine.txt"
    assert data.info.alphabet == tuple(sorted(set("zwölf\nBoxkämpfer\ufeff")))  # only the first mark is Windows' own
    assert decode(data.train.tokens[:17], data.info.alphabet) == "zwölf\nBoxkämpfer\n"


def test_the_three_parts_follow_each_other():
    text = "".join(chr(ord("a") + i % 26) for i in range(1013))
    parts = cut(text, context=5)
    assert "".join(parts) == text and [len(part) for part in parts] == [911, 51, 51]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"abc\xffdef" * 100, "the byte 0xff at position 3; save it as UTF-8"),
        ("Text".encode("utf-16") * 100, "looks like UTF-16"),
        (b"abc\0" * 1000, "NUL at character 3"),
        (b"short " * 20, "120 characters, and a context of 32 needs about 661.*--context 5 or less"),
        (b"a", "give more text"),
    ],
)
def test_a_text_that_cannot_be_learned(tmp_path, content, message):
    file = tmp_path / "text.txt"
    file.write_bytes(content)
    with pytest.raises(WorldError, match=message):
        characters(str(file), context=32)


def test_the_length_that_the_message_asks_for_is_enough():
    for context in (1, 7, 32, 128):
        with pytest.raises(WorldError) as caught:
            cut("a" * 20 * context, context)
        needed = int(str(caught.value).partition("about ")[2].partition(",  ")[0].split(", b")[0].replace(",", ""))
        assert cut("a" * needed, context)


def test_the_context_that_the_message_offers_is_small_enough():
    for length in range(40, 400, 7):
        with pytest.raises(WorldError) as caught:
            cut("a" * length, 128)
        assert cut("a" * length, int(str(caught.value).partition("--context ")[2].split()[0]))


def test_a_folder_or_nothing(tmp_path):
    with pytest.raises(WorldError, match="came the folder"):
        characters(str(tmp_path))
    with pytest.raises(WorldError, match="there is no file or folder"):
        characters(str(tmp_path / "none.txt"))
    with pytest.raises(CallError, match="did you mean 'tinyshakespeare'"):
        characters("tiny-shakespeare")
    with pytest.raises(CallError, match="at least 1"):
        characters(context=0)


def test_a_character_that_the_model_has_not_seen():
    with pytest.raises(CallError, match=r"'é' \(number 4 of the text\) is not among the 5 .*'\\nabcf'"):
        encode("cafés", "\nabcf")
    with pytest.raises(CallError, match="empty"):
        encode("a", "")
    with pytest.raises(CallError, match="not among"):
        encode("\udcff", "a")  # a byte that is not UTF-8, as it comes from a command line


@given(st.text(min_size=1, max_size=400))
def test_what_is_encoded_comes_back(text):
    alphabet = tuple(sorted(set(text)))
    tokens = encode(text, alphabet)
    assert decode(tokens, alphabet) == text
    assert tokens.tolist() == [alphabet.index(character) for character in text]


def test_large_alphabets_have_room():
    alphabet = tuple(map(chr, range(0x4E00, 0x4E00 + 300)))
    assert encode("".join(alphabet), alphabet).tolist() == list(range(300))


@given(st.binary(max_size=200))
def test_no_bytes_get_out_of_hand(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("text") / "any.txt"
    file.write_bytes(data)
    try:
        assert read_text(file)
        characters(str(file), context=1)
    except LearnableError as error:
        assert str(error)


def test_a_text_of_one_letter_has_nothing_to_predict(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a" * 5000)
    with pytest.raises(WorldError, match="two different characters"):
        characters(str(file), context=8)
