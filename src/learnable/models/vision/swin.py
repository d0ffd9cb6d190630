r"""Swin: attention inside small windows, which are moved by half a window from block to block so that they talk to each other.

    picture -> patches of 4x4 -> norm -> stage -> merge -> stage -> merge -> stage -> merge -> stage -> norm -> mean -> logits

Attention over all patches costs the square of their number; in windows of 7x7 it costs their number times 49, so that a
transformer can begin at a quarter of the picture's resolution and shrink it as a convolutional network does.

Paper    Liu et al. 2021, "Swin Transformer", figures 2 and 3, sections 3.1 to 3.3 - https://arxiv.org/abs/2103.14030
Letters  their C is our `width`, M our `window`
Differs  no stochastic depth (theirs, in training only: 0.2 for T, 0.3 for S, 0.5 for B); with timm's weights the
         answers are timm's at sizes that the windows divide alone: at others it fills pictures up in another place, where ours
         does as torchvision, and as transformers at sizes that 4 divides (at others that one fills the last patches up)
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.mlp import MLP
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.weights import swin as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier


@dataclass(frozen=True)
class SwinConfig:
    """What may be chosen of the architecture."""

    depths: tuple[int, ...]  # blocks in each stage; between two stages the picture is halved and the width doubled
    heads: tuple[int, ...]  # in each stage
    width: int  # of the first stage
    window: int = 7  # patches per side of a window
    size: int = 224  # pixels per side of the pictures it was trained on; it takes any

    def __post_init__(self) -> None:
        check_sizes(self, len(self.depths), *self.depths, *self.heads, self.width, self.window, self.size)
        if len(self.depths) != len(self.heads) or any(self.width * 2**i % n for i, n in enumerate(self.heads)):
            raise CallError(f"expected as many heads as depths, each dividing its stage's width, came {asdict(self)}")


#              config                                                                             parameters
SWINS = {
    "swin_t": (SwinConfig(depths=(2, 2, 6, 2),  heads=(3, 6, 12, 24), width=96),                      28_288_354),
    "swin_s": (SwinConfig(depths=(2, 2, 18, 2), heads=(3, 6, 12, 24), width=96),                      49_606_258),
    "swin_b": (SwinConfig(depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), width=128),                     87_768_224),
    "swin_l": (SwinConfig(depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), width=192),                   196_532_476),
    "swin_b_384": (SwinConfig(depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), width=128, window=12, size=384),  87_903_584),
    "swin_l_384": (SwinConfig(depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), width=192, window=12, size=384), 196_735_516),
}  # fmt: skip


class Swin(nn.Module):
    """Figure 3 of the paper.

    >>> Swin(SwinConfig(depths=(2, 2), heads=(2, 4), width=16, window=4), classes=10)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 10])

    Raises:
        CallError: when called: pictures of another number of channels, or smaller than a patch.
    """

    first: ClassVar[str] = "patch"
    last: ClassVar[str] = "head"

    def __init__(self, config: SwinConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        widths = [config.width * 2**stage for stage in range(len(config.depths))]
        self.patch = nn.Conv2d(channels, config.width, kernel_size=4, stride=4)
        self.patch_norm = nn.LayerNorm(config.width)
        self.merges = nn.ModuleList(Merge(width) for width in widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, heads, config.window, moved=number % 2 == 1) for number in range(depth)))
            for depth, heads, width in zip(config.depths, config.heads, widths, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1])
        self.head = nn.Linear(widths[-1], classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """The end of each stage: at a 4th, 8th, 16th, 32nd of the picture."""
        return tuple(f"stages.{stage}" for stage in range(len(self.stages)))

    @property
    def last_map(self) -> str:
        """The last part in which places have a say: behind it they are averaged."""
        return "norm"

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.norm(self.maps(image)).mean(dim=(1, 2)))

    def maps(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch h w maps"]:
        """What the last stage gives, channels last."""
        check_pictures(image, self.channels, smallest=4)
        x = self.patch_norm(self.patch(image).permute(0, 2, 3, 1))
        for number, stage in enumerate(self.stages):
            if number:
                x = self.merges[number - 1](x)
            x = stage(x)
        return x

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The maps before they are averaged over the picture, normed."""
        return self.as_map(self.norm(self.maps(image)))

    def as_map(self, x: Tensor) -> Float[Tensor, "batch maps h w"]:
        """Channels first instead of last, (batch, height, width, channels), as a detector or a segmenter expects them.

        Raises:
            CallError: something else.
        """
        if x.dim() != 4:
            raise CallError(
                f"expected (batch, height, width, channels) to be laid out as a picture, came {tuple(x.shape)}"
            )
        return x.permute(0, 3, 1, 2)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """N(0, 0.02), cut off at two deviations, for every matrix and every table of places (the authors' code)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "Swin":
        """Published weights of timm, torchvision or transformers, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, SWINS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, SWINS, weights.TIMM)


