"""Augmentation: each time a picture is learned from, it looks a little different, and its class is the same.

    flip    one picture in two is seen in a mirror (not for letters)
    crop    a frame of `pad` black pixels is put around the picture, and a window of the old size cut out by chance

Paper  Krizhevsky et al. 2012, section 4.1 - https://papers.nips.cc/paper/4824; with these numbers for 32 x 32 pixels
       in He et al. 2016, section 4.2 - https://arxiv.org/abs/1512.03385
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from learnable.data.examples import Batch, Examples


class Augmented:
    """Examples whose `image` is flipped and cropped by chance, anew in every batch.

    The random numbers are drawn one row an example (`draw`), so a batch is the same on any number of processes.
    Without them (`batch` with no draws) the pictures come as they are.
    """

    def __init__(self, examples: Examples, *, flip: bool = False, pad: int = 0):
        self.examples = examples
        self.flip = flip
        self.pad = pad

    def __len__(self) -> int:
        return len(self.examples)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        draws = self.examples.draw(count, generator)
        if self.flip:
            draws |= {"flip": torch.rand(count, generator=generator) < 0.5}
        if self.pad:
            draws |= {"shift": torch.randint(2 * self.pad + 1, (count, 2), generator=generator)}
        return draws

    def batch(self, indexes: Tensor, draws: Batch) -> Batch:
        flip, shift = draws.get("flip"), draws.get("shift")
        batch = self.examples.batch(indexes, {key: rows for key, rows in draws.items() if key not in ("flip", "shift")})
        if flip is not None:
            batch["image"] = flipped(batch["image"], flip)
        if shift is not None:
            batch["image"] = cropped(batch["image"], shift, self.pad)
        return batch


def flipped(
    image: Float[Tensor, "n channels height width"], flip: Bool[Tensor, "n"]
) -> Float[Tensor, "n channels height width"]:
    """Left and right exchanged in those pictures where `flip` is true.

    >>> flipped(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]]), torch.tensor([True, False])).flatten()
    tensor([2., 1., 3., 4.])
    """
    return torch.where(flip[:, None, None, None], image.flip(-1), image)


def cropped(
    image: Float[Tensor, "n channels height width"], shift: Int64[Tensor, "n 2"], pad: int
) -> Float[Tensor, "n channels height width"]:
    """A window of the old size out of the padded picture; row (pad, pad) of `shift` leaves it as it is.

    >>> cropped(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[1, 0]]), pad=1).flatten()
    tensor([0., 1.])
    """
    n, _, height, width = image.shape
    rows = shift[:, 0, None] + torch.arange(height)
    columns = shift[:, 1, None] + torch.arange(width)
    padded = F.pad(image, (pad, pad, pad, pad)).movedim(1, -1)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]].movedim(-1, 1).contiguous()
