from dataclasses import replace

import pytest

from learnable.optim.schedules import constant
from learnable.runs import training
from learnable.runs.health import examine
from learnable.runs.run import Run
from learnable.train.recipe import Player
from toy import RECIPE, classify, install


def test_a_healthy_run_has_nothing(monkeypatch):
    install(monkeypatch)
    assert examine(training.start("toy", {"learning_rate": 0.1})) == []


def test_a_diverged_run_is_named_with_evidence_and_advice(monkeypatch):
    def explode(model, batch):
        return {"total": classify(model, batch)["total"] * float("inf")}

    install(monkeypatch, replace(RECIPE, players=(Player(explode, RECIPE.players[0].optimizer, 1e-2, constant),)))
    with pytest.raises(training.Diverged):
        training.start("toy")
    found = examine(Run.open("toy"))
    assert found and all(each.name and each.evidence and each.advice for each in found)


def test_a_run_that_has_hardly_begun_can_be_examined(monkeypatch):
    install(monkeypatch)
    run = training.start("toy", {"smoke": True})
    run.log.path.unlink()
    assert isinstance(examine(run), list)
    run.update(status="stopped")
    assert isinstance(examine(Run(run.folder)), list)
