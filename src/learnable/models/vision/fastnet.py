"""FastNet: LeNet-5's plan, wider and with batch norm, reads MNIST at 99 % after one look at each example.

    c1       16 maps    5x5 strokes, for which 1998 could afford 6
    s2       16 maps    half the size
    c3       32 maps
    s4       32 maps    half the size again
    f5       128        one look at all that is left
    output   classes    a score (logit) for each

What makes it fast is the norm: every map is brought to mean 0 and variance 1 over the batch, then scaled and shifted as
is learned. No layer can shout or fall silent, so the learning rate may be much higher. The maximum of each 2x2 square
is taken before the norm, which then has a quarter of the work. No layer before a norm has a bias: it would be undone.

Paper    Ioffe & Szegedy 2015, "Batch normalization", section 3.2 - https://arxiv.org/abs/1502.03167
Differs  the network is ours, made for this course
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from learnable.errors import CallError
from learnable.models.vision.lenet import check_numbers, check_pictures


class FastNet(nn.Module):
    """Convolution, half the size, norm, ReLU; the same again; then a hidden layer and the scores.

    Raises:
        CallError: pictures under 16x16, of which the layers before `f5` leave nothing; no classes or channels; when
            called: pictures of another shape.

    >>> import torch
    >>> FastNet()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, classes: int = 10, channels: int = 1, size: int = 28):
        super().__init__()
        check_numbers(classes, channels)
        left = ((size - 4) // 2 - 4) // 2  # two times four pixels lost to a 5x5 kernel, then halved
        if left < 1:
            raise CallError(
                f"expected pictures of at least 16x16 pixels, came {size}x{size}; enlarge them, to 28x28 for instance"
            )
        self.size = size
        self.channels = channels
        self.c1 = nn.Conv2d(channels, 16, kernel_size=5, bias=False)
        self.s2 = nn.MaxPool2d(2)
        self.norm2 = nn.BatchNorm2d(16)
        self.c3 = nn.Conv2d(16, 32, kernel_size=5, bias=False)
        self.s4 = nn.MaxPool2d(2)
        self.norm4 = nn.BatchNorm2d(32)
        self.f5 = nn.Linear(32 * left * left, 128, bias=False)
        self.norm5 = nn.BatchNorm1d(128)
        self.output = nn.Linear(128, classes)

    def forward(
        self, image: Float[Tensor, "batch {self.channels} {self.size} {self.size}"]
    ) -> Float[Tensor, "batch classes"]:
        check_pictures(image, self.channels, self.size)
        x = F.relu(self.norm2(self.s2(self.c1(image))))  # (batch, 16, 12, 12)
        x = F.relu(self.norm4(self.s4(self.c3(x)))).flatten(1)  # (batch, 32 * 4 * 4)
        x = F.relu(self.norm5(self.f5(x)))
        return self.output(x)
