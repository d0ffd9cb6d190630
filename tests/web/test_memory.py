"""What the pages remember, by the routes: forms, refusals, and the same schedule as the command line's."""

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from learnable.course import cards
from learnable.course.progress import FILE, Progress
from learnable.web import memory
from learnable.web.app import add_errors


@pytest.fixture
def client(home: Path) -> TestClient:
    home.mkdir(parents=True, exist_ok=True)
    app = FastAPI()
    app.state.home = home
    app.include_router(memory.router)
    add_errors(app)
    return TestClient(app, raise_server_exceptions=False)


def test_a_page_is_remembered(client, home):
    body = {"stem": "lenet", "position": 0.25, "seconds": 12.5, "section": "a-heading"}
    assert client.post("/api/progress", json=body).json()["position"] == 0.25
    assert client.post("/api/progress", json={"stem": "lenet", "seconds": 2}).json()["seconds"] == 14.5
    found = client.get("/api/progress").json()
    assert found["pages"][0]["section"] == "a-heading" and found["done"] == [] and found["notice"] is None
    assert len(found["days"]) == 1 and found["path"] == "whole-course"


def test_who_comes_to_the_end_and_took_the_time_is_done_and_gets_cards(client, home):
    client.post("/api/progress", json={"stem": "lenet", "position": 1, "seconds": memory.enough("lenet") - 1})
    assert client.get("/api/progress").json()["done"] == [] and client.get("/api/cards").json()["cards"] == []
    client.post("/api/progress", json={"stem": "lenet", "position": 0.9, "seconds": 30})
    assert client.get("/api/progress").json()["done"] == []
    client.post("/api/progress", json={"stem": "lenet", "position": 1.0, "seconds": 0})
    assert client.get("/api/progress").json()["done"] == ["lenet"]
    found = client.get("/api/cards").json()
    assert found["cards"] and len(found["cards"]) <= cards.NEW_A_DAY
    client.post("/api/progress", json={"stem": "lenet", "done": False})
    assert client.get("/api/progress").json()["done"] == []


BAD_VISITS = [
    {}, [], None, "lenet", {"stem": 7}, {"stem": "lenet", "position": 1.01}, {"stem": "lenet", "position": -0.1},
    {"stem": "lenet", "position": "0.5"}, {"stem": "lenet", "seconds": 1e9}, {"stem": "lenet", "seconds": -1}, {"stem": "lenet", "done": 1},
    {"stem": "lenet", "done": "yes"}, {"stem": "lenet", "evil": 1}, {"stem": "x" * 1000}, {"stem": "lenet", "section": "x" * 1000},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_VISITS, ids=str)
def test_a_visit_that_cannot_be_is_refused(client, home, body):
    answer = client.post("/api/progress", json=body)
    assert answer.status_code == 422 and set(answer.json()) == {"error"} and not (home / FILE).exists()


