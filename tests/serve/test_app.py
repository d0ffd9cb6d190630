"""A served model: what it answers, what it refuses and how, and that it stays alive meanwhile."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from learnable.data.examples import Info
from learnable.data.images import prepare
from learnable.errors import CallError, WorldError
from learnable.runs.run import Run
from learnable.serve.app import SECONDS, WAITING, create_app, examples, listen, serve

DIGITS = Info("digits", classes=tuple("0123456789"), image=(1, 8, 8), more={"ink": "digits", "invert": False})
LETTERS = Info("letters", alphabet=tuple("abc "), context=16)
BASE = "http://127.0.0.1:8000"


class FakeRun(Run):
    """A run without a folder: what it does is given, what it was asked is kept."""

    def __init__(self, info, predict=None, generate=None, stream=None):
        self.record = {"recipe": "fake", "info": info.to_json()}
        self.folder = Path("fake/now")
        self.model = nn.Linear(3, 2)
        self._predict, self._generate, self._stream = predict, generate, stream
        self.asked = []

    can_predict = property(lambda self: self._predict is not None)
    can_generate = property(lambda self: self._generate is not None)
    can_stream = property(lambda self: self._stream is not None)

    def predict(self, path):
        content = path if isinstance(path, bytes) else path.read_text(encoding="utf-8")
        self.asked.append(content)
        return self._predict(path)

    def generate(self, **wish):
        self.asked.append(wish)
        return self._generate(**wish)

    def stream(self, **wish):
        self.asked.append(wish)
        return self._stream(**wish)


def look(content):
    """Read the picture as a true run does, and answer by its brightness."""
    share = float(prepare(content, DIGITS).mean())
    return {"prediction": "1", "probabilities": {"1": share, "0": 1 - share}}


def read(file):
    text = file.read_text(encoding="utf-8")
    if "?" not in text:
        raise WorldError(f"{file}: expected a question, came {text[:20]!r}")
    return {"prediction": text[0], "probabilities": {text[0]: 1.0}}


def tell(prompt, count, seed, temperature):
    if prompt and set(prompt) - set("abc "):
        raise CallError(f"the model has never seen {sorted(set(prompt) - set('abc '))}")
    return {"text": (prompt or "") + "a" * min(count, 5)}


def pictures():
    return FakeRun(DIGITS, predict=look)


def stories():
    return FakeRun(LETTERS, predict=read, generate=tell)


def png(color=255, size=(20, 20)):
    picture = np.zeros(size, dtype=np.uint8)
    picture[4:16, 8:12] = color
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def ask(app, method, path, **request):
    async def go():
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=request.pop("base_url", BASE)) as client:
            return await client.request(method, path, **request)

    return asyncio.run(go())


def refused(answer, status):
    """A refusal is JSON with one sentence, and shows nothing of our inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert isinstance(body["error"], str) and body["error"]
    assert "Traceback" not in answer.text and "learnable/serve" not in answer.text
    return body["error"]


PNG = {"Content-Type": "image/png"}


def test_the_front_page_says_what_can_be_asked_and_the_examples_are_routes():
    answer = ask(create_app(pictures()), "GET", "/").json()
    assert "digits" in answer["about"]
    assert set(answer["routes"]) == {"GET /health", "POST /predict"}
    assert all(line.startswith(f"curl {BASE}/") for line in answer["routes"].values())
    assert set(ask(create_app(stories()), "GET", "/").json()["routes"]) == {
        "GET /health",
        "POST /predict",
        "POST /generate",
    }


def test_a_browser_gets_a_page_and_a_program_does_not():
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = ask(create_app(pictures()), "GET", "/", headers=browser)
    assert answer.headers["content-type"].startswith("text/html") and "choose a picture" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert ask(create_app(pictures()), "GET", "/", headers=headers).headers["content-type"] == "application/json"
    assert ask(create_app(stories()), "GET", "/", headers=browser).headers["content-type"] == "application/json"


def test_each_run_has_the_example_that_fits_it():
    here = "http://127.0.0.1:8000"
    assert list(examples(FakeRun(LETTERS, predict=read), here).values()) == [
        here.join(("curl ", """/predict --json '{"text": "..."}'"""))
    ]
    assert list(examples(FakeRun(LETTERS, generate=tell), here)) == ["POST /generate"]
    assert list(examples(FakeRun(DIGITS, predict=look, generate=tell), here)) == ["POST /predict", "POST /generate"]


