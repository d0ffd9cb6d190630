"""The files in which tokenizers are published: read into a `Tokenizer`, and written so that the reference reads them.

    tokenizer.json             Hugging Face: everything; read and written
    vocab.json, merges.txt     GPT-2's byte pairs, and RoBERTa's; read and written
    vocab.txt                  BERT's table, one token to a line; read and written
    tokenizer_config.json      beside the two of these: whether letters become small, and the like; read
    *.model, *.spm             SentencePiece: unigram or byte pairs; read
    *.tiktoken                 OpenAI's ranks, base64 and a number to a line; read

What a file asks for and is not here is refused by its name; nothing is left out silently but truncation and padding, which are
settings of a batch and not of a text.
"""

import base64
import binascii
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from learnable.data.tokenizers import cleaning, cutting, joining
from learnable.data.tokenizers.bpe import BPE, Pair
from learnable.data.tokenizers.bytelevel import LETTERS
from learnable.data.tokenizers.tokenizer import Added, Template, Tokenizer
from learnable.data.tokenizers.unigram import Unigram
from learnable.data.tokenizers.wordpiece import SPECIAL, WordPiece
from learnable.errors import WorldError, unknown
from learnable.files import write_json, write_text

END = "<|endoftext|>"
CONFIG = "tokenizer_config.json"
ROBERTA = {"<s>", "</s>", "<pad>", "<mask>"}  # what a table of byte pairs has beside its pieces, if it is RoBERTa's


def load(place: str | Path) -> Tokenizer:
    """The tokenizer in a file, or in the folder of a model.

    Raises:
        WorldError: nothing there, a torn file, one of another kind, or one that asks for what is not here.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        if (path / "tokenizer.json").is_file():
            return load(path / "tokenizer.json")
        told = _settings(path / CONFIG)
        if (path / "vocab.json").is_file() and (path / "merges.txt").is_file():
            pairs = read_pairs(path / "vocab.json", path / "merges.txt")
            if pairs.vocab.keys() >= ROBERTA:
                return roberta(pairs, add_prefix_space=bool(told.get("add_prefix_space")))
            return byte_level(pairs)
        if (path / "vocab.txt").is_file():
            table = read_table(path / "vocab.txt")
            return bert(table, lowercase=told.get("do_lower_case", is_small(table.vocab)),
                        strip_accents=told.get("strip_accents"),
                        handle_chinese_chars=told.get("tokenize_chinese_chars", True))  # fmt: skip
        models = [*sorted(path.glob("*.model")), *sorted(path.glob("*.spm")), *sorted(path.glob("*.tiktoken"))]
        if models:
            return load(models[0])
        raise WorldError(f"{path} holds no tokenizer: expected tokenizer.json, vocab.json with merges.txt, vocab.txt, or a "
                         "SentencePiece .model.")  # fmt: skip
    if path.name == "vocab.json" or path.name == "merges.txt":
        return byte_pairs(path.with_name("vocab.json"), path.with_name("merges.txt"))
    if path.suffix == ".json":
        return from_json(_json(path), str(path))
    if path.suffix in (".model", ".spm"):
        return sentencepiece(path)
    if path.suffix == ".tiktoken":
        return tiktoken(path)
    if path.suffix == ".txt":
        return wordpiece(path)
    raise WorldError(f"{path} is no tokenizer that is known here: expected a folder, or a file that ends in .json, .txt, .model, "
                     ".spm or .tiktoken.")  # fmt: skip


# ------------------------------------------------------------------------------------------------- tokenizer.json


def save(tokenizer: Tokenizer, path: str | Path) -> None:
    """Write `tokenizer.json`, as `tokenizers.Tokenizer.from_file` reads it; into a folder, under that name.

    Raises:
        WorldError: the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    write_json(path / "tokenizer.json" if path.is_dir() or not path.suffix else path, to_json(tokenizer))


