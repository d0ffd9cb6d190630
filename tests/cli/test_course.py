"""`open`, `notebook`, `site`, `figures` from the command line."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from learnable.web.app import STATIC

built = pytest.mark.skipif(not (STATIC / "main.js").exists(), reason="the front end is not built: make frontend")


@built
def test_open_prints_one_line_and_ctrl_c_ends_it(home):
    command = [sys.executable, "-m", "learnable", "open", "lenet", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"learnable: (http://127\.0\.0\.1:\d+)/topics/lenet\?token=[\w-]{20,}\n", line)
        assert found, line
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(found.group(1) + "/", timeout=20)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert rest == "" and errors == "" and process.returncode in (0, 130)


@built
def test_a_port_that_is_taken_is_said(learnable):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        said = learnable("open", "--no-browser", "--port", door.getsockname()[1])
    assert said.code == 1 and "in use" in said.error


def test_an_unknown_topic_is_said(learnable):
    assert learnable("open", "lenett", "--no-browser").code == 2
    assert learnable("notebook", "lenett").code == 2
    assert learnable("figures", "lenett").code == 2
    assert learnable("figures", "lenet", "nothing").code == 2


def test_a_notebook_is_written_and_not_twice(learnable, tmp_path):
    out = tmp_path / "lenet.ipynb"
    assert learnable("notebook", "lenet", "--out", out, "--json").json == [{"path": str(out)}]
    assert json.loads(out.read_text(encoding="utf-8"))["nbformat"] == 4
    said = learnable("notebook", "lenet", "--out", out)
    assert said.code == 1 and "--overwrite" in said.error


def test_a_site_spares_what_is_not_its_own(learnable, tmp_path):
    (tmp_path / "mine").write_text("mine")
    said = learnable("site", tmp_path, "--overwrite")
    assert said.code == 1 and [path.name for path in tmp_path.iterdir()] == ["mine"]