def test_health_says_which_model():
    answer = ask(create_app(pictures()), "GET", "/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "run": "fake/now", "model": "fake", "parameters": 8}


def test_a_picture_is_answered_as_it_is_and_in_base64():
    run = pictures()
    app = create_app(run)
    for kind in ("image/png", "image/jpeg; q=1", "application/octet-stream", "IMAGE/PNG"):
        answer = ask(app, "POST", "/predict", content=png(), headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text
    encoded = ask(app, "POST", "/predict", json={"image": base64.b64encode(png()).decode()})
    assert encoded.json() == answer.json()
    assert answer.json()["prediction"] == "1"
    assert run.asked == [png()] * 5


@pytest.mark.parametrize("body", [{}, {"image": 3}, {"image": ""}, {"picture": "x"}, {"image": "photo.png"}])
def test_a_picture_in_json_that_is_none_is_told_that_it_is_base64(body):
    answer = ask(create_app(pictures()), "POST", "/predict", json=body)
    assert "base64" in refused(answer, answer.status_code)
    assert answer.status_code in (400, 422)


def test_a_text_is_answered():
    run = stories()
    answer = ask(create_app(run), "POST", "/predict", json={"text": "b?\n\x00ä€😀"})
    assert answer.json()["prediction"] == "b"
    assert run.asked == ["b?\n\x00ä€😀"]


def test_generating_takes_the_defaults_and_what_is_asked_for():
    run = stories()
    app = create_app(run)
    assert ask(app, "POST", "/generate", json={}).json() == {"text": "aaaaa"}
    assert ask(app, "POST", "/generate", json={"prompt": "b", "count": 2, "seed": 7, "temperature": 0}).json() == {
        "text": "baa"
    }
    assert run.asked == [
        {"prompt": None, "count": 200, "seed": 0, "temperature": 1.0},
        {"prompt": "b", "count": 2, "seed": 7, "temperature": 0.0},
    ]


def test_what_is_no_picture_is_a_400():
    app = create_app(pictures())
    for content in (b"", b"hello", png()[:50], b"\x89PNG\r\n\x1a\n" + b"\0" * 99):
        refused(ask(app, "POST", "/predict", content=content, headers=PNG), 400)
    refused(ask(app, "POST", "/predict", json={"image": "not base64!"}), 400)
    refused(ask(app, "POST", "/predict", json={"image": "ä"}), 400)
    assert "base64" in refused(
        ask(app, "POST", "/predict", json={"image": base64.b64encode(png()).decode() + "!"}), 400
    )
    refused(ask(app, "POST", "/predict", json={"image": base64.b64encode(b"hello").decode()}), 400)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"[" * 100_000, b'{"text": "\\ud800"}', b'{"text": "a"} x'],
    ids=range(7),
)
def test_malformed_json_is_a_400(content):
    app = create_app(stories())
    for path in ("/predict", "/generate"):
        refused(ask(app, "POST", path, content=content, headers=JSON), 400)


