"""How good translations are: exactly right, or how much of the reference's wording they share.

Paper    Papineni et al. 2002 (BLEU); Post 2018 - https://aclanthology.org/W18-6319 (why only sacrebleu's can be compared)
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learnable.errors import WorldError

Translate = Callable[..., list[str]]  # (model, sources, info) -> texts


@torch.no_grad()
def token_loss(model: nn.Module, examples: Any, info: Any, *, padding: int = 0, rows: int = 100) -> float:
    """Nats for each word of the known translations, their ends included, without smoothing."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    nats, words = 0.0, 0
    for numbers in torch.arange(len(examples)).split(rows):
        batch = {name: tensor.to(device) for name, tensor in examples.batch(numbers, {}).items()}
        logits = model(batch["source"], batch["target"][:, :-1]).flatten(0, 1).float()
        answers = batch["target"][:, 1:].flatten()
        nats += float(F.cross_entropy(logits, answers, ignore_index=padding, reduction="sum"))
        words += int((answers != padding).sum())
    return nats / words


def exact_match(found: Sequence[str], wanted: Sequence[str]) -> float:
    """The share of translations that are the reference, letter for letter.

    >>> exact_match(["1999-03-05", "1999-05-03"], ["1999-03-05", "1999-03-05"])
    0.5
    """
    return sum(one == other for one, other in zip(found, wanted, strict=True)) / len(wanted)


def bleu(found: Sequence[str], wanted: Sequence[str]) -> float:
    """sacrebleu's BLEU of a whole test set, from 0 to 100: cased, its own tokenizer (13a), one reference each.

    The geometric mean of the shares of one to four words in a row that the reference has too, times a penalty for being
    short. Figures made with other tokenizers are not comparable.

    Raises:
        WorldError: sacrebleu is not installed.
    """
    try:
        import sacrebleu
    except ImportError as error:
        raise WorldError('BLEU needs sacrebleu: pip install "learnable[translation]"') from error
    return float(sacrebleu.corpus_bleu(list(found), [list(wanted)]).score)


def translation_metrics(
    model: nn.Module, examples: Any, info: Any, *, translate: Translate, limit: int | None = None
) -> dict[str, float]:
    """`exact_match`, `loss` in nats for each token, and, where texts are of words and not of letters, `bleu`.

    Args:
        examples: `TextPairs`, with the texts as they were written.
        translate: what turns tokens into texts: sampling is handed over, as it is a choice.
        limit: measure translations on so many pairs only.
    """
    count = len(examples) if limit is None else min(limit, len(examples))
    found = translate(model, sources(examples, count), info)
    wanted = [text for _, text in examples.texts[:count]]
    metrics = {"exact_match": exact_match(found, wanted), "loss": token_loss(model, examples, info)}
    if info.more.get("merges"):
        metrics["bleu"] = bleu(found, wanted)
    return metrics


def sources(examples: Any, count: int) -> list[Tensor]:
    """The sources of the first `count` pairs, each without its padding."""
    return [examples.rows["source"][i, : int(examples.lengths["source"][i])] for i in range(count)]
