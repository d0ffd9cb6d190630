"""The table of topics: what there is to learn, in which order, and where its code, recipes and lesson are.

The command line, the web and the tests all read this one table. Its rows are strings and numbers, so that listing the
whole course imports nothing. The order of the rows is the order of the course: what a topic needs stands above it.

A topic *stands* when it has code (`Topic.stands`). Every other row is a plan: it is shown as planned wherever topics
are shown, and it has neither code nor recipes to offer. The minutes of a topic are estimates for someone who meets it
for the first time; what a run takes is measured and kept with its result.

    weight   3 essential, 2 important, 1 good to know
    year     when the paper became public, which may be earlier than the year by which it is cited
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from learnable.errors import unknown

PARTS = {
    "mathematics":     "The tools",
    "foundations":     "One neuron to a trained network",
    "training":        "Making it learn well",
    "vision":          "Images",
    "sequences":       "Order and memory",
    "transformers":    "Attention to language models",
    "generative":      "Models that make things",
    "self-supervised": "Learning without labels",
    "multimodal":      "Words and pictures",
    "advanced":        "Other shapes of learning",
    "scale":           "Bigger, cheaper, faster",
    "frameworks":      "The tools of the trade",
    "projects":        "Put it together",
}  # fmt: skip

LEVELS = ("beginner", "intermediate", "advanced")

KINDS = ("paper", "book chapter", "book", "course", "video", "visual", "article", "podcast", "hub", "tool")


class Minutes(NamedTuple):
    """What a topic takes, in minutes: a promise to the reader's calendar, not a measurement."""

    reading: int
    lab: int
    exercise: int
    cards: int

    @property
    def total(self) -> int:
        """All four together.

        >>> Minutes(reading=10, lab=5, exercise=12, cards=3).total
        30
        """
        return sum(self)


class Topic(NamedTuple):
    """A row of the table. Its stem names its files on every floor, its lesson, and itself on the command line."""

    stem: str
    title: str
    part: str  # a key of PARTS
    weight: int  # 1 to 3 stars
    level: str  # one of LEVELS
    minutes: Minutes
    prerequisites: tuple[str, ...]  # stems of the topics that it builds on directly
    paper: str
    year: int
    code: tuple[str, ...] = ()  # "module:Name", in reading order, where it is defined
    recipes: Mapping[str, str] = MappingProxyType({})  # name -> "module:NAME"

    @property
    def stands(self) -> bool:
        """Whether there is code to read and run; otherwise the topic is planned.

        >>> find("lenet").stands, find("segmentation").stands
        (True, False)
        """
        return bool(self.code)

    @property
    def lesson(self) -> str:
        """The folder of the lesson.

        >>> find("lenet").lesson
        'course/lessons/vision/lenet'
        """
        return f"course/lessons/{self.part}/{self.stem}"


class Model(NamedTuple):
    """A model of the library: its class, the topic that it belongs to, and where it is."""

    name: str
    stem: str
    target: str


class Leg(NamedTuple):
    """A stretch of a path: some topics, in order, and the hours to plan for them."""

    title: str
    hours: float
    topics: tuple[str, ...]


class Path(NamedTuple):
    """A named way through the topics. What it uses without teaching it is named in `assumes`."""

    name: str
    title: str
    whom: str
    days: int  # 0: at one's own pace
    assumes: tuple[str, ...]
    legs: tuple[Leg, ...]

    @property
    def hours(self) -> float:
        """The hours of all legs."""
        return sum(leg.hours for leg in self.legs)

    @property
    def topics(self) -> tuple[str, ...]:
        """The stems of all legs, in order."""
        return tuple(stem for leg in self.legs for stem in leg.topics)


class Resource(NamedTuple):
    """Something good that others made, and why it is worth the time."""

    kind: str  # one of KINDS
    title: str
    author: str
    year: int  # 0: it is kept up to date
    address: str
    level: str  # one of LEVELS
    free: bool
    topics: tuple[str, ...]  # none: it serves the whole course
    why: str
    checked: str  # the date on which the address last answered; "" says that nobody has looked


def topics() -> tuple[Topic, ...]:
    """Every topic, standing and planned, in the order of the course."""
    return TOPICS


def find(stem: str) -> Topic:
    """The topic with this stem, be it standing or planned.

    Raises:
        CallError: there is no such topic; the message names the nearest one.
    """
    for topic in TOPICS:
        if topic.stem == stem:
            return topic
    raise unknown("topic", stem, (topic.stem for topic in TOPICS))


def order(stems: Iterable[str]) -> tuple[str, ...]:
    """The same stems, each once, so that what a topic needs comes before it: the order of the course is such a one.

    >>> order(["gpt", "autodiff", "lenet"])
    ('autodiff', 'lenet', 'gpt')

    Raises:
        CallError: one of them is not a topic.
    """
    wanted = {find(stem).stem for stem in stems}
    return tuple(topic.stem for topic in TOPICS if topic.stem in wanted)


def before(stem: str) -> tuple[str, ...]:
    """All that a topic builds on, directly or through others, in the order of the course.

    >>> before("calculus")
    ('arrays', 'linear-algebra')
    """
    found: set[str] = set()
    waiting = list(find(stem).prerequisites)
    while waiting:
        stem = waiting.pop()
        if stem not in found:
            found.add(stem)
            waiting += find(stem).prerequisites
    return order(found)


def recipe_names() -> frozenset[str]:
    """The names of all recipes."""
    return frozenset(name for topic in TOPICS for name in topic.recipes)


def recipe_row(name: str) -> tuple[Topic, str]:
    """The topic of a recipe and where the recipe is, as "module:NAME".

    Raises:
        CallError: there is no such recipe; the message names the nearest one.
    """
    for topic in TOPICS:
        if name in topic.recipes:
            return topic, topic.recipes[name]
    raise unknown("recipe", name, recipe_names())


