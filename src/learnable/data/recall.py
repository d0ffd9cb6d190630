"""Associative recall: some letters, each with a digit beside it, then one of the letters again. Which digit was it?

    a3 f7 k1 f?    ->  7

Nothing about the answer can be learned by heart, for every line pairs its letters anew: the only way is to look it up in
the line itself. As a test of memory it is due to Graves et al. 2014, "Neural Turing machines", section 4.3; in this
form, letters and digits in a few tokens, to Ba et al. 2016, "Using fast weights to attend to the recent past",
section 4.1. Olsson et al. 2022 found the same look-up at work inside large language models.
"""

import string
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from learnable.data.examples import Data, Info, TensorExamples, split
from learnable.errors import CallError, LearnableError, WorldError

TRAIN, VALID, TEST = 20_000, 2_000, 2_000  # generated lines


def pairs(source: str | None = None, *, pairs: int = 8, keys: int = 26, values: int = 10, seed: int = 0) -> Data:
    """Lines of `pairs` letter-digit pairs and a question, or the lines of the text file `source`.

    Keys of a batch: `tokens` (examples, pairs + 1, 2), each the number of a letter and of a digit, of which the last is
    the question, with the digit `values` for its question mark; `label` (examples,), the digit to be found. Lines of a
    file may be shorter: they are filled up at the front, with the letter `keys`, which stands for none. No line of one
    part is in another, not even in another order.

    Args:
        pairs: how many pairs a line has; in a file, how many at most.
        keys: how many letters there are to choose from, a ...; the letters of one line are distinct.
        values: how many digits, 0 ...
        seed: another one makes other lines; of a file, it decides which lines are for testing.

    Raises:
        CallError: a number is out of range, or there are not so many different lines.
        WorldError: the file cannot be read, or a line of it is not of the form above.

    >>> data = pairs(pairs=3)
    >>> write(data.test.batch(torch.tensor([0]), {})["tokens"][0], data.info)
    'p8 j1 q9 j?'
    """
    for name, count, most in (("pairs", pairs, keys), ("keys", keys, 26), ("values", values, 10)):
        if not 1 <= count <= most:
            raise CallError(f"--{name} takes 1 to {most}, came {count}.")
    info = Info(
        data="pairs" if source is None else f"file {Path(source).name}",
        alphabet=tuple(string.ascii_lowercase[:keys]),
        classes=tuple(string.digits[:values]),
        context=pairs,
    )
    if source is None:
        tokens = _generate(TRAIN + VALID + TEST, info, torch.Generator().manual_seed(seed))
        parts = tokens.split([TRAIN, VALID, TEST])
    else:
        tokens = _read_file(Path(source), info)
        parts = tuple(tokens[rows] for rows in split(len(tokens), [0.8, 0.1, 0.1], seed))
    return Data(info, *(TensorExamples({"tokens": part, "label": answers(part)}) for part in parts))


def answers(tokens: Int[Tensor, "lines tokens 2"]) -> Int[Tensor, "lines"]:
    """The digit beside the letter that the question asks for.

    >>> answers(torch.tensor([[[0, 3], [5, 7], [10, 1], [5, 10]]]))
    tensor([7])
    """
    asked = tokens[:, :-1, 0] == tokens[:, -1:, 0]  # (lines, pairs), one True in each row
    return (tokens[:, :-1, 1] * asked).sum(dim=1)


