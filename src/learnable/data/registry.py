"""The data sets: where each comes from, how it is known to be the right one, and which function reads it.

A row without files is embedded: it is there without a network. Everything here is text, so listing imports nothing.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from learnable.errors import WorldError, unknown


@dataclass(frozen=True)
class File:
    """A file as its authors published it; the checksum is what makes it that file, whoever hands it over."""

    name: str
    bytes: int
    sha256: str
    urls: tuple[str, ...]  # tried in this order


@dataclass(frozen=True)
class Dataset:
    """One row: `reads` is the address of a function whose first argument is the row's name."""

    title: str
    reads: str  # "module:function"
    licence: str
    home: str = ""
    files: tuple[File, ...] = ()
    subset: File | None = None  # a part of it, for machines that have only that: a mirror's, never downloaded

    @property
    def embedded(self) -> bool:
        """Whether it is there without a download."""
        return not self.files

    @property
    def bytes(self) -> int:
        """The size of what would be downloaded."""
        return sum(file.bytes for file in self.files)


def _files(places: tuple[str, ...], *rows: tuple[str, int, str]) -> tuple[File, ...]:
    return tuple(File(name, size, sha256, tuple(place + name for place in places)) for name, size, sha256 in rows)


_MNIST = _files(
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    ("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
_FASHION_MNIST = _files(
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # no https there; the checksum vouches
    ),
    ("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    ("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
_TINYSHAKESPEARE = _files(
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",),
    ("input.txt", 1_115_394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),
)
_NAMES = _files(
    ("https://raw.githubusercontent.com/karpathy/makemore/master/",),
    ("names.txt", 228_145, "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"),
)
_IRIS = _files(
    ("https://raw.githubusercontent.com/jbrownlee/Datasets/master/",),
    ("iris.csv", 4_549, "f5d0c11e5c78a69a20dbb80baf2b24703f59a6687595752abb397d23732647c5"),
)
_ADULT = _files(
    ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",),
    ("adult.data", 3_974_305, "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"),
    ("adult.test", 2_003_153, "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"),
)
_SST = tuple(
    File(
        f"trees/{name}.txt",
        size,
        sha256,
        (f"https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip#trees/{name}.txt",),
    )
    for name, size, sha256 in (
        ("train", 2_160_058, "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7"),
        ("dev", 280_825, "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40"),
        ("test", 559_614, "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761"),
    )
)
_AG_NEWS = _files(
    ("https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/",),
    ("train.csv", 29_470_338, "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e"),
    ("test.csv", 1_857_427, "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"),
)

_CIFAR10 = _files(
    ("https://www.cs.toronto.edu/~kriz/",),
    ("cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
)
_HYMENOPTERA = _files(
    ("https://download.pytorch.org/tutorial/",),
    ("hymenoptera_data.zip", 47_286_322, "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209"),
)
_IMAGENET_SAMPLES = _files(
    ("https://raw.githubusercontent.com/EliSchwartz/imagenet-sample-images/master/",),
    ("n01440764_tench.JPEG", 100_582, "98f7e89b26142f7bdb61f3a627dee89729b0bb07a29e9e7f3be9d394c00c6f01"),
    ("n01443537_goldfish.JPEG", 36_973, "61ff9f1e0c4ed5906efed08c19d0c501b5ba75e45df77818d533a28e825341aa"),
    ("n01518878_ostrich.JPEG", 101_571, "0592f75d50591658aca0d09060d20303336b7b6e7ef4d47ac137fea6d42d9cb2"),
    ("n01806567_quail.JPEG", 243_599, "25382aa8ec033aa4e93b8bedbb8d1a7a28b749ec0e3e532baefb20d8d65c4706"),
    ("n02099601_golden_retriever.JPEG", 175_825, "e3110d963cb53bb99caf2d26c04cbcf8c8d35a0bbbce81c4caef71ec268e411e"),
    ("n02123045_tabby.JPEG", 86_704, "678cd3aca4149cf0ed354c19061cb51a0a972bbd713864b7cef3eba02c332984"),
    ("n02391049_zebra.JPEG", 173_519, "ca35cfbead9763232ee94ccb8a9d3a2e2e0bff576a1e22221b210589f6c7bd42"),
    ("n02690373_airliner.JPEG", 134_442, "7c485f53b3428876ae641e6241e0b4350decbe52a35fc3138d4b9fc46c092e06"),
    ("n02835271_bicycle-built-for-two.JPEG", 174_604, "97dcfe63fc70346b6082f41b7292883380adaac9c2935cbd232f4196724b8475"),
    ("n04146614_school_bus.JPEG", 162_709, "6d34a198fdf9ef56a00e8c401699a5f3fc529a7bf2f6aa164e7934e21413bca2"),
    ("n07753592_banana.JPEG", 188_423, "96c3e9422a5c00da9c9727f0dd13e288d4d966e5236b4a86f64f134ed1ca6cca"),
    ("n11939491_daisy.JPEG", 131_951, "51156e2f84665e93d5a8ec7c91cd6189ab33da8ec0c47b2843732844c2ff5c26"),
)  # fmt: skip

_FONTS = "fonts: Bitstream Vera (DejaVu), OFL (STIX), BaKoMa (Computer Modern)"
_MULTI30K = _files(
    ("https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/",),
    ("train.de.gz", 637_044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    ("train.en.gz", 568_929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    ("val.de.gz", 24_681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    ("val.en.gz", 21_650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    ("test_2016_flickr.de.gz", 22_890, "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
    ("test_2016_flickr.en.gz", 21_077, "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
)

_GPT2 = _files(
    ("https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/",),
    ("encoder.json", 1_042_301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    ("vocab.bpe", 456_318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
)
_BERT = _files(
    ("https://huggingface.co/google-bert/bert-base-uncased/resolve/main/",),
    ("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
)
_CLIP = _files(
    ("https://github.com/openai/CLIP/raw/main/clip/",),
    ("bpe_simple_vocab_16e6.txt.gz", 1_356_917, "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"),
)

_POINTS = {
    "ring": "eight Gaussians on a circle",
    "grid": "twenty-five Gaussians, five by five",
    "moons": "two half circles that interlock",
    "circles": "one circle inside another",
    "spirals": "two arms that wind around each other",
    "xor": "four corners",
    "blobs": "three Gaussians",
}

DATASETS: dict[str, Dataset] = {
    "digits": Dataset(
        "1,797 handwritten digits, 8x8 gray, 10 classes (part of scikit-learn)",
        reads="learnable.data.images:digit_scans",
        licence="CC BY 4.0 (UCI)",
        home="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    ),
    "glyphs": Dataset(
        "12,220 letters and digits in 26 faces on all kinds of ground, drawn at any size, color, 47 classes",
        reads="learnable.data.images:glyph_images",
        licence=_FONTS,
    ),
    "glyphs-a": Dataset(
        "those of the glyphs that are capitals: 26 classes", reads="learnable.data.images:glyph_images", licence=_FONTS
    ),
    "glyphs-b": Dataset(
        "the other glyphs, digits and small letters: 21 classes",
        reads="learnable.data.images:glyph_images",
        licence=_FONTS,
    ),
    "stdlib": Dataset(
        "about 1 MB of Python: modules of the standard library of the Python that runs",
        reads="learnable.data.text:characters",
        licence="PSF-2.0",
        home="https://docs.python.org/3/library/",
    ),
    "modules": Dataset(
        "four lines of Python each, of one of 22 modules of the standard library: which?",
        reads="learnable.data.labeled:labeled_texts",
        licence="PSF-2.0",
        home="https://docs.python.org/3/library/",
    ),
    **{
        name: Dataset(f"points in the plane: {what}", reads="learnable.data.points:mixture", licence="made on the spot")
        for name, what in _POINTS.items()
    },
    "dates": Dataset(
        "33,000 dates as people write them in thousands of ways, each with its ISO form",
        reads="learnable.data.translation:sentence_pairs",
        licence="made on the spot",
    ),
    "mnist": Dataset(
        "MNIST: 60,000 + 10,000 handwritten digits, 28x28 gray, 10 classes",
        reads="learnable.data.images:labeled_images",
        licence="CC BY-SA 3.0 (LeCun, Cortes, Burges)",
        home="http://yann.lecun.com/exdb/mnist/",
        files=_MNIST,
    ),
    "fashion-mnist": Dataset(
        "Fashion-MNIST: 60,000 + 10,000 pieces of clothing, 28x28 gray, 10 classes",
        reads="learnable.data.images:labeled_images",
        licence="MIT (Zalando SE)",
        home="https://github.com/zalandoresearch/fashion-mnist",
        files=_FASHION_MNIST,
    ),
    "cifar10": Dataset(
        "CIFAR-10: 50,000 + 10,000 photos of animals and vehicles, 32x32 color, 10 classes",
        reads="learnable.data.images:labeled_images",
        licence="none stated; cite Krizhevsky 2009",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        files=_CIFAR10,
        subset=File(
            "cifar-10-python-subset.tar.gz",
            14_141_290,
            "4db6a6aeddf365d51133de6b7dfe54f864d717669f736f5b1f4130d330a926da",
            (),
        ),
    ),
    "hymenoptera": Dataset(
        "Hymenoptera: 244 + 153 photos of ants and bees, 2 classes",
        reads="learnable.data.images:labeled_images",
        licence="none stated (photos from ImageNet)",
        home="https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html",
        files=_HYMENOPTERA,
        subset=File(
            "hymenoptera_data-subset.zip",
            22_089_000,
            "f27b40dae0feb8170704fd56e080b8327017cbc69533bd92a427a91598a6577c",
            (),
        ),
    ),
    "imagenet-samples": Dataset(
        "12 photos of ImageNet, each of another class: to try a model on",
        reads="learnable.data.photos:imagenet_samples",
        licence="ImageNet terms: non-commercial research and education",
        home="https://github.com/EliSchwartz/imagenet-sample-images",
        files=_IMAGENET_SAMPLES,
    ),
    "tinyshakespeare": Dataset(
        "Tiny Shakespeare: 1,115,394 characters of his plays, 65 distinct",
        reads="learnable.data.text:characters",
        licence="public domain text",
        home="https://github.com/karpathy/char-rnn",
        files=_TINYSHAKESPEARE,
    ),
    "names": Dataset(
        "32,033 first names, one to a line, 26 letters",
        reads="learnable.data.text:characters",
        licence="MIT",
        home="https://github.com/karpathy/makemore",
        files=_NAMES,
    ),
    "multi30k": Dataset(
        "Multi30k: 29,000 + 1,014 + 1,000 captions of photos, German and English",
        reads="learnable.data.translation:sentence_pairs",
        licence="CC BY-NC-SA 4.0 (WMT's task page; none in the repository)",
        home="https://github.com/multi30k/dataset",
        files=_MULTI30K,
    ),
    "iris": Dataset(
        "Iris: 150 flowers, 4 measurements, 3 classes",
        reads="learnable.data.tables:table",
        licence="CC BY 4.0 (UCI)",
        home="https://archive.ics.uci.edu/dataset/53/iris",
        files=_IRIS,
    ),
    "adult": Dataset(
        "Adult: 32,561 + 16,281 people of the 1994 US census, 14 attributes, income above or below 50,000 dollars",
        reads="learnable.data.tables:table",
        licence="CC BY 4.0 (UCI)",
        home="https://archive.ics.uci.edu/dataset/2/adult",
        files=_ADULT,
    ),
    "sst": Dataset(
        "Stanford Sentiment Treebank: 8,544 + 1,101 + 2,210 sentences of film reviews, graded in five steps, phrase by phrase",
        reads="learnable.data.labeled:labeled_texts",
        licence="none stated; cite Socher et al. 2013",
        home="https://nlp.stanford.edu/sentiment/",
        files=_SST,
    ),
    "ag_news": Dataset(
        "AG News: 120,000 + 7,600 news items, title and first sentences, 4 topics",
        reads="learnable.data.labeled:labeled_texts",
        licence="research, non-commercial",
        home="http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html",
        files=_AG_NEWS,
    ),
    "gpt2": Dataset(
        "GPT-2's vocabulary: 50,257 tokens of bytes, 50,000 merges",
        reads="learnable.data.tokenizers.published:vocabulary",
        licence="MIT, modified (OpenAI)",
        home="https://github.com/openai/gpt-2",
        files=_GPT2,
    ),
    "bert-base-uncased": Dataset(
        "BERT's vocabulary: 30,522 WordPieces of small letters",
        reads="learnable.data.tokenizers.published:vocabulary",
        licence="Apache-2.0 (Google)",
        home="https://github.com/google-research/bert",
        files=_BERT,
    ),
    "clip": Dataset(
        "CLIP's vocabulary: 49,408 tokens of small letters",
        reads="learnable.data.tokenizers.published:vocabulary",
        licence="MIT (OpenAI)",
        home="https://github.com/openai/CLIP",
        files=_CLIP,
    ),
}


def find(name: str) -> Dataset:
    """The row of a data set.

    >>> find("mnist").bytes
    11594722

    Raises:
        CallError: there is no such data set; the message names the nearest one.
    """
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def name_or_path(source: str | None, names: Sequence[str]) -> str | Path:
    """What a user's `--data` means: one of `names` (the first where nothing was said), else a path that exists.

    A name goes before a file of that name; `./mnist` is then the file.

    Raises:
        CallError: it looks like a name and is none.
        WorldError: it looks like a path, and nothing is there.
    """
    if source is None:
        return names[0]
    if source in names:
        return source
    try:
        path = Path(source).expanduser()
        exists = bool(source) and path.exists()
    except (
        OSError,
        ValueError,
        RuntimeError,  # the home of a user who is none
    ) as error:  # longer than names can be, a NUL in it, a folder that may not be looked into
        raise WorldError(f"the path {source[:200]!r} cannot be used ({error}).") from error
    if exists:
        return path
    if path.suffix or path.is_absolute() or any(mark in source for mark in {"/", os.sep, "~"}):
        raise WorldError(f"there is no file or folder {path} (looked for from {Path.cwd()}); "
                         f"check the path, or name one of: {', '.join(names)}.")  # fmt: skip
    raise unknown("dataset", source, names)