def models() -> tuple[Model, ...]:
    """Every model: the classes among the code of the topics that live under `learnable.models`."""
    rows = []
    for topic in TOPICS:
        for target in topic.code:
            name = target.partition(":")[2]
            if target.startswith("learnable.models.") and name[0].isupper() and not name.endswith("Config"):
                rows.append(Model(name, topic.stem, target))
    return tuple(rows)


def load(target: str) -> Any:
    """Import what a row names as "module:NAME". The only function here that imports anything of the course.

    >>> load("learnable.catalog:find") is find
    True
    """
    import importlib

    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def paths() -> dict[str, Path]:
    """The named ways through the course, from `paths.toml`."""
    found = {}
    for name, row in _read("paths.toml").items():
        legs = tuple(Leg(leg["title"], leg["hours"], tuple(leg["topics"])) for leg in row["legs"])
        found[name] = Path(name, row["title"], row["whom"], row.get("days", 0), tuple(row.get("assumes", ())), legs)
    return found


def resources(stem: str | None = None) -> tuple[Resource, ...]:
    """The further reading of a topic, papers first; without a stem all there is, from `resources.toml`.

    Raises:
        CallError: there is no such topic.
    """
    rows = [
        Resource(**{**row, "topics": tuple(row["topics"]), "checked": row["checked"] or ""})
        for row in _read("resources.toml")["resource"]
    ]
    if stem is not None:
        topic = find(stem)
        rows = [row for row in rows if topic.stem in row.topics]
    return tuple(sorted(rows, key=lambda row: KINDS.index(row.kind)))


def _read(name: str) -> dict[str, Any]:
    """A table that lies beside this file."""
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("learnable").joinpath(name).read_text(encoding="utf-8"))


