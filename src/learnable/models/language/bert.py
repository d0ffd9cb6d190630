r"""BERT: a text is read from both sides at once, and learned by filling in what was blotted out.

    tokens -> token + position + segment -> norm -> block -> ... -> block -> one vector for each token
    block     x = norm(x + attention(x)),  x = norm(x + mlp(x))           ("post-norm", as in the first transformer)

Where GPT may look back only, every token here looks at all the others: it cannot write, but what it says of a word knows the
whole sentence. Heads make use of it: `MaskedLM` names the tokens behind the blots, `Pretraining` also says whether two
sentences belong together, `TextClassifier` reads the first token's vector, `TokenClassifier` everyone's.

RoBERTa is the same network, better trained: no second sentence, other blots each time a text is seen, ten times the text. As
code it differs in two places: its positions count real tokens alone and begin behind the padding's number, and there is a
single segment.

Papers   Devlin et al. 2019, figure 2, sections 3 and A.2 - https://arxiv.org/abs/1810.04805
         Liu et al. 2019, "RoBERTa", sections 4 and 5 - https://arxiv.org/abs/1907.11692
         Turc et al. 2019 (the miniatures) - https://arxiv.org/abs/1908.08962
Letters  their L is our `depth`, H our `width`, A our `heads`; their segment A, B is our `segments` 0, 1
Differs  dropout is 0 unless asked for (published models were trained with 0.1), and never on the attention weights;
         padding is known by its token, so no mask need be given; RoBERTa's head for classification is BERT's, one dropout less
Lesson   course/lessons/transformers/bert
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.attention import SelfAttention
from learnable.nn.mlp import MLP
from learnable.nn.tokens import check_tokens
from learnable.weights.bert import (
    HEADS,
    Head,
    check_parts,
    config_json,
    file_names,
    hub_name,
    is_roberta,
    plain_names,
    settings_from,
)
from learnable.weights.checkpoint import read_checkpoint, write_checkpoint
from learnable.weights.table import Table, copies, translate, untranslate


def _check(config: "Config") -> None:
    numbers = [config.depth, config.width, config.heads, config.vocab, config.context, config.mlp_width]
    if min(numbers) < 1 or config.width % config.heads:
        raise CallError(f"expected numbers of at least 1 and a width that the heads divide evenly, came {config}; "
                        "try a width of heads x 64")  # fmt: skip
    if not 0 <= config.padding < config.vocab:
        raise CallError(f"expected a padding token from 0 to {config.vocab - 1}, came {config.padding}")
    if not 0 <= config.dropout < 1:
        raise CallError(f"expected a dropout from 0 to below 1, say 0.1, came {config.dropout}")


@dataclass(frozen=True)
class BERTConfig:
    """What may be chosen of BERT's architecture.

    >>> BERTConfig(depth=12, width=768, heads=12).mlp_width
    3072
    """

    depth: int  # blocks
    width: int  # channels per token
    heads: int
    vocab: int = 30522  # distinct tokens
    context: int = 512  # longest sequence, in tokens
    hidden: int | None = None  # width inside the MLP; None: 4 x width, as in all of theirs
    segments: int = 2  # kinds of sentence: the first and the second
    padding: int = 0  # the token that fills up short texts
    eps: float = 1e-12
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check(self)

    @property
    def mlp_width(self) -> int:
        return 4 * self.width if self.hidden is None else self.hidden

    @property
    def positions(self) -> int:
        """Rows of the table of positions."""
        return self.context


@dataclass(frozen=True)
class RoBERTaConfig:
    """What may be chosen of RoBERTa's architecture."""

    depth: int
    width: int
    heads: int
    vocab: int = 50265
    context: int = 512
    hidden: int | None = None
    padding: int = 1
    eps: float = 1e-5
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check(self)

    @property
    def mlp_width(self) -> int:
        return 4 * self.width if self.hidden is None else self.hidden

    @property
    def positions(self) -> int:
        """Positions begin behind the number of the padding, in fairseq's habit: 2 is the first."""
        return self.context + self.padding + 1


Config = BERTConfig | RoBERTaConfig

