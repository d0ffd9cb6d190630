import math

import pytest
import torch

from learnable.train.record import Clock, MetricsLog, Tally


@pytest.fixture
def log(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in (10, 20, 30):
        log.append({"step": step, "loss": 1 / step})
    return log


def test_lines_come_back(log):
    assert log.rows() == ([{"step": step, "loss": 1 / step} for step in (10, 20, 30)], 0)


@pytest.mark.parametrize("torn", ['{"step": 40, "lo', "\x00\x00\x00", '{"loss": 1}', "[]", '{"step": "x"}'])
def test_a_torn_line_is_left_out_and_counted(log, torn):
    with log.path.open("a") as file:
        file.write(torn)
    rows, count = log.rows()
    assert [row["step"] for row in rows] == [10, 20, 30] and count == 1


def test_cutting_back_forgets_what_came_later(log):
    with log.path.open("a") as file:
        file.write('{"step": 40, "lo')
    assert log.cut_back(20) == 1
    assert [row["step"] for row in log.rows()[0]] == [10, 20]
    log.append({"step": 30})
    assert [row["step"] for row in log.rows()[0]] == [10, 20, 30]


def test_no_file_is_no_rows(tmp_path):
    log = MetricsLog(tmp_path / "none.jsonl")
    assert log.rows() == ([], 0) and log.cut_back(0) == 0


def test_nan_is_written_as_null(log):
    log.append({"step": 40, "loss": math.nan, "valid": {"loss": math.inf}})
    assert log.rows()[0][-1] == {"step": 40, "loss": None, "valid": {"loss": None}}


def test_a_tally_is_the_mean_since_the_last_one():
    tally = Tally()
    for value in (1.0, 2.0, 6.0):
        tally.add({"loss": torch.tensor(value)})
    assert tally.take() == {"loss": 3.0}
    tally.add({"loss": torch.tensor(5.0)})
    assert tally.take() == {"loss": 5.0}


def test_a_clock_goes_on_from_before():
    assert Clock(before=100.0).seconds() >= 100.0
