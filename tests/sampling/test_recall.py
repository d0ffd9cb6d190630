import json

import pytest
import torch

from learnable.data.examples import Info
from learnable.errors import WorldError
from learnable.models.language.recall import AttentionRecall, MeanRecall
from learnable.sampling.recall import answer

INFO = Info("pairs", alphabet=tuple("abcdefgh"), classes=tuple("01234"), context=4)


@pytest.fixture
def asked(tmp_path):
    def ask(text, kind=AttentionRecall):
        torch.manual_seed(0)
        path = tmp_path / "line.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return answer(kind(keys=8, values=5, width=8), INFO, path)

    return ask


def test_answer(asked):
    result = asked("\n a3  f0 b1 f? \n")
    probabilities = result["probabilities"]
    assert list(probabilities) == ["0", "1", "2", "3", "4"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert probabilities[result["prediction"]] == max(probabilities.values())
    assert list(result["attention"]) == ["a3", "f0", "b1", "f?"]
    assert sum(result["attention"].values()) == pytest.approx(1)
    assert json.loads(json.dumps(result)) == result


def test_a_model_without_attention_shows_none(asked):
    assert set(asked("a3 f0 f?", MeanRecall)) == {"prediction", "probabilities"}


def test_the_question_changes_the_answer(asked):
    assert asked("a3 f0 f?")["probabilities"] != asked("a3 f0 a?")["probabilities"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "line.txt: expected one line such as a3 f7 k1 f\\?, came 0"),
        ("a3 a?\nb3 b?", "line.txt: expected one line such as a3 f7 k1 f\\?, came 2"),
        ("a3 f0", "line.txt: expected a question such as f\\? at the end"),
        ("a3 f0 z?", "line.txt: expected a letter a to h \\(--keys\\) at the start of 'z\\?'"),
        ("a3 f7 f?", "line.txt: expected a letter and one digit 0 to 4 \\(--values\\), came 'f7'"),
        ("a3 f0 b?", "line.txt: expected a question about one of a f"),
        ("a3 b3 c3 d3 e3 a?", "line.txt: expected at most 4 pairs"),
        (b"\x89PNG\r\n\x1a\n\xff", "expected a text file with one line"),
    ],
)
def test_a_file_that_will_not_do(asked, text, message):
    with pytest.raises(WorldError, match=message):
        asked(text)


def test_no_file_at_all(tmp_path):
    model = MeanRecall(keys=8, values=5, width=8)
    with pytest.raises(WorldError, match="there is no file"):
        answer(model, INFO, tmp_path / "nowhere.txt")
    with pytest.raises(WorldError, match="expected a text file"):
        answer(model, INFO, tmp_path)
