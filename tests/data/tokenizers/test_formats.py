import base64
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.text import stdlib_text
from learnable.data.tokenizers import formats
from learnable.data.tokenizers.bytelevel import BYTES
from learnable.data.tokenizers.learning import learn_bpe, learn_unigram, learn_wordpiece
from learnable.errors import WorldError

TEXT = stdlib_text()[0][:30_000]
TEXTS = st.text(st.sampled_from("  \n\tab1é½東👍\u200d\u0301'▁<Ωﬁ") | st.characters(max_codepoint=0x24F), max_size=30)
LEARN = {"bpe": learn_bpe, "wordpiece": learn_wordpiece, "unigram": lambda text, size: learn_unigram(text[:8000], size)}


@pytest.mark.parametrize("kind", LEARN)
def test_what_we_save_the_reference_reads(kind, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    ours = LEARN[kind](TEXT, 350)
    formats.save(ours, tmp_path)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    again = formats.load(tmp_path)
    assert formats.to_json(again) == formats.to_json(ours)

    @settings(max_examples=60, deadline=None)
    @given(TEXTS)
    def same(text):
        if all(unicodedata.category(letter) != "Cn" for letter in text):
            tokens = ours.encode(text)
            assert tokens == theirs.encode(text).ids == again.encode(text)
            assert ours.decode(tokens) == theirs.decode(tokens)

    same()


def test_two_files_and_one(tmp_path):
    ours = learn_bpe(TEXT, 350, special=["<|endoftext|>"])
    formats.save_byte_pairs(ours, tmp_path)
    again = formats.load(tmp_path)
    assert again.numbers == ours.numbers and again.encode("def f():<|endoftext|>") == ours.encode(
        "def f():<|endoftext|>"
    )
    pieces = learn_wordpiece(TEXT, 350)
    formats.save_wordpiece(pieces, tmp_path / "vocab.txt")
    assert formats.load(tmp_path / "vocab.txt").encode("def f(x):") == pieces.encode("def f(x):")


def test_a_merge_that_looks_like_a_comment(tmp_path):
    ours = learn_bpe("## ## ##", 260)
    assert ("#", "#") in ours.model.merges
    formats.save_byte_pairs(ours, tmp_path)
    assert formats.load(tmp_path).model.merges == ours.model.merges


def test_lines_may_end_as_on_windows(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[UNK]\r\ncat\r\n##s\r\n")
    assert formats.load(tmp_path).model.vocab == {"[UNK]": 0, "cat": 1, "##s": 2}


def test_an_older_file_says_otherwise_what_stands_before_the_first_word():
    for old, scheme in ((True, "always"), (False, "never")):
        step = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": old}
        assert formats.from_json({**GOOD, "pre_tokenizer": step}).pretokenizer.prepend_scheme == scheme


def test_a_folder_says_whether_letters_become_small(tmp_path):
    formats.save_wordpiece(learn_wordpiece("zoë cat 東京 é", 40), tmp_path / "vocab.txt")
    assert formats.load(tmp_path).normalizer("Zoë 東") == "zoe  東 "
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "tokenize_chinese_chars": false}')
    assert formats.load(tmp_path).normalizer("Zoë 東") == "Zoë 東"
    (tmp_path / "tokenizer_config.json").write_text('{"strip_accents": false, "do_lower_case": null}')
    assert formats.load(tmp_path).normalizer("Zoë 東") == "zoë  東 "
    (tmp_path / "tokenizer_config.json").write_text("[1]")
    with pytest.raises(WorldError, match=r"table of settings in .*tokenizer_config.json, came list"):
        formats.load(tmp_path)


def test_two_files_of_a_roberta(tmp_path):
    learned = learn_bpe(TEXT, 350, special=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    formats.save_byte_pairs(learned, tmp_path)
    ours = formats.load(tmp_path)
    inside = learned.encode("def f", special=False)
    assert ours.encode("def f") == [0, *inside, 2] and ours.special == {0, 1, 2, 3, 4}
    assert ours.encode_pair("def f", "def f") == ([0, *inside, 2, 2, *inside, 2], [0] * (2 * len(inside) + 4))
    assert ours.encode("def f  <mask>") == [0, *inside, 4, 2]
    (tmp_path / "tokenizer_config.json").write_text('{"add_prefix_space": true}')
    assert formats.load(tmp_path).encode("def f") == [0, *learned.encode(" def f", special=False), 2]


def sentencepiece_model(folder, **settings):
    spm = pytest.importorskip("sentencepiece")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(folder / "text.txt"), model_prefix=str(folder / "m"), minloglevel=9, **settings
    )
    return spm.SentencePieceProcessor(model_file=str(folder / "m.model")), formats.load(folder / "m.model")


@pytest.mark.reference
@pytest.mark.parametrize("settings_", [
    {"model_type": "unigram", "vocab_size": 250},
    {"model_type": "unigram", "vocab_size": 520, "byte_fallback": True, "user_defined_symbols": ["self"]},
    {"model_type": "unigram", "vocab_size": 250, "normalization_rule_name": "nmt_nfkc_cf", "add_dummy_prefix": False},
    {"model_type": "bpe", "vocab_size": 250},
    {"model_type": "bpe", "vocab_size": 520, "byte_fallback": True, "normalization_rule_name": "identity",
     "remove_extra_whitespaces": False},
], ids=["unigram", "unigram-bytes", "unigram-folded", "bpe", "llama"])  # fmt: skip
def test_sentencepiece_models(settings_, tmp_path):
    theirs, ours = sentencepiece_model(tmp_path, **settings_)
    formats.save(ours, tmp_path / "tokenizer.json")
    tokenizers = pytest.importorskip("tokenizers")
    tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    rows = [line for line in TEXT.split("\n") if line.strip()][:300]
    assert [ours.encode(row) for row in rows] == [theirs.encode(row) for row in rows]
    known = [row for row in rows if theirs.unk_id() not in theirs.encode(row)]  # what it does not know it writes as ⁇
    assert [ours.decode(ours.encode(row)) for row in known] == [theirs.decode(theirs.encode(row)) for row in known]

    @settings(max_examples=150, deadline=None)
    @given(TEXTS)
    def same(text):
        if "<s>" not in text and "</s>" not in text:
            assert ours.encode(text) == theirs.encode(text)

    same()
    assert ours.normalizer("ｶﾞ ｶ") == theirs.normalize("ｶﾞ ｶ")  # of two rules the one for more letters
    # What begins and ends a text is found in it, as in a tokenizer.json; to SentencePiece it is letters there.
    first, *_, last = ours.encode("<s>a</s>")
    assert (first, last) == (theirs.bos_id(), theirs.eos_id())


@pytest.mark.reference
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_a_mark_of_a_space_at_the_end_of_a_text(kind, tmp_path):
    theirs, ours = sentencepiece_model(tmp_path, model_type=kind, vocab_size=250, normalization_rule_name="identity")
    for text in ("▁", "self▁", "self ▁▁", "▁self", "se▁ lf"):
        assert ours.encode(text) == theirs.encode(text), text


@pytest.mark.reference
def test_symbols_of_the_users_own_are_used_wherever_they_stand(tmp_path):
    theirs, ours = sentencepiece_model(
        tmp_path, model_type="unigram", vocab_size=300, user_defined_symbols=["el", "▁x", "etur"]
    )
    for text in ("self return", "xself", "def x", "elelf", "returning"):
        assert ours.encode(text) == theirs.encode(text), text


@pytest.mark.reference
def test_symbols_that_cleaning_would_change_are_refused(tmp_path):
    with pytest.raises(WorldError, match="symbols of its user's own .*ﬁ"):
        sentencepiece_model(tmp_path, model_type="unigram", vocab_size=250, user_defined_symbols=["ﬁ"])


@pytest.mark.reference
def test_ranks(tmp_path):
    tiktoken = pytest.importorskip("tiktoken")
    model = learn_bpe(TEXT, 400)
    ranks = {b"".join(bytes([BYTES[letter]]) for letter in token): rank for token, rank in model.model.vocab.items()}
    lines = [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks.items()]
    (tmp_path / "r.tiktoken").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"<|end|>": 400}
    ours = formats.tiktoken(tmp_path / "r.tiktoken", special=special)
    theirs = tiktoken.Encoding("r", pat_str=formats.cutting.LLAMA3, mergeable_ranks=ranks, special_tokens=special)

    @settings(max_examples=100, deadline=None)
    @given(TEXTS)
    def same(text):
        assert ours.encode(text + "<|end|>") == theirs.encode(text + "<|end|>", allowed_special="all")

    same()


