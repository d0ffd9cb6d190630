"""`evaluate`, `predict`, `generate`, `export`, `serve`: what comes out, and what is said where nothing can."""

import errno
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from disk import small_disk
from learnable.runs import training
from learnable.runs.run import Run
from toy import RECIPE, install

TOKENS = ["--context", 8, "--depth", 1, "--width", 8, "--heads", 2, "--steps", 2, "--batch-size", 2]


@pytest.fixture
def digits(learnable):
    """A run that reads digits, hardly trained."""
    assert learnable("train", "autodiff", "--smoke").code == 0
    return "autodiff"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "mein Bild ü.png"
    image = Image.new("L", (40, 40), 255)
    image.paste(0, (15, 5, 22, 35))
    image.save(path)
    return path


@pytest.fixture
def reader(learnable, tmp_path):
    """A run that reads texts, hardly trained."""
    table = tmp_path / "my.csv"
    table.write_text("text,label\n" + "".join(f"the {w} sat {i},{w}\n" for i in range(20) for w in ("cat", "dog")))
    small = ("--depth", 1, "--width", 8, "--heads", 2, "--context", 16, "--vocab", 80)
    assert learnable("train", "bert-classify", "--data", table, "--smoke", *small).code == 0
    return "bert-classify"


def test_a_text_may_be_asked_about_itself(learnable, reader, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("the cat sat")
    [[one, other]] = learnable("predict", reader, file, "--text", "the cat sat", "--json").json
    assert one["file"] == str(file) and other["file"] == "the cat sat"
    assert one["probabilities"] == other["probabilities"] and "unread" not in one
    [[long]] = learnable("predict", reader, "--text", "cat " * 20, "--json").json
    assert long["unread"] == 20 - 14
    said = learnable("predict", reader, "--text", "the cat sat")
    assert "the cat sat" in said.out and said.code == 0
    [found] = learnable("evaluate", reader, "--json").json
    assert set(found["metrics"]) == {"accuracy", "loss"}


def test_texts_that_cannot_be_asked_about(learnable, reader, digits, tmp_path):
    said = learnable("predict", digits, "--text", "three")
    assert (said.code, "takes a picture" in said.error or "not --text" in said.error) == (2, True)
    assert "nothing but space" in learnable("predict", reader, "--text", "  ").error
    empty = tmp_path / "none.txt"
    empty.write_text("´ \u0301")
    assert learnable("predict", reader, empty).code in (0, 1)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    assert "expected UTF-8" in learnable("predict", reader, tmp_path / "bytes.txt").err
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + "a,x\nb,y\n" * 5)
    assert "classes cat, dog" in learnable("evaluate", reader, "--data", other).error


def test_a_reader_of_texts_is_exported_with_free_axes(process, reader, tmp_path):
    """In a process of its own: the tests' check of shapes would fix the free axes."""
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    [found] = process("export", reader, "--to", "onnx", "--out", tmp_path / "reader.onnx", "--json").json
    assert found["difference"] < 1e-4
    session = onnxruntime.InferenceSession(found["path"])
    shapes = [(1, 3), (5, 16)]
    for shape in shapes:
        assert session.run(None, {"tokens": torch.full(shape, 6).numpy()})[0].shape == (shape[0], 2)


def test_evaluating_is_an_object(learnable, digits):
    metrics = learnable("train", "--resume", digits, "--json").json[-1]["metrics"]
    [found] = learnable("evaluate", digits, "--json").json
    assert set(found) == {"metrics", "confusion", "mistakes"} and found["metrics"] == pytest.approx(metrics)
    assert sum(map(sum, found["confusion"])) == 360 and Path(found["mistakes"]).is_file()
    said = learnable("evaluate", digits)
    assert (
        "what is (rows) taken for what (columns)" in said.out
        and f"its surest mistakes: {found['mistakes']}" in said.out
    )
    assert max(map(len, said.out.splitlines()[:-1])) <= 80
    assert "on the test part of digits" in said.out and "accuracy\t" in said.out


