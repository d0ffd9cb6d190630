"""Texts with a class each: modules of Python's library, the Stanford Sentiment Treebank, AG News, a table of your own.

A text is a row of pieces of words (`learnable.data.words`), a mark in front and one behind. What a class is called and how a
text is cut is kept in the run's record, so a model can be asked about new texts without its data.
"""

import csv
import io
import platform
import sysconfig
from pathlib import Path

import torch

from learnable.data.examples import Data, Info
from learnable.data.fetch import fetch
from learnable.data.folders import stratified
from learnable.data.registry import name_or_path
from learnable.data.tables import read_table
from learnable.data.text import STDLIB, read_text
from learnable.data.tokenizers.formats import to_json
from learnable.data.tokenizers.learning import learn_wordpiece
from learnable.data.tokenizers.tokenizer import Tokenizer
from learnable.data.words import Rows, Words, framed, words_of
from learnable.errors import CallError, WorldError

NAMES = ("modules", "sst", "sst5", "ag_news", "ag_news_test")
SENTIMENTS = ("very negative", "negative", "neutral", "positive", "very positive")
TOPICS = ("World", "Sports", "Business", "Sci/Tech")
SHARES = (80, 10, 10)
STRETCH = 4  # lines of a module that make one text

_MARKS = {"-LRB-": "(", "-RRB-": ")", "-LCB-": "{", "-RCB-": "}", "-LSB-": "[", "-RSB-": "]"}

Labeled = list[tuple[str, int]]
Parts = tuple[str, tuple[str, ...], tuple[Labeled, Labeled, Labeled]]  # what it is called; classes; train, valid, test


def labeled_texts(
    source: str | None = None, *, context: int = 64, vocab: int = 8192, examples: int = 0, phrases: bool = False,
    tokenizer: Tokenizer | None = None,
) -> Data:  # fmt: skip
    """Texts with the keys `tokens` (texts, at most context) and `label`.

    Args:
        source: "modules" (also None): of which of 22 modules of the standard library four lines are; "sst": negative or
            positive; "sst5": five grades; "ag_news": four topics, 120,000 texts; "ag_news_test": its test file alone, 7,600
            texts, of which four fifths are for training; or the path of a CSV file with the columns text and label.
        context: tokens of a text, [CLS] and [SEP] included; what is longer is cut off.
        vocab: pieces of the vocabulary, which is learned from the training part.
        examples: how many of the training part are used, 0: all. The others stay the same.
        phrases: train on every phrase of the treebank that has a label of its own, not on whole sentences alone.
        tokenizer: that of a model that is there already; None: WordPiece, learned here.

    Raises:
        CallError: no such data set, a context below 3, phrases of what has none, or more examples than there are.
        WorldError: a file that cannot be had, or is no table of texts with labels.
    """
    choice = name_or_path(source, NAMES)
    if context < 3:
        raise CallError(f"expected a context of at least 3 tokens, of which two are marks, came {context}")
    if phrases and choice not in ("sst", "sst5"):
        raise CallError("--phrases asks for the phrases of the treebank; give it with --data sst or sst5")
    name, classes, parts = read_parts(choice, phrases)
    train = parts[0]
    if not 0 <= examples <= len(train):
        raise CallError(f"expected 0 (all) to {len(train)} training examples of {name}, came {examples}")
    if examples:
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
        train = [train[i] for i in order[:examples]]
    if tokenizer is None:
        tokenizer = learn_wordpiece((text for text, _ in train), vocab)
    rows = [_rows(part, Words(tokenizer), context) for part in (train, *parts[1:])]
    return Data(Info(data=name, classes=classes, context=context, tokenizer=to_json(tokenizer)), *rows)


def texts_like(source: str | None, info: Info) -> Rows:
    """The test part of `source` in the words, the context and the classes of the data of `info`: to test a model on it.

    Read by `labeled_texts`, it would bring words of its own, and the model would see other numbers.

    Raises:
        CallError: no such data set, or one with other classes.
    """
    name, classes, parts = read_parts(name_or_path(source, NAMES), phrases=False)
    if classes != info.classes:
        raise CallError(f"the model knows the classes {', '.join(info.classes)[:200]}, and {name} has "
                        f"{', '.join(classes)[:200]}; evaluate it on data of the same kind")  # fmt: skip
    return _rows(parts[2], words_of(info), info.context)


