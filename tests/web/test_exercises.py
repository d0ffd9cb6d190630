"""The exercises' routes: the learner's file read, saved, in conflict, checked, watched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from course.demo_exercise import folder
from learnable.course import exercises as course
from learnable.errors import LearnableError
from learnable.web import exercises


@pytest.fixture
def client(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    demo = folder(tmp_path)
    real = course.find
    monkeypatch.setattr(course, "find", lambda stem: demo if stem == "demo" else real(stem))
    app = FastAPI(lifespan=exercises.lifespan)
    app.state.home = home
    app.include_router(exercises.router)

    from fastapi.responses import JSONResponse

    @app.exception_handler(LearnableError)
    async def refused(request: object, error: LearnableError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 404)

    with TestClient(app) as one:
        yield one


def test_a_learner_writes_is_told_is_helped_and_passes(client: TestClient, home: Path) -> None:
    found = client.get("/api/exercises/demo").json()
    assert found["stub"] and found["file"] == str(home / "exercises" / "demo.py")
    assert [part["passed"] for part in found["parts"]] == [False, False]

    verdict = client.post("/api/exercises/demo/check", json={"name": "attend"}).json()
    assert not verdict["passed"] and verdict["checks"][0]["exercise"] == "attend"

    assert client.post("/api/exercises/demo/hint", json={"name": "attend"}).json()["number"] == 1
    second = client.post("/api/exercises/demo/hint", json={"name": "attend", "number": 2}).json()
    assert second == {"name": "attend", "number": 2, "count": 3, "text": "A root."}

    right = course.find("demo").text({})
    saved = client.put("/api/exercises/demo", json={"text": right, "seen": found["hash"]})
    assert saved.status_code == 200 and saved.json()["hash"] == course.hash_of(right)
    assert client.post("/api/exercises/demo/check", json={}).json()["passed"] is True
    after = client.get("/api/exercises/demo").json()
    assert [part["passed"] for part in after["parts"]] == [True, True]
    assert after["parts"][0]["hints"] == ["What grows with the width?", "A root."]
    assert "softmax" in client.post("/api/exercises/demo/solution", json={"name": "attend"}).json()["text"]


def test_a_file_that_was_changed_elsewhere_is_not_overwritten(client: TestClient, home: Path) -> None:
    seen = client.get("/api/exercises/demo").json()["hash"]
    file = home / "exercises" / "demo.py"
    file.write_text("# theirs\n")
    answer = client.put("/api/exercises/demo", json={"text": "# mine\n", "seen": seen})
    assert answer.status_code == 409
    assert answer.json()["text"] == "# theirs\n" and "changed elsewhere" in answer.json()["error"]
    assert file.read_text() == "# theirs\n"
    again = client.put("/api/exercises/demo", json={"text": "# mine\n", "seen": answer.json()["hash"]})
    assert again.status_code == 200 and file.read_text() == "# mine\n"


def test_beginning_anew_keeps_the_old_file(client: TestClient, home: Path) -> None:
    seen = client.get("/api/exercises/demo").json()["hash"]
    client.put("/api/exercises/demo", json={"text": "# mine\n", "seen": seen})
    found = client.post("/api/exercises/demo/reset", json={}).json()
    assert Path(found["backup"]).read_text() == "# mine\n"
    assert found["text"] == course.find("demo").stub_text() == (home / "exercises" / "demo.py").read_text()
    assert client.post("/api/exercises/demo/reset", json={}).json()["backup"] is None


def test_a_save_in_another_editor_is_told_and_checked(client: TestClient, home: Path) -> None:
    client.get("/api/exercises/demo")
    with client.websocket_connect("/api/exercises/demo/watch") as socket:
        import time

        time.sleep(0.5)  # the watcher begins
        (home / "exercises" / "demo.py").write_text(course.find("demo").text({}))
        told = socket.receive_json()
        assert told["hash"] == course.hash_of(told["text"])
        assert socket.receive_json()["passed"] is True


@pytest.mark.parametrize("how", [
    ("get", "/api/exercises/nonsense", None), ("get", "/api/exercises/..%2f..%2fetc", None),
    ("put", "/api/exercises/demo", {"text": 3, "seen": ""}), ("put", "/api/exercises/demo", {"text": "x" * 500_001, "seen": ""}),
    ("post", "/api/exercises/demo/check", {"name": "../x"}), ("post", "/api/exercises/demo/check", {"nam": "attend"}),
    ("post", "/api/exercises/demo/hint", {"name": "attend", "number": -1}), ("post", "/api/exercises/demo/hint", {}),
    ("post", "/api/exercises/demo/solution", {"name": ""}), ("post", "/api/exercises/demo/check", [1]),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(client: TestClient, how: tuple[str, str, object]) -> None:
    method, path, body = how
    answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
    assert answer.status_code in (404, 405, 422)


def test_code_that_means_no_good_fails_and_the_server_lives(client: TestClient) -> None:
    text = "import os\ndef attend(q, k, v):\n    os.kill(os.getppid(), 9)\n"
    verdict = client.post("/api/exercises/demo/check", json={"name": "attend", "text": text}).json()
    assert not verdict["passed"] and "another process" in verdict["checks"][0]["message"]
    assert client.post("/api/exercises/demo/check", json={"text": course.find("demo").text({})}).json()["passed"]


def test_half_a_surrogate_pair_is_a_verdict_like_any_other(client: TestClient) -> None:
    text = "def attend(q, k, v):\n    raise ValueError('half \\ud800')\n"
    answer = client.post("/api/exercises/demo/check", json={"name": "attend", "text": text})
    assert answer.status_code == 200 and "half ?" in answer.json()["checks"][0]["message"]


def test_the_watcher_survives_a_check_that_breaks_down(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    client.get("/api/exercises/demo")
    grader = client.app.state.grader  # type: ignore[attr-defined]

    async def broken(*_: object) -> None:
        raise RuntimeError("mine")

    monkeypatch.setattr(grader, "check", broken)
    with client.websocket_connect("/api/exercises/demo/watch") as socket:
        time.sleep(0.5)  # the watcher begins
        (home / "exercises" / "demo.py").write_text("# first\n")
        assert socket.receive_json()["text"] == "# first\n"
        assert "broke down" in socket.receive_json()["error"]
        monkeypatch.undo()
        (home / "exercises" / "demo.py").write_text("raise ValueError('half \\ud800')\n")
        assert socket.receive_json()["text"].startswith("raise")
        assert socket.receive_json()["passed"] is False
