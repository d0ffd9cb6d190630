"""How well a tokenizer suits a text: how much of it a token holds, whether it comes back, what another language costs.

Paper    Petrov et al. 2023, "Language model tokenizers introduce unfairness between languages" -
         https://arxiv.org/abs/2305.15425 (the premium: tokens of a translation over those of the English text)
"""

from collections.abc import Sequence

from learnable.data.tokenizers.tokenizer import Tokenizer


def bytes_per_token(text: str, tokens: Sequence[int]) -> float:
    """Bytes of the text in UTF-8 for each token: how many times shorter it becomes.

    >>> bytes_per_token("größer", [17, 4])
    4.0
    """
    return len(text.encode()) / len(tokens)


def fertility(text: str, tokens: Sequence[int]) -> float:
    """Tokens for each word, where words are what stands between blanks.

    >>> fertility("a tokenizer", [0, 1, 2])
    1.5
    """
    return len(tokens) / len(text.split())


def come_back(cutter: Tokenizer, texts: Sequence[str]) -> float:
    """The share of texts that are the same after having been tokens."""
    return sum(cutter.decode(cutter.encode(text, special=False)) == text for text in texts) / len(texts)


def premium(cutter: Tokenizer, translation: str, text: str) -> float:
    """Tokens of a translation over those of the text itself: what a language pays for not being the tokenizer's own."""
    return len(cutter.encode(translation, special=False)) / len(cutter.encode(text, special=False))


def unknown(cutter: Tokenizer, text: str, names: Sequence[str] = ("[UNK]", "<unk>")) -> float:
    """The share of the text's tokens that say only that something stands there."""
    numbers = [cutter.numbers[name] for name in names if name in cutter.numbers]
    tokens = cutter.encode(text, special=False)
    return sum(map(tokens.count, numbers)) / len(tokens)