@pytest.mark.parametrize(
    "wish, field",
    [
        ({"count": 0}, "count"), ({"count": 2001}, "count"), ({"count": 10**400}, "count"), ({"count": "5"}, "count"),
        ({"count": 1.5}, "count"), ({"count": True}, "count"), ({"count": None}, "count"),
        ({"seed": -1}, "seed"), ({"seed": 2**63}, "seed"),
        ({"temperature": -0.1}, "temperature"), ({"temperature": 11}, "temperature"), ({"temperature": "hot"}, "temperature"),
        ({"prompt": 5}, "prompt"), ({"prompt": "a" * 10_001}, "prompt"), ({"promt": "a"}, "promt"), ([], "body"), ("a", "body"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_out_of_range_is_a_422_that_names_the_field(wish, field):
    run = stories()
    answer = ask(create_app(run), "POST", "/generate", content=json.dumps(wish), headers=JSON)
    assert field in refused(answer, 422)
    assert run.asked == []


def test_infinite_temperatures_are_refused():
    for number in ("NaN", "Infinity", "1e999"):
        answer = ask(create_app(stories()), "POST", "/generate", content=f'{{"temperature": {number}}}', headers=JSON)
        assert answer.status_code in (400, 422)


def test_what_the_model_itself_refuses_is_passed_on_without_our_paths():
    app = create_app(stories())
    assert "never seen" in refused(ask(app, "POST", "/generate", json={"prompt": "xyz"}), 422)
    message = refused(ask(app, "POST", "/predict", json={"text": "no question"}), 400)
    assert message.startswith("the text: expected a question")


def test_another_kind_of_content_is_a_415():
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "image"):
        refused(ask(create_app(pictures()), "POST", "/predict", content=png(), headers={"Content-Type": kind}), 415)
        refused(ask(create_app(stories()), "POST", "/generate", content=b"{}", headers={"Content-Type": kind}), 415)
    said = refused(ask(create_app(pictures()), "POST", "/predict", content=png()), 415)
    assert said.endswith("came no Content-Type; say which by -H 'Content-Type: image/jpeg'")
    said = refused(ask(create_app(stories()), "POST", "/predict", content=png(), headers=PNG), 415)
    assert said == "expected application/json, came image/png; say which by curl --json"
    said = refused(ask(create_app(stories()), "POST", "/generate", content=b"{}"), 415)
    assert said == "expected application/json, came no Content-Type; curl --json says it"


def test_a_run_that_cannot_do_it_says_what_it_can():
    assert "POST /predict" in refused(ask(create_app(pictures()), "POST", "/generate", json={}), 404)
    maker = FakeRun(LETTERS, generate=tell)
    assert "POST /generate" in refused(ask(create_app(maker), "POST", "/predict", json={"text": "a?"}), 404)
    refused(ask(create_app(maker), "GET", "/nothing"), 404)
    refused(ask(create_app(maker), "GET", "/generate"), 405)
    refused(ask(create_app(maker), "DELETE", "/health"), 405)
    refused(ask(create_app(maker), "GET", "/docs"), 404)


async def pieces(size, each=1000):
    for _ in range(size // each):
        yield b"x" * each


def test_a_body_over_the_limit_is_a_413_with_and_without_its_length():
    app = create_app(pictures(), body_limit=5000)
    refused(ask(app, "POST", "/predict", content=b"x" * 5001, headers=PNG), 413)
    refused(ask(app, "POST", "/predict", content=pieces(6000), headers=PNG), 413)
    refused(ask(app, "POST", "/predict", content=b"", headers=PNG | {"Content-Length": "9" * 5000}), 413)
    refused(ask(app, "POST", "/predict", content=pieces(5000), headers=PNG), 400)  # short enough, and no picture


def test_an_endless_body_is_cut_off_while_it_arrives():
    """Were it read to its end first, this test would never end."""
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    refused(ask(create_app(pictures(), body_limit=50_000), "POST", "/predict", content=endless(), headers=PNG), 413)
    assert sent <= 52_000


def test_a_body_that_does_not_come_is_a_408():
    async def never():
        yield b"x"
        await asyncio.sleep(60)

    app = create_app(pictures(), seconds=0.1)
    refused(ask(app, "POST", "/predict", content=never(), headers=PNG), 408)
    assert SECONDS <= 60


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "", "[::1", "a@127.0.0.1"]
)
def test_a_foreign_name_is_refused(host):
    run = pictures()
    for path in ("/", "/health", "/predict"):
        refused(ask(create_app(run), "POST", path, headers=PNG | {"Host": host}, content=png()), 403)
    assert run.asked == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]", "localhost."])
def test_our_own_names_are_answered(host):
    assert ask(create_app(pictures()), "GET", "/health", headers={"Host": host}).status_code == 200
    assert (
        ask(create_app(pictures(), hosts=None), "GET", "/health", headers={"Host": "evil.example"}).status_code == 200
    )


def test_a_fault_of_ours_is_a_500_whose_number_is_in_the_log(caplog):
    def broken(content):
        raise ZeroDivisionError("secret detail")

    app = create_app(FakeRun(DIGITS, predict=broken))
    with caplog.at_level(logging.ERROR):
        answer = ask(app, "POST", "/predict", content=png(), headers=PNG)
    message = refused(answer, 500)
    assert "secret" not in answer.text
    assert answer.json()["id"] in message
    assert answer.json()["id"] in caplog.text and "secret detail" in caplog.text
    assert ask(app, "GET", "/health").status_code == 200


def test_not_a_number_is_null():
    def lost(**wish):
        return {"points": [[float("nan"), 1.0]]}

    assert ask(create_app(FakeRun(LETTERS, generate=lost)), "POST", "/generate", json={}).json() == {
        "points": [[None, 1.0]]
    }


