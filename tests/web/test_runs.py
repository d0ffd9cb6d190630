"""Real trainings through the routes: started, left alone, found again, stopped, gone on with, used."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from learnable.web import children, runfiles, runs

SMALL = {"steps": 20, "hidden": 8, "batch-size": 16}
LONG = {"steps": 400_000, "hidden": 8, "batch-size": 16}  # a minute, if nobody stops it
RECIPES = [
    {"stem": name, "settings": settings, "promise": "accuracy ≥ 0.96", "promises": {}, "minutes": 0.1, "data": "digits"}
    for name, settings in (
        ("autodiff", {"target": "", "hidden": 64, "steps": 1500, "batch_size": 64, "learning_rate": 0.1, "momentum": 0.9}),
        ("lenet", {"size": 28, "channels": 1}),
    )
]  # fmt: skip


@contextmanager
def app_on(home):
    """A server on this home, closed at the end of the block, as Ctrl-C would."""
    app = FastAPI()
    app.state.home = home
    app.include_router(runs.router)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def quick(monkeypatch):
    """The table of recipes without the seconds that a child process needs to print it."""

    async def ask(self, *words, seconds=0):
        assert words == ("list", "recipes")
        return RECIPES

    monkeypatch.setattr(children.Questions, "ask", ask)


@pytest.fixture
def home(home):
    home.mkdir(parents=True)
    yield home
    for start in children.Trainings(home).starts():  # whatever a failed test has left going on
        if start.alive:
            os.kill(start.process, signal.SIGKILL)


@pytest.fixture
def client(home, quick):
    with app_on(home) as client:
        yield client


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def begin(client, recipe="autodiff", flags=SMALL, **more):
    answer = client.post("/api/runs", json={"recipe": recipe, "flags": flags, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["run"]


def until(client, run, wanted):
    def is_so():
        about = client.get(f"/api/runs/{run}").json()
        return about if about["status"] == wanted else None

    return wait_for(is_so)


def made(home, recipe="lenet", when="2026-01-01-000000", rows=(), **record):
    """A run's folder as a training would have left it."""
    folder = home / "runs" / recipe / when
    folder.mkdir(parents=True)
    info = {"data": "digits", "classes": list("0123456789"), "image": [1, 28, 28], "more": {}}
    known = {"format": 1, "recipe": recipe, "status": "finished", "overrides": {}, "seed": 0, "info": info,
             "data": {"train": 1437}, "started": "2026-01-01T00:00:00+0000", **record}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(known))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


# ------------------------------------------------------------------------------------------------- a run's life


def test_the_browser_and_the_server_close_and_the_run_goes_on_and_is_found_again(home, quick):
    with app_on(home) as client:
        run = begin(client, flags=LONG)
        with client.websocket_connect(f"/api/runs/{run}/live") as socket:
            first = socket.receive_json()
            assert first["status"] == "running" and first["steps"] == 400_000
            assert first["expected"]["metric"] == "accuracy"
    with app_on(home) as other:  # another server on the same home
        listed = other.get("/api/runs").json()["runs"]
        assert [(one["run"], one["status"]) for one in listed] == [(run, "running")]
        with other.websocket_connect(f"/api/runs/{run}/live") as socket:
            step = socket.receive_json()["step"]
            message = socket.receive_json()
            while "rows" not in message:
                message = socket.receive_json()
            assert message["step"] > step and message["left"] > 0
            assert other.post(f"/api/runs/{run}/stop").status_code == 202
            assert other.post(f"/api/runs/{run}/stop").status_code in (202, 409)  # a second tab: asked once only
            while message.get("status") != "stopped":
                message = socket.receive_json()
    known = runfiles.record(home / "runs" / run)
    assert known["status"] == "stopped" and list((home / "runs" / run).glob("step-*/model.safetensors"))


def test_stop_and_resume_end_as_the_uninterrupted_run(client, home):
    flags = {"steps": 12_000, "hidden": 8, "batch-size": 16}
    run = begin(client, flags=flags)
    wait_for(lambda: client.get(f"/api/runs/{run}").json()["step"])
    assert client.post(f"/api/runs/{run}/stop").status_code == 202
    stopped = until(client, run, "stopped")
    assert 0 < stopped["step"] < 12_000
    resumed = client.post(f"/api/runs/{run}/resume")
    assert resumed.status_code == 201 and resumed.json()["run"] == run
    address = f"/api/runs/{run}/live"
    with client.websocket_connect(address) as socket, client.websocket_connect(address) as second:  # two tabs
        one, two = ends(socket), ends(second)
    assert one["metrics"] == two["metrics"]
    whole = begin(client, flags=flags)
    assert until(client, whole, "finished")["metrics"] == one["metrics"]
    rows = [[{**row, "seconds": 0} for row in runfiles.rows(home / "runs" / each)] for each in (run, whole)]
    assert rows[0][-1]["loss"] == rows[1][-1]["loss"]
    again = client.post(f"/api/runs/{run}/resume")
    assert again.status_code == 409 and "finished" in again.json()["error"]


