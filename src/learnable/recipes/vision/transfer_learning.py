"""Transfer learning: a network that has learned one thing learns another from a few examples.

Run it       learnable train transfer-learning                       glyphs: 50 examples of each of 21 classes
             learnable train transfer-learning-10                    10 of each
             learnable train transfer-scratch                        the same network without having learned before
             learnable train transfer-scratch-10                     with 10 of each
             learnable train transfer-features                       nothing but a new last layer learns
             learnable train transfer-features-10                    with 10 of each
             learnable train transfer-letters                        what is learned before: 26 capitals
             learnable train transfer-learning --data ~/photos       your own: a folder with a sub-folder per class
             learnable train transfer-learning --data ~/photos --pretrained timm/resnet18.a1_in1k
             learnable train transfer-learning --data ~/photos --pretrained resnet18.pth --allow-pickle true
Takes        half a minute on two CPU cores, and a minute more the first time, while the capitals are learned
Compared     with the same network, pictures, batches and number of steps from scratch, and with frozen features

The head is new and begins to learn alone; every tenth of the steps, the part of the network before wakes up too (gradual
unfreezing), and each part learns 2.6 times as slowly as the one behind it (discriminative learning rates).

Papers   Yosinski et al. 2014, "How transferable are features in deep neural networks?" - https://arxiv.org/abs/1411.1792
         Howard & Ruder 2018, section 3 - https://arxiv.org/abs/1801.06146
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from learnable import tensors
from learnable.adapt.freeze import freeze
from learnable.data.augment import Augmented
from learnable.data.examples import Data, ImageBytes, Info, few_of_each
from learnable.data.glyphs import CLASSES as GLYPHS
from learnable.data.images import labeled_images
from learnable.errors import WorldError, unknown
from learnable.files import write_aside
from learnable.home import data_folder
from learnable.metrics.classification import classification_metrics
from learnable.models.vision.resnet import RESNETS, ResNet, ResNetConfig
from learnable.nn.pictures import Normalize
from learnable.objectives.classification import classify
from learnable.optim.factories import adamw, adamw_in_depth
from learnable.optim.schedules import one_cycle, thawing, warmup_cosine
from learnable.sampling.classify import classify_image
from learnable.train.batches import Batches
from learnable.train.loop import Team, train
from learnable.train.machine import Machine
from learnable.train.recipe import Expected, Player, Recipe, Setting
from learnable.weights import resnet as weights
from learnable.weights.checkpoint import at_hand
from learnable.weights.images import Preprocessing, gray

NETWORKS = {
    "small": ResNetConfig(depths=(2, 2, 2, 2), bottleneck=False, width=16),
    **{name: config for name, (config, _) in RESNETS.items()},
}
PARTS = tuple(f"network.{part}." for part in ("stem", "stages.0", "stages.1", "stages.2", "stages.3", "head"))
SURE, OFTEN = 5, 30.0  # steps that say how long the others will take; seconds between two words about it
SIZES = {"glyphs": 32, "photos": 96, "published": 160}  # pixels, where --size 0 leaves it open

SOURCES = {
    "glyphs-b": "digits and small letters in many typefaces, embedded (default)",
    "hymenoptera": "photos of ants and bees",
    "cifar10": "small photos of 10 kinds of things",
}


# ------------------------------------------------------------------------------------------------- what is decided once


def settle(source: str | None, settings: Mapping[str, Setting], say: Callable[[str], None]) -> Mapping[str, Setting]:
    """Which weights there are, and what follows from them: the network and the size of its pictures."""
    pretrained, network, size, pickles = (settings[key] for key in ("pretrained", "network", "size", "allow_pickle"))
    glyphs = source is None or source in GLYPHS
    if pretrained == "auto":
        variant = str(network) if network in RESNETS else "resnet18"
        pretrained = "letters" if glyphs or network == "small" else next(_there(variant), "letters")
        if not glyphs and network != "small" and pretrained == "letters":
            say(f"there are no published weights of {variant} on this machine; instead, "
                f"{'a small network' if network == 'auto' else 'the network'} first learns to read letters, which helps less. With the "
                f"internet: --pretrained timm/{variant}.a1_in1k; without: --pretrained FOLDER with config.json and "
                "model.safetensors, or FILE.pth with --allow-pickle true")  # fmt: skip
    if pretrained not in ("letters", "none"):
        pretrained = _place(str(pretrained))
        if network == "auto":
            config = ResNet.from_pretrained(pretrained, allow_pickle=bool(pickles)).config
            network = next((name for name, known in NETWORKS.items() if known == config), "")
            if not network:
                raise WorldError(f"{pretrained} holds a ResNet that is none of {', '.join(NETWORKS)}: {config}")
    if network == "auto":
        network = "small"
    if network not in NETWORKS:
        raise unknown("network", str(network), NETWORKS)
    if not size:
        size = SIZES["glyphs" if glyphs else "photos" if network == "small" else "published"]
    return {"pretrained": pretrained, "network": network, "size": size}


def _there(variant: str) -> Iterator[str]:
    """The published weights of a variant that this machine has."""
    return (row.name for row in weights.PUBLISHED if row.variant == variant and at_hand(row.name, row.address))


def _place(name: str) -> str:
    """A folder by its whole path, so that the run can be gone on with from anywhere; a hub's name as it is."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.exists() else name