#                 config                                     parameters, with the pooler
BERTS = {
    "bert-tiny":   (BERTConfig(depth=2,  width=128,  heads=2),    4_385_920),
    "bert-mini":   (BERTConfig(depth=4,  width=256,  heads=4),   11_170_560),
    "bert-small":  (BERTConfig(depth=4,  width=512,  heads=8),   28_763_648),
    "bert-medium": (BERTConfig(depth=8,  width=512,  heads=8),   41_373_184),
    "bert-base":   (BERTConfig(depth=12, width=768,  heads=12), 109_482_240),
    "bert-large":  (BERTConfig(depth=24, width=1024, heads=16), 335_141_888),
    "roberta-base":  (RoBERTaConfig(depth=12, width=768,  heads=12), 124_645_632),
    "roberta-large": (RoBERTaConfig(depth=24, width=1024, heads=16), 355_359_744),
}  # fmt: skip


class BERTEmbedding(nn.Module):
    """What is said, where it is said, and in which of the two sentences."""

    def __init__(self, config: BERTConfig):
        super().__init__()
        self.token = nn.Embedding(config.vocab, config.width, padding_idx=config.padding)
        self.position = nn.Embedding(config.positions, config.width)
        self.segment = nn.Embedding(config.segments, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.eps)

    def forward(
        self, tokens: Int[Tensor, "batch tokens"], segments: Int[Tensor, "batch tokens"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        segments = torch.zeros_like(tokens) if segments is None else segments
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.norm(self.token(tokens) + self.position(positions) + self.segment(segments))


class RoBERTaEmbedding(nn.Module):
    """What is said and where it is said; padding is nowhere, so the text's first token has the same place in every batch."""

    def __init__(self, config: RoBERTaConfig):
        super().__init__()
        self.token = nn.Embedding(config.vocab, config.width, padding_idx=config.padding)
        self.position = nn.Embedding(config.positions, config.width, padding_idx=config.padding)
        self.segment = nn.Embedding(1, config.width)  # what is left of BERT's sentences: a vector that all tokens get
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.padding = config.padding

    def forward(
        self, tokens: Int[Tensor, "batch tokens"], segments: Int[Tensor, "batch tokens"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        if segments is not None:
            raise CallError(
                "RoBERTa knows no segments; leave them away, and put its separator </s></s> between two texts"
            )
        real = tokens != self.padding
        positions = real.cumsum(dim=1) * real + self.padding  # 2, 3, 4 ... and 1 for padding
        return self.norm(self.token(tokens) + self.position(positions) + self.segment.weight[0])


class PostNormBlock(nn.Module):
    """Two residual steps with the norm on the sum: first the tokens talk, then each thinks for itself.

    >>> PostNormBlock(width=8, heads=2, hidden=32)(torch.zeros(1, 5, 8)).shape
    torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, heads: int, hidden: int, eps: float = 1e-12, dropout: float = 0.0):
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, hidden)  # with the exact GELU
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        allowed: Bool[Tensor, "#batch #heads #tokens tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        x = self.norm1(x + self.dropout(self.attention(x, allowed)))
        x = self.norm2(x + self.dropout(self.mlp(x)))
        return x


class Encoder(nn.Module):
    """The body that all of them share: tokens in, for each of them a vector that knows its surroundings.

    >>> encoder = Encoder(BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    >>> encoder(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 32])
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.embedding = RoBERTaEmbedding(config) if isinstance(config, RoBERTaConfig) else BERTEmbedding(config)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            PostNormBlock(config.width, config.heads, config.mlp_width, config.eps, config.dropout)
            for _ in range(config.depth)
        )
        initialize(self)

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"] | None = None,
        real: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """`real` is False at tokens that nobody may look at; by itself that is the padding. Vectors there mean nothing.

        Raises:
            CallError: not a table of whole numbers, a text longer than the context, a token outside the vocabulary.
        """
        check_tokens(tokens, self.config.context, "cut the text: tokens[:, :{context}]")
        real = tokens != self.config.padding if real is None else real
        x = self.dropout(self.embed(tokens, segments))
        for block in self.blocks:
            x = block(x, real[:, None, None, :])
        return x

    def embed(
        self, tokens: Int[Tensor, "batch tokens"], segments: Int[Tensor, "batch tokens"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        try:
            return self.embedding(tokens, segments)
        except IndexError as error:  # the CPU's own check: one of ours would make a GPU wait in every step
            raise CallError(f"expected tokens from 0 to {self.config.vocab - 1} and segments below "
                            f"{len(self.embedding.segment.weight)}, came tokens {int(tokens.min())} to {int(tokens.max())}"
                            f"{'' if segments is None else f' and segments up to {int(segments.max())}'}; "
                            "was the text encoded with this model's own vocabulary?") from error  # fmt: skip


class BERT(nn.Module):
    """The encoder, and the pooler that makes one vector of a text.

    >>> model = BERT(BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    >>> features = model(torch.tensor([[5, 6, 7]]))
    >>> features.shape, model.pool(features).shape
    (torch.Size([1, 3, 32]), torch.Size([1, 32]))
    """

    def __init__(self, config: Config):
        super().__init__()
        self.encoder = Encoder(config)
        self.pooler = nn.Linear(config.width, config.width)
        initialize(self.pooler)

    @property
    def config(self) -> Config:
        return self.encoder.config

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"] | None = None,
        real: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        return self.encoder(tokens, segments, real)

    def pool(self, features: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch width"]:
        """The first token, [CLS] or <s>, stands for no word, so it is free to speak for the text."""
        return self.pooler(features[:, 0]).tanh()

    @classmethod
    def from_pretrained(
        cls,
        place: str | Path,
        *,
        dropout: float = 0.0,
        dtype: torch.dtype | None = torch.float32,
        allow_pickle: bool = False,
    ) -> "BERT":
        """A published BERT or RoBERTa, or one that was saved here: a folder, a .safetensors file, or a name on the hub.

        Heads in the file are left there. The other classes of this module read the same files, each its own head.

        Args:
            place: "google-bert/bert-base-uncased" and the like; well-known names may come without their owner.
            dropout: for training on; published models had 0.1, whatever their config says is not taken over.
            dtype: files in half precision are converted to this; None keeps what the file says.
            allow_pickle: read `pytorch_model.bin` where there is no safetensors file (tensors only, never code).

        Raises:
            WorldError: nothing there, a torn file, tensors missing, left over or of another shape, or a config that asks
                for something this model does not do.
        """
        return _read(cls, place, False, dropout=dropout, dtype=dtype, allow_pickle=allow_pickle)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` as transformers' `BertModel` or `RobertaModel` reads them."""
        _save(self, folder)


class Reading(TypedDict, total=False):
    """How `from_pretrained` may be asked to read: the arguments of `BERT.from_pretrained`."""

    dropout: float
    dtype: torch.dtype | None
    allow_pickle: bool


class LanguageHead(nn.Module):
    """From a token's vector to a score for each token of the vocabulary: a layer of its own, then the embedding read backwards."""

    def __init__(self, config: Config):
        super().__init__()
        self.transform = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab))
        initialize(self)

    def forward(
        self, x: Float[Tensor, "*batch width"], embedding: Float[Tensor, "vocab width"]
    ) -> Float[Tensor, "*batch vocab"]:
        return F.linear(self.norm(F.gelu(self.transform(x))), embedding, self.bias)


class MaskedLM(nn.Module):
    """What stood behind the blots: for every token the logits of what it should be.

    >>> model = MaskedLM(BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    >>> tokens = torch.tensor([[5, 6, 7]])
    >>> model(tokens).shape, model(tokens, chosen=tokens == 6).shape
    (torch.Size([1, 3, 65]), torch.Size([1, 65]))
    """

    def __init__(self, config: Config):
        super().__init__()
        self.encoder = Encoder(config)
        self.head = LanguageHead(config)

    @property
    def config(self) -> Config:
        return self.encoder.config

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"] | None = None,
        real: Bool[Tensor, "batch tokens"] | None = None,
        chosen: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "*places vocab"]:
        """Logits (batch, tokens, vocab); with `chosen`, of those places alone (chosen, vocab), which is a sixth of the work."""
        x = self.encoder(tokens, segments, real)
        return self.head(x if chosen is None else x[chosen], self.encoder.embedding.token.weight)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Reading]) -> "MaskedLM":
        """As `BERT.from_pretrained`, of a file with a head for the masked language model."""
        return _read(cls, place, True, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what transformers' `BertForMaskedLM` or `RobertaForMaskedLM` reads."""
        _save(self, folder)


class Pretraining(nn.Module):
    """BERT as it was pre-trained: the tokens behind the blots, and whether the second sentence followed the first.

    >>> model = Pretraining(BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16))
    >>> [logits.shape for logits in model(torch.tensor([[5, 6, 7]]))]
    [torch.Size([1, 3, 65]), torch.Size([1, 2])]
    """

    def __init__(self, config: BERTConfig):
        super().__init__()
        self.encoder = Encoder(config)
        self.pooler = nn.Linear(config.width, config.width)
        self.head = LanguageHead(config)
        self.order = nn.Linear(config.width, 2)  # it follows, it does not
        initialize(self.pooler)
        initialize(self.order)

    @property
    def config(self) -> Config:
        return self.encoder.config

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"] | None = None,
        real: Bool[Tensor, "batch tokens"] | None = None,
        chosen: Bool[Tensor, "batch tokens"] | None = None,
    ) -> tuple[Float[Tensor, "*places vocab"], Float[Tensor, "batch 2"]]:
        x = self.encoder(tokens, segments, real)
        pooled = self.pooler(x[:, 0]).tanh()
        return self.head(x if chosen is None else x[chosen], self.encoder.embedding.token.weight), self.order(pooled)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Reading]) -> "Pretraining":
        """As `BERT.from_pretrained`, of a file with both heads; RoBERTa has no second one."""
        return _read(cls, place, True, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what transformers' `BertForPreTraining` reads."""
        _save(self, folder)


class TextClassifier(nn.Module):
    """Which class a text is of, by its pooled first token: BERT fine-tuned (figure 4 a, b).

    >>> model = TextClassifier(BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16), classes=3)
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3])
    """

    def __init__(self, config: Config, classes: int):
        super().__init__()
        self.encoder = Encoder(config)
        self.pooler = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.width, classes)
        initialize(self.pooler)
        initialize(self.out)

    @property
    def config(self) -> Config:
        return self.encoder.config

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"] | None = None,
        real: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        pooled = self.pooler(self.encoder(tokens, segments, real)[:, 0]).tanh()
        return self.out(self.dropout(pooled))

    @classmethod
    def from_pretrained(
        cls, place: str | Path, *, classes: int | None = None, dropout: float = 0.0,
        dtype: torch.dtype | None = torch.float32, allow_pickle: bool = False,
    ) -> "TextClassifier":  # fmt: skip
        """A fine-tuned classifier, or, with `classes`, a pre-trained body with a new head for so many, to be fine-tuned.

        The pooler comes from the file where it has one; else it is new as the head is.

        Args:
            dropout: for fine-tuning, published models had 0.1.
        """
        config, state = read_checkpoint(hub_name(place), allow_pickle=allow_pickle)
        body, plain = config_from(config, dropout), plain_names(state)
        with torch.device("meta"):
            model = cls(body, classes or _classes(plain, "classifier.out_proj.weight", "classifier.weight"))
        new = () if classes is None else ("pooler", "out")
        return _filled(model, plain, _head(model).table, dtype, new)

    def save_pretrained(self, folder: str | Path, names: Sequence[str] = ()) -> None:
        """Write what transformers' `BertForSequenceClassification` or RoBERTa's reads; `names` are those of the classes."""
        _save(self, folder, names)


class TokenClassifier(nn.Module):
    """Which class each token is of: names, parts of speech (figure 4 d).

    >>> model = TokenClassifier(BERTConfig(depth=2, width=32, heads=4, vocab=65, context=16), classes=3)
    >>> model(torch.tensor([[5, 6, 7]])).shape
    torch.Size([1, 3, 3])
    """

    def __init__(self, config: Config, classes: int):
        super().__init__()
        self.encoder = Encoder(config)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.width, classes)
        initialize(self.out)

    @property
    def config(self) -> Config:
        return self.encoder.config

    def forward(
        self,
        tokens: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"] | None = None,
        real: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens classes"]:
        return self.out(self.dropout(self.encoder(tokens, segments, real)))

    @classmethod
    def from_pretrained(
        cls, place: str | Path, *, classes: int | None = None, dropout: float = 0.0,
        dtype: torch.dtype | None = torch.float32, allow_pickle: bool = False,
    ) -> "TokenClassifier":  # fmt: skip
        """As `TextClassifier.from_pretrained`."""
        config, state = read_checkpoint(hub_name(place), allow_pickle=allow_pickle)
        body, plain = config_from(config, dropout), plain_names(state)
        with torch.device("meta"):
            model = cls(body, classes or _classes(plain, "classifier.weight"))
        return _filled(model, plain, _head(model).table, dtype, () if classes is None else ("out",))

    def save_pretrained(self, folder: str | Path, names: Sequence[str] = ()) -> None:
        """Write what transformers' `BertForTokenClassification` or RoBERTa's reads; `names` are those of the classes."""
        _save(self, folder, names)


@torch.no_grad()
def initialize(module: nn.Module) -> None:
    """As published: N(0, 0.02), no biases, and nothing for the padding, which never learns."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
        if isinstance(part, nn.Embedding) and part.padding_idx is not None:
            nn.init.zeros_(part.weight[part.padding_idx])


def config_from(config: dict[str, Any], dropout: float = 0.0) -> Config:
    """Ours for their `config.json`.

    Raises:
        WorldError: another architecture, a size missing, or something that our BERT does not do.
    """
    settings = settings_from(config)
    settings |= {"dropout": dropout}  # not the 0.1 of their config: who fine-tunes asks for it
    return RoBERTaConfig(**settings) if is_roberta(config) else BERTConfig(**settings)


Model = TypeVar("Model", BERT, MaskedLM, Pretraining, TextClassifier, TokenClassifier)


def _read(
    cls: type[Model],
    place: str | Path,
    head: bool,
    dropout: float = 0.0,
    dtype: torch.dtype | None = torch.float32,
    allow_pickle: bool = False,
) -> Model:
    """A model without classes from its files; with the language model's head or without."""
    config, state = read_checkpoint(hub_name(place), allow_pickle=allow_pickle)
    chosen = config_from(config, dropout)
    if cls is Pretraining and isinstance(chosen, RoBERTaConfig):
        raise CallError(f"{place} is a RoBERTa, which was trained without the second sentence; load it as a MaskedLM")
    with torch.device("meta"):  # shapes alone: the numbers come from the file
        model = cls(chosen)  # type: ignore[arg-type, call-arg]
    return _filled(model, plain_names(state, head=head), _head(model).table, dtype)


def _head(model: Model) -> Head:
    return HEADS[type(model).__name__, isinstance(model.config, RoBERTaConfig)]


def _classes(plain: dict[str, Tensor], *heads: str) -> int:
    """How many classes the file's head knows; without one, its tensors are found missing below."""
    return next((len(plain[name]) for name in heads if name in plain), 2)


def _filled(
    model: Model, plain: dict[str, Tensor], table: Table, dtype: torch.dtype | None, new: Sequence[str] = ()
) -> Model:
    """The model of shapes alone with the file's numbers in it; the parts named `new` may begin anew."""
    like = model.state_dict()
    there = untranslate(like, table).keys() & plain.keys()
    fresh = [
        part
        for part in new
        if part == "out" or not any(row.ours == f"{part}.weight" and row.theirs in there for row in table)
    ]
    wanted = {name: tensor for name, tensor in like.items() if name.split(".")[0] not in fresh}
    expected = untranslate(wanted, table)
    check_parts(plain, expected, type(model).__name__, isinstance(model.config, RoBERTaConfig))
    named = file_names(plain, expected)
    translated = translate(named, table, like=wanted)
    own = copies(translated, dtype)
    for part in fresh:
        layer, kind = getattr(model, part), own["encoder.embedding.token.weight"].dtype
        made = nn.Linear(layer.in_features, layer.out_features, device="cpu", dtype=kind)
        initialize(made)
        own |= {f"{part}.{name}": tensor for name, tensor in made.state_dict().items()}
    model.load_state_dict(own, assign=True)
    return model


def _save(model: Model, folder: str | Path, names: Sequence[str] = ()) -> None:
    head = _head(model)
    theirs = untranslate(model.state_dict(), head.table)
    settings = {**asdict(model.config), "hidden": model.config.mlp_width}
    classes = len(model.out.weight) if isinstance(model, TextClassifier | TokenClassifier) else 0
    if names and len(names) != classes:
        raise CallError(f"expected {classes} names, one for each class, came {len(names)}")
    labels = (list(names) or [f"LABEL_{i}" for i in range(classes)]) if classes else []
    dtype = model.encoder.embedding.token.weight.dtype
    write_checkpoint(Path(folder), config_json(head, settings, dtype, labels), head.prefixed(theirs))