def to_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """All that a tokenizer is, as plain data."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [token.to_json() for token in tokenizer.added],
        "normalizer": _step_json(tokenizer.normalizer),
        "pre_tokenizer": _step_json(tokenizer.pretokenizer),
        "post_processor": tokenizer.post_processor,
        "decoder": _step_json(tokenizer.decoder),
        "model": tokenizer.model.to_json(),
    }


def from_json(value: Any, name: str = "the tokenizer") -> Tokenizer:
    """A tokenizer out of the content of a `tokenizer.json`.

    Raises:
        WorldError: it is something else, or asks for what is not here; the message names it.
    """
    if not isinstance(value, Mapping) or "model" not in value:
        raise WorldError(f"expected a tokenizer.json with a model in {name}, came "
                         f"{'a table of ' + ', '.join(list(value)[:4]) if isinstance(value, Mapping) else type(value).__name__}; "
                         "is this another kind of file?")  # fmt: skip
    try:
        added = [Added(**{key.name: token[key.name] for key in fields(Added) if key.name in token})
                 for token in value.get("added_tokens") or ()]  # fmt: skip
        post = value.get("post_processor")
        return Tokenizer(
            _model(value["model"], name),
            normalizer=_step(value.get("normalizer"), cleaning.NORMALIZERS, cleaning.Sequence, "normalizer", name),
            pretokenizer=_step(
                value.get("pre_tokenizer"), cutting.PRETOKENIZERS, cutting.Sequence, "pre-tokenizer", name
            ),
            template=_template(post, name),
            decoder=_step(value.get("decoder"), joining.DECODERS, joining.Sequence, "decoder", name),
            added=added,
            post_processor=dict(post) if post else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, WorldError):
            raise
        raise WorldError(f"{name} cannot be read as a tokenizer: {type(error).__name__} {error}.") from error


def _model(value: Mapping[str, Any], name: str) -> BPE | WordPiece | Unigram:
    value = dict(value)
    kind = value.pop("type", None) or (
        "BPE" if "merges" in value else "Unigram" if isinstance(value.get("vocab"), list) else "WordPiece"
    )
    if kind == "BPE":
        if value.pop("dropout", None):
            raise WorldError(f"{name} drops merges at random (dropout), which is not done here.")
        merges: list[Any] = [tuple(p.split(" ") if isinstance(p, str) else p) for p in value.pop("merges")]
        if strange := [pair for pair in merges if len(pair) != 2]:
            raise WorldError(f"expected pairs as merges in {name}, came {strange[0]!r}.")
        return BPE(value.pop("vocab"), merges, **value)
    if kind == "WordPiece":
        return WordPiece(value.pop("vocab"), **value)
    if kind == "Unigram":
        vocab = value.pop("vocab")
        return Unigram([(str(piece), float(score)) for piece, score in vocab], **value)
    raise WorldError(f"{name} has a model of the kind {kind}; there are: BPE, Unigram, WordPiece.")


_PARTS = {"Sequence": ("normalizers", "pretokenizers", "decoders", "processors")}


def _step(value: Mapping[str, Any] | None, table: Mapping[str, Any], sequence: Any, what: str, name: str) -> Any:
    """A step by its name and its fields."""
    if value is None:
        return None
    value = dict(value)
    kind = value.pop("type")
    if kind == "Sequence":
        parts = next(value[key] for key in _PARTS["Sequence"] if key in value)
        return sequence(tuple(_step(part, table, sequence, what, name) for part in parts))
    if kind not in table:
        raise WorldError(
            f"{name} asks for the {what} {kind}, which is not here; there are: {', '.join(sorted(table))}."
        )
    if kind == "Metaspace":  # older files say it in other words
        value.pop("str_rep", None)
        if (old := value.pop("add_prefix_space", None)) is not None:
            value.setdefault("prepend_scheme", "always" if old else "never")
    known = {field.name for field in fields(table[kind])}
    if strange := set(value) - known:
        raise WorldError(
            f"{name} asks for the {what} {kind} with {', '.join(sorted(strange))}, which is not known here."
        )
    return table[kind](**value)


def _step_json(step: Any) -> dict[str, Any] | None:
    if step is None:
        return None
    kind = type(step).__name__
    if kind == "Sequence":
        part = fields(step)[0].name
        return {"type": kind, part: [_step_json(each) for each in getattr(step, part)]}
    return {"type": kind, **asdict(step)}


def _template(value: Mapping[str, Any] | None, name: str) -> Template | None:
    """What stands around a text; None is nothing."""
    if value is None or value["type"] == "ByteLevel":  # moves places in the text, which nobody asks for here
        return None
    if value["type"] == "Sequence":
        found = [one for part in value["processors"] if (one := _template(part, name)) is not None]
        if len(found) > 1:
            raise WorldError(f"{name} puts special tokens around a text in {len(found)} steps; one is known here.")
        return found[0] if found else None
    if value["type"] in ("BertProcessing", "RobertaProcessing"):
        first, last = value["cls"][1], value["sep"][1]
        single = ((first, 0), ("A", 0), (last, 0))
        if value["type"] == "BertProcessing":
            return Template(single, (*single, ("B", 1), (last, 1)))
        return Template(single, (*single, (last, 0), ("B", 0), (last, 0)))
    if value["type"] == "TemplateProcessing":
        ids = {key: entry["ids"] for key, entry in value["special_tokens"].items()}

        def rows(parts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int | str, int]]:
            for part in parts:
                if "Sequence" in part:
                    yield part["Sequence"]["id"], part["Sequence"].get("type_id", 0)
                else:
                    token = part["SpecialToken"]
                    yield from ((number, token.get("type_id", 0)) for number in ids[token["id"]])

        return Template(tuple(rows(value["single"])), tuple(rows(value["pair"])))
    raise WorldError(f"{name} asks for the post-processor {value['type']}, which is not here; there are: BertProcessing, "
                     "ByteLevel, RobertaProcessing, TemplateProcessing.")  # fmt: skip


# ------------------------------------------------------------------------------------------------- GPT-2's two files


def byte_pairs(vocab: Path, merges: Path, *, special: Sequence[str] = (END,)) -> Tokenizer:
    """GPT-2's kind, from its table and its list of merges."""
    return byte_level(read_pairs(vocab, merges), special)