# ------------------------------------------------------------------------------------------------- data and model


def pictures(
    source: str | None = None, *, size: int = 32, channels: int = 3, per_class: int = 50, augment: bool = True
) -> Data:
    """Pictures in classes: of glyphs so many of each class to learn from (0: all), of anything else all.

    In training they are cut out with a shift of up to an eighth, and photos are seen in a mirror half of the time.
    """
    glyphs = source is None or source in GLYPHS
    data = labeled_images(source or "glyphs-b", size=size, channels=channels)
    examples = data.train
    if glyphs and per_class > 0:
        assert isinstance(examples, ImageBytes), "glyphs are bytes"
        examples = few_of_each(examples, per_class)
    return replace(data, train=Augmented(examples, flip=not glyphs, pad=size // 8) if augment else examples)


def model(info: Info, network: str = "small", frozen: bool = False) -> nn.Module:
    assert info.image is not None, "labeled_images says how large its pictures are"
    channels = info.image[0]
    usual = Preprocessing()
    body = ResNet(NETWORKS[network], classes=len(info.classes), channels=channels)
    if frozen:
        freeze(body.stem)
        freeze(body.stages)
    normalize = Normalize(gray(usual.mean, channels), gray(usual.std, channels))
    return nn.Sequential(OrderedDict(normalize=normalize, network=body))


def example(info: Info) -> tuple[Tensor, ...]:
    assert info.image is not None, "labeled_images says how large its pictures are"
    return (torch.zeros(2, *info.image),)


# ------------------------------------------------------------------------------------------------- what it begins with


def start(
    model: nn.Module,
    info: Info,
    machine: Machine,
    seed: int,
    say: Callable[[str], None],
    *,
    pretrained: str,
    allow_pickle: bool,
) -> None:
    """Put weights that have learned something else into all of the network but its head."""
    if pretrained == "none":
        return
    assert info.image is not None, "labeled_images says how large its pictures are"
    network = model.get_submodule("network")
    assert isinstance(network, ResNet)
    if pretrained == "letters":
        state = read_letters(network.config, info.image[0], machine, say)
    else:
        source = ResNet.from_pretrained(pretrained, channels=info.image[0], allow_pickle=allow_pickle)
        if source.config != network.config:
            raise WorldError(
                f"{pretrained} holds another network than was asked for: {source.config}; leave --network out"
            )
        state = source.state_dict()
        seen = source.preprocessing or Preprocessing()
        for name, numbers in (("mean", seen.mean), ("std", seen.std)):
            model.get_buffer(f"normalize.{name}").copy_(torch.tensor(gray(numbers, info.image[0]))[:, None, None])
    own = network.state_dict()
    network.load_state_dict({name: own[name] if name.startswith("head.") else state[name] for name in own})


def read_letters(
    config: ResNetConfig, channels: int, machine: Machine, say: Callable[[str], None]
) -> dict[str, Tensor]:
    """The weights of a network that reads the capitals. They are learned once and kept in the data folder.

    As with weights that somebody published, all runs begin with the same ones, whatever their seed. The letters are small,
    whatever the size of the pictures that come later: convolutions fit all.
    """
    recipe, size, seed = LETTERS, SIZES["glyphs"], 0
    told = repr(
        (config, (channels, size, size), seed, recipe.epochs, recipe.batch_size, recipe.players[0].learning_rate, "2")
    )
    path = data_folder() / "letters" / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"
    if path.is_file():
        return tensors.read(path)
    torch.manual_seed(seed)
    data = pictures("glyphs-a", size=size, channels=channels, per_class=0)
    source = nn.Sequential(OrderedDict(
        normalize=Normalize(gray(Preprocessing().mean, channels), gray(Preprocessing().std, channels)),
        network=ResNet(config, classes=len(data.info.classes), channels=channels),
    ))  # fmt: skip
    team = Team(source, recipe.players, machine)
    batches = Batches(
        data.train, recipe.batch_size, seed, rank=machine.rank, world=machine.world, device=machine.device
    )
    steps, begun, said = recipe.steps_for(len(data.train)), perf_counter(), 0.0
    for step, _ in train(team, batches, steps=steps, clip=recipe.clip):
        passed = perf_counter() - begun
        if (step == SURE or passed - said > OFTEN) and step < steps:
            left = passed / step * (steps - step)
            say(f"first it learns the capitals ({size}x{size} pixels), once: step {step} of {steps}, {left:.0f} s left")
            said = passed
    state = {name: tensor.cpu() for name, tensor in source.get_submodule("network").state_dict().items()}
    if machine.first:
        path.parent.mkdir(exist_ok=True)
        with write_aside(path) as aside:
            tensors.write(aside, state)
    return state


# ------------------------------------------------------------------------------------------------- the recipes

slowly = partial(adamw_in_depth, parts=PARTS, factor=2.6, weight_decay=0.01)
decayed = partial(adamw, weight_decay=0.05, betas=(0.9, 0.999))
careful = Player(classify, slowly, learning_rate=4e-3, schedule=partial(thawing, parts=len(PARTS), every=0.1))
plain = Player(classify, decayed, learning_rate=4e-3, schedule=one_cycle)

RECIPE = Recipe(
    model=model,
    model_settings={"network": "auto", "frozen": False},
    data=pictures,
    data_settings={"size": 0, "channels": 3, "per_class": 50, "augment": True},
    settle=settle,
    start=start,
    start_settings={"pretrained": "auto", "allow_pickle": False},
    sources=SOURCES,
    players=(careful,),
    epochs=20,
    batch_size=32,
    clip=1.0,
    every=100,
    evaluate=classification_metrics,
    predict=classify_image,
    example=example,
    takes="a photo",
    expected=Expected("accuracy", at_least=0.68, minutes=1),
)

FEW = replace(  # as many steps, so five times as often through the examples
    RECIPE,
    data_settings={**RECIPE.data_settings, "per_class": 10},
    epochs=100,
    expected=Expected("accuracy", at_least=0.55, minutes=1),
)

SCRATCH = replace(
    RECIPE,
    start_settings={"pretrained": "none", "allow_pickle": False},
    players=(plain,),
    expected=Expected("accuracy", at_least=0.5, minutes=0.6),
)
SCRATCH_FEW = replace(
    FEW,
    start_settings={"pretrained": "none", "allow_pickle": False},
    players=(replace(plain, learning_rate=8e-3),),
    expected=Expected("accuracy", at_least=0.1, minutes=0.6),  # chance is 0.048
)

head = Player(classify, decayed, learning_rate=1e-2, schedule=warmup_cosine)
FEATURES = replace(
    RECIPE,
    model_settings={"network": "auto", "frozen": True},
    players=(head,),
    expected=Expected("accuracy", at_least=0.58, minutes=0.5),
)
FEATURES_FEW = replace(
    FEW,
    model_settings={"network": "auto", "frozen": True},
    players=(head,),
    expected=Expected("accuracy", at_least=0.48, minutes=0.5),
)


def capitals(
    source: str | None = None, *, size: int = 32, channels: int = 3, per_class: int = 0, augment: bool = True
) -> Data:
    """`pictures` with the capitals for a default."""
    return pictures(source or "glyphs-a", size=size, channels=channels, per_class=per_class, augment=augment)


LETTERS = replace(
    SCRATCH,
    data=capitals,
    data_settings={**RECIPE.data_settings, "per_class": 0},
    sources={"glyphs-a": "26 capitals in many typefaces (default)", **SOURCES},
    epochs=12,
    batch_size=128,
    expected=Expected("accuracy", at_least=0.8, minutes=1),
)
