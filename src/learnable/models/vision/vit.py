r"""Vision Transformer: a picture is cut into patches, and the patches are read like the words of a sentence.

    picture -> patches -> class token + patches, each + position -> block -> block -> ... -> norm -> class token -> logits

Nothing in it knows that neighbors belong together: that each patch may look at every other is its strength where there are
very many pictures, and its weakness where there are few.

Paper    Dosovitskiy et al. 2021, "An image is worth 16x16 words", section 3.1, figure 1, table 1 - https://arxiv.org/abs/2010.11929
         Touvron et al. 2021, table 1 (Ti and S: the same shape, narrower) - https://arxiv.org/abs/2012.12877
Letters  their L is our `depth`, D our `width`, P our `patch`, N the number of patches
Differs  no dropout (theirs: 0.1 while pre-training); the head is one layer, as in their fine-tuning
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from learnable.errors import CallError
from learnable.nn.block import Block
from learnable.nn.pictures import check_pictures, check_sizes
from learnable.weights import vit as weights
from learnable.weights.images import Loading, Preprocessing, load_classifier, save_classifier


@dataclass(frozen=True)
class ViTConfig:
    """What may be chosen of the architecture.

    >>> ViTConfig(depth=12, width=768, heads=12, patch=16).patches
    196
    """

    depth: int  # blocks
    width: int  # channels per token
    heads: int
    patch: int  # pixels per side of a patch
    size: int = 224  # pixels per side of the picture
    eps: float = 1e-6  # of the norms; transformers' own checkpoints have 1e-12

    def __post_init__(self) -> None:
        check_sizes(self, self.depth, self.width, self.heads, self.patch, self.size)
        if self.width % self.heads or self.size % self.patch:
            raise CallError(
                f"expected a width that the heads divide evenly and a size that the patches do, came {asdict(self)}"
            )

    @property
    def patches(self) -> int:
        return (self.size // self.patch) ** 2


#               config                                                parameters
VITS = {
    "vit_ti_16": (ViTConfig(depth=12, width=192,  heads=3,  patch=16),   5_717_416),
    "vit_s_16":  (ViTConfig(depth=12, width=384,  heads=6,  patch=16),  22_050_664),
    "vit_s_32":  (ViTConfig(depth=12, width=384,  heads=6,  patch=32),  22_878_952),
    "vit_b_16":  (ViTConfig(depth=12, width=768,  heads=12, patch=16),  86_567_656),
    "vit_b_32":  (ViTConfig(depth=12, width=768,  heads=12, patch=32),  88_224_232),
    "vit_b_8":   (ViTConfig(depth=12, width=768,  heads=12, patch=8),   86_576_872),
    "vit_l_16":  (ViTConfig(depth=24, width=1024, heads=16, patch=16), 304_326_632),
    "vit_l_32":  (ViTConfig(depth=24, width=1024, heads=16, patch=32), 306_535_400),
    "vit_h_14":  (ViTConfig(depth=32, width=1280, heads=16, patch=14), 632_045_800),
}  # fmt: skip


class ViT(nn.Module):
    """Figure 1 of the paper.

    >>> ViT(ViTConfig(depth=2, width=32, heads=4, patch=8, size=32), classes=10)(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Raises:
        CallError: when called: pictures of another size than the positions were made for; `resized` makes a model for it.
    """

    first: ClassVar[str] = "patch"
    last: ClassVar[str] = "head"

    def __init__(self, config: ViTConfig, classes: int = 1000, channels: int = 3):
        super().__init__()
        check_sizes(self, classes, channels)
        self.config, self.classes, self.channels = config, classes, channels
        self.preprocessing: Preprocessing | None = None
        self.patch = nn.Conv2d(channels, config.width, kernel_size=config.patch, stride=config.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.position = nn.Parameter(torch.zeros(1, 1 + config.patches, config.width))
        self.blocks = nn.ModuleList(Block(config.width, config.heads, eps=config.eps) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.head = nn.Linear(config.width, classes)
        self.reset_parameters()

    @property
    def taps(self) -> tuple[str, ...]:
        """The end of each quarter of the blocks: all at the same scale, as nothing here shrinks the picture."""
        quarters = sorted({max(1, round(self.config.depth * share / 4)) - 1 for share in (1, 2, 3, 4)})
        return tuple(f"blocks.{number}" for number in quarters)

    @property
    def last_map(self) -> str:
        """The last part in which patches have a say: out of the last block the class token alone is read."""
        return f"blocks.{self.config.depth - 1}.norm1"

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.norm(self.tokens(image))[:, 0])

    def tokens(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch tokens embedding"]:
        """The class token and every patch, after all blocks."""
        check_pictures(image, self.channels)
        height, width = image.shape[2:]
        if (height, width) != (self.config.size, self.config.size):
            other = f", or use model.resized({width})" if height == width and width % self.config.patch == 0 else ""
            raise CallError(f"expected pictures of {self.config.size}x{self.config.size} pixels, came {height}x{width}; "
                            f"resize them{other}")  # fmt: skip
        x = rearrange(self.patch(image), "b d h w -> b (h w) d")
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.position
        for block in self.blocks:
            x = block(x)
        return x

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch maps h w"]:
        """The patches as a map again, normed."""
        return self.as_map(self.norm(self.tokens(image)))

    def as_map(self, tokens: Tensor) -> Float[Tensor, "batch embedding h w"]:
        """Tokens, (batch, tokens, embedding), in the order of reading, laid out as the picture was; the class token is left out.

        Raises:
            CallError: something else.
        """
        if tokens.dim() != 3 or tokens.shape[1] != 1 + self.config.patches:
            raise CallError(f"expected (batch, {1 + self.config.patches} tokens, embedding) to be laid out as a picture, "
                            f"came {tuple(tokens.shape)}")  # fmt: skip
        return rearrange(tokens[:, 1:], "b (h w) d -> b d h w", h=self.config.size // self.config.patch)

    def resized(self, size: int) -> "ViT":
        """The same network for pictures of another size: the table of positions is stretched (section 3.2), all else shared
        in value.

        Raises:
            CallError: a size that the patches do not divide.
        """
        model = type(self)(replace(self.config, size=size), self.classes, self.channels).to(self.position)
        state = self.state_dict() | {"position": stretched(self.position, size // self.config.patch)}
        model.load_state_dict(state)
        model.preprocessing = replace(self.preprocessing, size=size) if self.preprocessing else None
        return model.train(self.training)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """N(0, 0.02) for what is added to tokens and for the head, so that a new model is undecided (the authors' code: a head
        of nought); matrices as Glorot and Bengio have it, no biases."""
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.position, std=0.02)
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.normal_(self.patch.weight, std=(self.channels * self.config.patch**2) ** -0.5)
        assert self.patch.bias is not None
        nn.init.zeros_(self.patch.bias)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_pretrained(cls, place: str | Path, **how: Unpack[Loading]) -> "ViT":
        """Published weights of timm, torchvision or transformers, or a folder of `save_pretrained`: see `load_classifier`."""
        return load_classifier(cls, VITS, weights.FORMATS, weights.PUBLISHED, place, **how)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that timm reads."""
        save_classifier(self, folder, VITS, weights.TIMM)


def stretched(position: Float[Tensor, "1 tokens embedding"], side: int) -> Float[Tensor, "1 more embedding"]:
    """The patches' positions for a grid of `side` x `side`, by bicubic interpolation; the class token keeps its own."""
    one, grid = position[:, :1], position[:, 1:]
    old = round(grid.shape[1] ** 0.5)
    if old == side:
        return position
    maps = rearrange(grid.float(), "1 (h w) d -> 1 d h w", h=old)
    maps = F.interpolate(maps, size=(side, side), mode="bicubic", antialias=True)
    return torch.cat([one, rearrange(maps, "1 d h w -> 1 (h w) d").to(position)], dim=1)