def test_one_request_at_a_time_and_health_answers_meanwhile():
    inside, most, thinking, go_on = 0, 0, threading.Event(), threading.Event()

    def slow(content):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        thinking.set()
        assert go_on.wait(30)
        inside -= 1
        return {"prediction": "1"}

    async def go():
        transport = httpx.ASGITransport(app=create_app(FakeRun(DIGITS, predict=slow)))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            asked = [asyncio.create_task(client.post("/predict", content=png(), headers=PNG)) for _ in range(WAITING)]
            await asyncio.to_thread(thinking.wait, 30)
            assert (await client.get("/health")).status_code == 200
            refused(await client.post("/predict", content=png(), headers=PNG), 503)
            go_on.set()
            return await asyncio.gather(*asked)

    assert {answer.status_code for answer in asyncio.run(go())} == {200}
    assert most == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["prompt", "count", "seed", "text", "image", "x"]), inner),
    max_leaves=8,
)  # fmt: skip
HEADERS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)
PATHS = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=9).map(lambda text: "/" + text)
BYTES = st.binary(max_size=200) | st.binary(max_size=80).map(lambda tail: png()[:60] + tail)


@pytest.fixture(scope="module")
def both():
    return create_app(pictures(), body_limit=10_000), create_app(stories(), body_limit=10_000)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=BYTES | ANYTHING.map(lambda value: json.dumps(value).encode()),
    kind=st.sampled_from(["image/png", "application/json", "application/octet-stream", "text/html"]) | HEADERS,
    path=st.sampled_from(["/predict", "/generate", "/", "/health"]) | PATHS,
    method=st.sampled_from(["POST", "POST", "GET", "PUT", "OPTIONS"]),
)  # fmt: skip
def test_whatever_comes_is_answered_or_refused(both, body, kind, path, method):
    for app in both:
        answer = ask(app, method, path, content=body, headers=[(b"Content-Type", kind.encode("latin-1"))])
        if answer.status_code >= 300:
            refused(answer, answer.status_code)
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text


# ------------------------------------------------------------------------------------------------- with real sockets


def test_a_port_in_use_is_the_worlds_fault_and_says_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WorldError, match=rf"port {port} is in use.*--port {port + 1}"):
            serve(pictures(), "127.0.0.1", port)


def test_other_doors_that_do_not_open():
    with pytest.raises(WorldError, match="no such host"):
        listen("no host of that name", 0)
    with pytest.raises(WorldError, match="cannot be opened"):
        listen("192.0.2.1", 0)  # an address that is nobody's (RFC 5737)


SERVER = textwrap.dedent("""
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from test_app import FakeRun, DIGITS, look, LETTERS
    from learnable.serve.app import serve
    def slow(**wish):
        time.sleep(wish["seed"])
        return {"text": "done"}
    serve(FakeRun(DIGITS, predict=look, generate=slow), "127.0.0.1", 0)
    print("ended", flush=True)
""")


@pytest.fixture
def server():
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(Path(__file__).parent)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line.startswith("serving fake/now on http://127.0.0.1:"), line + process.stderr.read()
        example = process.stdout.readline()
        assert (
            example == f"try: curl {line.split()[3]}/predict --data-binary @picture.png -H 'Content-Type: image/png'\n"
        )
        assert process.stdout.readline().startswith(f"or open {line.split()[3]} in a browser")
        yield process, line.split()[3]
    finally:
        process.kill()
        process.communicate()


def test_a_true_server_answers_over_a_socket_and_ctrl_c_ends_it_with_0(server):
    process, address = server
    answer = httpx.post(address + "/predict", content=png(), headers=PNG, timeout=60)
    assert answer.json()["prediction"] == "1"
    refused(httpx.post(address + "/predict", content=iter([b"x" * 1_000_000] * 12), headers=PNG, timeout=60), 413)
    refused(httpx.get(address + "/health", headers={"Host": "evil.example"}), 403)
    assert "server" not in answer.headers

    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(b"\x00\xff nonsense\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")

    thread = threading.Thread(target=lambda: httpx.post(address + "/generate", json={"seed": 2}, timeout=60))
    thread.start()
    begun = time.monotonic()
    while time.monotonic() < begun + 1:  # while the model is busy for two seconds
        assert httpx.get(address + "/health", timeout=60).status_code == 200
    thread.join()

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_ctrl_c_does_not_wait_for_a_model_that_thinks(server):
    process, address = server

    def impatient():
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(address + "/generate", json={"seed": 600}, timeout=60)

    thread = threading.Thread(target=impatient)
    thread.start()
    while httpx.get(address + "/health", timeout=60).status_code != 200:
        pass
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    thread.join()
    assert (process.returncode, out, err) == (0, "ended\n", "")


# ---- a text, piece by piece


