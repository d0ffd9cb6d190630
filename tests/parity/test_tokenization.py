"""The published vocabularies against the libraries by which they are used: every text the same numbers, and back."""

import json
import shutil
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.fetch import fetch
from learnable.data.tokenizers import formats
from learnable.data.tokenizers.learning import learn_bpe, learn_wordpiece
from learnable.data.tokenizers.published import vocabulary
from learnable.data.words import Words

HARD = [
    "", "a", " ", "    ", "\n\n\t x", "Hello, world! It's 42% of café.", "👍🏽 emoji 🇩🇪", "e\u0301\u0323 cafe\u0301",
    "👩\u200d👩\u200d👧\u200d👦", "東京 한국어", "ไทย हिन्दी", "العربية", "\x00\x01\x1f\x7f\x85\u200b\u200d\ufeff\ufffd",
    "a" * 500, "<|endoftext|> x <|endoftext|>", "x<|endoftext|>", "[CLS] hi [MASK]. [SEP]",
    "ΑΣ ΣΑΣ İstanbul ẞ ß ŉ", "don't DON'T I'LL we're", "  leading and trailing  ", "\u2028\u2029\u3000\xa0a\xa0b",
    "½ ² ③ Ⅳ", "$100 + 3=5 `~^", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𪚥", "foo_bar baz-qux http://x.y/z?q=1#a", "\x1c\x1d\x1e\x1f a\x1cb \x0b\x0c",
    "x" + " " * 3000 + "y", "ab" * 5000, "<|startoftext|>a cat</w>",
]  # fmt: skip
# The reference knows the punctuation and marks of Unicode 8; letters are compared from all of it, the rest from what all know.
LETTERS = st.characters(whitelist_categories=["Lu", "Ll", "Lo", "Nd", "Zs", "Cc", "So"]) | st.characters(
    max_codepoint=0x36F
)
TEXTS = st.text(LETTERS | st.sampled_from(" \n'tsS.東👍\u200d\u0301"), max_size=40)

pytestmark = pytest.mark.reference


def gpt2_reference(folder):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.ByteLevelBPETokenizer(str(fetch("gpt2", "encoder.json")), str(fetch("gpt2", "vocab.bpe")))
    theirs.add_special_tokens(["<|endoftext|>"])
    return theirs


def bert_reference(folder):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.BertWordPieceTokenizer(str(fetch("bert-base-uncased", "vocab.txt")), lowercase=True)
    return theirs


def clip_reference(folder):
    transformers = pytest.importorskip("transformers")
    ours = vocabulary("clip")
    merges = [f"{left} {right}" for left, right in ours.model.merges]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    theirs = transformers.CLIPTokenizer(vocab=ours.model.vocab, merges=[tuple(pair.split(" ")) for pair in merges])
    return theirs.backend_tokenizer


REFERENCES = {"gpt2": gpt2_reference, "bert-base-uncased": bert_reference, "clip": clip_reference}


@pytest.mark.parametrize("name", REFERENCES)
def test_every_text_has_the_references_tokens(name, mirror, tmp_path):
    theirs = REFERENCES[name](tmp_path)
    ours = vocabulary(name)
    formats.save(ours, tmp_path / "tokenizer.json")
    saved = pytest.importorskip("tokenizers").Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    def agree(text):
        tokens = ours.encode(text)
        assert tokens == theirs.encode(text).ids == saved.encode(text).ids, repr(text)
        assert ours.decode(tokens) == saved.decode(tokens), repr(text)

    for text in HARD:
        agree(text)

    @settings(max_examples=300, deadline=None)
    @given(TEXTS)
    def same(text):
        if all(unicodedata.category(letter) not in ("Cn", "Co") for letter in text):
            agree(text)

    same()


