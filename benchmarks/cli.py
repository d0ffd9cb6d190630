"""`learnable --help` against a bare Typer application with as many commands, in whole processes taking turns."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

BOUNDS = {"learnable --help / bare typer --help": 1.5}
ROUNDS = 15

BARE = """
import typer
from typing import Annotated

app = typer.Typer(rich_markup_mode="rich")

@app.callback()
def start(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    "A bare application."

{commands}
app()
"""
COMMAND = """
@app.command(epilog="Example: bare {name} x")
def {name}(what: Annotated[str, typer.Argument(help="What.")], seed: Annotated[int, typer.Option(help="A seed.", min=0)] = 0,
           json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    "Do {name}."
"""


def seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def measure() -> dict[str, float]:
    from learnable.cli.main import app

    names = [f"command{number}" for number in range(len(app.registered_commands))]
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE.format(commands="".join(COMMAND.format(name=name) for name in names)))
        ours, theirs = [sys.executable, "-m", "learnable", "--help"], [sys.executable, str(bare), "--help"]
        seconds(ours), seconds(theirs)
        times = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    mine, reference = (median(column) for column in zip(*times, strict=True))
    return {
        "learnable --help / bare typer --help": mine / reference,
        "learnable --help, milliseconds": 1000 * mine,
        "bare typer --help, milliseconds": 1000 * reference,
    }


def main() -> None:
    for name, value in measure().items():
        print(f"{name}: {value:.2f}" + (f" (bound {BOUNDS[name]:.2f})" if name in BOUNDS else ""))


if __name__ == "__main__":
    main()