def ends(socket):
    """The message in which the run is finished."""
    while True:
        message = socket.receive_json()
        if message.get("status") == "finished":
            return message


def test_one_run_of_a_recipe_and_two_trainings_at_once(client):
    run = begin(client, flags=LONG)
    second = client.post("/api/runs", json={"recipe": "autodiff", "flags": LONG})
    assert second.status_code == 409 and second.json()["run"] == run
    begin(client, flags=LONG, again=True)
    third = client.post("/api/runs", json={"recipe": "lenet", "flags": {}})
    assert third.status_code == 429 and run in third.json()["error"]
    assert client.post(f"/api/runs/{run}/resume").status_code in (409, 429)


def test_a_training_killed_outright_is_interrupted_and_goes_on(client, home):
    run = begin(client, flags=LONG)
    wait_for(lambda: list((home / "runs" / run).glob("step-*")))
    os.kill(runfiles.record(home / "runs" / run)["process"], signal.SIGKILL)
    until(client, run, "interrupted")
    refused = client.post(f"/api/runs/{run}/stop")
    assert refused.status_code == 409 and "interrupted" in refused.json()["error"]
    assert client.post(f"/api/runs/{run}/resume").status_code == 201
    client.post(f"/api/runs/{run}/stop")
    until(client, run, "stopped")


def test_examples_come_with_what_the_model_thinks_of_them(client):
    run = begin(client, flags={"steps": 3000, "hidden": 8})
    about = until(client, run, "finished")
    first, *_ = about["examples"]["views"]
    assert first["kind"] == "images" and len(first["items"]) == 8 and first["items"][0]["label"][0].isdigit()
    assert about["history"]["loss"]["x"][-1] == 3000
    spark = client.get("/api/runs?recipe=autodiff").json()["runs"][0]
    assert spark["value"] == about["metrics"]["accuracy"] and len(spark["spark"]) == runfiles.SPARK


def test_a_training_that_cannot_begin_says_why(client):
    answer = client.post("/api/runs", json={"recipe": "autodiff", "flags": {"data": "/no/such/folder"}})
    assert answer.status_code == 422 and "/no/such/folder" in answer.json()["error"]
    started = client.get("/api/starts").json()
    assert [one["state"] for one in started] == ["failed"]
    assert client.get(f"/api/starts/{started[0]['start']}").json()["error"] == answer.json()["error"]
    assert client.get("/api/starts/nothing").status_code == 404


@pytest.mark.slow
def test_a_trained_model_is_used(home):
    with app_on(home) as client:
        run = begin(client, flags={"steps": 300, "hidden": 16})
        until(client, run, "finished")
        drawing = [[1.0 if column in (13, 14) and 4 <= row < 24 else 0.0 for column in range(28)] for row in range(28)]
        answer = client.post(f"/api/runs/{run}/predict", json={"drawing": drawing})
        assert answer.status_code == 200 and answer.json()["prediction"] == "1" and "file" not in answer.json()
        wrong = client.post(f"/api/runs/{run}/predict", content=b"no picture", headers={"Content-Type": "image/png"})
        assert wrong.status_code == 422 and "what was sent" in wrong.json()["error"] and "/tmp" not in wrong.text
        assert client.post(f"/api/runs/{run}/generate", json={}).status_code == 422
        assert set(client.post(f"/api/runs/{run}/evaluate", json={}).json()["metrics"]) == {"accuracy", "loss"}
        assert client.get(f"/api/runs/{run}/export/safetensors").status_code == 404
        written = client.post(f"/api/runs/{run}/export", json={"to": "safetensors"}).json()
        assert Path(written["path"]).is_relative_to(home / "runs" / run)
        assert len(client.get(written["download"]).content) == written["bytes"]
        other = begin(client, flags={"steps": 300, "hidden": 16, "seed": 1})
        until(client, other, "finished")
        compared = client.get(f"/api/runs/{run}/compare", params={"with": other}).json()
        assert compared["metric"] == "accuracy" and "seed alone" in compared["verdict"] and len(compared["curves"]) == 2
        described = client.get("/api/recipes/autodiff").json()
        assert {flag["name"]: flag["type"] for flag in described["flags"]}["hidden"] == "int"


# ------------------------------------------------------------------------------------------------- what is broken