def told(prompt, count, seed, temperature):
    """Pieces that no careless cut survives."""
    if prompt == "?":
        raise CallError("the model has never seen '?'")
    for number in range(count):
        if prompt == "!" and number == 2:
            raise WorldError("the model's answer is no number")
        yield ("ä", "😀", "\n\ndata: x", '"', "\ud800")[number % 5]


def writers(stream=told):
    return FakeRun(LETTERS, generate=tell, stream=stream)


def heard(text):
    """The events of a stream: (kind, data)."""
    assert text.endswith("\n\n")
    found = []
    for block in text[:-2].split("\n\n"):
        *kind, data = block.split("\n")
        found.append((kind[0].removeprefix("event: ") if kind else "", json.loads(data.removeprefix("data: "))))
    return found


def test_a_text_comes_as_events_and_whole():
    answer = ask(create_app(writers()), "POST", "/stream", json={"prompt": "a", "count": 5})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content.isascii() and answer.headers["cache-control"] == "no-store"
    *pieces, last = heard(answer.text)
    assert [data["text"] for _, data in pieces] == ["ä", "😀", "\n\ndata: x", '"', "\ud800"]
    assert {kind for kind, _ in pieces} == {""} and last == ("end", {})


def test_what_is_wrong_with_the_wish_is_refused_before_anything_is_sent():
    app = create_app(writers())
    assert "never seen" in refused(ask(app, "POST", "/stream", json={"prompt": "?"}), 422)
    assert "count" in refused(ask(app, "POST", "/stream", json={"count": 0}), 422)
    refused(ask(app, "POST", "/stream", content=b"{}", headers={"Content-Type": "text/plain"}), 415)
    refused(ask(app, "POST", "/stream", content=b"{", headers={"Content-Type": "application/json"}), 400)
    assert "piece by piece" in refused(ask(create_app(stories()), "POST", "/stream", json={}), 404)


def test_what_goes_wrong_on_the_way_is_an_event():
    *pieces, last = heard(ask(create_app(writers()), "POST", "/stream", json={"prompt": "!", "count": 9}).text)
    assert len(pieces) == 2 and last == ("error", {"error": "the model's answer is no number"})


def test_when_the_client_has_gone_the_writing_ends_and_the_next_is_served():
    written, closed = [], threading.Event()

    def forever(prompt, count, seed, temperature):
        try:
            for number in range(100_000):
                written.append(number)
                time.sleep(0.002)
                yield "a"
        finally:
            closed.set()

    app = create_app(FakeRun(LETTERS, generate=tell, stream=forever))

    async def go():
        sent, gone = [], asyncio.Event()
        given = [{"type": "http.request", "body": b"{}", "more_body": False}]

        async def receive():
            if given:
                return given.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if len(sent) == 5:
                gone.set()

        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
                 "path": "/stream", "raw_path": b"/stream", "query_string": b"", "scheme": "http", "root_path": "",
                 "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
                 "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000)}  # fmt: skip
        await asyncio.wait_for(app(scope, receive, send), 20)
        for _ in range(200):
            if closed.is_set():
                break
            await asyncio.sleep(0.02)

    asyncio.run(go())
    assert closed.is_set() and 3 <= len(written) < 5000
    assert ask(app, "POST", "/generate", json={"prompt": "a", "count": 1}).status_code == 200


def test_a_browser_gets_a_page_to_write_with():
    answer = ask(create_app(writers()), "GET", "/", headers={"Accept": "text/html"})
    assert answer.headers["content-type"].startswith("text/html") and "How it begins" in answer.text
    routes = ask(create_app(writers()), "GET", "/").json()["routes"]
    assert set(routes) == {"GET /health", "POST /generate", "POST /stream"} and routes["POST /stream"].startswith(
        "curl -N "
    )


def test_filters_are_passed_on_only_where_they_were_asked_for():
    run = FakeRun(LETTERS, generate=lambda **wish: {"text": "a"})
    wishes = {"top_p": 0.9, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.2, "beams": 2, "int8": True}
    ask(create_app(run), "POST", "/generate", json=wishes)
    ask(create_app(run), "POST", "/generate", json={})
    assert run.asked[0] == run.asked[1] | wishes
    assert set(run.asked[1]) == {"prompt", "count", "seed", "temperature"}
    for wrong in ({"top_p": 0}, {"beams": 0}, {"beams": 100}, {"int8": "much"}):
        refused(ask(create_app(run), "POST", "/generate", json=wrong), 422)