@pytest.mark.parametrize(
    "text", ["", "{", '{"stem": "lenet", "position": NaN}', '{"stem": "lenet", "seconds": Infinity}', "[" * 50_000]
)
def test_a_body_that_is_no_json_is_refused(client, home, text):
    answer = client.post("/api/progress", content=text, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500 and set(answer.json()) == {"error"}


@pytest.mark.parametrize("stem", ["no-such-topic", "resnet", "../../etc", "Lenet'; --"])
def test_a_topic_without_a_lesson_is_refused(client, home, stem):
    answer = client.post("/api/progress", json={"stem": stem})
    assert answer.status_code == 404 and answer.json()["error"] and not (home / FILE).exists()


def test_a_card_is_asked_answered_and_comes_again(client):
    found = client.get("/api/cards?stem=lenet").json()
    card = found["cards"][0]
    assert card["intervals"] == ["10 min", "15 min", "2 days", "8 days"] and "<p>" in card["front"]
    answer = client.post(f"/api/cards/lenet/{card['id']}", json={"rating": 3, "seen": 0}).json()
    assert answer["in"] == "2 days" and answer["card"]["reviews"] == 1 and answer["next"] == answer["due"]
    assert card["id"] not in [one["id"] for one in client.get("/api/cards?stem=lenet").json()["cards"]]
    assert card["id"] in [one["id"] for one in client.get("/api/cards?stem=lenet&all=true").json()["cards"]]
    again = client.post(f"/api/cards/lenet/{card['id']}", json={"rating": 3, "seen": 0})
    assert again.status_code == 409 and "another tab" in again.json()["error"]


def test_a_panel_that_was_used_lets_its_cards_in(client):
    assert client.get("/api/cards").json()["cards"] == []
    assert client.post("/api/cards/lenet", json={}).json()["entered"] == len(cards.lesson_cards("lenet"))
    assert client.get("/api/cards").json()["cards"]
    assert client.post("/api/cards/no-such-topic", json={}).status_code == 404


@pytest.mark.parametrize("body", [{}, {"rating": 0}, {"rating": 5}, {"rating": "3"}, {"rating": 3.0}, {"rating": True},
                                  {"rating": 3, "x": 1}, {"rating": 3, "seen": -1}])  # fmt: skip
def test_a_rating_that_cannot_be_is_refused(client, home, body):
    id = cards.lesson_cards("lenet")[0].id
    assert client.post(f"/api/cards/lenet/{id}", json=body).status_code == 422
    assert not (home / FILE).exists()


def test_a_card_that_is_not_there(client):
    assert client.post("/api/cards/lenet/no-such-card", json={"rating": 3}).status_code == 404
    assert client.post("/api/cards/nothing/no-such-card", json={"rating": 3}).status_code == 404
    assert client.get("/api/cards?stem=nothing").status_code == 404


def test_the_schedule_is_the_command_lines(client, tmp_path, monkeypatch):
    """The same answers at the same times through the route and through what `learnable review` calls: the same rows."""
    now = [1_790_078_400.0]
    monkeypatch.setattr(memory, "Progress", lambda home: Progress(home, lambda: now[0]))
    terminal = Progress(tmp_path / "terminal", lambda: now[0])
    ids = [flash.id for flash in cards.lesson_cards("lenet")][:3]
    for turn, rating in enumerate([3, 1, 3, 4, 2, 3, 1, 1, 3, 3, 2, 4]):
        id = ids[turn % 3]
        answer = client.post(f"/api/cards/lenet/{id}", json={"rating": rating}).json()
        row = cards.rate(terminal, "lenet", id, rating)
        assert answer["due"] == cards.moment(row.due)
        now[0] += 40_000 * (turn + 1)
        theirs, ours = client.get("/api/cards").json(), cards.summary(terminal)
        assert theirs == json.loads(json.dumps(ours))
    assert client.get("/api/progress/export").json()["cards"] == terminal.export()["cards"]


def test_today_says_what_fits(client):
    found = client.get("/api/today?minutes=20").json()
    assert found["minutes"] == 20 and sum(item["minutes"] for item in found["items"]) <= 20
    for minutes in ("0", "-1", "1441", "x", "1e3"):
        assert client.get(f"/api/today?minutes={minutes}").status_code == 422


def test_a_path_is_chosen(client):
    assert client.post("/api/progress/path", json={"name": "want-vision"}).json() == {"path": "want-vision"}
    assert client.get("/api/progress").json()["path"] == "want-vision"
    assert client.post("/api/progress/path", json={"name": "nowhere"}).status_code == 404


def test_out_and_in(client, home):
    client.post("/api/progress", json={"stem": "lenet", "position": 0.5, "seconds": 5})
    answer = client.get("/api/progress/export")
    assert "attachment" in answer.headers["content-disposition"]
    assert client.post("/api/progress/import", json=answer.json()).json()["changed"]["pages"] == 0
    (home / FILE).unlink()
    assert client.post("/api/progress/import", json=answer.json()).json()["changed"]["pages"] == 1
    for body in ([], None, "x", {"format": "x"}, {**answer.json(), "pages": [{}]}):
        refused = client.post("/api/progress/import", json=body)
        assert 400 <= refused.status_code < 500 and refused.json()["error"]


def test_a_damaged_file_is_told_and_the_course_goes_on(client, home):
    (home / FILE).write_bytes(b"\0" * 8192)
    found = client.get("/api/progress")
    assert found.status_code == 200 and "set aside as progress.db.damaged-" in found.json()["notice"]
    assert client.post("/api/progress", json={"stem": "lenet", "position": 0.5}).status_code == 200


def test_a_home_that_cannot_be_written_to_says_so(client, home):
    (home / FILE).mkdir()
    answer = client.post("/api/progress", json={"stem": "lenet", "position": 0.5})
    assert answer.status_code == 503 and "LEARNABLE_HOME" in answer.json()["error"]