def read_modules(folder: Path | None = None) -> Parts:
    """Four lines each of the modules in `STDLIB`; valid and test are the last fifth of every module.

    Raises:
        WorldError: this Python came without its sources.
    """
    folder = Path(sysconfig.get_path("stdlib")) if folder is None else folder
    parts: tuple[Labeled, Labeled, Labeled] = ([], [], [])
    for label, module in enumerate(STDLIB):
        path = folder / f"{module}.py"
        if not path.is_file():
            raise WorldError(f"this Python came without the source of its standard library: there is no {path}. Use a Python "
                             "with sources, or give texts of your own by --data TABLE.csv")  # fmt: skip
        lines = [line for line in read_text(path).split("\n") if line.strip()]
        texts = ["\n".join(lines[start : start + STRETCH]) for start in range(0, len(lines) - STRETCH + 1, STRETCH)]
        ends = [len(texts) * sum(SHARES[:i]) // 100 for i in range(4)]
        for part, start, end in zip(parts, ends, ends[1:], strict=False):
            part += [(text, label) for text in texts[start:end]]
    return f"modules of Python {platform.python_version()}", STDLIB, parts


def read_sst(five: bool = False, phrases: bool = False) -> Parts:
    """The Stanford Sentiment Treebank: 8,544 / 1,101 / 2,210 sentences of film reviews with five grades, or, without the
    neutral ones and with two, 6,920 / 872 / 1,821.

    Socher et al. 2013 had every phrase of every sentence graded; `phrases` gives those of the training part, each once.
    """
    parts = []
    for file in ("train", "dev", "test"):
        trees = [read_tree(line) for line in read_text(fetch("sst", f"trees/{file}.txt")).splitlines() if line.strip()]
        if phrases and file == "train":
            graded = {text: grade for tree in trees for text, grade in reversed(tree)}
            parts.append([(text, int(grade)) for text, grade in graded.items()])
        else:
            parts.append([tree[0] for tree in trees])
    if five:
        return "sst5", SENTIMENTS, (parts[0], parts[1], parts[2])
    train, valid, test = ([(text, int(grade > 2)) for text, grade in part if grade != 2] for part in parts)
    return "sst", ("negative", "positive"), (train, valid, test)


def read_tree(line: str) -> Labeled:
    """The phrases of a tree in brackets with their grades, the whole sentence first.

    >>> read_tree("(3 (2 Not) (4 great))")
    [('Not great', 3), ('Not', 2), ('great', 4)]

    Raises:
        WorldError: the brackets do not match, or a grade is none of 0 to 4.
    """
    open_phrases: list[tuple[int, int, int]] = []  # its place among the found ones, its first word, its grade
    found: list[tuple[str, int] | None] = []
    words: list[str] = []
    for item in line.replace("(", " ( ").replace(")", " ) ").split():
        if item == "(":
            open_phrases.append((len(found), len(words), -1))
            found.append(None)
        elif item == ")":
            if not open_phrases or open_phrases[-1][2] < 0:
                break
            place, start, grade = open_phrases.pop()
            found[place] = (" ".join(words[start:]), grade)
        elif open_phrases and open_phrases[-1][2] < 0:
            if item not in "01234":
                break
            open_phrases[-1] = (*open_phrases[-1][:2], int(item))
        else:
            words.append(_MARKS.get(item, item.replace("\\/", "/").replace("\\*", "*")))
    whole = [phrase for phrase in found if phrase is not None]
    if not whole or len(whole) < len(found) or line.count("(") != line.count(")") or len(found) != line.count("("):
        raise WorldError(f"expected a tree such as (3 (2 Not) (4 great)), came {line[:60]!r}")
    return whole


def read_ag_news(test_alone: bool = False) -> Parts:
    """AG News: title and description of a news item, four topics; 114,000 / 6,000 / 7,600 items.

    Args:
        test_alone: the 7,600 items of the test file alone, cut into 6,080 / 760 / 760: not comparable with what others report.
    """
    test = _news(fetch("ag_news", "test.csv"))
    if test_alone:
        labels = torch.tensor([label for _, label in test])
        train, valid, kept = ([test[i] for i in numbers.tolist()] for numbers in stratified(labels, SHARES))
        return "ag_news_test (the test file alone, 7,600 items, cut 80/10/10)", TOPICS, (train, valid, kept)
    try:
        known = _news(fetch("ag_news", "train.csv"))
    except WorldError as error:
        raise WorldError(
            f"{error}\nWithout it there are the 7,600 items of the test file: --data ag_news_test"
        ) from error
    labels = torch.tensor([label for _, label in known])
    train, valid = ([known[i] for i in numbers.tolist()] for numbers in stratified(labels, [95, 5]))
    return "ag_news", TOPICS, (train, valid, test)


def read_labeled_table(path: Path) -> Parts:
    """The rows of a CSV file with the columns text and label, cut 80/10/10 class by class.

    Raises:
        WorldError: no such file or columns, fewer than two classes, or a class of fewer than three texts.
    """
    table = read_table(path)
    missing = [name for name in ("text", "label") if name not in table.header]
    if missing:
        raise WorldError(f"expected the columns text and label in {path}, and '{missing[0]}' is missing; there are: "
                         f"{', '.join(table.header)}. The first line of the file names them")  # fmt: skip
    texts, names = table.column("text"), table.column("label")
    classes = tuple(sorted(set(names)))
    if len(classes) < 2:
        raise WorldError(
            f"expected two or more labels in {path}, came only '{classes[0]}': there is nothing to tell apart"
        )
    rare = min(classes, key=names.count)
    if names.count(rare) < 3:
        raise WorldError(f"expected at least 3 texts of each label in {path}, came {names.count(rare)} of '{rare}'; "
                         "give more of them, or take them out")  # fmt: skip
    labels = torch.tensor([classes.index(name) for name in names])
    train, valid, test = (
        [(texts[i], int(labels[i])) for i in numbers.tolist()] for numbers in stratified(labels, SHARES)
    )
    return f"texts {path.name}", classes, (train, valid, test)


def read_parts(choice: str | Path, phrases: bool = False) -> Parts:
    """The texts of a data set, by its name, or of a table, by its path; see `labeled_texts`."""
    if isinstance(choice, Path):
        return read_labeled_table(choice)
    if choice == "modules":
        return read_modules()
    if choice.startswith("ag_news"):
        return read_ag_news(test_alone=choice == "ag_news_test")
    return read_sst(five=choice == "sst5", phrases=phrases)


def _rows(part: Labeled, words: Words, context: int) -> Rows:
    tokens = framed([text for text, _ in part], words, context)
    return Rows(tokens, words.padding, {"label": torch.tensor([label for _, label in part])})


def _news(path: Path) -> Labeled:
    """Class (1 to 4), title, description; a backslash stands for a new line."""
    rows = csv.reader(io.StringIO(read_text(path), newline=""))
    return [(f"{title}. {text}".replace("\\", " "), int(label) - 1) for label, title, text in rows]
