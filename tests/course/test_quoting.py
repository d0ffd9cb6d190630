"""Numbers on a page come from what was measured."""

import json

import pytest

from learnable.course import quoting
from learnable.errors import CallError


@pytest.fixture
def results(tmp_path, monkeypatch):
    row = {
        "data": "digits", "metric": "accuracy", "date": "2026-01-01", "seconds": [10.0, 12.0],
        "values": {"0": 0.98, "1": 0.99}, "metrics": {"0": {"accuracy": 0.98, "loss": 0.2}, "1": {"accuracy": 0.99, "loss": 0.3}},
    }  # fmt: skip
    (tmp_path / "net.json").write_text(
        json.dumps({"digits": row, "mnist": {**row, "metrics": {"0": {"accuracy": 0.9922}}, "values": {"0": 1}}})
    )
    monkeypatch.setattr(quoting, "results_folder", lambda: tmp_path)
    return tmp_path


def test_mean_and_spread_with_their_origin(results, tmp_path):
    found = quoting.quote("net:accuracy", tmp_path)
    assert found.text == "98.5 ± 0.7 %"
    assert "learnable verify net --seeds 2" in found.origin and "2026-01-01" in found.html
    assert quoting.quote("net:loss", tmp_path).text == "0.250 ± 0.071"
    assert quoting.quote("net:accuracy:mnist", tmp_path).text == "99.2 %"
    assert quoting.quote("net:seconds", tmp_path).text == "11 s"
    assert quoting.quote("net:seeds", tmp_path).text == "2"


def test_numbers_of_a_figure(tmp_path):
    (tmp_path / "figures").mkdir()
    content = {"numbers": {"share": 0.12345, "count": 61706, "words": "3 %"}, "command": "learnable figures net"}
    (tmp_path / "figures" / "one.json").write_text(json.dumps(content))
    assert [quoting.quote(f"figure:one:{key}", tmp_path).text for key in ("share", "count", "words")] == [
        "0.123",
        "61,706",
        "3 %",
    ]


@pytest.mark.parametrize(
    "reference", ["net:nothing", "net:accuracy:fashion", "other:accuracy", "figure:one:share", "net:"]
)
def test_a_number_that_nobody_measured_is_an_error(results, tmp_path, reference):
    with pytest.raises(CallError):
        quoting.quote(reference, tmp_path)