def read_pairs(vocab: Path, merges: Path) -> BPE:
    table = _json(vocab)
    if not isinstance(table, dict) or not all(isinstance(number, int) for number in table.values()):
        raise WorldError(f"expected a table of tokens and their numbers in {vocab}, came something else.")
    pairs = []
    for number, line in enumerate(_text(merges).split("\n"), start=1):
        if not line.strip() or line.startswith("#version"):
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise WorldError(f"expected two symbols in line {number} of {merges}, came {line[:60]!r}.")
        pairs.append((pair[0], pair[1]))
    return BPE(table, pairs)


def byte_level(model: BPE, special: Sequence[str] = (END,), *, pattern: str | None = None) -> Tokenizer:
    """Byte pairs with GPT-2's way of cutting, or by another pattern."""
    step: Any = cutting.ByteLevel(add_prefix_space=False)
    if pattern is not None:
        split = cutting.Split({"Regex": pattern})
        step = cutting.Sequence((split, cutting.ByteLevel(add_prefix_space=False, use_regex=False)))
    added = [Added(model.vocab[token], token) for token in special if token in model.vocab]
    return Tokenizer(model, pretokenizer=step, decoder=joining.ByteLevel(), added=added)


def roberta(model: BPE, *, add_prefix_space: bool = False) -> Tokenizer:
    """GPT-2's kind between <s> and </s>; a <mask> takes the spaces before it along.

    Paper    Liu et al. 2019, section 4.4 (the bytes); the marks as in the published files
    """
    first, last = model.vocab["<s>"], model.vocab["</s>"]
    post = {"type": "RobertaProcessing", "sep": ["</s>", last], "cls": ["<s>", first], "trim_offsets": True,
            "add_prefix_space": add_prefix_space}  # fmt: skip
    special = sorted(ROBERTA | ({"<unk>"} & model.vocab.keys()), key=model.vocab.__getitem__)
    return Tokenizer(
        model,
        pretokenizer=cutting.ByteLevel(add_prefix_space=add_prefix_space),
        template=_template(post, "RoBERTa"),
        post_processor=post,
        decoder=joining.ByteLevel(),
        added=[Added(model.vocab[token], token, lstrip=token == "<mask>") for token in special],
    )


