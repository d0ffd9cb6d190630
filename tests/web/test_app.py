"""Pages as they are served: what is there, what is not, and that the process stays light."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from learnable import catalog
from learnable.course import page as pages
from learnable.errors import WorldError
from learnable.web import app as web

HERE = "http://127.0.0.1:8765"


@pytest.fixture
def client(tmp_path, monkeypatch) -> TestClient:
    if not (web.STATIC / "main.js").exists():
        pytest.skip("the front end is not built: make frontend")
    monkeypatch.setenv("LEARNABLE_HOME", str(tmp_path))
    return TestClient(web.create_app(tmp_path, "secret", 8765), base_url=HERE, cookies={"learnable-8765": "secret"})


def of(client: TestClient, path: str, **more: Any) -> str:
    answer = client.get(path, headers={"accept": "text/html"}, **more)
    assert answer.status_code == 200, (path, answer.text[:300])
    return answer.text


@pytest.mark.parametrize(
    "path", ["/", "/cheatsheet", "/cards", "/runs", "/models", "/models/resnet", "/paths/whole-course"]
)
def test_the_pages_around_the_lessons(client, path):
    text = of(client, path)
    assert "<h1" in text and '<html lang="en"' in text
    foreign = re.findall(r'(?:src|href)="(https?://[^"]+)"', re.sub(r"<a [^>]*>", "", text))
    assert not foreign


@pytest.mark.parametrize("topic", catalog.topics(), ids=lambda topic: topic.stem)
def test_every_topic_has_a_page_and_a_planned_one_says_so(client, topic):
    text = of(client, f"/topics/{topic.stem}")
    assert ("is planned" in text) == (not pages.has_lesson(topic.stem))
    assert not re.search(r"<script(?![^>]*(src=|application/json))", text), "no inline scripts"
    assert not re.search(r"\son\w+=", re.sub(r"<(script|pre).*?</\1>", "", text, flags=re.S)), "no inline handlers"


def test_every_link_of_every_page_leads_somewhere(client):
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 200, path
        if "text/html" in answer.headers["content-type"]:
            found = re.findall(
                r'(?:href|src)="(/[^"#?]*)', re.sub(r"<(script|pre).*?</\1>", "", answer.text, flags=re.S)
            )
            waiting += [link for link in found if link not in seen]
    assert len(seen) > len(catalog.topics())


def test_what_is_not_there_is_said_to_people_and_to_programs(client):
    answer = client.get("/topics/nothing", headers={"accept": "text/html"})
    assert answer.status_code == 404 and "no topic" in answer.text and "<h1" in answer.text
    answer = client.get("/api/exercises/nothing")
    assert answer.status_code == 404 and "no topic" in answer.json()["error"]
    assert client.get("/paths/nothing").status_code == 404
    assert client.get("/nothing", headers={"accept": "text/html"}).status_code == 404
    assert client.post("/", json={}).status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/topics/../../x", "/static//etc/passwd"],
)
def test_no_way_leads_out_of_the_folder(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 405) and "import" not in answer.text


def test_a_damaged_progress_is_set_aside_and_the_course_opens(client, tmp_path):
    (tmp_path / "progress.db").write_bytes(b"\x00damaged" * 1000)
    assert "Learnable" in of(client, "/")
    assert list(tmp_path.glob("progress.db.damaged*"))


def test_a_mistake_in_a_lesson_is_a_page_that_names_it(client, monkeypatch, tmp_path):
    (tmp_path / "lesson.md").write_text("# T\n\n::: figure nothing\n")
    monkeypatch.setattr(pages, "folder", lambda stem: tmp_path)
    monkeypatch.setattr(pages, "_pages", {})
    answer = client.get("/topics/lenet", headers={"accept": "text/html"})
    assert answer.status_code == 422 and "figures/nothing.json" in answer.text


def test_without_a_front_end_it_says_how_to_build_it(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "STATIC", tmp_path)
    with pytest.raises(WorldError, match="make frontend"):
        web.create_app(tmp_path, "secret")


def test_the_server_never_imports_torch(tmp_path):
    if not (web.STATIC / "main.js").exists():
        pytest.skip("the front end is not built: make frontend")
    code = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from learnable import catalog
from learnable.web.app import create_app
app = create_app(Path(sys.argv[1]), "s", 1)
with TestClient(app, base_url="http://127.0.0.1:1", cookies={"learnable-1": "s"}) as client:
    for path in ("/", "/cheatsheet", "/cards", "/runs", "/search.json", "/api/progress", "/api/runs", "/api/today",
                 *(f"/topics/{t.stem}" for t in catalog.topics()), *(f"/api/exercises/{t.stem}" for t in catalog.topics())):
        client.get(path)
print("torch" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "LEARNABLE_HOME": str(tmp_path)},
    )
    assert ran.stdout.strip() == "False", ran.stderr[-1000:]


def test_two_servers_on_one_home(tmp_path):
    """Two courses are open at once: both answer, each with a token of its own."""
    if not (web.STATIC / "main.js").exists():
        pytest.skip("the front end is not built: make frontend")
    running = [open_course(tmp_path) for _ in range(2)]
    try:
        addresses = [address_of(process) for process in running]
        import httpx

        for address in addresses:
            with httpx.Client(follow_redirects=True) as client:
                assert client.get(address).status_code == 200
                base = address.split("/?")[0]
                assert (
                    client.post(
                        f"{base}/api/progress", json={"stem": "lenet", "position": 0.5, "seconds": 3}
                    ).status_code
                    == 200
                )
        with httpx.Client() as stranger:
            token = addresses[0].split("token=")[1]
            assert stranger.get(addresses[1].split("?")[0], params={"token": token}).status_code == 403
            assert stranger.get(addresses[1].split("?")[0]).status_code == 403
    finally:
        for process in running:
            process.terminate()
        for process in running:
            assert process.wait(20) in (0, -15, 130, 143)
            assert process.stdout is not None
            process.stdout.close()


def open_course(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "learnable", "open", "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "LEARNABLE_HOME": str(home), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = re.search(r"http://\S+", process.stdout.readline())
        if found:
            return found.group(0)
    raise AssertionError("no address")
