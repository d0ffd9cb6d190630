"""What a recipe learns from: examples that are fetched by number, and the facts that a model's size follows from.

A batch is a dict of tensors with the field's names as keys (`image`, `label`, `tokens` ...), the first axis counting examples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from learnable.data.tokenizers.tokenizer import Tokenizer

Batch = dict[str, Tensor]


@runtime_checkable
class Examples(Protocol):
    """Numbered examples."""

    def __len__(self) -> int: ...

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Random numbers for `count` examples (noise, crops), one row each.

        They are drawn for the whole global batch and then divided, so that any number of processes sees the same ones.
        """
        ...

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        """The examples with these numbers, `draws` holding one row for each of them."""
        ...


@runtime_checkable
class Sized(Protocol):
    """Examples of different sizes, which are best learned from in batches of similar ones: less of a batch is filling."""

    @property
    def sizes(self) -> Tensor:
        """A number for each example: the larger, the more there is of it."""
        ...


class TensorExamples:
    """Examples that fit into memory: one tensor per key, fetched by indexing (no copies through worker processes).

    >>> examples = TensorExamples({"image": torch.rand(5, 1, 8, 8), "label": torch.arange(5)})
    >>> examples.batch(torch.tensor([4, 0]), {})["label"]
    tensor([4, 0])
    """

    def __init__(self, columns: Mapping[str, Tensor]):
        lengths = {key: len(column) for key, column in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"expected columns of one length, came {lengths}")
        self.columns = dict(columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        return {key: column[indexes] for key, column in self.columns.items()} | draws


class ImageBytes:
    """Pictures as bytes, in a quarter of the memory: `image` becomes numbers from 0 to 1 when a batch is fetched.

    >>> examples = ImageBytes(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), torch.tensor([7]))
    >>> examples.batch(torch.tensor([0]), {})
    {'image': tensor([[[[0.0000, 0.2000, 1.0000]]]]), 'label': tensor([7])}
    """

    def __init__(self, image: UInt8[Tensor, "n channels height width"], label: Int64[Tensor, "n"]):
        self.image = image
        self.label = label

    def __len__(self) -> int:
        return len(self.label)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        return {"image": self.image[indexes].float().div_(255), "label": self.label[indexes]} | draws


def few_of_each(examples: "ImageBytes | TensorExamples", count: int) -> "ImageBytes | TensorExamples":
    """The first `count` examples of each class, in their order; all where there are fewer.

    >>> examples = TensorExamples({"image": torch.zeros(5, 1, 1, 1), "label": torch.tensor([0, 0, 1, 0, 1])})
    >>> few_of_each(examples, 1).columns["label"]
    tensor([0, 1])
    """
    label = examples.label if isinstance(examples, ImageBytes) else examples.columns["label"]
    of_class = label[:, None] == label.unique()
    chosen = (of_class & (of_class.cumsum(dim=0) <= count)).any(dim=1)
    if isinstance(examples, ImageBytes):
        return ImageBytes(examples.image[chosen], label[chosen])
    return TensorExamples({key: column[chosen] for key, column in examples.columns.items()})


class WithNoise:
    """Examples beside fresh noise: what a generator turns into examples of its own.

    Adds the key `noise`, shape (examples, width), standard normal, new in every batch.
    """

    def __init__(self, examples: Examples, width: int):
        self.examples = examples
        self.width = width

    def __len__(self) -> int:
        return len(self.examples)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return self.examples.draw(count, generator) | {"noise": torch.randn(count, self.width, generator=generator)}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        return self.examples.batch(indexes, draws)


class TextWindows:
    """Every stretch of `context` + 1 tokens of a long text; number i starts at token i.

    Key `tokens`, shape (examples, context + 1): the last one is only ever a target.
    """

    def __init__(self, tokens: Tensor, context: int):
        if len(tokens) <= context:
            raise ValueError(f"expected more than {context} tokens, came {len(tokens)}")
        self.tokens = tokens
        self.context = context
        self.window = torch.arange(context + 1)

    def __len__(self) -> int:
        return len(self.tokens) - self.context

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return {}

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        return {"tokens": self.tokens[indexes[:, None] + self.window].long()}


@dataclass(frozen=True)
class Info:
    """What the data says about the model that fits it; it is kept in `run.json`, so a run opens without its data."""

    data: str  # which data it was, for people: "digits", "mnist", "folder photos"
    classes: tuple[str, ...] = ()  # names, in the order of the logits
    image: tuple[int, int, int] | None = None  # (channels, height, width)
    alphabet: tuple[str, ...] = ()  # text by characters: the character of each token
    context: int = 0  # longest sequence, in tokens
    width: int = 0  # numbers per example, where an example is a vector
    noise: int = 0  # width of the noise that a generator starts from
    more: Mapping[str, Any] = field(default_factory=dict)  # what only one recipe needs; plain JSON
    tokenizer: Mapping[str, Any] = field(default_factory=dict)  # text by byte pairs: what a tokenizer.json says

    @property
    def vocab(self) -> int:
        """How many tokens there are."""
        return len(self.alphabet) if self.cutter is None else len(self.cutter)

    @cached_property
    def cutter(self) -> "Tokenizer | None":
        """The tokenizer; None where tokens are characters, or there are none."""
        if not self.tokenizer:
            return None
        from learnable.data.tokenizers.formats import from_json  # what pictures have no use for

        return from_json(self.tokenizer, f"the tokenizer of {self.data}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Info":
        fields: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
        return cls(**fields)


@dataclass(frozen=True)
class Data:
    """Three parts of one data set: to learn from, to decide by, to report on."""

    info: Info
    train: Examples
    valid: Examples
    test: Examples


def split(count: int, parts: Sequence[float], seed: int = 0) -> list[Tensor]:
    """Shuffle the numbers below `count` and cut them into parts of these shares; the same seed gives the same cut.

    >>> [len(part) for part in split(10, [0.8, 0.1, 0.1])]
    [8, 1, 1]
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    ends = [round(count * sum(parts[: i + 1]) / sum(parts)) for i in range(len(parts))]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