def test_predicting_is_an_array(learnable, digits, picture):
    [answers] = learnable("predict", digits, picture, picture, "--json").json
    assert [set(answer) for answer in answers] == [{"file", "prediction", "probabilities"}] * 2
    assert answers[0]["file"] == str(picture)
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1)
    assert answers[0]["prediction"] in answers[0]["probabilities"]
    said = learnable("predict", digits, picture)
    assert said.out.splitlines()[1].startswith(f"{picture}\t{answers[0]['prediction']}\t")


def test_evaluating_many_classes_names_the_pairs(learnable):
    assert learnable("train", "transfer-scratch", "--smoke", "--size", 16).code == 0
    said = learnable("evaluate", "transfer-scratch")
    assert "what is\ttaken for\ttimes" in said.out and "mistakes.png" in said.out


def test_explaining_a_prediction(learnable, picture, tmp_path):
    assert learnable("train", "fastnet", "--smoke").code == 0
    out = tmp_path / "why.png"
    [[answer]] = learnable("predict", "fastnet", picture, "--explain", out, "--json").json
    assert set(answer) == {"file", "prediction", "probabilities", "explanation", "layer"}
    with Image.open(out) as page:
        assert page.size == (776, 384)
    said = learnable("predict", "fastnet", picture, "--explain", out)
    assert f"Grad-CAM, layer {answer['layer']}" in said.out and str(out) in said.out
    assert learnable("predict", "fastnet", picture, picture, "--explain", out).code == 2
    assert "add --explain" in learnable("predict", "fastnet", picture, "--layer", "c3").error


BAD = {
    "a missing file": (lambda folder: folder / "missing.png", "there is no picture"),
    "a folder": (lambda folder: folder, "expected a picture, came the folder"),
    "a text": (lambda folder: written(folder / "text.png", b"hello"), "is no picture of a known kind"),
    "nothing": (lambda folder: written(folder / "empty.png", b""), "empty.png"),
    "half a picture": (lambda folder: half(folder / "half.png"), "half.png"),
}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def half(path: Path) -> Path:
    Image.effect_noise((64, 64), 50).save(path)
    return written(path, path.read_bytes()[:1500])


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_picture_is_said(learnable, digits, picture, tmp_path, what):
    """All are read before anything is printed: a program never gets half an answer."""
    make, says = BAD[what]
    said = learnable("predict", digits, picture, make(tmp_path), "--json")
    assert said.code == 1 and says in said.error and not said.out and "\n" not in said.error


def test_what_a_run_cannot_do_is_said(learnable, digits, monkeypatch):
    said = learnable("generate", digits)
    assert said.code == 2 and "autodiff makes nothing; it answers: learnable predict" in said.error
    install(monkeypatch)
    learnable("train", "toy", "--smoke")
    assert learnable("predict", "toy", "x.png").code == 2
    said = learnable("serve", "toy")
    assert said.code == 2 and "neither predicts nor generates" in said.error


def test_points_are_generated(learnable):
    learnable("train", "gan", "--smoke")
    [made] = learnable("generate", "gan", "--count", 3, "--json").json
    assert len(made["points"]) == 3 and all(len(point) == 2 for point in made["points"])
    assert learnable("generate", "gan", "--count", 3, "--json").json == [made]
    assert learnable("generate", "gan", "--count", 3, "--seed", 1, "--json").json != [made]
    assert learnable("generate", "gan").code == 0
    assert learnable("generate", "gan", "--seed", 2**63 - 1, "--count", 1).code == 0
    said = learnable("generate", "gan", "--top-p", 0.9)
    assert said.code == 2 and "gan does not know --top-p" in said.error
    said = learnable("generate", "gan", "--prompt", "x")
    assert said.code == 2 and "takes no prompt" in said.error


