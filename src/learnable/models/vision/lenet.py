r"""LeNet-5: a picture shrinks while its features grow, until ten numbers say which digit it is.

    c1       6 maps     5x5 strokes, looked for everywhere with the same weights
    s2       6 maps     half the size: where exactly a stroke lies matters less and less
    c3       16 maps    combinations of strokes
    s4       16 maps    half the size again
    c5       120        one look at all that is left
    f6       84
    output   10         a score (logit) for each class

Paper    LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition",
         section II.B and figure 2 - http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf
Letters  attributes are the labels in the paper's figure
Differs  `LeNet` is what is called LeNet-5 today; from the paper's own network it differs in seven ways:
         * ReLU for the scaled tanh: its slope does not fade where the input is large, so it learns faster
         * the maximum of each 2x2 square for the trained subsampling: nothing to learn, and strong features stay strong
         * no squashing after s2 and s4: a maximum of ReLUs is its own ReLU
         * every map of c3 sees all six of s2: table I was there to save work and to make the maps differ,
           which random initial weights do too
         * c5 is a linear layer: a convolution as large as its maps is the same sum, and torch does that one a tenth of
           a training step slower
         * a linear output trained with softmax and cross-entropy for distances to drawn 7x12 pictures of the characters
           (RBF units): its scores become probabilities
         * pixels from 0 to 1 where the paper has -0.1 to 1.175, so that a picture goes in as it is
         `LeNet1998` goes back on all but the last three.
Size     The paper's "60,000 trainable parameters" is exact: c1 156 + s2 12 + c3 1,516 + s4 32 + c5 48,120 + f6 10,164;
         its output was fixed by hand. With all of c3 connected (2,416), nothing to learn in s2 and s4,
         and a trained output (850) there are 61,706.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.errors import CallError

#              constructor's arguments                      parameters
LENET = {
    "mnist":   ({"classes": 10, "channels": 1, "size": 28},     61_706),
    "paper":   ({"classes": 10, "channels": 1, "size": 32},     61_706),
    "cifar10": ({"classes": 10, "channels": 3, "size": 32},     62_006),
}  # fmt: skip


class LeNet(nn.Module):
    """Figure 2 of the paper, as it is built today.

    A picture of 28x28 (MNIST) is laid into the paper's 32x32 field by two pixels of zeros all around; a picture of any
    other size is taken as it comes, and `c5` sees all that is left of it (5x5 for 28 and 32, 13x13 for 64).

    Raises:
        CallError: pictures under 16x16, of which the four layers before `c5` leave nothing; no classes or channels;
            when called: pictures of another shape.

    >>> LeNet()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, classes: int = 10, channels: int = 1, size: int = 28):
        super().__init__()
        check_numbers(classes, channels)
        self.size = size
        self.channels = channels
        self.c1 = nn.Conv2d(channels, 6, kernel_size=5, padding=field_padding(size))
        self.s2 = nn.MaxPool2d(2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.s4 = nn.MaxPool2d(2)
        self.c5 = nn.Linear(16 * size_of_s4(size) ** 2, 120)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def forward(
        self, image: Float[Tensor, "batch {self.channels} {self.size} {self.size}"]
    ) -> Float[Tensor, "batch classes"]:
        check_pictures(image, self.channels, self.size)
        x = self.s2(F.relu(self.c1(image)))  # (batch, 6, 14, 14)
        x = self.s4(F.relu(self.c3(x)))  # (batch, 16, 5, 5)
        x = F.relu(self.c5(x.flatten(1)))  # (batch, 120)
        x = F.relu(self.f6(x))
        return self.output(x)


class LeNet1998(nn.Module):
    """The paper's own network, but for its output: trained subsampling, table I, and a scaled tanh after every layer.

    Without `output` it has the paper's 60,000 parameters.

    Raises:
        CallError: as `LeNet`.

    >>> LeNet1998()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, classes: int = 10, channels: int = 1, size: int = 28):
        super().__init__()
        check_numbers(classes, channels)
        self.size = size
        self.channels = channels
        self.c1 = nn.Conv2d(channels, 6, kernel_size=5, padding=field_padding(size))
        self.s2 = Subsampling(6)
        self.c3 = PaperC3()
        self.s4 = Subsampling(16)
        self.c5 = nn.Linear(16 * size_of_s4(size) ** 2, 120)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def forward(
        self, image: Float[Tensor, "batch {self.channels} {self.size} {self.size}"]
    ) -> Float[Tensor, "batch classes"]:
        check_pictures(image, self.channels, self.size)
        x = squash(self.s2(squash(self.c1(image))))
        x = squash(self.s4(squash(self.c3(x))))
        x = squash(self.c5(x.flatten(1)))
        x = squash(self.f6(x))
        return self.output(x)


class Subsampling(nn.Module):
    """The mean of each 2x2 square, times a number, plus a number; both are learned, one pair for a map."""

    def __init__(self, maps: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(maps, 1, 1))
        self.shift = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x: Float[Tensor, "batch maps height width"]) -> Float[Tensor, "batch maps height//2 width//2"]:
        return self.scale * F.avg_pool2d(x, 2) + self.shift


# Table I of the paper: the maps of s2 that each map of c3 sees. Three in a row, four in a row, two pairs, all.
TABLE_I = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip


class PaperC3(nn.Module):
    """c3 as the paper wires it: 16 maps that each see some of the six maps of s2, so that no two can learn the same.

    60 kernels of 5x5 and 16 biases: 1,516 parameters where the full connection has 2,416.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Conv2d(len(seen), 1, kernel_size=5) for seen in TABLE_I)

    def forward(self, x: Float[Tensor, "batch 6 height width"]) -> Float[Tensor, "batch 16 height-4 width-4"]:
        return torch.cat([one(x[:, list(seen)]) for one, seen in zip(self.maps, TABLE_I, strict=True)], dim=1)


