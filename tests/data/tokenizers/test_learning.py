import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.data.text import stdlib_text
from learnable.data.tokenizers.learning import learn_bpe, learn_unigram, learn_wordpiece
from learnable.errors import CallError

TEXT = stdlib_text()[0][:40_000]
BPE = learn_bpe(TEXT, 600, special=["<|endoftext|>"])


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_bytes_come_back_exactly(text):
    assert BPE.decode(BPE.encode(text), skip_special=False) == text


@pytest.mark.reference
def test_byte_pairs_are_learned_as_the_reference_learns_them():
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], show_progress=False
    )
    theirs.train_from_iterator([TEXT], trainer)
    assert theirs.get_vocab() == BPE.model.vocab


def test_the_other_two():
    pieces = learn_wordpiece(TEXT, 400)
    assert pieces.decode(pieces.encode("return self, None")) == "return self, none" and len(pieces) == 400
    unigrams = learn_unigram(TEXT[:6_000], 200)
    assert unigrams.decode(unigrams.encode("return  self, None")) == "return self, None" and len(unigrams) <= 200


def test_rare_letters_take_no_place():
    text = "the cat " * 50 + "東京 ☃" + "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    pieces = learn_wordpiece(text, 40, letters=7)
    assert pieces.decode(pieces.encode("The cat")) == "the cat" and "東" not in pieces.numbers
    assert pieces.encode("東", special=False) == [pieces.numbers["[UNK]"]]
    with pytest.raises(CallError, match="at least"):
        learn_wordpiece(text, 40)


def test_too_small():
    with pytest.raises(CallError, match="at least 257 tokens: 256 bytes and 1"):
        learn_bpe("abc", 200, special=["<|endoftext|>"])