def test_a_run_that_diverged_is_told_with_the_doctors_advice(client, home):
    rows = [{"step": step, "loss": 2.3 * step**3, "gradient_norm": 1.0} for step in range(1, 30)] + [
        {"step": 30, "loss": None}
    ]
    made(home, rows=rows, status="diverged", planned=100)
    about = client.get("/api/runs/lenet/2026-01-01-000000").json()
    assert about["status"] == "diverged" and about["history"]["loss"]["y"][-1] is None
    assert about["doctor"][0]["name"] == "diverged" and "learning" in about["doctor"][0]["advice"]


def test_a_real_training_that_diverges(client):
    run = begin(client, flags={**SMALL, "steps": 3000, "learning-rate": 1e30})
    about = until(client, run, "diverged")
    assert about["doctor"][0]["name"] == "diverged"


@pytest.mark.parametrize(
    "torn",
    ["", "{", "[]", '{"recipe": "lenet"}', "null", '{"recipe":1,"overrides":3,"seed":0,"info":[],"status":"running"}'],
)
def test_a_damaged_run_is_said_to_be_one_and_the_others_are_listed(client, home, torn):
    good, bad = made(home), made(home, when="2026-01-02-000000")
    (bad / "run.json").write_text(torn)
    listed = client.get("/api/runs").json()["runs"]
    assert [one["status"] for one in listed] == ["damaged", "finished"] and "damaged" in listed[0]["error"]
    answer = client.get(f"/api/runs/lenet/{bad.name}")
    assert answer.status_code == 503 and "damaged" in answer.json()["error"]
    with client.websocket_connect(f"/api/runs/lenet/{bad.name}/live") as socket:
        assert socket.receive_json()["status"] == "damaged"
    assert client.get(f"/api/runs/lenet/{good.name}").status_code == 200


def test_strange_values_in_a_record_are_no_fault_of_the_server(client, home):
    made(home, info={"data": 3, "classes": 5, "image": "x", "more": "y"}, metrics=[1], planned="many")
    assert client.get("/api/runs").json()["runs"][0]["status"] == "damaged"
    answer = client.get("/api/runs/lenet/2026-01-01-000000")
    assert answer.status_code == 503 and "damaged" in answer.json()["error"]
    with client.websocket_connect("/api/runs/lenet/2026-01-01-000000/live") as socket:
        assert socket.receive_json()["status"] == "damaged"


