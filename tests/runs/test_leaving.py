import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from learnable.data.tokenizers import formats
from learnable.data.tokens import to_tokens
from learnable.errors import CallError, WorldError
from learnable.models.language.gpt import GPT
from learnable.runs import training
from learnable.runs.leaving import SUFFIXES, input_in_words, leave
from learnable.runs.run import Run
from toy import RECIPE, install

EXPORTED = replace(RECIPE, example=lambda info: (torch.zeros(2, info.width),), inputs=("point",))


@pytest.fixture
def run(monkeypatch):
    install(monkeypatch, EXPORTED)
    return training.start("toy", {"smoke": True})


@pytest.mark.parametrize("form", SUFFIXES)
def test_every_form_leaves_and_says_how_it_was_checked(run, tmp_path, form):
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    path = tmp_path / f"toy{SUFFIXES[form]}"
    written = leave(run, form, path)
    assert written.path == path and written.size == path.stat().st_size > 0
    assert written.difference < 1e-5 and written.tried


def test_the_program_answers_as_the_model_does(run, tmp_path):
    leave(run, "torch", tmp_path / "toy.pt2")
    points = torch.randn(7, 2)
    loaded = torch.export.load(tmp_path / "toy.pt2").module()
    assert torch.allclose(loaded(points), run.model(points), atol=1e-6)


def test_weights_say_where_they_come_from(run, tmp_path):
    leave(run, "safetensors", tmp_path / "toy.safetensors")
    with safe_open(tmp_path / "toy.safetensors", "pt") as file:
        about = " ".join((file.metadata() or {}).values())
        assert set(file.keys()) == set(run.model.state_dict())
    assert run.name in about and "below" in about


@pytest.mark.parametrize("form", SUFFIXES)
def test_what_is_there_is_not_replaced_without_being_asked(run, tmp_path, form):
    path = tmp_path / f"toy{SUFFIXES[form]}"
    path.write_text("mine")
    with pytest.raises(WorldError, match="exists already"):
        leave(run, form, path)
    assert path.read_text() == "mine"
    with pytest.raises(CallError, match=f"expected a path that ends in {SUFFIXES[form]}"):
        leave(run, form, tmp_path / "toy.bin")


def test_with_leave_it_is_replaced(run, tmp_path):
    path = tmp_path / "toy.safetensors"
    path.write_text("old")
    assert leave(run, "safetensors", path, overwrite=True).size == path.stat().st_size > 100


def test_a_recipe_that_says_nothing_of_its_inputs_leaves_as_weights(monkeypatch, tmp_path):
    install(monkeypatch)
    run = training.start("toy", {"smoke": True})
    for form in ("onnx", "torch"):
        with pytest.raises(CallError, match="it leaves as weights alone: --to safetensors"):
            leave(run, form, tmp_path / f"toy{SUFFIXES[form]}")
    assert leave(Run(run.folder), "safetensors", tmp_path / "toy.safetensors").size > 0
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir() if path.is_file())) == '["toy.safetensors"]'


TEXT = "Der Koch schnitt Zwiebeln, und die Köchin sah zu. "


@pytest.fixture
def written(tmp_path):
    """What trains a small GPT on a text, by characters or by byte pairs."""
    (tmp_path / "text.txt").write_text(TEXT * 60, encoding="utf-8")

    def train(**wishes):
        small = {"depth": 1, "width": 16, "heads": 2, "context": 16, "steps": 3, "batch_size": 4}
        return training.start("gpt", {"data": str(tmp_path / "text.txt"), **small, **wishes})

    return train


@pytest.mark.reference
@pytest.mark.parametrize("wishes", [{}, {"tokenizer": "bpe", "vocab": 290}], ids=["characters", "byte pairs"])
def test_transformers_reads_the_model_with_its_tokenizer(written, tmp_path, wishes):
    transformers = pytest.importorskip("transformers")
    run, folder = written(**wishes), tmp_path / "out"
    assert leave(run, "safetensors", folder).path == folder
    cutter = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    tokens = cutter(TEXT[:16])["input_ids"]
    assert tokens == to_tokens(TEXT[:16], run.info).tolist() and cutter.decode(tokens) == TEXT[:16]
    assert transformers.AutoTokenizer.from_pretrained(folder)(TEXT[:16])["input_ids"] == tokens
    theirs = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        assert torch.allclose(theirs(torch.tensor([tokens])).logits, run.model(torch.tensor([tokens])), atol=1e-5)
    again = GPT.from_pretrained(folder)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in run.model.state_dict().items())
    assert formats.load(folder).encode(TEXT) == to_tokens(TEXT, run.info).tolist()
    assert json.loads((folder / "info.json").read_text())["run"] == run.name


def test_a_tokenizer_lies_beside_a_single_file(written, tmp_path):
    run = written(tokenizer="bpe", vocab=290)
    path, beside = tmp_path / "gpt.pt2", tmp_path / "gpt.tokenizer.json"
    beside.write_text("mine")
    with pytest.raises(WorldError, match="gpt.tokenizer.json exists already"):
        leave(run, "torch", path)
    assert not path.exists() and beside.read_text() == "mine"
    leave(run, "torch", path, overwrite=True)
    assert formats.load(beside).encode(TEXT) == to_tokens(TEXT, run.info).tolist()
    assert "those of the tokenizer.json that lies beside" in input_in_words(run)