def test_gpt2_is_tiktokens(mirror):
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks
    from tiktoken_ext.openai_public import r50k_pat_str

    ranks = data_gym_to_mergeable_bpe_ranks(str(fetch("gpt2", "vocab.bpe")), str(fetch("gpt2", "encoder.json")))
    theirs = tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256}
    )
    ours = vocabulary("gpt2")

    @settings(max_examples=300, deadline=None)
    @given(st.text(max_size=60))
    def same(text):
        tokens = ours.encode(text)
        assert tokens == theirs.encode(text, allowed_special="all")
        assert ours.decode(tokens, skip_special=False) == text

    for text in HARD:
        assert ours.encode(text) == theirs.encode(text, allowed_special="all")
    same()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["a" * 10_000_000, "=" * 10_000_000, "é東" * 2_000_000], ids=["a", "=", "é東"])
def test_ten_megabytes_without_a_space(text, mirror):
    ours = vocabulary("gpt2")
    assert ours.decode(ours.encode(text)) == text


def agree_on_everything(ours, theirs):
    """Numbers between the marks, without them, of two texts, and where the end is cut off."""

    def agree(text):
        assert ours.encode(text) == theirs(text)["input_ids"], repr(text)
        assert ours.encode(text, special=False) == theirs(text, add_special_tokens=False)["input_ids"], repr(text)
        assert Words(ours).frame(text, 6) == theirs(text, truncation=True, max_length=6)["input_ids"], repr(text)

    for text in HARD:
        agree(text)

    @settings(max_examples=200, deadline=None)
    @given(TEXTS)
    def same(text):
        if all(unicodedata.category(letter) not in ("Cn", "Co") for letter in text):
            agree(text)

    same()
    assert ours.encode_pair("Zoë", "東京")[0] == theirs("Zoë", "東京")["input_ids"]


MANY = " ".join([*HARD[4:14], "Der Übermut. Ein Élan, İstanbul ΑΣ", "東京 한국어 don't DON'T"])
BERTS = {
    "uncased": {},
    "cased": {"do_lower_case": False},
    "small letters with accents": {"strip_accents": False},
    "Chinese in words": {"tokenize_chinese_chars": False},
    "cased without accents": {"do_lower_case": False, "strip_accents": True},
}


@pytest.mark.parametrize("form", ["vocab.txt", "tokenizer.json"])
@pytest.mark.parametrize("said", BERTS.values(), ids=BERTS)
def test_a_folder_of_a_bert_is_read_as_transformers_reads_it(said, form, tmp_path):
    transformers = pytest.importorskip("transformers")
    learned = learn_wordpiece(MANY, 400, lowercase=said.get("do_lower_case", True))
    formats.save_wordpiece(learned, tmp_path / "vocab.txt")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, **said}))
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path)
    if form == "tokenizer.json":
        theirs.backend_tokenizer.save(str(tmp_path / form))
        (tmp_path / "vocab.txt").unlink()
    agree_on_everything(formats.load(tmp_path), theirs)


@pytest.mark.parametrize("lower", [True, False])
def test_the_published_bert_is_read_as_transformers_reads_it(lower, mirror, tmp_path):
    """The list of small letters also as if it were one of both: then words with capitals are unknown."""
    transformers = pytest.importorskip("transformers")
    shutil.copy(fetch("bert-base-uncased", "vocab.txt"), tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
    agree_on_everything(formats.load(tmp_path), transformers.BertTokenizer.from_pretrained(tmp_path))


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("form", ["two files", "tokenizer.json"])
def test_a_folder_of_a_roberta_is_read_as_transformers_reads_it(form, spaced, tmp_path):
    transformers = pytest.importorskip("transformers")
    learned = learn_bpe(MANY, 400, special=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    formats.save_byte_pairs(learned, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": spaced}))
    theirs = transformers.RobertaTokenizer.from_pretrained(tmp_path)
    if form == "tokenizer.json":
        theirs.backend_tokenizer.save(str(tmp_path / form))
    agree_on_everything(formats.load(tmp_path), theirs)
    ours = formats.load(tmp_path)
    assert ours.encode("a<mask> b</s>") == theirs("a<mask> b</s>")["input_ids"]
    assert ours.decode(ours.encode("Zoë\n 東京")) == theirs.decode(
        theirs("Zoë\n 東京")["input_ids"], skip_special_tokens=True
    )
