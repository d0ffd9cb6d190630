"""The command line as a whole: what every command keeps to."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from learnable import __version__
from learnable.cli.main import app
from toy import install

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)  # type: ignore[union-attr]


def test_the_commands_are_those_that_the_documents_name():
    words = """
        open train runs evaluate predict generate verify export serve doctor list model copy topic path new
        exercise check hint solution review today progress search figures notebook site
    """
    assert sorted(words.split()) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(learnable, command):
    said = learnable(command, "--help")
    assert said.code == 0 and not said.err
    assert f"Example: learnable {command}" in re.sub(r"[\s│]+", " ", said.out)
    assert learnable(command, "-h").out == said.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("width", [80, 40])
def test_help_fits_the_terminal(learnable, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)  # read from the environment once, at its import
    said = learnable(*command.split(), "--help")
    assert max(map(len, said.out.splitlines())) <= width


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag_is_a_wrong_call(learnable, command):
    words = {"train": ["lenet"], "list": ["topics"], "runs": []}.get(command, [])
    said = learnable(command, *words, "--no-such-flag")
    assert said.code == 2 and not said.out
    assert "no-such-flag" in said.error or "Missing" in said.error


def test_the_version_is_printed(learnable):
    assert learnable("--version") == (0, f"learnable {__version__}\n", "")


@pytest.mark.parametrize(
    "words, says",
    [
        ("trian lenet", "No such command 'trian'. Did you mean 'train'?; 'learnable --help'"),
        (
            "list topic",
            "'topic' is not one of 'topics', 'models', 'weights', 'recipes', 'datasets', 'exercises'; 'learnable list --help'",
        ),
        ("list", "Missing argument"),
        ("predict lenet", "expected files to be asked about, or --text"),
        ("export lenet", "Missing option '--to'. Choose from: onnx, torch, safetensors; 'learnable export --help'"),
        ("export lenet --to tflite", "'tflite' is not one of 'onnx', 'torch', 'safetensors'"),
        ("train lenet --steps many", "'--steps'"),
        ("train lenet --steps", "'--steps'"),
        ("train lenet --seed -1", "'--seed'"),
        ("serve lenet --port 99999", "'--port'"),
        ("verify --seeds 0", "'--seeds'"),
        ("generate gpt --count 0", "'--count'"),
        (
            "generate gpt --max-new-tokens 3",
            "No such option: --max-new-tokens, here it is --count; 'learnable generate --help'",
        ),
        ("generate gpt --temperature nan", "'--temperature'"),
        ("generate gpt --temperature -1", "'--temperature'"),
        ("generate gpt --seed 18446744073709551616", "'--seed'"),
        ("evaluate lenet extra", "extra"),
        ("evaluate lenet --dta x", "--dta"),
    ],
)
def test_a_wrong_call_is_said_in_one_sentence(learnable, words, says):
    said = learnable(*words.split())
    assert said.code == 2 and not said.out
    assert says in said.error and "\n" not in said.error and "│" not in said.error


@pytest.mark.parametrize("command", ["generate", "serve"])
@pytest.mark.parametrize("chosen", [None, "0"])
def test_writing_asks_for_large_pages_unless_somebody_chose(learnable, monkeypatch, command, chosen):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    if chosen is None:
        monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    assert learnable(command, "gpt").code == 1  # there is no such run
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == (chosen or "1")


def test_nothing_is_written_by_looking(learnable, home):
    for words in ("list recipes", "topic lenet", "path", "runs", "train lenet --help"):
        assert learnable(*words.split()).code == 0
    assert not list(home.rglob("*")) or list(home.rglob("*")) == [home / "runs"]


@pytest.mark.parametrize("words", ["list recipes", "runs", "doctor", "train toy --steps 5 --resume x"])
def test_a_home_that_cannot_be_is_said(learnable, home, words, monkeypatch):
    install(monkeypatch)
    home.write_text("a file")
    said = learnable(*words.split())
    assert "Traceback" not in said.err and home.read_text() == "a file"
    if words == "runs":
        assert said.code == 1 and "cannot be made" in said.error and "LEARNABLE_HOME" in said.error
    if words == "doctor":
        assert said.code == 1 and "home\twrong\t" in said.out


def test_a_folder_that_may_not_be_written_to_is_said(learnable, home, monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    said = learnable("train", "toy")
    assert said.code == 1 and "mend its permissions" in said.error


def test_our_own_mistakes_keep_their_traceback(monkeypatch):
    from learnable.cli import main as module
    from learnable.cli import pages

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(pages, "where_am_i", broken)
    monkeypatch.setattr(sys, "argv", ["learnable"])
    with pytest.raises(ZeroDivisionError):
        module.main()


def test_ctrl_c_is_130_and_silent(learnable, monkeypatch):
    from learnable.cli import pages

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "where_am_i", interrupted)
    said = learnable()
    assert said.code == 130 and not said.err


# In processes of their own


def test_help_does_without_torch():
    code = (
        "import sys; sys.argv = ['learnable', *{words}]\n"
        "from learnable.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as leaving: assert not leaving.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    for words in (["--help"], ["train", "--help"], ["list", "topics"], ["topic", "resnet"], ["path"]):
        done = subprocess.run([sys.executable, "-c", code.replace("{words}", repr(words))], capture_output=True)
        if words != ["topic", "resnet"]:
            assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize("words", ["list topics --all", "list topics --all --json", "--help"])
def test_a_closed_pipe_is_no_failure(words, home):
    """`learnable list topics --all | head -1`: the reader goes after its first line."""
    with subprocess.Popen(
        [sys.executable, "-m", "learnable", *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as done:
        assert done.stdout is not None and done.stderr is not None
        done.stdout.close()
        said = done.stderr.read().decode()
        assert done.wait() == 0, said
    assert "Traceback" not in said and "BrokenPipe" not in said


def test_a_terminal_that_knows_ascii_alone_shows_what_it_can(process):
    for words in ("list topics", "topic lenet", "--help", "path"):
        said = process(*words.split(), PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
        assert said.code == 0 and "Traceback" not in said.err, words
        said.out.encode("ascii")


@pytest.mark.skipif(not shutil.which("script"), reason="needs script(1), which makes a terminal")
@pytest.mark.parametrize("no_color", ["", "1"])
def test_color_is_for_terminals_that_want_it(no_color):
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    if no_color:
        environment["NO_COLOR"] = no_color
    done = subprocess.run(
        ["script", "-qec", f"{sys.executable} -m learnable topic resnet", "/dev/null"],
        env=environment, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    text = done.stdout.decode()
    assert "ResNet and skip connections" in text
    assert bool(re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38)[0-9;]*m", text)) is not bool(no_color)


def test_piped_there_is_no_color(process):
    for words in ("topic resnet", "--help", "list topics", "topic gtp"):
        said = process(*words.split())
        assert "\x1b" not in said.out + said.err
