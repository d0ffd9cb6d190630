"""As a user would call it: pictures a second in the way that we choose for the machine, against timm called plainly.

ResNet-50 and ViT-S/16, eight pictures of 224x224, the same weights, both sides taking turns; a step of training is forward,
cross-entropy, backward and SGD with momentum. The way is what `learnable train` and `predict` choose by themselves
(`learnable.nn.way`); on a processor that multiplies bfloat16 it brings a multiple, elsewhere it must not cost anything.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.models import Side, forward, pair, times
from learnable.nn import way

FAST = way.bf16_is_fast("cpu")
BOUNDS = {
    f"{name}, {kind}: chosen way / timm plainly": 1 / gain if FAST else 1.0
    for name, gains in {"resnet50": (3.0, 2.3), "vit_s_16": (2.5, 2.2)}.items()
    for kind, gain in zip(("forward", "training"), gains, strict=True)
}


def training(side: Side) -> None:
    model, call = side
    model.train()
    logits = call(model)
    F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64)).backward()
    optimizer = OPTIMIZERS.get(id(model)) or torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    OPTIMIZERS[id(model)] = optimizer
    optimizer.step()
    optimizer.zero_grad()


OPTIMIZERS: dict[int, torch.optim.Optimizer] = {}


def measure(threads: int = 2) -> dict[str, float]:
    """Our time over theirs, medians; below 1 is faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    found = {}
    try:
        for name in ("resnet50", "vit_s_16"):
            (ours, call), theirs, _ = pair(name, library="timm")
            chosen = way.choose(ours, "cpu")
            chosen.lay_out(ours)

            def in_its_way(model: nn.Module, call=call, chosen=chosen) -> Tensor:  # type: ignore[no-untyped-def]
                with chosen.autocast("cpu"):
                    return call(model).float()  # type: ignore[no-any-return]

            for kind, run in (("forward", forward), ("training", training)):
                found[f"{name}, {kind}: chosen way / timm plainly"] = times((ours, in_its_way), theirs, run)
    finally:
        torch.set_num_threads(before)
    return found


def main() -> None:
    print("bfloat16 in the processor" if FAST else "no bfloat16 in the processor")
    for name, value in measure().items():
        print(f"{name}: {value:.3f} (bound {BOUNDS[name]:.2f})")


if __name__ == "__main__":
    main()
