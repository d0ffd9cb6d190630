"""torchvision beside a CPU build of torch.

PyPI's torchvision is linked against CUDA; beside torch's CPU build its import fails over two operators that its compiled part
would have brought, and every library that imports it (timm, transformers) fails with it. `install` declares these two, with
non-maximum suppression written in torch, and does nothing where torchvision is absent or healthy.
"""

import importlib.util
import sys

import torch
from torch import Tensor

_kept: list[torch.library.Library] = []  # an operator is gone with its library


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The best box, then the best that overlaps none of those kept by more than the threshold, and so on.

    >>> nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]]), torch.tensor([0.5, 0.9, 0.1]), 0.5)
    tensor([1, 2])
    """
    order = scores.sort(stable=True, descending=True).indices
    boxes = boxes[order]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    alive = torch.ones(len(boxes), dtype=torch.bool)
    kept = []
    for i in range(len(boxes)):
        if alive[i]:
            kept.append(i)
            overlap = torch.minimum(boxes[i, 2:], boxes[i + 1 :, 2:]) - torch.maximum(boxes[i, :2], boxes[i + 1 :, :2])
            shared = overlap.clamp(min=0).prod(1)
            alive[i + 1 :] &= ~(shared / (area[i] + area[i + 1 :] - shared) > iou_threshold)
    return order[torch.tensor(kept, dtype=torch.long)]


def install() -> None:
    """Make `import torchvision` work."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision

        return
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    library = torch.library.Library("torchvision", "DEF")
    _kept.append(library)
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CPU")
    import torchvision.ops

    torchvision.ops.boxes._assert_has_ops = lambda: None