def read(line: str, info: Info) -> Int[Tensor, "tokens 2"]:
    """The tokens of a line that a person wrote.

    Raises:
        CallError: it is not of the form `a3 f7 k1 f?`; the message says where it is not.

    >>> read("a3 f7 f?", Info("pairs", alphabet=tuple("abcdef"), classes=tuple("0123456789"), context=8)).tolist()
    [[0, 3], [5, 7], [5, 10]]
    """
    *words, question = line.split() or [""]
    if len(question) != 2 or question[1] != "?":
        raise CallError(f"expected a question such as f? at the end, came '{_short(question)}' in '{_short(line)}'.")
    if not words:
        raise CallError(f"expected pairs before the question, such as a3 f7 f?, came only '{question}'.")
    if len(words) > info.context:
        raise CallError(f"expected at most {info.context} pairs before the question (--pairs), came {len(words)}.")
    for word in [*words, question]:
        if word[0] not in info.alphabet:
            raise CallError(f"expected a letter {_span(info.alphabet)} (--keys) at the start of '{_short(word)}'.")
    for word in words:
        if len(word) != 2 or word[1] not in info.classes:
            raise CallError(f"expected a letter and one digit {_span(info.classes)} (--values), came '{_short(word)}'.")
    letters = [word[0] for word in words]
    for letter in letters:
        if letters.count(letter) > 1:
            raise CallError(
                f"expected each letter once before the question, came '{letter}' {letters.count(letter)} times."
            )
    if question[0] not in letters:
        raise CallError(f"expected a question about one of {' '.join(letters)}, came '{question}'.")
    digits = (*info.classes, "?")
    return torch.tensor([[info.alphabet.index(word[0]), digits.index(word[1])] for word in [*words, question]])


def write(tokens: Int[Tensor, "tokens 2"], info: Info) -> str:
    """The line that a person would read; filling is left out."""
    digits = (*info.classes, "?")
    return " ".join(info.alphabet[letter] + digits[digit] for letter, digit in tokens.tolist() if letter < info.vocab)


def _generate(count: int, info: Info, generator: torch.Generator) -> Int[Tensor, "count tokens 2"]:
    """Random lines, no two of which say the same."""
    keys, values, width = info.vocab, len(info.classes), info.context
    found = torch.empty(0, width + 1, 2, dtype=torch.long)
    for _ in range(20):
        letters = torch.rand(count, keys, generator=generator).argsort(dim=1)[:, :width]
        digits = torch.randint(values, (count, width), generator=generator)
        asked = letters.gather(1, torch.randint(width, (count, 1), generator=generator))
        lines = torch.stack([torch.cat([letters, asked], 1), torch.cat([digits, torch.full_like(asked, values)], 1)], 2)
        found = _distinct(torch.cat([found, lines]), keys)
        if len(found) >= count:
            return found[:count]
    raise CallError(f"--pairs {width} --keys {keys} --values {values} make too few different lines: expected {count}, "
                    f"came {len(found)}. Give more of one of them.")  # fmt: skip


def _distinct(tokens: Int[Tensor, "lines tokens 2"], keys: int) -> Int[Tensor, "distinct tokens 2"]:
    """The first of all lines that have the same pairs, in whatever order, and the same question."""
    table = torch.full((len(tokens), keys + 1), -1)  # which digit is beside each letter
    table.scatter_(1, tokens[:, :-1, 0], tokens[:, :-1, 1])
    table[:, keys] = tokens[:, -1, 0]
    _, group = table.unique(dim=0, return_inverse=True)
    first = torch.full((int(group.max()) + 1,), len(tokens)).scatter_reduce_(
        0, group, torch.arange(len(tokens)), "amin"
    )
    return tokens[first.sort().values]


def _read_file(path: Path, info: Info) -> Int[Tensor, "lines tokens 2"]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise WorldError(f"there is no file {path}; --data takes a text file with lines such as a3 f7 k1 f?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorldError(f"expected a text file with lines such as a3 f7 k1 f?, {path} is none ({error}).") from error
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                lines.append(_fill(read(line, info), info))
            except LearnableError as error:
                raise WorldError(f"{path}, line {number}: {error}") from error
    distinct = _distinct(torch.stack(lines), info.vocab) if lines else torch.empty(0)
    if len(distinct) < 10:
        raise WorldError(
            f"{path} has {len(distinct)} different lines; expected at least 10, and thousands to learn from."
        )
    return distinct


def _fill(tokens: Int[Tensor, "tokens 2"], info: Info) -> Int[Tensor, "context_and_question 2"]:
    """Make a short line as long as the longest; `info.vocab` is the letter of nothing."""
    nothing = torch.tensor([info.vocab, len(info.classes)])
    return torch.cat([nothing.expand(info.context + 1 - len(tokens), 2), tokens])


def _span(names: tuple[str, ...]) -> str:
    return f"{names[0]} to {names[-1]}" if len(names) > 1 else names[0]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