GOOD = formats.to_json(learn_bpe("abc", 256))


@pytest.mark.parametrize("change, message", [
    ({"model": {"type": "WordLevel", "vocab": {}}}, "model of the kind WordLevel; there are: BPE"),
    ({"normalizer": {"type": "Nmt"}}, "asks for the normalizer Nmt, which is not here"),
    ({"pre_tokenizer": {"type": "UnicodeScripts"}}, "asks for the pre-tokenizer UnicodeScripts"),
    ({"decoder": {"type": "CTC"}}, "asks for the decoder CTC"),
    ({"post_processor": {"type": "Odd"}}, "post-processor Odd"),
    ({"normalizer": {"type": "NFC", "much": 1}}, "NFC with much"),
    ({"model": {**GOOD["model"], "dropout": 0.1}}, "dropout"),
    ({"model": {**GOOD["model"], "speed": 1}}, "speed"),
    ({"model": {**GOOD["model"], "merges": ["a"]}}, "expected pairs"),
    ({"added_tokens": [{"id": 1}]}, "cannot be read as a tokenizer"),
])  # fmt: skip
def test_what_is_not_here_is_named(change, message):
    with pytest.raises(WorldError, match=message):
        formats.from_json({**GOOD, **change})


@pytest.mark.parametrize("name, content, message", [
    ("tokenizer.json", b'{"architectures": ["GPT2"]}', "expected a tokenizer.json with a model"),
    ("tokenizer.json", b"{", "expected JSON"),
    ("tokenizer.json", b"[]", "is this another kind of file"),
    ("vocab.txt", b"hello\nworld\n", "BERT's vocabulary"),
    ("vocab.txt", b"\xff\xfe", "UTF-8"),
    ("m.model", b"PK\x03\x04 zip", "SentencePiece model"),
    ("m.model", b"", "SentencePiece model"),
    ("r.tiktoken", b"hello world\n", "base64"),
    ("weights.bin", b"", "no tokenizer that is known"),
    ("merges.txt", b"a b\n", "vocab.json cannot be read"),
])  # fmt: skip
def test_files_of_another_kind(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WorldError, match=message):
        formats.load(tmp_path / name)


def test_a_folder_without(tmp_path):
    with pytest.raises(WorldError, match="holds no tokenizer"):
        formats.load(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0}), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b c\n", encoding="utf-8")
    with pytest.raises(WorldError, match="two symbols in line 2"):
        formats.load(tmp_path)