def test_half_a_line_waits_for_its_end(client, home):
    folder = made(home, rows=[{"step": 1, "loss": 2.0}], status="stopped")
    with client.websocket_connect("/api/runs/lenet/2026-01-01-000000/live") as socket:
        assert socket.receive_json()["history"]["loss"] == {"x": [1], "y": [2.0]}
        with (folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 2, "lo')
            file.flush()
            time.sleep(1.2)
            file.write('ss": 1.5}\nno line\n{"step": 3, "loss": 1.0}\n')
        rows = socket.receive_json()["rows"]
        while rows[-1]["step"] < 3:
            rows += socket.receive_json()["rows"]
        assert [(row["step"], row["loss"]) for row in rows] == [(2, 1.5), (3, 1.0)]


def test_a_resumed_run_sends_its_history_again(client, home):
    folder = made(home, rows=[{"step": step, "loss": 1.0} for step in (1, 2, 3)], status="stopped")
    with client.websocket_connect("/api/runs/lenet/2026-01-01-000000/live") as socket:
        assert socket.receive_json()["history"]["loss"]["x"] == [1, 2, 3]
        (folder / "cut").write_text('{"step": 1, "loss": 1.0}\n')
        (folder / "cut").replace(folder / "metrics.jsonl")  # as MetricsLog.cut_back
        assert socket.receive_json()["history"]["loss"]["x"] == [1]


# ------------------------------------------------------------------------------------------------- what is hostile

BAD = [
    "..%2f..%2fetc/passwd",
    "lenet/..%2f..",
    "lenet/%2e%2e",
    ".web/x",
    "lenet/nothing",
    "LENET/x",
    "lenet/a%00b",
    "lenet/" + "x" * 300,
]


@pytest.mark.parametrize("name", BAD)
def test_only_folders_inside_the_runs_folder_are_runs(client, home, name):
    made(home)
    (home / "secret").mkdir()
    for method, rest in (("get", ""), ("post", "/stop"), ("post", "/resume"), ("get", "/export/onnx")):
        answer = getattr(client, method)(f"/api/runs/{name}{rest}")
        assert answer.status_code in (404, 405) and "passwd" not in answer.text.replace(name, "")


def test_a_link_out_of_the_runs_folder_is_no_run(client, home, tmp_path):
    outside = made(tmp_path / "elsewhere")
    (home / "runs" / "lenet").mkdir(parents=True)
    (home / "runs" / "lenet" / "2026-01-09-000000").symlink_to(outside)
    assert client.get("/api/runs/lenet/2026-01-09-000000").status_code == 404
    with client.websocket_connect("/api/runs/lenet/2026-01-09-000000/live") as socket:
        assert "no run" in socket.receive_json()["error"]


@pytest.mark.parametrize("flags", [
    {"resume": "lenet"}, {"json": True}, {"parallel": "fsdp"}, {"help": True}, {"-x": 1}, {"--steps": 3}, {"steps=3 --seed": 3},
    {"steps": "3; rm -rf /"}, {"steps": 1.5}, {"steps": True}, {"learning-rate": "fast"}, {"learning-rate": float("inf")}, {"data": ""},
    {"data": "a\nb"}, {"data": "a\0b"}, {"data": "x" * 501}, {"data": 3}, {"smoke": "yes"}, {"nothing": 1}, {"hidden": "many"},
    {"steps": 10**30}, {"data": ["a"]}, {"data": None},
])  # fmt: skip
def test_only_the_recipes_own_flags_reach_the_command_line(client, monkeypatch, flags):
    monkeypatch.setattr(children.Trainings, "begin", lambda *_: pytest.fail("it was started"))
    body = json.dumps({"recipe": "autodiff", "flags": flags})
    answer = client.post("/api/runs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and answer.json()["error"]


def test_a_flag_is_one_word_and_no_shell_reads_it(client, monkeypatch):
    began = {}

    def begin(self, recipe, words, resumes, again):
        began.update(words=words)
        raise children.TooBusy("enough")

    monkeypatch.setattr(children.Trainings, "begin", begin)
    flags = {"data": "--resume x; $(reboot)", "hidden": 8, "learning-rate": 0.5, "smoke": True, "seed": 0}
    assert client.post("/api/runs", json={"recipe": "autodiff", "flags": flags}).status_code == 429
    assert began["words"] == [
        "autodiff",
        "--data=--resume x; $(reboot)",
        "--hidden=8",
        "--learning-rate=0.5",
        "--smoke",
        "--seed=0",
    ]


@pytest.mark.parametrize("body, status", [
    (b"{", 422), (b"[]", 422), (b"{}", 422), (b'{"recipe": "lenett"}', 404), (b'{"recipe": 3}', 422), (b'{"recipe": "lenet", "x": 1}', 422),
    (b'{"recipe": "lenet", "again": "yes"}', 422), (b'{"recipe": "' + b"x" * 70_000 + b'"}', 413), (b"\xff\xfe", 422),
])  # fmt: skip
def test_malformed_and_oversized_requests_are_refused(client, body, status):
    answer = client.post("/api/runs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status and answer.json()["error"]


def test_an_unknown_recipe_is_answered_with_the_nearest_one(client):
    assert "did you mean 'lenet'" in client.post("/api/runs", json={"recipe": "lenett"}).json()["error"]
    assert client.get("/api/recipes/lenett").status_code == 404


@pytest.mark.parametrize("kind, body, status", [
    ("image/png", b"x" * 2_000_001, 413), ("image/png", b"", 422), ("text/plain", b"x", 422),
    ("application/json", b'{"drawing": [[0]]}', 422),
    ("application/json", json.dumps({"drawing": [[2.0] * 28] * 28}).encode(), 422),
    ("application/json", json.dumps({"drawing": [[0.5] * 27] * 28}).encode(), 422), ("application/json", b'{"text": ""}', 422),
])  # fmt: skip
def test_what_is_no_picture_is_refused_before_anybody_is_asked(client, home, kind, body, status):
    made(home)
    answer = client.post("/api/runs/lenet/2026-01-01-000000/predict", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status and answer.json()["error"]


@pytest.mark.parametrize(
    "wish",
    [{"count": 0}, {"count": 10**6}, {"temperature": -1}, {"seed": -1}, {"prompt": "a\0"}, {"prompt": 3}, {"x": 1}],
)
def test_a_wish_out_of_range_is_refused(client, home, wish):
    made(home, recipe="gpt")
    assert client.post("/api/runs/gpt/2026-01-01-000000/generate", json=wish).status_code == 422


def test_a_question_that_takes_too_long_is_given_up(home, monkeypatch):
    made(home)
    monkeypatch.setattr(sys, "executable", "/bin/sleep")  # sleep -m learnable ...: fails at once
    with app_on(home) as client:
        assert client.post("/api/runs/lenet/2026-01-01-000000/evaluate", json={}).status_code == 503
    script = home / "slow"
    script.write_text("#!/bin/sh\nexec sleep 30\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    real = children.Questions.ask
    monkeypatch.setattr(children.Questions, "ask", lambda self, *words, seconds: real(self, *words, seconds=0.2))
    with app_on(home) as client:
        assert client.post("/api/runs/lenet/2026-01-01-000000/evaluate", json={}).status_code == 504


def test_the_server_knows_no_torch():
    code = "import sys, learnable.web.runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