def test_text_is_generated(learnable, tmp_path):
    text = written(tmp_path / "text.txt", b"all that is ever written here is written here again. " * 20)
    assert learnable("train", "gpt", "--data", text, *TOKENS).code == 0
    [made] = learnable("generate", "gpt", "--prompt", "all ", "--count", 5, "--json").json
    assert set(made) == {"text"} and made["text"].startswith("all ") and len(made["text"]) == 9
    assert learnable("generate", "gpt", "--prompt", "all ", "--count", 5).out == made["text"] + "\n"
    assert learnable("generate", "gpt", "--temperature", 0, "--count", 1).code == 0
    [drawn] = learnable("generate", "gpt", "--prompt", "all ", "--count", 5, "--top-p", 0.5, "--int8", "--json").json
    assert len(drawn["text"]) == 9
    assert (
        len(learnable("generate", "gpt", "--prompt", "all ", "--count", 5, "--beams", 2, "--json").json[0]["text"]) == 9
    )
    likeliest = learnable("generate", "gpt", "--count", 20, "--temperature", 0).out
    assert learnable("generate", "gpt", "--count", 20, "--temperature", 0, "--draft", "gpt").out == likeliest
    learnable("train", "gan", "--smoke")
    for flags, says in (
        (["--draft", "llama"], "there is no run of llama yet"),
        (["--draft", "gan"], "a model that writes text"),
        (["--draft", "gpt", "--beams", 2], "--draft"),
        (["--beams", 2, "--temperature", 1], "throws dice"),
        (["--beams", 2, "--top-k", 3], "--top-k"),
        (["--temperature", 0, "--min-p", 0.1], "--min-p"),
    ):
        said = learnable("generate", "gpt", *flags)
        assert said.code == (1 if "llama" in flags else 2) and says in said.error
    said = learnable("generate", "gan", "--draft", "gpt")
    assert said.code == 2 and "gan does not know --draft" in said.error
    said = learnable("generate", "gpt", "--prompt", "☃")
    assert said.code == 2 and "'☃' (number 1 of the text) is not among" in said.error


def test_text_is_generated_by_byte_pairs(learnable, tmp_path):
    text = written(tmp_path / "text.txt", b"all that is ever written here is written here again. " * 60)
    assert learnable("train", "gpt", "--data", text, "--tokenizer", "bpe", "--vocab", 270, *TOKENS).code == 0
    [made] = learnable("generate", "gpt", "--prompt", "☃ all", "--count", 5, "--json").json
    assert made["text"].startswith("☃ all") and len(made["text"]) > 5
    assert learnable("generate", "gpt", "--prompt", "☃ all", "--count", 5).out == made["text"] + "\n"
    assert learnable("generate", "gpt", "--count", 3).code == 0
    assert learnable("evaluate", "gpt", "--json").json[0]["metrics"] == Run.open("gpt").record["metrics"]
    for words, says in ((["bpe", "--vocab", 9], "expected a --vocab from 257"), (["word"], "no tokenizer 'word'")):
        said = learnable("train", "gpt", "--data", text, "--tokenizer", *words)
        assert said.code == 2 and says in said.error, said.error


@pytest.mark.parametrize(
    "data, says", [(b"", "is empty"), (b"short", "too short"), (b"\xff\xfea\0", "UTF-8"), (b"a\0b" * 99, "NUL")]
)
def test_what_is_no_text_is_said(learnable, home, tmp_path, data, says):
    path = written(tmp_path / "text.txt", data)
    said = learnable("train", "gpt", "--data", path)
    assert said.code == 1 and says in said.error and not list(home.glob("runs/*/*"))
    assert path.read_bytes() == data


@pytest.mark.parametrize("make", ["nothing", "a folder without pictures", "one class", "a file"])
def test_what_is_no_folder_of_pictures_is_said(learnable, home, tmp_path, picture, make):
    folder = tmp_path / "photos"
    folder.mkdir()
    if make == "a folder without pictures":
        (folder / "cats").mkdir()
        written(folder / "cats" / "notes.txt", b"")
    if make == "one class":
        (folder / "cats").mkdir()
        written(folder / "cats" / "a.png", picture.read_bytes())
    if make == "a file":
        folder = picture
    said = learnable("train", "lenet", "--data", folder)
    assert said.code == 1 and "\n" not in said.error and not list(home.glob("runs/*/*"))


