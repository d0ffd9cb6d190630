"""Looking at a classifier of pictures: what it takes for what, where it is most surely wrong, and where it looked.

Evaluation writes `mistakes.png` into the run's folder: the pictures that it got wrong, the surest mistake first.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from learnable.data.examples import Examples
from learnable.data.images import prepare
from learnable.errors import CallError, WorldError
from learnable.files import write_aside
from learnable.metrics.classification import answers
from learnable.runs.run import Run
from learnable.sampling.gradcam import grad_cam, last_map

WORST = 24  # mistakes that are shown
COLUMNS, SIDE, CAPTION = (
    6,
    132,
    34,
)  # of the page of mistakes: pictures in a row, pixels of a picture, of what stands below
LARGE = 384  # pixels of a picture that is explained

# From what does not matter to what does: black, violet, orange, white; how dark each is tells the order without color too.
HEAT = ((0.0, (0, 0, 4)), (0.35, (100, 20, 110)), (0.7, (245, 125, 20)), (1.0, (252, 255, 200)))


@dataclass(frozen=True)
class Mistake:
    """An example that was taken for something else."""

    number: int  # in the part that was looked at
    truth: str
    prediction: str
    probability: float  # of the prediction, by the model's own opinion


@dataclass(frozen=True)
class Look:
    """What a classifier says of all examples of a part."""

    classes: tuple[str, ...]
    confusion: list[list[int]]  # row: true class, column: predicted class
    worst: list[Mistake]  # the surest first

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """(true class, what it was taken for, how often), the most frequent first."""
        pairs = [
            (self.classes[truth], self.classes[taken], count)
            for truth, row in enumerate(self.confusion)
            for taken, count in enumerate(row)
            if truth != taken and count
        ]
        return sorted(pairs, key=lambda pair: -pair[2])


def look(run: Run, examples: Examples) -> Look | None:
    """What the run's model says of these examples; None where it is no classifier of pictures."""
    classes = run.info.classes
    if run.info.image is None or not classes:
        return None
    table = torch.zeros(len(classes), len(classes), dtype=torch.long)
    mistakes: list[Mistake] = []
    first = 0
    for logits, label in answers(run.model, examples, inputs="image", batch_size=64):
        likely, taken = logits.softmax(dim=-1).max(dim=-1)
        table += torch.bincount((label * len(classes) + taken).cpu(), minlength=table.numel()).view_as(table)
        for place in (taken != label).nonzero()[:, 0].tolist():
            names = classes[int(label[place])], classes[int(taken[place])]
            mistakes.append(Mistake(first + place, *names, float(likely[place])))
        first += len(label)
    return Look(classes, table.tolist(), sorted(mistakes, key=lambda mistake: -mistake.probability)[:WORST])


def write_mistakes(seen: Look, examples: Examples, path: Path) -> None:
    """Draw the worst mistakes, each with what it is and what it was taken for.

    Raises:
        WorldError: the file cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    numbers = torch.tensor([mistake.number for mistake in seen.worst], dtype=torch.long)
    images = examples.batch(numbers, examples.draw(len(numbers), torch.Generator().manual_seed(0)))["image"]
    rows = -(-len(seen.worst) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * SIDE, max(1, rows) * (SIDE + CAPTION)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for place, (mistake, image) in enumerate(zip(seen.worst, images, strict=True)):
        left, top = place % COLUMNS * SIDE, place // COLUMNS * (SIDE + CAPTION)
        page.paste(_picture(image).resize((SIDE - 8, SIDE - 8), _scaling(image)), (left + 4, top + 4))
        for line, text in enumerate((f"{mistake.prediction}? {mistake.probability:.0%}", f"it is {mistake.truth}")):
            while draw.textlength(text, font) > SIDE - 8:
                text = text[:-2] + "…"
            color = "#b00020" if line == 0 else "#222222"
            draw.text((left + 4, top + SIDE - 2 + 15 * line), text, fill=color, font=font)
    with write_aside(path) as aside:
        page.save(aside, format="PNG")


def explain(run: Run, file: Path, out: Path, layer: str | None = None) -> dict[str, Any]:
    """Ask the model about a picture, and draw where it saw what it says: the picture, and beside it the same under Grad-CAM.

    Returns what `Run.predict` does, and {"explanation": the file, "layer": the name of the layer that was looked at}.

    Raises:
        CallError: no classifier of pictures, no such layer, or `out` is no PNG or the picture itself.
        WorldError: the picture cannot be read, or the other one not written.
    """
    from PIL import Image

    if run.info.image is None or not run.info.classes:
        raise CallError(f"expected a classifier of pictures to explain, and {run.name} is none")
    if out.suffix.lower() != ".png":
        raise CallError(f"expected the explanation's name to end in .png, came {out}")
    if out.exists() and file.exists() and out.samefile(file):
        raise CallError(f"the explanation would replace the picture itself, {file}; give it another name")
    answer = run.predict(file)
    image = prepare(file, run.info)
    layer = layer or last_map(run.model, image)
    heat = grad_cam(run.model, image, run.info.classes.index(answer["prediction"]), layer)
    plain = _picture(image).resize((LARGE, LARGE), _scaling(image))
    colors = Image.fromarray(_colored(heat)).resize((LARGE, LARGE), Image.Resampling.BICUBIC)
    page = Image.new("RGB", (2 * LARGE + 8, LARGE), "white")
    page.paste(plain, (0, 0))
    page.paste(Image.blend(plain.convert("L").convert("RGB"), colors, 0.55), (LARGE + 8, 0))
    with write_aside(out) as aside:
        page.save(aside, format="PNG")
    return {**answer, "explanation": str(out), "layer": layer}


def _picture(image: Float[Tensor, "channels height width"]) -> Any:
    from PIL import Image

    values = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return Image.fromarray(values.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def _scaling(image: Float[Tensor, "channels height width"]) -> Any:
    """A picture of few pixels shows them; a photo is smoothed."""
    from PIL import Image

    return Image.Resampling.NEAREST if image.shape[-1] < 64 else Image.Resampling.BICUBIC


def _colored(heat: Float[Tensor, "height width"]) -> Any:
    """Each value in its color of `HEAT`, those between two colors mixed from both: (height, width, 3) bytes."""
    import numpy as np

    places = [place for place, _ in HEAT]
    channels = zip(*(color for _, color in HEAT), strict=True)
    mixed = [np.interp(heat.cpu().numpy(), places, channel) for channel in channels]
    return np.stack(mixed, axis=-1).round().astype(np.uint8)


def write_or_say(seen: Look, examples: Examples, run: Run) -> Path | None:
    """`mistakes.png` in the run's folder; None where there was no mistake, or the folder may not be written to, which is said."""
    path = run.folder / "mistakes.png"
    if not seen.worst:
        path.unlink(missing_ok=True)  # of an evaluation that found some
        return None
    try:
        write_mistakes(seen, examples, path)
    except WorldError as error:
        run.say(str(error))
        return None
    return path
