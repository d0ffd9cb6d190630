import pytest
import torch
from PIL import Image
from torch import nn

from learnable.data.examples import ImageBytes, Info
from learnable.errors import CallError, WorldError
from learnable.runs.looking import explain, look, write_mistakes, write_or_say
from learnable.runs.run import Run

CLASSES = ("dark", "gray", "light")


class Brightness(nn.Module):
    """Says the class by the mean brightness, and is the surer the farther it is from the others."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 3)

    def forward(self, image):
        value = self.conv(image).mean(dim=(1, 2, 3))
        return torch.stack([-10 * value, value * 0 - 5, 10 * value - 10], dim=1)


class FakeRun(Run):
    """A run without checkpoints."""

    def __init__(self, folder, info):
        self.folder = folder
        self.record = {"recipe": "lenet", "info": info.to_json(), "overrides": {}}
        self.model = Brightness().eval()
        self.said = []
        self.say = self.said.append

    def predict(self, path):
        from learnable.sampling.classify import classify_image

        return classify_image(self.model, self.info, path)


@pytest.fixture
def run(tmp_path):
    return FakeRun(tmp_path, Info("toy", classes=CLASSES, image=(3, 8, 8), more={"ink": None, "invert": False}))


def examples(values, labels):
    image = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    return ImageBytes(image, torch.tensor(labels))


def test_what_is_taken_for_what(run):
    seen = look(run, examples([0, 10, 255, 230, 5, 240], [0, 0, 2, 0, 2, 1]))
    assert seen.confusion == [[2, 0, 1], [0, 0, 1], [1, 0, 1]]
    assert [(m.number, m.truth, m.prediction) for m in seen.worst] == [
        (4, "light", "dark"), (5, "gray", "light"), (3, "dark", "light"),
    ]  # fmt: skip
    assert [m.probability for m in seen.worst] == sorted((m.probability for m in seen.worst), reverse=True)
    assert sorted(seen.confused) == [("dark", "light", 1), ("gray", "light", 1), ("light", "dark", 1)]


def test_more_examples_than_one_batch(run):
    seen = look(run, examples([0] * 150, [0] * 149 + [2]))
    assert seen.confusion[0][0] == 149 and [m.number for m in seen.worst] == [149]


def test_what_is_no_classifier_of_pictures_is_not_looked_at(run):
    run.record["info"]["image"] = None
    assert look(run, examples([0], [0])) is None


def test_the_page_of_mistakes(run, tmp_path):
    part = examples([i % 256 for i in range(60)], [2] * 60)
    path = write_or_say(look(run, part), part, run)
    assert path == tmp_path / "mistakes.png"
    with Image.open(path) as page:
        assert page.size == (6 * 132, 4 * 166) and page.mode == "RGB"


def test_without_mistakes_there_is_no_page(run, tmp_path):
    (tmp_path / "mistakes.png").write_bytes(b"of an earlier evaluation")
    part = examples([0, 255], [0, 2])
    assert write_or_say(look(run, part), part, run) is None and not (tmp_path / "mistakes.png").exists()


def test_a_folder_that_may_not_be_written_to_is_no_failure(run, monkeypatch):
    def full(*args):
        raise WorldError("the disk is full")

    monkeypatch.setattr("learnable.runs.looking.write_mistakes", full)
    part = examples([0], [2])
    assert write_or_say(look(run, part), part, run) is None and run.said == ["the disk is full"]


def test_long_names_are_cut(run, tmp_path):
    run.record["info"]["classes"] = ("a" * 200, "b", "c" * 200)
    part = examples([0], [2])
    write_mistakes(look(run, part), part, tmp_path / "page.png")
    assert (tmp_path / "page.png").is_file()


def photo(path, left, right):
    image = Image.new("RGB", (40, 40), left)
    image.paste(right, (20, 0, 40, 40))
    image.save(path)
    return path


def test_where_it_looked(run, tmp_path):
    file = photo(tmp_path / "photo.jpg", (120, 120, 120), (255, 255, 255))
    answer = explain(run, file, tmp_path / "why.png")
    assert answer["prediction"] == "light" and answer["layer"] == "conv"
    assert answer["explanation"] == str(tmp_path / "why.png")
    with Image.open(tmp_path / "why.png") as page:
        assert page.size == (776, 384)
        colors = page.crop((392, 0, 776, 384))
        dim, bright = (sum(colors.getpixel((x, 190))) for x in (60, 320))
    assert bright > dim + 100  # what is light speaks for light


@pytest.mark.parametrize(
    "out, options, message",
    [
        ("why.jpg", {}, "end in .png"),
        ("photo.png", {}, "would replace the picture itself"),
        ("why.png", {"layer": "nowhere"}, "no part of Brightness 'nowhere'"),
    ],
)
def test_what_cannot_be_explained(run, tmp_path, out, options, message):
    file = photo(tmp_path / "photo.png", (0, 0, 0), (255, 255, 255))
    before = file.read_bytes()
    with pytest.raises(CallError, match=message):
        explain(run, file, tmp_path / out, **options)
    assert file.read_bytes() == before and len(list(tmp_path.glob("why*"))) == 0


def test_a_model_of_something_else_is_not_explained(run, tmp_path):
    run.record["info"]["image"] = None
    with pytest.raises(CallError, match="expected a classifier of pictures"):
        explain(run, tmp_path / "x.png", tmp_path / "why.png")