def test_exporting_is_an_object_and_replaces_nothing(learnable, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [written] = learnable("export", digits, "--to", "safetensors", "--json").json
    assert set(written) == {"path", "bytes", "difference", "tried"}
    assert written["path"] == "autodiff.safetensors" and written["bytes"] == Path(written["path"]).stat().st_size
    said = learnable("export", digits, "--to", "safetensors")
    assert said.code == 1 and "exists already" in said.error and "--overwrite" in said.error
    assert learnable("export", digits, "--to", "safetensors", "--overwrite").code == 0


@pytest.mark.parametrize(
    "out, code, says",
    [
        ("model.bin", 2, "expected a path that ends in .safetensors"),
        ("nowhere/model.safetensors", 1, "the folder nowhere does not exist"),
        ("folder.safetensors", 1, "is a folder"),
    ],
)
def test_a_path_that_cannot_be_written_to_is_said(learnable, digits, tmp_path, monkeypatch, out, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.safetensors").mkdir()
    said = learnable("export", digits, "--to", "safetensors", "--out", out)
    assert said.code == code and says in said.error


def test_exporting_to_a_full_disk_is_said(learnable, digits, tmp_path):
    with small_disk(tmp_path / "small", "8k") as folder:
        said = learnable("export", digits, "--to", "safetensors", "--out", folder / "model.safetensors")
        assert said.code == 1 and "the disk is full" in said.error
        assert not list(folder.iterdir())


def test_a_model_without_inputs_leaves_as_weights_alone(learnable, tmp_path, monkeypatch):
    install(monkeypatch)
    learnable("train", "toy", "--smoke")
    said = learnable("export", "toy", "--to", "onnx", "--out", tmp_path / "toy.onnx")
    assert said.code == 2 and "--to safetensors" in said.error


def test_a_program_is_exported(learnable, tmp_path, monkeypatch):
    install(monkeypatch, replace(RECIPE, example=lambda info: (torch.zeros(2, 2),)))
    learnable("train", "toy", "--smoke")
    said = learnable("export", "toy", "--to", "torch", "--out", tmp_path / "toy.pt2")
    assert said.code == 0 and "bytes, at most" in said.out and "from the original; tried:" in said.out


def test_a_port_that_is_in_use_is_said(learnable, digits):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        port = door.getsockname()[1]
        said = learnable("serve", digits, "--port", port)
    assert said.code == 1 and f"port {port} is in use" in said.error and "--port" in said.error


def test_a_host_that_is_not_ours_is_said(learnable, digits):
    said = learnable("serve", digits, "--host", "no such host", "--port", 0)
    assert said.code == 1 and "no such host" in said.error


@pytest.mark.parametrize("command", ["evaluate", "generate", "serve", "doctor", "runs", "export --to onnx", "predict"])
def test_a_run_that_is_not_there_is_said(learnable, command, monkeypatch):
    install(monkeypatch)
    files = ["x.png"] if command == "predict" else []
    for name, code, says in (
        ("toyy", 2, "no recipe 'toyy'; did you mean 'toy'?"),
        ("toy", 1, "there is no run of toy yet; make one: learnable train toy"),
        ("toy/yesterday", 1, "no run toy/yesterday"),
    ):
        said = learnable(*command.split(), name, *files)
        assert said.code == code and says in said.error


def test_weights_that_are_damaged_are_said(learnable, monkeypatch):
    install(monkeypatch)
    run = training.start("toy", {"smoke": True})
    for step in run.folder.glob("step-*"):
        (step / "model.safetensors").write_bytes(b"\x80\x04 a pickle")
    said = learnable("evaluate", "toy")
    assert said.code == 1 and "can be read" in said.err and "Train it anew" in said.err and "Traceback" not in said.err


def test_a_home_that_is_read_only_can_be_looked_at(learnable, digits, monkeypatch):
    """Whoever may not write may still be told so in a sentence."""
    real = os.open

    def refuse(path, flags, *words, **more):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert learnable("runs", digits).code == 0
