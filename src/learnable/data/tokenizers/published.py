"""Published vocabularies, fetched when they are asked for: GPT-2's, BERT's and CLIP's."""

import gzip

from learnable.data.fetch import fetch
from learnable.data.tokenizers import cleaning, cutting, formats, joining
from learnable.data.tokenizers.bpe import BPE
from learnable.data.tokenizers.bytelevel import LETTERS
from learnable.data.tokenizers.tokenizer import Added, Template, Tokenizer
from learnable.errors import unknown

CLIP_MERGES = (
    49152 - 256 - 2
)  # of the quarter of a million in the file; with bytes, bytes that end a word, and two special tokens
START, END = "<|startoftext|>", "<|endoftext|>"


def gpt2() -> Tokenizer:
    """50,257 tokens: 256 bytes, 50,000 merges, and the end of a text.

    Paper    Radford et al. 2019, section 2.2
    """
    return formats.byte_pairs(fetch("gpt2", "encoder.json"), fetch("gpt2", "vocab.bpe"))


def bert_base_uncased() -> Tokenizer:
    """30,522 tokens of small letters.

    Paper    Devlin et al. 2019, section 3
    """
    return formats.wordpiece(fetch("bert-base-uncased", "vocab.txt"), lowercase=True)


def clip() -> Tokenizer:
    """49,408 tokens of small letters, of which those that end a word are marked </w>.

    Paper    Radford et al. 2021, section 2.4 - https://arxiv.org/abs/2103.00020
    Differs  OpenAI's code first mends text that was decoded wrongly (ftfy) and resolves HTML's entities; here, as in transformers,
             letters are composed (NFC) instead
    """
    lines = gzip.decompress(fetch("clip", "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : CLIP_MERGES + 1]]
    # In the order of OpenAI's table of bytes: those that can be seen first.
    letters = sorted(LETTERS.values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges), START, END]
    vocab = {token: number for number, token in enumerate(tokens)}
    first, last = vocab[START], vocab[END]
    return Tokenizer(
        BPE(vocab, [(left, right) for left, right in merges], unk_token=END, end_of_word_suffix="</w>"),
        normalizer=cleaning.Sequence((cleaning.NFC(), cleaning.Replace({"Regex": r"\s+"}, " "), cleaning.Lowercase())),
        pretokenizer=cutting.Sequence((
            cutting.Split({"Regex": cutting.CLIP}, "Removed", invert=True),
            cutting.ByteLevel(add_prefix_space=False, use_regex=False),
        )),
        template=Template(((first, 0), ("A", 0), (last, 0)), ((first, 0), ("A", 0), (last, 0), (last, 0), ("B", 0), (last, 0))),
        post_processor={"type": "RobertaProcessing", "sep": [END, last], "cls": [START, first], "trim_offsets": False,
                        "add_prefix_space": False},
        decoder=joining.Sequence((
            joining.ByteLevel(), joining.Replace({"Regex": r"</w>(?![\s\S])"}, ""), joining.Replace({"String": "</w>"}, " "),
        )),
        added=[Added(first, START), Added(last, END)],
    )  # fmt: skip


PUBLISHED = {"gpt2": gpt2, "bert-base-uncased": bert_base_uncased, "clip": clip}


def vocabulary(name: str) -> Tokenizer:
    """A published vocabulary by its name.

    Raises:
        CallError: there is none of that name.
        WorldError: its file cannot be had.
    """
    if name not in PUBLISHED:
        raise unknown("published vocabulary", name, PUBLISHED)
    return PUBLISHED[name]()