class Block(nn.Module):
    """Two residual steps: patches of a window talk, then each thinks for itself. In every second block windows are moved."""

    def __init__(self, width: int, heads: int, window: int, moved: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, window, moved)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, 4 * width)

    def forward(self, x: Float[Tensor, "batch h w channels"]) -> Float[Tensor, "batch h w channels"]:
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x


class WindowAttention(nn.Module):
    """Attention among the patches of a window, with a learned number for every distance between two of them (equation 4)."""

    places: Tensor

    def __init__(self, width: int, heads: int, window: int, moved: bool):
        super().__init__()
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))  # a number per head and distance
        nn.init.trunc_normal_(self.distance, std=0.02)
        self.register_buffer("places", distances(window), persistent=False)
        self.heads, self.window, self.moved = heads, window, moved

    def forward(self, x: Float[Tensor, "batch h w channels"]) -> Float[Tensor, "batch h w channels"]:
        m, (height, width) = self.window, x.shape[1:3]
        x = F.pad(x, (0, 0, 0, -width % m, 0, -height % m))  # up to whole windows
        rows, columns = x.shape[1] // m, x.shape[2] // m
        # A single window has nothing to be moved against.
        shift = [m // 2 if self.moved and count > 1 else 0 for count in (rows, columns)]
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), dims=(1, 2))
        windows = rearrange(x, "b (r m) (c n) d -> (b r c) (m n) d", m=m, n=m)
        query, key, value = rearrange(self.to_qkv(windows), "w t (three h d) -> three w h t d", three=3, h=self.heads)
        bias = rearrange(self.distance[self.places], "(q k) h -> 1 h q k", q=m * m)
        if any(shift):
            apart = ~neighbors(x.shape[1], x.shape[2], m, shift, x.device)[:, None]  # (windows, 1, queries, keys)
            bias = repeat(bias.masked_fill(apart, -100.0), "w h q k -> (b w) h q k", b=len(x))
        answers = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        answers = self.to_out(rearrange(answers, "w h t d -> w t (h d)"))
        x = rearrange(answers, "(b r c) (m n) d -> b (r m) (c n) d", r=rows, c=columns, m=m)
        if any(shift):
            x = x.roll((shift[0], shift[1]), dims=(1, 2))
        return x[:, :height, :width]


class Merge(nn.Module):
    """Four neighbors become one: their channels beside each other, normed, and halved by a matrix (section 3.1)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Float[Tensor, "batch h w channels"]) -> Float[Tensor, "batch h2 w2 more"]:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        return self.reduction(self.norm(rearrange(x, "b (h y) (w x) d -> b h w (x y d)", y=2, x=2)))


def distances(window: int) -> Int[Tensor, "pairs"]:
    """For each pair of patches of a window, the number of the row that holds what their distance is worth.

    >>> distances(2).tolist()  # 2x2 patches, 16 pairs, 9 distances
    [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]
    """
    place = torch.arange(window)
    y, x = (axis.flatten() for axis in torch.meshgrid(place, place, indexing="ij"))
    down, right = y[:, None] - y + window - 1, x[:, None] - x + window - 1  # (queries, keys)
    return (down * (2 * window - 1) + right).flatten()


def neighbors(height: int, width: int, window: int, shift: list[int], device: torch.device | None = None) -> Tensor:
    """True where two patches of a moved window were neighbors before the move: what wrapped around the edge was not (figure 4).

    Returns:
        Table of True and False, (windows, patches, patches).
    """
    bands = []
    for length, step in zip((height, width), shift, strict=True):
        place = torch.arange(length, device=device)
        bands.append((place >= length - window).long() + (place >= length - step).long() if step else 0 * place)
    region = rearrange(3 * bands[0][:, None] + bands[1], "(r m) (c n) -> (r c) (m n)", m=window, n=window)
    return region[:, :, None] == region[:, None, :]
