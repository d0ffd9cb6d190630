import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.tokenizers import cutting
from learnable.errors import WorldError

TEXTS = st.text(
    st.sampled_from("aé1½²'st  \n\t\r\x1c\x85\u2028.-_$+東🇩👍\u200d\u0301Σ") | st.characters(max_codepoint=0x24F),
    max_size=24,
)


@pytest.mark.reference
@pytest.mark.parametrize("name, settings", [
    ("ByteLevel", {"add_prefix_space": False}), ("ByteLevel", {"add_prefix_space": True}), ("BertPreTokenizer", {}), ("Whitespace", {}),
    ("WhitespaceSplit", {}), ("Punctuation", {}), ("Digits", {"individual_digits": True}), ("Digits", {}),
    ("Metaspace", {}), ("Metaspace", {"prepend_scheme": "never"}), ("Metaspace", {"prepend_scheme": "first", "split": False}),
    *[("Punctuation", {"behavior": behavior}) for behavior in cutting.BEHAVIORS],
])  # fmt: skip
def test_words_are_the_references(name, settings):
    cutters = pytest.importorskip("tokenizers").pre_tokenizers
    words = dict(settings)
    if "behavior" in words:
        words["behavior"] = {"MergedWithPrevious": "merged_with_previous", "MergedWithNext": "merged_with_next"}.get(
            words["behavior"], words["behavior"].lower())  # fmt: skip
    theirs, ours = getattr(cutters, name)(**words), cutting.PRETOKENIZERS[name](**settings)

    @given(TEXTS)
    def same(text):
        if text and all(unicodedata.category(letter) != "Cn" for letter in text):
            assert ours([text], True) == [word for word, _ in theirs.pre_tokenize_str(text)]

    same()


@pytest.mark.reference
@pytest.mark.parametrize("pattern", [cutting.GPT2, cutting.CLIP, cutting.LLAMA3, " ", r"\d"])
@pytest.mark.parametrize(
    "behavior, invert", [("Isolated", False), ("Removed", True), ("Removed", False), ("MergedWithNext", False)]
)
def test_patterns_are_the_references(pattern, behavior, invert):
    tokenizers = pytest.importorskip("tokenizers")
    named = {"MergedWithNext": "merged_with_next"}.get(behavior, behavior.lower())
    theirs = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), named, invert=invert)
    ours = cutting.Split({"Regex": pattern}, behavior, invert)

    @given(TEXTS)
    def same(text):
        if text and all(unicodedata.category(letter) != "Cn" for letter in text):
            assert ours([text], True) == [word for word, _ in theirs.pre_tokenize_str(text)]

    same()


def test_what_comes_after_a_special_token_is_not_the_first():
    assert cutting.Metaspace(prepend_scheme="first")(["a b", "c"], True) == ["▁a", "▁b", "c"]
    assert cutting.Metaspace(prepend_scheme="first")(["a b"], False) == ["a", "▁b"]


@given(st.text())
def test_gpt2_loses_nothing(text):
    assert "".join(cutting.gpt2_words(text)) == text


@given(st.text("a▁ b", max_size=20))
def test_what_falls_apart_loses_nothing(text):
    pieces = cutting.Marked()([text], True)
    assert "".join(pieces) == text and all("▁" not in piece.lstrip("▁") for piece in pieces)


def test_a_behavior_that_is_none():
    with pytest.raises(WorldError, match="expected one of Removed"):
        cutting.Split({"String": " "}, "Deleted")
    with pytest.raises(WorldError, match="always, first or never"):
        cutting.Metaspace(prepend_scheme="sometimes")
