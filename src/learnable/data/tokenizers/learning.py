"""A tokenizer of your own, learned from a text."""

from collections import Counter
from collections.abc import Iterable, Sequence

from learnable.data.tokenizers import bpe, cleaning, cutting, formats, joining, unigram, wordpiece
from learnable.data.tokenizers.bytelevel import LETTERS, to_letters, utf8
from learnable.data.tokenizers.tokenizer import Added, Tokenizer
from learnable.errors import CallError

LETTERS_KEPT = 1000  # as in Hugging Face's trainer of BERT's tables
CHUNK = 1 << 20  # characters that are cut at once: the words of a long text need not all be in memory


def learn_bpe(texts: str | Iterable[str], size: int, *, special: Sequence[str] = ()) -> Tokenizer:
    """Byte pairs as GPT-2's, `size` tokens of them: special ones, 256 bytes, and what was merged.

    Fewer, where the text has no more pairs.

    >>> tokenizer = learn_bpe("low lowest newest low low", 260)
    >>> [tokenizer.tokens[token] for token in tokenizer.encode("lowest")]
    ['low', 'es', 't']

    Raises:
        CallError: a size below 256 and the special tokens.
    """
    if size < 256 + len(special):
        raise CallError(f"expected a vocabulary of at least {256 + len(special)} tokens: 256 bytes and {len(special)} special "
                        f"ones, came {size}")  # fmt: skip
    counts: Counter[str] = Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        utf8(text)
        counts.update(cutting.gpt2_words(text))
    words: Counter[str] = Counter()
    for word, count in counts.items():
        words[to_letters(word)] += count
    model = bpe.learn(words, size, alphabet=LETTERS.values(), special=special)
    return formats.byte_level(model, special)


def learn_wordpiece(
    texts: str | Iterable[str], size: int, *, lowercase: bool = True, letters: int = LETTERS_KEPT
) -> Tokenizer:
    """A table as BERT's, after BERT's cleaning.

    Args:
        letters: how many of them are kept, the commonest; a word with another one is unknown, and teaches nothing.

    >>> tokenizer = learn_wordpiece("low low slow slower", 17)
    >>> [tokenizer.tokens[token] for token in tokenizer.encode("Lower")]
    ['[CLS]', 'low', '##er', '[SEP]']

    Raises:
        CallError: a size that does not even hold the single letters.
    """
    clean, counts = cleaning.BertNormalizer(lowercase=lowercase), Counter[str]()
    for text in [texts] if isinstance(texts, str) else texts:
        utf8(text)
        counts.update(cutting.bert_words(clean(text)))
    often = Counter[str]()
    for word, count in counts.items():
        for letter in word:
            often[letter] += count
    kept = set(sorted(often, key=lambda letter: (-often[letter], letter))[:letters])
    words = {word: count for word, count in counts.items() if kept.issuperset(word)}
    return formats.bert(wordpiece.train(words, size), lowercase=lowercase)


def learn_unigram(texts: str | Iterable[str], size: int) -> Tokenizer:
    """A table as SentencePiece's: words begin with ▁, letters in their compatible form (NFKC), one space between words."""
    spaces = (cleaning.NFKC(), cleaning.Replace({"Regex": r"\s+"}, " "), cleaning.Strip())
    clean = cleaning.Sequence(spaces)
    cut = cutting.Metaspace()
    counts: Counter[str] = Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        utf8(text)
        counts.update(cut([clean(text)], True))
    model = unigram.train(counts, size, special=("<unk>",))
    return Tokenizer(model, normalizer=clean, pretokenizer=cut, decoder=joining.Metaspace(),
                     added=[Added(0, "<unk>")])  # fmt: skip