def squash(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The paper's activation (its appendix A): a tanh that is 1 at 1 and -1 at -1, where its curvature is greatest.

    >>> squash(torch.tensor([-1.0, 0.0, 1.0, 9.0]))
    tensor([-1.0000,  0.0000,  1.0000,  1.7159])
    """
    return 1.7159 * torch.tanh(2 / 3 * x)


def field_padding(size: int) -> int:
    """Pixels of zeros around a picture: two make the paper's 32x32 of MNIST's 28x28."""
    return 2 if size == 28 else 0


def size_of_s4(size: int) -> int:
    """Height and width of the last maps before c5: two times four pixels lost to a 5x5 kernel, then halved.

    >>> [size_of_s4(size) for size in (16, 28, 32, 64)]
    [1, 5, 5, 13]

    Raises:
        CallError: nothing is left.
    """
    left = ((size + 2 * field_padding(size) - 4) // 2 - 4) // 2
    if left < 1:
        raise CallError(
            f"expected pictures of at least 16x16 pixels, came {size}x{size}; enlarge them, to 28x28 for instance"
        )
    return left


def check_numbers(classes: int, channels: int) -> None:
    """A layer of nothing can be built, and then fails far from here.

    Raises:
        CallError: fewer than one of them.
    """
    if min(classes, channels) < 1:
        raise CallError(f"expected at least 1 class and 1 channel, came classes={classes} and channels={channels}; "
                        "gray pictures have 1 channel, colored ones 3")  # fmt: skip


def check_pictures(image: Tensor, channels: int, size: int) -> None:
    """Only the number of pictures is free: one more row or column would be cut off in silence on the way to `c5`.

    Raises:
        CallError: another shape.
    """
    if image.shape[1:] != (channels, size, size):
        raise CallError(f"expected pictures of shape (batch, {channels}, {size}, {size}), came {tuple(image.shape)}; "
                        "a single picture is image[None], and another size wants a model built for it or "
                        f"torch.nn.functional.interpolate(image, ({size}, {size}))")  # fmt: skip
