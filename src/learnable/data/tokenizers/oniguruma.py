"""Patterns of published tokenizers, read as their own library reads them.

A `tokenizer.json` holds regular expressions in the dialect of Oniguruma. Most mean the same to Python's `regex`; those that do not
would cut a text otherwise without a word. So what differs is said in other words here, and what cannot be said is refused.

Source   Oniguruma's doc/RE - https://github.com/kkos/oniguruma
"""

import regex

from learnable.errors import WorldError

# What a part of a pattern means to Oniguruma, by which such files are read, in words that mean the same to `regex`. A letter
# of a word is no joiner there but may be ½ (yet not between brackets), lines begin and end at each new line, and so on.
_WORD = r"[\w²³¹¼½¾--[\u200c\u200d]]"
_NO_WORD = r"[\W\u200c\u200d--[²³¹¼½¾]]"
_ONIGURUMA = {
    r"\w": _WORD, r"\W": _NO_WORD, r"\h": "[0-9A-Fa-f]", r"\H": "[^0-9A-Fa-f]", r"\z": r"\Z", r"\Z": r"(?=\n?\Z)",
    r"\b": rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    r"\B": rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
    "[:digit:]": r"\d", "[:alnum:]": r"\p{Alphabetic}\d", "[:punct:]": r"\p{P}\p{S}",
    "^": r"(?:\A|(?<=\n)(?!\Z))", "$": r"(?=\n|\Z)",
}  # fmt: skip
_BRACKETED = {
    r"\w": r"[\w--[\u200c\u200d]]", "[:word:]": r"[\w--[\u200c\u200d]]", r"\W": r"[\W\u200c\u200d]", "^": "^", "$": "$",
}  # fmt: skip
# Other things to one of the two, or none.
_ELSEWHERE = {r"\G", r"\K", r"\N", r"\O", r"\X", r"\y", r"\Y", r"\L", r"\m", r"\M"}
_PARTS = regex.compile(
    r"\\x\{[0-9A-Fa-f]+\}|\\p\{\^|\\.|\(\?[imx-]+[:)]|\[:\^?\w+:\]|\[\^?\]?|\]|&&|--|\|\||~~|.", regex.DOTALL
)


def translated(pattern: str) -> str:
    r"""A pattern of a published file as `regex` has to be asked for it.

    >>> translated(r"(?m).|\h")
    '(?s).|[0-9A-Fa-f]'

    Raises:
        WorldError: something in it that is not done here.
    """
    out: list[str] = []
    depth = 0
    for part in _PARTS.findall(pattern):
        if part in _ELSEWHERE or part.startswith("[:^") or (depth and part in (r"\b", r"\B")):
            raise WorldError(f"the pattern {pattern!r} has {part}, which is not done here.")
        if part.startswith(r"\x{"):
            part = regex.escape(chr(int(part[3:-1], 16)))
        elif part.startswith("(?") and not depth:
            part = part.replace("m", "s")  # where a point is a new line too
        elif part == r"\p{^":
            part = r"\P{"
        elif part.startswith("[") and not part.startswith("[:"):
            depth += 1
            part = part.replace("]", r"\]")
        elif part == "]":
            depth = max(depth - 1, 0)
        elif depth and part in ("--", "||", "~~"):  # letters there, operations here
            part = r"-\-" if part == "--" and not out[-1].startswith("[") else rf"\{part[0]}{part[1]}"
        else:
            part = (_BRACKETED if depth else {}).get(part, _ONIGURUMA.get(part, part))
        out.append(part)
    return "".join(out)
