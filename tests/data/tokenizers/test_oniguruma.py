"""Patterns of published tokenizers: what they find is what the library finds that such files were written for."""

import pytest

from learnable.data.tokenizers.cutting import Split
from learnable.data.tokenizers.oniguruma import translated
from learnable.errors import WorldError


@pytest.mark.reference
@pytest.mark.parametrize("pattern", [
    r"\w+", r"\W+", r"[\w-]+", r"[^\w]+", r"[^\W\d_]+", r"\bfoo\b", r"\B", "^a", "a$", "^", r"a\z", r"a\Z", "(?m).+", "(?i)ss", r"\h+",
    r"\H", r"\x{41}", r"\p{^L}+", "[a-z&&[^aeiou]]+", r" ?[^(\s|[.,!?])]+", "[+--]", "[--x]", "[a||b]+", "[[:alnum:]]+", "[[:punct:]]+",
    "[[:word:]]+", "(?=a)", "a|", "a{,2}", r"\n(?=^)",
])  # fmt: skip
def test_patterns_mean_what_they_mean_to_the_reference(pattern):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    ours = Split({"Regex": pattern})
    texts = ["👩\u200d👩 a\u200cb ½ш ²x 1½ foo foox\u200d", "a\na b\r\naa\n", "straße STRASSE ss"]
    texts += ["x|y a-b +,. ()[] A ab abab", "٣Ⓐ_é\u0301", "a\n"]
    for text in texts:
        assert ours([text], True) == [piece for piece, _ in theirs.pre_tokenize_str(text)], text


@pytest.mark.parametrize("pattern", [r"\Ga", r"a\Kb", r"\N", "[[:^alpha:]]", r"[\b]"])
def test_what_a_pattern_asks_for_and_is_not_here_is_named(pattern):
    with pytest.raises(WorldError, match="which is not done here"):
        translated(pattern)