# Each row: stem, title, part, weight, level, minutes (reading, lab, exercise, cards),
#           prerequisites, paper, year; and for a topic that stands: code, recipes
TOPICS = (
    Topic("arrays", "Arrays and tables", "mathematics", 3, "beginner", Minutes(12, 8, 12, 4),
          (), "Harris et al. 2020", 2020),
    Topic("linear-algebra", "Linear algebra", "mathematics", 3, "beginner", Minutes(12, 8, 10, 4),
          ("arrays",), "Eckart and Young 1936", 1936),
    Topic("calculus", "Calculus and optimization", "mathematics", 3, "beginner", Minutes(12, 8, 10, 4),
          ("linear-algebra",), "Cauchy 1847", 1847),
    Topic("probability", "Probability", "mathematics", 2, "beginner", Minutes(12, 6, 10, 4),
          ("calculus",), "Bayes 1763", 1763),
    Topic("statistics", "Statistical inference", "mathematics", 2, "beginner", Minutes(12, 6, 10, 4),
          ("probability",), "Efron 1979", 1979),
    Topic("information-theory", "Information theory", "mathematics", 2, "beginner", Minutes(10, 5, 8, 4),
          ("probability",), "Shannon 1948", 1948),
    Topic("machine-learning", "Machine learning in one lesson", "mathematics", 2, "beginner", Minutes(12, 8, 10, 4),
          ("probability",), "Cover and Hart 1967", 1967),

    Topic("perceptron", "Perceptron", "foundations", 3, "beginner", Minutes(8, 6, 8, 3),
          ("linear-algebra",), "Rosenblatt 1958", 1958),
    Topic("linear-models", "Linear, logistic and softmax regression", "foundations", 3, "beginner",
          Minutes(12, 8, 10, 4), ("perceptron", "probability"), "Cox 1958", 1958),
    Topic("losses", "Loss functions", "foundations", 3, "beginner", Minutes(10, 6, 12, 4),
          ("linear-models", "information-theory"), "Huber 1964", 1964),
    Topic("gradient-descent", "Gradient descent", "foundations", 3, "beginner", Minutes(10, 8, 8, 4),
          ("calculus", "linear-models"), "Robbins and Monro 1951", 1951),
    Topic("mlp", "Multi-layer perceptron", "foundations", 3, "beginner", Minutes(10, 10, 10, 4),
          ("perceptron", "gradient-descent"), "Cybenko 1989", 1989),
    Topic("activations", "Activation functions", "foundations", 3, "beginner", Minutes(8, 6, 8, 3),
          ("mlp",), "Nair and Hinton 2010", 2010),
    Topic("forward-pass", "Forward propagation", "foundations", 3, "beginner", Minutes(8, 6, 10, 3),
          ("mlp", "activations"), "McCulloch and Pitts 1943", 1943),
    Topic("backpropagation", "Backpropagation", "foundations", 3, "beginner", Minutes(14, 10, 12, 4),
          ("forward-pass", "losses"), "Rumelhart et al. 1986", 1986),
    Topic("autodiff", "Automatic differentiation from scratch", "foundations", 3, "intermediate", Minutes(14, 6, 15, 4),
          ("backpropagation",), "Baydin et al. 2018", 2015,
          code=("learnable.engine.tensor:Tensor", "learnable.engine.tensor:apply",
                "learnable.engine.operations:OPERATIONS", "learnable.engine.tensor:topological_order",
                "learnable.engine.check:gradcheck", "learnable.engine.draw:dot", "learnable.engine.network:MLP",
                "learnable.engine.network:SGD", "learnable.models.vision.mlp:MLP"),
          recipes={"autodiff": "learnable.recipes.foundations.autodiff:RECIPE"}),
    Topic("pytorch", "PyTorch: tensors and modules", "foundations", 3, "beginner", Minutes(10, 6, 10, 4),
          ("forward-pass",), "Paszke et al. 2019", 2019),
    Topic("autograd", "PyTorch: autograd", "foundations", 2, "intermediate", Minutes(10, 5, 10, 4),
          ("pytorch", "autodiff"), "Paszke et al. 2017", 2017),
    Topic("dataloaders", "PyTorch: datasets and data loaders", "foundations", 2, "beginner", Minutes(8, 4, 8, 3),
          ("pytorch",), "Mohan et al. 2021", 2020),
    Topic("training-loops", "PyTorch: training loops", "foundations", 3, "beginner", Minutes(10, 6, 12, 4),
          ("pytorch", "backpropagation"), "Bottou 2012", 2012),

    Topic("initialization", "Weight initialization", "training", 2, "intermediate", Minutes(8, 6, 8, 3),
          ("training-loops",), "Glorot and Bengio 2010", 2010),
    Topic("vanishing-gradients", "Vanishing and exploding gradients", "training", 3, "intermediate",
          Minutes(12, 8, 8, 4), ("initialization",), "Bengio et al. 1994", 1994),
    Topic("normalization", "Normalization", "training", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("vanishing-gradients",), "Ioffe and Szegedy 2015", 2015),
    Topic("optimizers", "Optimizers", "training", 3, "intermediate", Minutes(14, 10, 12, 4),
          ("training-loops",), "Kingma and Ba 2015", 2014),
    Topic("learning-rates", "Learning-rate schedules", "training", 2, "intermediate", Minutes(8, 6, 8, 3),
          ("optimizers",), "Loshchilov and Hutter 2017", 2016),
    Topic("regularization", "Regularization", "training", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("training-loops", "machine-learning"), "Krogh and Hertz 1991", 1991),
    Topic("dropout", "Dropout", "training", 2, "intermediate", Minutes(8, 5, 8, 3),
          ("regularization",), "Srivastava et al. 2014", 2014),
    Topic("augmentation", "Data augmentation", "training", 2, "intermediate", Minutes(10, 6, 10, 3),
          ("regularization",), "Zhang et al. 2018", 2017),
    Topic("metrics", "Evaluation and metrics", "training", 3, "beginner", Minutes(12, 8, 10, 4),
          ("machine-learning", "losses"), "Fawcett 2006", 2006),
    Topic("debugging", "Debugging training", "training", 3, "intermediate", Minutes(12, 10, 12, 4),
          ("vanishing-gradients", "optimizers", "regularization", "metrics"), "Zhang et al. 2017", 2016),

    Topic("convolution", "Convolution and pooling", "vision", 3, "beginner", Minutes(14, 10, 12, 4),
          ("training-loops",), "LeCun et al. 1989", 1989,
          code=("learnable.ops.convolution:convolve", "learnable.ops.convolution:columns",
                "learnable.ops.convolution:convolve_fast", "learnable.ops.convolution:max_pool",
                "learnable.ops.convolution:average_pool", "learnable.ops.convolution:convolve_transposed",
                "learnable.nn.receptive:receptive_field", "learnable.nn.receptive:sensitivity",
                "learnable.engine.network:LeNet"),
          recipes={
              "convolution":        "learnable.recipes.vision.convolution:RECIPE",
              "convolution-shared": "learnable.recipes.vision.convolution:SHARED",
              "convolution-dense":  "learnable.recipes.vision.convolution:DENSE",
          }),
    Topic("lenet", "LeNet", "vision", 3, "beginner", Minutes(12, 8, 10, 4),
          ("convolution",), "LeCun et al. 1998", 1998,
          code=("learnable.models.vision.lenet:LeNet", "learnable.models.vision.lenet:LeNet1998",
                "learnable.models.vision.fastnet:FastNet", "learnable.objectives.classification:classify"),
          recipes={
              "lenet":      "learnable.recipes.vision.lenet:RECIPE",
              "lenet-sgd":  "learnable.recipes.vision.lenet:SGD",
              "lenet-1998": "learnable.recipes.vision.lenet:PAPER",
              "fastnet":    "learnable.recipes.vision.lenet:FAST",
          }),
    Topic("alexnet", "AlexNet", "vision", 2, "intermediate", Minutes(9, 4, 8, 3),
          ("lenet", "dropout", "augmentation"), "Krizhevsky et al. 2012", 2012,
          code=("learnable.models.vision.alexnet:AlexNet", "learnable.models.vision.alexnet:AlexNetConfig",
                "learnable.models.vision.alexnet:AlexNet2012", "learnable.models.vision.alexnet:normalize_neighbors"),
          recipes={
              "alexnet":      "learnable.recipes.vision.alexnet:RECIPE",
              "alexnet-tanh": "learnable.recipes.vision.alexnet:TANH",
          }),
    Topic("vgg", "VGG", "vision", 2, "intermediate", Minutes(8, 4, 8, 3),
          ("alexnet",), "Simonyan and Zisserman 2015", 2014,
          code=("learnable.models.vision.vgg:VGG", "learnable.models.vision.vgg:VGGConfig"),
          recipes={
              "vgg":            "learnable.recipes.vision.vgg:RECIPE",
              "vgg-five":       "learnable.recipes.vision.vgg:FIVE",
              "vgg-plain":      "learnable.recipes.vision.vgg:PLAIN",
              "vgg-five-plain": "learnable.recipes.vision.vgg:FIVE_PLAIN",
          }),
    Topic("resnet", "ResNet and skip connections", "vision", 3, "intermediate", Minutes(14, 10, 12, 4),
          ("vgg", "normalization"), "He et al. 2016", 2015,
          code=("learnable.models.vision.resnet:ResNet", "learnable.models.vision.resnet:ResNetConfig",
                "learnable.models.vision.resnet:CIFARResNet", "learnable.models.vision.resnet:shortcut"),
          recipes={
              "resnet":     "learnable.recipes.vision.resnet:RECIPE",
              "resnet-56":  "learnable.recipes.vision.resnet:DEEP",
              "plain-20":   "learnable.recipes.vision.resnet:PLAIN",
              "plain-56":   "learnable.recipes.vision.resnet:DEEP_PLAIN",
              "highway-56": "learnable.recipes.vision.resnet:DEEP_HIGHWAY",
          }),
    Topic("densenet", "DenseNet", "vision", 1, "intermediate", Minutes(9, 4, 8, 3),
          ("resnet",), "Huang et al. 2017", 2016,
          code=("learnable.models.vision.densenet:DenseNet", "learnable.models.vision.densenet:DenseNetConfig"),
          recipes={
              "densenet":        "learnable.recipes.vision.densenet:RECIPE",
              "densenet-resnet": "learnable.recipes.vision.densenet:RESNET",
          }),
    Topic("mobilenet", "MobileNet", "vision", 2, "intermediate", Minutes(11, 5, 10, 4),
          ("resnet",), "Howard et al. 2017", 2017,
          code=("learnable.nn.separable:Separable", "learnable.nn.separable:InvertedResidual",
                "learnable.models.vision.mobilenet:MobileNetV1", "learnable.models.vision.mobilenet:MobileNetV2",
                "learnable.models.vision.mobilenet:MobileNetV3", "learnable.metrics.cost:cost"),
          recipes={
              "mobilenet":           "learnable.recipes.vision.mobilenet:RECIPE",
              "mobilenet-full":      "learnable.recipes.vision.mobilenet:FULL",
              "mobilenet-full-thin": "learnable.recipes.vision.mobilenet:THIN",
          }),
    Topic("shufflenet", "ShuffleNet", "vision", 1, "intermediate", Minutes(9, 4, 8, 3),
          ("mobilenet",), "Ma et al. 2018", 2018,
          code=("learnable.ops.shuffle:channel_shuffle", "learnable.models.vision.shufflenet:ShuffleNetV2"),
          recipes={
              "shufflenet":            "learnable.recipes.vision.shufflenet:RECIPE",
              "shufflenet-unshuffled": "learnable.recipes.vision.shufflenet:UNSHUFFLED",
          }),
    Topic("efficientnet", "EfficientNet", "vision", 2, "intermediate", Minutes(10, 5, 10, 4),
          ("mobilenet",), "Tan and Le 2019", 2019,
          code=("learnable.nn.squeeze:SqueezeExcitation", "learnable.nn.stochastic_depth:StochasticDepth",
                "learnable.models.vision.efficientnet:EfficientNet",
                "learnable.models.vision.efficientnet:EfficientNetConfig"),
          recipes={
              "efficientnet":       "learnable.recipes.vision.efficientnet:RECIPE",
              "efficientnet-deep":  "learnable.recipes.vision.efficientnet:DEEP",
              "efficientnet-wide":  "learnable.recipes.vision.efficientnet:WIDE",
              "efficientnet-large": "learnable.recipes.vision.efficientnet:LARGE",
              "efficientnet-small": "learnable.recipes.vision.efficientnet:SMALL",
          }),
    Topic("transfer-learning", "Transfer learning and fine-tuning", "vision", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("resnet", "learning-rates"), "Yosinski et al. 2014", 2014,
          code=("learnable.recipes.vision.transfer_learning:start", "learnable.adapt.freeze:freeze",
                "learnable.optim.factories:adamw_in_depth", "learnable.optim.schedules:thawing",
                "learnable.sampling.gradcam:grad_cam"),
          recipes={
              "transfer-learning":    "learnable.recipes.vision.transfer_learning:RECIPE",
              "transfer-learning-10": "learnable.recipes.vision.transfer_learning:FEW",
              "transfer-scratch":     "learnable.recipes.vision.transfer_learning:SCRATCH",
              "transfer-scratch-10":  "learnable.recipes.vision.transfer_learning:SCRATCH_FEW",
              "transfer-features":    "learnable.recipes.vision.transfer_learning:FEATURES",
              "transfer-features-10": "learnable.recipes.vision.transfer_learning:FEATURES_FEW",
              "transfer-letters":     "learnable.recipes.vision.transfer_learning:LETTERS",
          }),
    Topic("object-detection", "Detection: boxes, anchors, IoU, NMS", "vision", 3, "intermediate", Minutes(14, 8, 14, 4),
          ("lenet", "metrics"), "Girshick et al. 2014", 2013),
    Topic("faster-rcnn", "Faster R-CNN", "vision", 2, "advanced", Minutes(14, 6, 12, 4),
          ("object-detection", "resnet"), "Ren et al. 2015", 2015),
    Topic("ssd", "SSD", "vision", 2, "advanced", Minutes(11, 5, 10, 3),
          ("object-detection", "vgg"), "Liu et al. 2016", 2015),
    Topic("yolo", "YOLO", "vision", 3, "advanced", Minutes(14, 8, 12, 4),
          ("object-detection", "resnet"), "Redmon et al. 2016", 2015),
    Topic("segmentation", "Semantic segmentation: U-Net", "vision", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("lenet", "normalization", "metrics"), "Ronneberger et al. 2015", 2015),
    Topic("mask-rcnn", "Instance segmentation: Mask R-CNN", "vision", 2, "advanced", Minutes(12, 5, 10, 4),
          ("faster-rcnn", "segmentation"), "He et al. 2017", 2017),
    Topic("solo", "SOLO", "vision", 1, "advanced", Minutes(10, 4, 10, 3),
          ("mask-rcnn",), "Wang et al. 2020", 2019),
    Topic("pose", "Pose estimation", "vision", 2, "advanced", Minutes(12, 6, 10, 4),
          ("resnet", "segmentation"), "Sun et al. 2019", 2019),
    Topic("pointnet", "Point clouds: PointNet", "vision", 2, "intermediate", Minutes(11, 8, 10, 4),
          ("convolution", "normalization"), "Qi et al. 2017", 2016),
    Topic("voxelnet", "3-D detection: VoxelNet", "vision", 2, "advanced", Minutes(13, 7, 10, 4),
          ("pointnet", "object-detection"), "Zhou and Tuzel 2018", 2017),

    Topic("tokenization", "Text as numbers: tokenization", "sequences", 3, "beginner", Minutes(12, 8, 10, 4),
          ("arrays",), "Sennrich et al. 2016", 2015,
          code=("learnable.data.tokenizers.bpe:train", "learnable.data.tokenizers.bpe:split", "learnable.data.tokenizers.bpe:BPE",
                "learnable.data.tokenizers.merging:merge_all", "learnable.data.tokenizers.merging:train_merges",
                "learnable.data.tokenizers.bytelevel:to_letters", "learnable.data.tokenizers.bytelevel:Pieces",
                "learnable.data.tokenizers.cleaning:BertNormalizer", "learnable.data.tokenizers.wordpiece:longest_first",
                "learnable.data.tokenizers.unigram:best_cut", "learnable.data.tokenizers.unigram:expected_uses",
                "learnable.data.tokenizers.unigram:train", "learnable.data.tokenizers.tokenizer:Tokenizer",
                "learnable.data.tokenizers.learning:learn_bpe", "learnable.data.tokenizers.formats:load",
                "learnable.metrics.tokenization:bytes_per_token", "learnable.metrics.tokenization:premium",
                "learnable.nn.frequencies:Frequencies"),
          recipes={"tokenization": "learnable.recipes.sequences.tokenization:RECIPE"}),
    Topic("embeddings", "Words as vectors", "sequences", 2, "beginner", Minutes(12, 8, 10, 4),
          ("tokenization", "training-loops"), "Mikolov et al. 2013", 2013),
    Topic("rnn", "Recurrent networks", "sequences", 3, "intermediate", Minutes(12, 8, 12, 4),
          ("embeddings", "vanishing-gradients"), "Elman 1990", 1990),
    Topic("lstm", "LSTM", "sequences", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("rnn",), "Hochreiter and Schmidhuber 1997", 1997),
    Topic("gru", "GRU", "sequences", 2, "intermediate", Minutes(8, 4, 8, 3),
          ("lstm",), "Cho et al. 2014", 2014),
    Topic("bidirectional", "Bidirectional and deep RNNs", "sequences", 2, "intermediate", Minutes(9, 5, 10, 3),
          ("lstm",), "Schuster and Paliwal 1997", 1997),
    Topic("time-series", "Time-series modeling", "sequences", 2, "intermediate", Minutes(12, 7, 10, 4),
          ("lstm", "statistics"), "Zeng et al. 2023", 2022),
    Topic("seq2seq", "Sequence to sequence", "sequences", 3, "intermediate", Minutes(12, 8, 12, 4),
          ("lstm",), "Sutskever et al. 2014", 2014),
    Topic("attention", "Attention for sequences", "sequences", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("seq2seq",), "Bahdanau et al. 2015", 2014),
    Topic("text-classification", "Text classification", "sequences", 2, "intermediate", Minutes(10, 6, 10, 3),
          ("lstm", "convolution", "metrics"), "Kim 2014", 2014),

    Topic("self-attention", "Self-attention", "transformers", 3, "intermediate", Minutes(14, 8, 12, 4),
          ("embeddings",), "Vaswani et al. 2017", 2017,
          code=("learnable.nn.attention:attend", "learnable.nn.attention:attention_weights",
                "learnable.nn.attention:causal_mask", "learnable.nn.attention:padding_mask",
                "learnable.nn.attention:attend_fast", "learnable.nn.attention:SelfAttention",
                "learnable.models.language.recall:AttentionRecall", "learnable.models.language.recall:MeanRecall"),
          recipes={
              "self-attention":      "learnable.recipes.transformers.self_attention:RECIPE",
              "self-attention-mean": "learnable.recipes.transformers.self_attention:MEAN",
          }),
    Topic("multi-head-attention", "Multi-head attention", "transformers", 3, "intermediate", Minutes(12, 8, 12, 4),
          ("self-attention",), "Vaswani et al. 2017", 2017,
          code=("learnable.nn.multihead:attend_heads", "learnable.nn.multihead:attend_heads_fast",
                "learnable.nn.multihead:MultiHeadAttention")),
    Topic("positional-encoding", "Positional encoding", "transformers", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("self-attention",), "Su et al. 2021", 2021,
          code=("learnable.ops.rotary:rotary_frequencies", "learnable.ops.rotary:rotary_turns",
                "learnable.ops.rotary:rotate_halves", "learnable.ops.rotary:rotate_pairs",
                "learnable.ops.rotary:LinearScaling", "learnable.ops.rotary:DynamicScaling",
                "learnable.ops.rotary:YarnScaling", "learnable.ops.rotary:Llama3Scaling",
                "learnable.nn.positions:sinusoids", "learnable.nn.positions:Sinusoids",
                "learnable.nn.positions:Alibi", "learnable.nn.positions:alibi_slopes",
                "learnable.nn.positions:RelativeBias", "learnable.nn.positions:distance_bucket",
                "learnable.models.language.placed:PlacedLM"),
          recipes={
              "positional-encoding":            "learnable.recipes.transformers.positional_encoding:RECIPE",
              "positional-encoding-none":       "learnable.recipes.transformers.positional_encoding:NONE",
              "positional-encoding-sinusoidal": "learnable.recipes.transformers.positional_encoding:SINUSOIDAL",
              "positional-encoding-learned":    "learnable.recipes.transformers.positional_encoding:LEARNED",
              "positional-encoding-rotary":     "learnable.recipes.transformers.positional_encoding:ROTARY",
              "positional-encoding-relative":   "learnable.recipes.transformers.positional_encoding:RELATIVE",
          }),
    Topic("transformer", "The Transformer", "transformers", 3, "intermediate", Minutes(14, 10, 12, 4),
          ("attention", "multi-head-attention", "positional-encoding", "normalization", "learning-rates"),
          "Vaswani et al. 2017", 2017,
          code=("learnable.models.language.transformer:Transformer",
                "learnable.models.language.transformer:TransformerConfig",
                "learnable.models.language.torch_transformer:torch_transformer",
                "learnable.models.language.transformer:interleaved", "learnable.optim.schedules:noam",
                "learnable.optim.schedules:noam_peak", "learnable.objectives.translation:translate",
                "learnable.sampling.translation:greedy", "learnable.sampling.translation:beam",
                "learnable.sampling.beam:gnmt", "learnable.sampling.translation:Remembering",
                "learnable.data.translation:sentence_pairs", "learnable.metrics.translation:bleu"),
          recipes={
              "transformer":       "learnable.recipes.transformers.transformer:RECIPE",
              "transformer-torch": "learnable.recipes.transformers.transformer:TORCH",
          }),
    Topic("bert", "BERT and RoBERTa", "transformers", 3, "intermediate", Minutes(12, 8, 12, 4),
          ("transformer",), "Devlin et al. 2019", 2018,
          code=("learnable.models.language.bert:BERT", "learnable.models.language.bert:BERTConfig",
                "learnable.models.language.bert:RoBERTaConfig", "learnable.models.language.bert:Encoder",
                "learnable.models.language.bert:MaskedLM", "learnable.models.language.bert:Pretraining",
                "learnable.models.language.bert:TextClassifier", "learnable.models.language.bert:TokenClassifier",
                "learnable.objectives.masked:masked_tokens", "learnable.data.masked:Masked"),
          recipes={"bert": "learnable.recipes.transformers.bert:RECIPE",
                   "bert-classify": "learnable.recipes.transformers.bert:CLASSIFY"}),
    Topic("question-answering", "Question answering", "transformers", 2, "intermediate", Minutes(10, 6, 10, 3),
          ("bert", "metrics"), "Rajpurkar et al. 2016", 2016),
    Topic("gpt", "GPT", "transformers", 3, "intermediate", Minutes(14, 10, 12, 4),
          ("multi-head-attention", "positional-encoding", "normalization", "learning-rates"),
          "Radford et al. 2019", 2019,
          code=("learnable.models.language.gpt:GPT", "learnable.models.language.gpt:GPTConfig",
                "learnable.nn.block:Block", "learnable.nn.mlp:MLP", "learnable.objectives.next_token:next_token",
                "learnable.sampling.text:generate", "learnable.sampling.text:sample",
                "learnable.sampling.cache:generate_cached", "learnable.sampling.cache:cached_block"),
          recipes={"gpt": "learnable.recipes.transformers.gpt:RECIPE"}),
    Topic("text-generation", "Text generation", "transformers", 3, "intermediate", Minutes(12, 8, 12, 4),
          ("gpt",), "Holtzman et al. 2020", 2019,
          code=("learnable.sampling.choosing:top_p", "learnable.sampling.choosing:min_p",
                "learnable.sampling.choosing:top_k", "learnable.sampling.choosing:chances",
                "learnable.sampling.choosing:toss", "learnable.sampling.choosing:Unrepeating",
                "learnable.sampling.beam:beam_search", "learnable.sampling.beam:generate_beam",
                "learnable.sampling.speculative:checked", "learnable.sampling.speculative:missing",
                "learnable.sampling.speculative:stream_speculative", "learnable.sampling.packed:to_bytes"),
          recipes={"text-generation": "learnable.recipes.transformers.text_generation:RECIPE"}),
    Topic("t5", "T5 and BART", "transformers", 2, "advanced", Minutes(12, 6, 10, 4),
          ("bert", "text-generation"), "Raffel et al. 2020", 2019),
    Topic("llama", "LLaMA", "transformers", 3, "advanced", Minutes(12, 6, 12, 4),
          ("gpt",), "Touvron et al. 2023", 2023,
          code=("learnable.models.language.llama:Llama", "learnable.models.language.llama:LlamaConfig",
                "learnable.nn.norm:RMSNorm", "learnable.nn.norm:rms_norm"),
          recipes={"llama": "learnable.recipes.transformers.llama:RECIPE"}),
    Topic("modern-gpt", "GPT, six years on", "transformers", 2, "advanced", Minutes(11, 6, 9, 4),
          ("gpt", "llama"), "Jordan et al. 2024", 2024,
          code=("learnable.models.language.modern_gpt:ModernGPT", "learnable.models.language.modern_gpt:ModernGPTConfig",
                "learnable.optim.muon:Muon", "learnable.optim.muon:orthogonalize", "learnable.optim.factories:muon"),
          recipes={"gpt-modern": "learnable.recipes.transformers.modern_gpt:RECIPE"}),
    Topic("scaling-laws", "Scaling laws", "transformers", 2, "advanced", Minutes(11, 6, 8, 4),
          ("gpt",), "Hoffmann et al. 2022", 2022),
    Topic("llm-tour", "Large language models", "transformers", 2, "intermediate", Minutes(15, 4, 6, 5),
          ("llama", "scaling-laws"), "Brown et al. 2020", 2020),
    Topic("supervised-fine-tuning", "From base model to assistant", "transformers", 2, "advanced",
          Minutes(11, 6, 10, 4), ("text-generation",), "Wei et al. 2022", 2021),
    Topic("rlhf", "Reward models and RLHF", "transformers", 2, "advanced", Minutes(14, 6, 10, 4),
          ("supervised-fine-tuning", "information-theory"), "Ouyang et al. 2022", 2022),
    Topic("dpo", "Preference optimization", "transformers", 2, "advanced", Minutes(12, 6, 10, 4),
          ("rlhf",), "Rafailov et al. 2023", 2023),
    Topic("vit", "Vision Transformer", "transformers", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("multi-head-attention", "positional-encoding", "lenet", "normalization", "augmentation", "learning-rates"),
          "Dosovitskiy et al. 2021", 2020,
          code=("learnable.models.vision.vit:ViT", "learnable.models.vision.vit:ViTConfig",
                "learnable.models.vision.vit:stretched", "learnable.nn.block:Block"),
          recipes={
              "vit":     "learnable.recipes.transformers.vit:RECIPE",
              "vit-cnn": "learnable.recipes.transformers.vit:CNN",
              "vit-20":     "learnable.recipes.transformers.vit:FEW",
              "vit-cnn-20": "learnable.recipes.transformers.vit:FEW_CNN",
          }),
    Topic("swin", "Swin Transformer", "transformers", 2, "advanced", Minutes(12, 6, 10, 4),
          ("vit",), "Liu et al. 2021", 2021,
          code=("learnable.models.vision.swin:Swin", "learnable.models.vision.swin:SwinConfig",
                "learnable.models.vision.swin:distances", "learnable.models.vision.swin:neighbors"),
          recipes={"swin": "learnable.recipes.transformers.vit:SWIN"}),
    Topic("detr", "Detection with a transformer: DETR", "transformers", 2, "advanced", Minutes(12, 7, 10, 4),
          ("transformer", "object-detection", "resnet"), "Carion et al. 2020", 2020),

    Topic("generative-evaluation", "Is it any good?", "generative", 2, "intermediate", Minutes(10, 6, 8, 3),
          ("information-theory", "lenet", "metrics"), "Heusel et al. 2017", 2017),
    Topic("vae", "Variational autoencoder", "generative", 3, "intermediate", Minutes(14, 10, 12, 4),
          ("information-theory", "lenet"), "Kingma and Welling 2014", 2013),
    Topic("vq-vae", "VQ-VAE", "generative", 2, "advanced", Minutes(11, 6, 10, 4),
          ("vae",), "van den Oord et al. 2017", 2017),
    Topic("gan", "GAN", "generative", 3, "intermediate", Minutes(14, 8, 12, 4),
          ("information-theory", "optimizers"), "Goodfellow et al. 2014", 2014,
          code=("learnable.models.generative.gan:GAN", "learnable.models.generative.gan:mlp_gan",
                "learnable.objectives.adversarial:discriminate", "learnable.objectives.adversarial:minimax",
                "learnable.objectives.adversarial:non_saturating",
                "learnable.objectives.adversarial:discriminate_smoothly", "learnable.metrics.modes:coverage"),
          recipes={
              "gan":          "learnable.recipes.generative.gan:RECIPE",
              "gan-collapse": "learnable.recipes.generative.gan:COLLAPSE",
              "gan-minimax":  "learnable.recipes.generative.gan:MINIMAX",
          }),
    Topic("dcgan", "DCGAN and conditional GAN", "generative", 2, "intermediate", Minutes(10, 6, 10, 4),
          ("gan", "lenet", "normalization"), "Radford et al. 2016", 2015),
    Topic("cyclegan", "CycleGAN", "generative", 1, "advanced", Minutes(10, 4, 10, 3),
          ("dcgan",), "Zhu et al. 2017", 2017),
    Topic("stylegan", "StyleGAN", "generative", 1, "advanced", Minutes(11, 5, 10, 3),
          ("dcgan",), "Karras et al. 2019", 2018),
    Topic("ddpm", "Diffusion: DDPM", "generative", 3, "advanced", Minutes(14, 10, 12, 4),
          ("vae", "segmentation", "positional-encoding"), "Ho et al. 2020", 2020),
    Topic("ddim", "DDIM and fast samplers", "generative", 2, "advanced", Minutes(12, 6, 10, 4),
          ("ddpm",), "Song et al. 2021", 2020),
    Topic("normalizing-flows", "Normalizing flows", "generative", 2, "advanced", Minutes(12, 6, 12, 4),
          ("information-theory", "convolution", "normalization"), "Dinh et al. 2017", 2016),

    Topic("pretext", "Pretext tasks", "self-supervised", 1, "intermediate", Minutes(9, 4, 8, 3),
          ("transfer-learning", "augmentation"), "Gidaris et al. 2018", 2018),
    Topic("simclr", "SimCLR", "self-supervised", 3, "advanced", Minutes(12, 8, 10, 4),
          ("transfer-learning", "augmentation"), "Chen et al. 2020", 2020),
    Topic("moco", "MoCo", "self-supervised", 2, "advanced", Minutes(10, 5, 10, 3),
          ("simclr",), "He et al. 2020", 2019),
    Topic("mae", "MAE and SimMIM", "self-supervised", 2, "advanced", Minutes(11, 6, 10, 4),
          ("vit", "transfer-learning"), "He et al. 2022", 2021),

    Topic("clip", "CLIP", "multimodal", 3, "advanced", Minutes(12, 8, 10, 4),
          ("simclr", "vit"), "Radford et al. 2021", 2021),
    Topic("dalle", "DALL·E", "multimodal", 2, "advanced", Minutes(12, 5, 10, 4),
          ("vq-vae", "text-generation"), "Ramesh et al. 2021", 2021),
    Topic("stable-diffusion", "Stable Diffusion", "multimodal", 3, "advanced", Minutes(14, 8, 10, 4),
          ("ddim", "clip"), "Rombach et al. 2022", 2021),
    Topic("flamingo", "Flamingo", "multimodal", 2, "advanced", Minutes(12, 5, 10, 4),
          ("clip", "gpt"), "Alayrac et al. 2022", 2022),

    Topic("gcn", "Graph convolution", "advanced", 3, "intermediate", Minutes(12, 8, 12, 4),
          ("regularization",), "Kipf and Welling 2017", 2016),
    Topic("gat", "Graph attention", "advanced", 2, "advanced", Minutes(9, 5, 8, 3),
          ("gcn", "self-attention"), "Veličković et al. 2018", 2017),
    Topic("architecture-search", "Neural architecture search", "advanced", 1, "advanced", Minutes(11, 5, 10, 3),
          ("resnet",), "Liu et al. 2019", 2018),
    Topic("few-shot", "Few-shot learning", "advanced", 2, "advanced", Minutes(11, 6, 10, 4),
          ("transfer-learning",), "Snell et al. 2017", 2017),
    Topic("maml", "MAML", "advanced", 2, "advanced", Minutes(12, 6, 12, 4),
          ("few-shot", "autograd"), "Finn et al. 2017", 2017),
    Topic("reptile", "Reptile", "advanced", 1, "advanced", Minutes(8, 4, 8, 3),
          ("maml",), "Nichol et al. 2018", 2018),
    Topic("reinforcement-learning", "Reinforcement learning, first steps", "advanced", 2, "advanced",
          Minutes(14, 10, 12, 4), ("optimizers", "probability"), "Williams 1992", 1992),

    Topic("mixed-precision", "Mixed precision", "scale", 2, "intermediate", Minutes(10, 5, 8, 3),
          ("optimizers",), "Micikevicius et al. 2018", 2017),
    Topic("gradient-accumulation", "Gradient accumulation and checkpointing", "scale", 2, "intermediate",
          Minutes(9, 5, 10, 3), ("training-loops", "normalization"), "Chen et al. 2016", 2016),
    Topic("data-parallel", "Data parallelism", "scale", 2, "advanced", Minutes(12, 6, 10, 4),
          ("gradient-accumulation", "optimizers"), "Li et al. 2020", 2020),
    Topic("model-parallel", "Model parallelism", "scale", 2, "advanced", Minutes(12, 6, 10, 4),
          ("data-parallel", "gpt"), "Shoeybi et al. 2019", 2019),
    Topic("federated", "Federated learning", "scale", 2, "advanced", Minutes(11, 6, 10, 3),
          ("data-parallel",), "McMahan et al. 2017", 2016),
    Topic("hyperparameters", "Hyper-parameter search", "scale", 2, "intermediate", Minutes(10, 6, 8, 3),
          ("learning-rates", "regularization", "statistics"), "Bergstra and Bengio 2012", 2012),
    Topic("distillation", "Knowledge distillation", "scale", 2, "intermediate", Minutes(10, 5, 8, 3),
          ("lenet", "regularization", "information-theory"), "Hinton et al. 2015", 2015),
    Topic("compression", "Compression", "scale", 2, "advanced", Minutes(12, 6, 10, 4),
          ("lenet", "mixed-precision"), "Jacob et al. 2018", 2017),
    Topic("lora", "LoRA", "scale", 3, "advanced", Minutes(11, 6, 10, 4),
          ("gpt",), "Hu et al. 2022", 2021),
    Topic("peft", "Parameter-efficient fine-tuning", "scale", 2, "advanced", Minutes(11, 5, 10, 4),
          ("lora", "bert"), "Houlsby et al. 2019", 2019),
    Topic("qlora", "QLoRA", "scale", 2, "advanced", Minutes(11, 5, 10, 4),
          ("lora", "compression"), "Dettmers et al. 2023", 2023),
    Topic("mixture-of-experts", "Mixture of experts", "scale", 2, "advanced", Minutes(12, 6, 10, 4),
          ("llama",), "Fedus et al. 2022", 2021),
    Topic("efficient-attention", "Efficient attention", "scale", 2, "advanced", Minutes(12, 6, 10, 4),
          ("gpt",), "Katharopoulos et al. 2020", 2020),
    Topic("flash-attention", "Flash attention", "scale", 3, "advanced", Minutes(14, 8, 12, 4),
          ("multi-head-attention", "mixed-precision"), "Dao et al. 2022", 2022),

    Topic("deployment", "PyTorch: export and deployment", "frameworks", 3, "intermediate", Minutes(12, 8, 10, 4),
          ("training-loops",), "Ansel et al. 2024", 2024),
    Topic("keras", "TensorFlow/Keras basics", "frameworks", 2, "intermediate", Minutes(12, 5, 10, 3),
          ("lenet", "lstm", "gpt"), "Abadi et al. 2016", 2016),
    Topic("tf-data", "tf.data pipelines", "frameworks", 2, "intermediate", Minutes(9, 4, 8, 3),
          ("keras", "dataloaders"), "Murray et al. 2021", 2021),
    Topic("tf-training", "Custom training loops in TensorFlow", "frameworks", 2, "intermediate", Minutes(9, 4, 10, 3),
          ("keras",), "Agrawal et al. 2019", 2019),
    Topic("tf-serving", "TF Serving and TF Lite", "frameworks", 2, "intermediate", Minutes(10, 4, 10, 3),
          ("keras", "deployment"), "Olston et al. 2017", 2017),
    Topic("jax", "JAX and Flax", "frameworks", 2, "intermediate", Minutes(12, 6, 10, 3),
          ("autograd", "lenet"), "Frostig et al. 2018", 2018),
    Topic("hugging-face", "Hugging Face", "frameworks", 3, "intermediate", Minutes(12, 6, 10, 4),
          ("bert", "gpt"), "Wolf et al. 2020", 2019),
    Topic("experiment-tracking", "Experiment tracking", "frameworks", 2, "intermediate", Minutes(10, 5, 10, 3),
          ("deployment",), "Zaharia et al. 2018", 2018),

    Topic("project-vision", "A photo classifier of your own, from folder to web page", "projects", 2, "intermediate",
          Minutes(10, 10, 120, 0), ("transfer-learning", "deployment"), "Kornblith et al. 2019", 2018),
    Topic("project-detection", "A detector of your own", "projects", 2, "advanced",
          Minutes(10, 10, 150, 0), ("yolo", "transfer-learning", "deployment"), "Lin et al. 2014", 2014),
    Topic("project-text", "A small language model of your own, from raw text to chat", "projects", 2, "advanced",
          Minutes(10, 10, 180, 0), ("supervised-fine-tuning", "deployment"), "Eldan and Li 2023", 2023),
    Topic("project-sentiment", "Sentiment, honestly evaluated", "projects", 2, "intermediate",
          Minutes(10, 10, 120, 0), ("text-classification", "bert", "statistics"), "Socher et al. 2013", 2013),
    Topic("project-audio", "Spoken digits", "projects", 2, "intermediate",
          Minutes(12, 10, 120, 0), ("lenet", "vit"), "Warden 2018", 2018),
    Topic("project-forecast", "A forecast with error bars", "projects", 2, "advanced",
          Minutes(10, 10, 120, 0), ("time-series", "transformer"), "Lim et al. 2021", 2019),
    Topic("project-generate", "An image generator of your own", "projects", 2, "advanced",
          Minutes(10, 10, 150, 0), ("ddim", "generative-evaluation", "deployment"), "Ho and Salimans 2022", 2022),
    Topic("interview", "Revision and interview drill", "projects", 2, "intermediate",
          Minutes(10, 0, 60, 60), ("debugging", "resnet", "lstm", "gpt"), "Dunlosky et al. 2013", 2013),
)  # fmt: skip
