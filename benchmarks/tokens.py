"""Byte pairs against Hugging Face's tokenizers on one thread: GPT-2's vocabulary on 10 MB of text, and 5,000 merges learned from it.

Run it   python -m benchmarks tokens     (with LEARNABLE_DATA_MIRROR, or a network, for GPT-2's vocabulary)

Both encode the same text with the same table and must give the same numbers, and learn the same merges. They take turns in
one process. A fresh tokenizer each time: no word is remembered from the turn before.
"""

import os
import sysconfig
from pathlib import Path
from statistics import median
from time import perf_counter

# Shares of the reference's speed: 1 is as fast, 2 twice as fast.
BOUNDS = {
    "encoding, share of the reference's speed": (">=", 0.2),
    "training, share of the reference's speed": (">=", 0.1),
}
SIZE, MERGES, ROUNDS = 10_000_000, 5_000, 3


def text() -> str:
    """The first ten million characters of the modules of this Python and its packages."""
    parts: list[str] = []
    size = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if size >= SIZE:
            break
        parts.append(path.read_text(encoding="utf-8", errors="replace"))
        size += len(parts[-1])
    return "".join(parts)[:SIZE]


def measure() -> dict[str, float]:
    os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"
    import tokenizers

    from learnable.data.fetch import fetch
    from learnable.data.tokenizers.learning import learn_bpe
    from learnable.data.tokenizers.published import gpt2

    sample = text()
    files = str(fetch("gpt2", "encoder.json")), str(fetch("gpt2", "vocab.bpe"))
    times = []
    for _ in range(ROUNDS):
        mine, theirs = gpt2(), tokenizers.ByteLevelBPETokenizer(*files)
        begun = perf_counter()
        ours = mine.encode(sample)
        between = perf_counter()
        reference = theirs.encode(sample).ids
        times.append((between - begun, perf_counter() - between))
        assert ours == reference, "the same text has other tokens"
    encoding, encoding_reference = (median(column) for column in zip(*times, strict=True))

    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=256 + MERGES, initial_alphabet=alphabet, show_progress=False)
    begun = perf_counter()
    learned = learn_bpe(sample, 256 + MERGES)
    between = perf_counter()
    theirs.train_from_iterator([sample], trainer)
    training, training_reference = between - begun, perf_counter() - between
    assert learned.numbers == theirs.get_vocab(), "other merges were learned"
    return {
        "encoding, share of the reference's speed": encoding_reference / encoding,
        "encoding, MB per second": len(sample.encode()) / 1e6 / encoding,
        "training, share of the reference's speed": training_reference / training,
        "training 5,000 merges on 10 MB, seconds": training,
    }
