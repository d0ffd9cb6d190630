import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnable.data.tokenizers import cleaning
from learnable.errors import WorldError

# Unicode has grown since the tables that the reference was made with; letters that were there long before are compared, but
# for three marks of the Hanunoo and Mongolian scripts, which it has since called otherwise.
OLD = st.characters(exclude_categories=["Cs", "Co"], exclude_characters="\u1734\u1885\u1886").filter(
    lambda letter: unicodedata.ucd_3_2_0.category(letter) != "Cn"
)
TEXTS = st.text(OLD | st.sampled_from("aΣİß é\u0301\u0323東\t\u2028\xa0\x00\ufffd"), max_size=20)


@pytest.mark.reference
@pytest.mark.parametrize("name, settings", [
    ("BertNormalizer", {}), ("BertNormalizer", {"lowercase": False}), ("BertNormalizer", {"strip_accents": False}),
    ("BertNormalizer", {"clean_text": False, "handle_chinese_chars": False}), ("NFC", {}), ("NFD", {}), ("NFKC", {}), ("NFKD", {}),
    ("Lowercase", {}), ("StripAccents", {}), ("Strip", {}), ("Prepend", {"prepend": "▁"}),
])  # fmt: skip
def test_steps_are_the_references(name, settings):
    normalizers = pytest.importorskip("tokenizers").normalizers
    words = {"Strip": {"left": True, "right": True}}.get(name, settings)
    theirs = getattr(normalizers, name)(**words)
    ours = cleaning.NORMALIZERS[name](**settings)

    @given(TEXTS)
    def same(text):
        assert ours(text) == theirs.normalize_str(text)

    same()


def test_one_text_for_another():
    assert cleaning.Replace({"String": "."}, "!")("a.b") == "a!b"
    assert cleaning.Replace({"Regex": " {2,}"}, " ")("a   b") == "a b"
    assert cleaning.Replace({"Regex": "a"}, r"\1")("a") == r"\1"
    with pytest.raises(WorldError, match="expected a pattern"):
        cleaning.Replace({"Regex": "("}, "")("a")


def test_a_torn_table_of_letters():
    with pytest.raises(WorldError, match="table of letters"):
        cleaning.Precompiled("AAAA")("é")