def save_byte_pairs(tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write `vocab.json` and `merges.txt`.

    Raises:
        CallError: it has no merges.
        WorldError: the disk is full, or the folder cannot be written to.
    """
    if not isinstance(tokenizer.model, BPE):
        raise unknown("merges in a", type(tokenizer.model).__name__, ["BPE"])
    write_json(Path(folder) / "vocab.json", dict(sorted(tokenizer.numbers.items(), key=lambda row: row[1])))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in tokenizer.model.merges)]
    write_text(Path(folder) / "merges.txt", "\n".join(lines) + "\n")


# ------------------------------------------------------------------------------------------------- BERT's table


def wordpiece(path: Path, *, lowercase: bool | None = None) -> Tokenizer:
    """BERT's kind, from its table.

    Args:
        lowercase: None: where no token has a capital letter, beside the special ones.
    """
    model = read_table(path)
    return bert(model, lowercase=is_small(model.vocab) if lowercase is None else lowercase)


def read_table(path: Path) -> WordPiece:
    lines = _text(path).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    vocab = {line.removesuffix("\r"): number for number, line in enumerate(lines)}
    if "[UNK]" not in vocab:
        raise WorldError(f"expected BERT's vocabulary in {path}, one token to a line, [UNK] among them; came {len(lines)} lines "
                         f"that begin with {lines[0][:40]!r}.")  # fmt: skip
    return WordPiece(vocab)


def is_small(vocab: Iterable[str]) -> bool:
    """Whether no token has a capital letter, beside the special ones.

    >>> is_small(["[UNK]", "cat"]), is_small(["[UNK]", "Cat"])
    (True, False)
    """
    return not any(token != token.lower() for token in vocab if token[:1] != "[")


def bert(
    model: WordPiece, *, lowercase: bool = True, strip_accents: bool | None = None, handle_chinese_chars: bool = True
) -> Tokenizer:
    """WordPiece with BERT's cleaning, between [CLS] and [SEP]; the settings are those of `BertNormalizer`."""
    template = post = None
    if "[CLS]" in model.vocab and "[SEP]" in model.vocab:
        first, last = model.vocab["[CLS]"], model.vocab["[SEP]"]
        post = {"type": "BertProcessing", "sep": ["[SEP]", last], "cls": ["[CLS]", first]}
        template = _template(post, "BERT")
    return Tokenizer(
        model,
        normalizer=cleaning.BertNormalizer(True, handle_chinese_chars, strip_accents, lowercase),
        pretokenizer=cutting.BertPreTokenizer(),
        template=template,
        post_processor=post,
        decoder=joining.WordPiece(),
        added=[Added(model.vocab[token], token) for token in SPECIAL if token in model.vocab],
    )


def save_wordpiece(tokenizer: Tokenizer, path: str | Path) -> None:
    """Write `vocab.txt`.

    Raises:
        WorldError: the disk is full, or the folder cannot be written to.
    """
    write_text(Path(path), "".join(f"{tokenizer.tokens[number]}\n" for number in range(len(tokenizer))))


# ------------------------------------------------------------------------------------------------- OpenAI's ranks


def tiktoken(path: Path, *, pattern: str = cutting.LLAMA3, special: Mapping[str, int] | None = None) -> Tokenizer:
    """Byte pairs from a file of ranks; it does not say how texts are cut, nor which special tokens there are.

    Args:
        pattern: cuts a text; by default as GPT-4 and Llama 3 do.
        special: special tokens and their numbers.
    """
    ranks: dict[str, int] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line:
            word, _, rank = line.partition(" ")
            try:
                ranks["".join(LETTERS[byte] for byte in base64.b64decode(word, validate=True))] = int(rank)
            except (ValueError, binascii.Error):
                raise WorldError(
                    f"expected a token in base64 and its rank in line {number} of {path}, came {line[:60]!r}."
                ) from None
    model = BPE(ranks, merges_of(ranks), ignore_merges=True)
    tokenizer = byte_level(model, (), pattern=pattern)
    added = [Added(number, token) for token, number in (special or {}).items()]
    return Tokenizer(model, pretokenizer=tokenizer.pretokenizer, decoder=tokenizer.decoder, added=added)


def merges_of(ranks: Mapping[str, int]) -> list[Pair]:
    """The list of merges that says the same as these ranks: any two tokens may merge that make one, the lowest rank first."""
    merges = []
    for token in sorted(ranks, key=ranks.__getitem__):
        ways = [(token[:at], token[at:]) for at in range(1, len(token)) if token[:at] in ranks and token[at:] in ranks]
        merges += sorted(ways, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return merges


# ------------------------------------------------------------------------------------------------- SentencePiece

_NORMAL, _UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6


def sentencepiece(path: Path) -> Tokenizer:
    """A SentencePiece model: unigram or byte pairs, with its own cleaning, and with bytes for what is unknown where it has them.

    Format  a protocol buffer, sentencepiece_model.proto: 1 pieces (1 piece, 2 score, 3 type), 2 trainer (3 model type, 24 whitespace
            as suffix, 35 byte fallback), 3 normalizer (2 table of letters, 3 dummy prefix, 4 extra spaces, 5 spaces as ▁)
    Differs  what begins and ends a text (<s>, </s>) is found where a text has it, as transformers does; to SentencePiece
             it is letters there
    """
    data = _bytes(path)
    pieces: list[tuple[str, float, int]] = []
    trainer: dict[int, Any] = {}
    rules: dict[int, Any] = {}
    try:
        for key, value in message(data):
            if key == 1:
                row = dict(message(value))
                score = struct.unpack("<f", row[2])[0] if 2 in row else 0.0
                pieces.append((row.get(1, b"").decode(), score, row.get(3, _NORMAL)))
            elif key == 2:
                trainer = dict(message(value))
            elif key == 3:
                rules = dict(message(value))
    except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise WorldError(
            f"expected a SentencePiece model in {path}, came something that cannot be read as one ({error})."
        ) from None
    kind = trainer.get(3, 1)
    if not pieces or kind not in (1, 2):
        what = {3: "words", 4: "characters"}.get(kind, f"kind {kind}")
        raise WorldError(f"expected a SentencePiece model of unigrams or byte pairs in {path}, came "
                         f"{f'one of {what}' if pieces else 'one without pieces'}.")  # fmt: skip
    if trainer.get(24, 0) or not rules.get(5, 1):
        raise WorldError(f"{path} marks words at their end, or not at all, which is not done here.")

    steps: list[Any] = []
    if rules.get(2):
        steps.append(cleaning.Precompiled(base64.b64encode(rules[2]).decode()))
    if rules.get(4, 1):
        steps += [
            cleaning.Replace({"Regex": r"(?<![\s\S]) +| +(?![\s\S])"}, ""),
            cleaning.Replace({"Regex": " {2,}"}, " "),
        ]
    if rules.get(3, 1):
        steps.append(cleaning.Prepend("▁"))
    steps.append(cleaning.Replace({"String": " "}, "▁"))
    if rules.get(4, 1):  # a ▁ that stood in the text counts as a space at its end, there alone
        steps.append(cleaning.Replace({"Regex": r"▁+\z"}, ""))

    of_kind = {
        kind: [at for at, (_, _, k) in enumerate(pieces) if k == kind]
        for kind in (_UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE)
    }
    fallback = bool(trainer.get(35, 0))
    unk = of_kind[_UNKNOWN][0] if of_kind[_UNKNOWN] else None
    own = [pieces[at][0].replace("▁", " ") for at in of_kind[_USER]]
    if changed := [
        piece for piece in own if steps and isinstance(steps[0], cleaning.Precompiled) and steps[0](piece) != piece
    ]:
        raise WorldError(f"{path} has symbols of its user's own that are kept from its cleaning ({changed[0]!r}, ...), which is not "
                         "done here.")  # fmt: skip
    if kind == 1:
        left_out = [at for kind in (_UNKNOWN, _CONTROL, _UNUSED, _BYTE) for at in of_kind[kind]]
        model: Any = Unigram([(piece, score) for piece, score, _ in pieces], unk, byte_fallback=fallback, skipped=left_out,
                             always=of_kind[_USER])  # fmt: skip
    else:
        if of_kind[_USER]:
            raise WorldError(f"{path} holds byte pairs with symbols of its user's own ({pieces[of_kind[_USER][0]][0]!r}, ...), which "
                             "is not done here; its tokenizer.json is read.")  # fmt: skip
        order = sorted((at for at, (_, _, k) in enumerate(pieces) if k == _NORMAL), key=lambda at: (-pieces[at][1], at))
        ranks = {pieces[at][0]: rank for rank, at in enumerate(order)}
        model = BPE({piece: at for at, (piece, _, _) in enumerate(pieces)}, merges_of(ranks),
                    unk_token=None if unk is None else pieces[unk][0], fuse_unk=True, byte_fallback=fallback)  # fmt: skip
    decoders: list[Any] = [joining.Replace({"String": "▁"}, " "), joining.ByteFallback(), joining.Fuse()]
    if rules.get(3, 1):
        decoders.append(joining.Strip(" ", 1, 0))
    return Tokenizer(
        model,
        normalizer=cleaning.Sequence(tuple(steps)),
        decoder=joining.Sequence(tuple(decoders)),
        added=[Added(at, pieces[at][0]) for at in of_kind[_CONTROL]],
    )


def message(data: bytes) -> Iterator[tuple[int, Any]]:
    r"""The fields of a protocol buffer's message: (number, value), the value a whole number or bytes.

    >>> list(message(b"\x0a\x02hi\x10\x96\x01"))
    [(1, b'hi'), (2, 150)]

    Raises:
        ValueError: it is none.
    """
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value

    while at < len(data):
        key = number()
        field, wire = key >> 3, key & 7
        if wire == 0:
            yield field, number()
            continue
        size = number() if wire == 2 else {1: 8, 5: 4}.get(wire, -1)
        if size < 0 or at + size > len(data) or field == 0:
            raise ValueError(f"no protocol buffer at byte {at}")
        yield field, data[at : at + size]
        at += size


# ------------------------------------------------------------------------------------------------- files


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorldError(f"the tokenizer's file {path} cannot be read: {error.strerror or error}.") from error


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WorldError(f"expected a text in UTF-8 in {path}, came the byte 0x{error.object[error.start]:02x} at position "
                         f"{error.start}; is this another kind of file?") from error  # fmt: skip


def _settings(path: Path) -> dict[str, Any]:
    """What a `tokenizer_config.json` says, if there is one."""
    found = _json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise WorldError(f"expected a table of settings in {path}, came {type(found).__name__}.")
    return {key: value for key, value in found.items() if value is not None}


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise WorldError(
            f"expected JSON in {path}, came something else in line {error.lineno} ({error.msg})."
        ) from error
