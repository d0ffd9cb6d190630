"""The first minute: train LeNet on the embedded digits, then let it read some that it has never seen."""

import sys
from typing import TYPE_CHECKING

from learnable.cli.show import ACCENT, console, note, say
from learnable.errors import LearnableError

if TYPE_CHECKING:
    from torch import Tensor


def main() -> None:
    """What `make` does after setting up."""
    from learnable.cli.main import app
    from learnable.runs.run import Run, runs

    out = console()
    out.print(f"[bold {ACCENT}]Learnable[/]: a small network learns to read digits (LeNet, LeCun et al. 1998).\n")
    finished = [folder for folder in runs("lenet") if Run(folder).status == "finished"]
    if finished:
        say(f"It has been trained before: {Run(finished[-1]).name}")
    else:
        app(["train", "lenet"], standalone_mode=False)
    run = Run.open("lenet", note)
    data = run.data()
    import torch

    numbers = torch.arange(0, len(data.test), max(1, len(data.test) // 4))[:4]  # as many as 80 columns hold
    batch = data.test.batch(numbers, {})
    with torch.no_grad():
        answers = run.model(batch["image"]).softmax(-1)
    say("\nDigits that it has never seen, and what it says:\n")
    say(_side_by_side([_drawn(image[0]) for image in batch["image"]]))
    said = [f"{run.info.classes[int(p.argmax())]}  ({float(p.max()):.0%})" for p in answers]
    say("  ".join(f"{text:16}" for text in said))
    say("\nOn from here:")
    for line, what in (
        ("learnable", "where you are, and what is next"),
        ("learnable topic lenet", "what there is to know about it"),
        ("learnable train lenet --data mnist", "the real thing: 70,000 handwritten digits of many hands"),
        ("learnable predict lenet my-digit.png", "after that: ask it about a digit of your own"),
        ("learnable train gpt", "a language model, in a few minutes"),
    ):
        say(f"  {line:38} {what}")
    say("(in this checkout the command is .venv/bin/learnable, or activate .venv first)")


def _drawn(image: "Tensor", size: int = 14) -> list[str]:
    """A picture in half-height blocks, two characters wide per pixel being too much for 80 columns."""
    from torch.nn import functional as F

    small = F.interpolate(image[None, None], size=(size, 16), mode="area")[0, 0]
    shades = " .:-=+*#%@"
    return ["".join(shades[min(9, int(value * 10))] for value in row) for row in small.tolist()][::2]


def _side_by_side(pictures: list[list[str]]) -> str:
    return "\n".join("  ".join(row) for row in zip(*pictures, strict=True))


if __name__ == "__main__":
    try:
        main()
    except LearnableError as error:
        from learnable.cli.show import complain

        complain(str(error))
        sys.exit(error.exit_code)
