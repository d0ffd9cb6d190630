"""The command line: one thin function a command, which calls what a notebook or a page could call.

torch, rich's tables and everything heavy are imported inside the command that needs them, so that help is there at once.
With --json a command prints JSON alone on standard output; notices and errors go to standard error.
"""

import contextlib
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from learnable import __version__
from learnable.cli.command import RecipeCommand
from learnable.errors import CallError, LearnableError

app = typer.Typer(
    name="learnable",
    help="A deep-learning course that runs.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone, for programs.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="RECIPE (its latest run), RECIPE/WHEN, or a run's folder.")]


class What(StrEnum):
    topics = "topics"
    models = "models"
    weights = "weights"
    recipes = "recipes"
    datasets = "datasets"
    exercises = "exercises"


class Form(StrEnum):
    onnx = "onnx"
    torch = "torch"
    safetensors = "safetensors"


# What the flags of other programs are called here.
WORDS = {"--max-new-tokens": "--count", "--max-tokens": "--count", "--max-length": "--count"}


def main() -> None:
    """Run the command line; the user's mistakes end in a message and an exit code, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character shows '?', it does not fail
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = app(prog_name="learnable", standalone_mode=False)
        sys.stdout.flush()
    except LearnableError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        with contextlib.suppress(OSError):  # the reader, `head` say, has seen enough: what is left goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except Exception as error:
        if not callable(message := getattr(error, "format_message", None)):
            raise
        asked = getattr(getattr(error, "ctx", None), "command_path", "learnable")  # Typer's own: a flag, an argument
        text = " ".join(message().split()).rstrip(".")
        if (theirs := text.rpartition(" ")[2]) in WORDS:
            text += f", here it is {WORDS[theirs]}"
        _fail(f"{text}; '{asked} --help' shows what there is", getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    from learnable.cli.show import complain

    complain(message)
    sys.exit(code)


def _ask_for_large_pages() -> None:
    """Each token of a text reads all weights: soonest from memory in pages of 2 MB, for which torch asks if this is set before
    its first tensor is made. Only Linux has them; training gains nothing by it."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"learnable {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A deep-learning course that runs; without a command it opens in the browser."""
    if context.invoked_subcommand is None:
        from learnable.cli import course, pages

        if sys.stdout.isatty() and course.may_open_a_browser():
            course.open_course(None, None, True)
        else:  # a program, or a line to another machine
            pages.where_am_i()


@app.command(name="open", epilog="Example: learnable open lenet; learnable open --no-browser --port 8765")
def open_(
    topic: Annotated[str | None, typer.Argument(help="Begin on this topic's page.")] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or only print the address.")
    ] = True,
    port: Annotated[int | None, typer.Option(help="Any free one by default; 0 too.", min=0, max=65535)] = None,
) -> None:
    """Open the course in the browser: served by this machine, to this machine alone."""
    from learnable.cli import course

    course.open_course(topic, port, browser)


@app.command(
    cls=RecipeCommand,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: learnable train lenet --data mnist --seed 1. A recipe has flags of its own: learnable train gpt --help",
)
def train(
    context: typer.Context,
    recipe: Annotated[
        str | None, typer.Argument(help="See 'learnable list recipes'. Not needed with --resume.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="A data set's name, or your own folder, text or CSV file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the first weights and the order of the data.", min=0)] = None,
    epochs: Annotated[float | None, typer.Option(help="Times through the training data.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, in place of epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step, over all processes.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At the schedule's peak.")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Micro-batches a step: less memory, the same result.")] = None,
    average: Annotated[
        float | None, typer.Option(help="Keep a running average of the weights, with this decay.")
    ] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many evaluations without a better one.")] = None,
    every: Annotated[int | None, typer.Option(help="Steps between evaluations and checkpoints.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; the best there is by default.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32 or bf16; what the machine does fast for a large model by default.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Choose nothing for this machine: fp32, contiguous, torch's threads.")
    ] = False,
    parallel: Annotated[str | None, typer.Option(help="Under torchrun: ddp, or fsdp to divide the weights.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with an interrupted run, exactly.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="A few steps only: does it run at all?")] = False,
    json: Json = False,
) -> None:
    """Train a recipe; or go on with a run that was interrupted."""
    from learnable.cli import training

    asked = {
        "data": data, "seed": seed, "epochs": epochs, "steps": steps, "batch_size": batch_size,
        "learning_rate": learning_rate, "clip": clip, "accumulate": accumulate, "average": average,
        "patience": patience, "every": every, "device": device, "precision": precision, "parallel": parallel,
        "plain": plain or None, "smoke": smoke or None,
    }  # fmt: skip
    training.train(
        recipe, {key: value for key, value in asked.items() if value is not None}, context.args, resume, json
    )


@app.command(epilog="Example: learnable runs lenet; learnable runs lenet lenet-sgd")
def runs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="None: list all. One: its curves. Two: compare.")
    ] = None,
    json: Json = False,
) -> None:
    """List runs, show one's curves, compare two."""
    from learnable.cli import pages

    if not names:
        pages.list_runs(json)
    elif len(names) == 1:
        pages.show_run(names[0], json)
    elif len(names) == 2:
        pages.compare_runs(names[0], names[1], json)
    else:
        raise CallError(f"expected no run, one or two, came {len(names)}")


@app.command(epilog="Example: learnable evaluate lenet --data mnist --json")
def evaluate(
    run: RunName,
    data: Annotated[str | None, typer.Option(help="Other data of the same kind than what it was trained on.")] = None,
    json: Json = False,
) -> None:
    """Measure a trained model on data that it has not seen."""
    from learnable.cli import using

    using.evaluate(run, data, json)


@app.command(
    epilog="Example: learnable predict lenet three.png seven.png · learnable predict lenet 3.png --explain why.png · "
    'learnable predict bert-classify --text "..."'
)
def predict(
    run: RunName,
    files: Annotated[list[Path] | None, typer.Argument(help="Pictures, or texts, as the recipe says.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text itself in place of a file; as often as you like.")
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="A PNG to draw: where in the picture it saw it (Grad-CAM).", metavar="OUT.png")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="The layer that --explain looks at; by default the last one with places.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Choose nothing for this machine: fp32, contiguous, torch's threads.")
    ] = False,
    json: Json = False,
) -> None:
    """Ask a trained model about files."""
    from learnable.cli import using

    using.predict(run, files or [], text or [], json, explain, layer, plain)


@app.command(epilog='Example: learnable generate gpt --prompt "def " --seed 1')
def generate(
    run: RunName,
    prompt: Annotated[str | None, typer.Option(help="What the text begins with.")] = None,
    count: Annotated[int, typer.Option(help="Tokens, or points, to make.", min=1, max=100_000)] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same.", min=0, max=2**63 - 1)] = 0,
    temperature: Annotated[
        float | None,
        typer.Option(help="0 takes the likeliest each time; above 1 is wilder; 1 by default.", min=0, max=100),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw from so many tokens, the likeliest.", min=1)] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Draw from the likeliest tokens that are together so probable: 0.9.", min=0, max=1),
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(help="Draw from those at least so probable, measured by the likeliest: 0.1.", min=0, max=1),
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1: what was said before is said less; 1.2.", min=0, max=100)
    ] = None,
    beams: Annotated[
        int | None, typer.Option(help="Look for the likeliest text, with so many beginnings at once.", min=1, max=64)
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights of one byte: sooner for large models, a little off.")
    ] = False,
    draft: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="A smaller model of the same data guesses ahead; the text stays this model's."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Let a trained model make something: text, points."""
    from learnable.cli import using

    _ask_for_large_pages()
    wishes = {"top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition_penalty, "beams": beams}
    using.generate(run, prompt, count, seed, temperature, wishes | {"int8": int8, "draft": draft}, json)


@app.command(epilog="Example: learnable verify lenet --seeds 3")
def verify(
    recipes: Annotated[list[str] | None, typer.Argument(help="All, if none is named.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds 0, 1, ... to measure with.", min=1, max=100)] = 1,
    data: Annotated[str | None, typer.Option(help="The promise on this data in place of the embedded one.")] = None,
    save: Annotated[bool, typer.Option("--save", help="In a checkout: write recipes/results/RECIPE.json.")] = False,
    json: Json = False,
) -> None:
    """Measure recipes again, against what they promise."""
    from learnable.cli import training

    training.verify(recipes or [], seeds, data, save, json)


@app.command(epilog="Example: learnable export lenet --to onnx --out lenet.onnx")
def export(
    run: RunName,
    to: Annotated[Form, typer.Option(help="The format.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to; RECIPE.onnx, .pt2 or .safetensors here by default; a name without ending is a folder."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    json: Json = False,
) -> None:
    """Take a trained model out, checked against the original."""
    from learnable.cli import using

    using.export(run, to.value, out, overwrite, json)


@app.command(epilog="Example: learnable serve lenet --port 8000")
def serve(
    run: RunName,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="127.0.0.1: this machine alone.")] = "127.0.0.1",
) -> None:
    """Put a trained model behind HTTP."""
    from learnable.cli import using

    _ask_for_large_pages()
    using.serve(run, host, port)


@app.command(epilog="Example: learnable doctor; learnable doctor lenet")
def doctor(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="None: examine this installation.")] = None,
    json: Json = False,
) -> None:
    """Name what is wrong with a run, or with this installation, and what to do."""
    from learnable.cli import health

    if run is None:
        health.installation(json)
    else:
        health.run(run, json)


@app.command(name="list", epilog='Example: learnable list recipes --json; learnable list models "res*"')
def list_(
    what: What,
    pattern: Annotated[
        str | None, typer.Argument(help='Models and weights: of the names that fit it, "res*" say.')
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Topics: the planned ones, too.")] = False,
    json: Json = False,
) -> None:
    """Tables of what there is."""
    if pattern is not None and what not in (What.models, What.weights):
        raise CallError(f"expected a pattern behind models or weights alone, came {pattern!r} behind {what.value}")
    if what is What.exercises:
        from learnable.cli import exercises

        exercises.list_exercises(json)
        return
    from learnable.cli import pages

    pages.list_what(what.value, all_, json, pattern)


@app.command(epilog="Example: learnable model resnet50")
def model(
    name: Annotated[str, typer.Argument(help="A variant or a family: resnet50, resnet. See 'learnable list models'.")],
    json: Json = False,
) -> None:
    """A model's page: variants, weights and licences, parity, known departures."""
    from learnable.cli import pages

    pages.model(name, json)


@app.command(epilog="Example: learnable copy resnet my-resnet")
def copy(
    name: Annotated[str, typer.Argument(help="A topic's stem, a class or a variant: resnet, ResNet, resnet50.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    force: Annotated[
        bool, typer.Option("--force", help="Into a folder that is not empty: replace files of the same name.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a model with all that it needs as plain torch files, its parity test included."""
    from learnable.cli import pages

    pages.copy(name, folder, force, json)


@app.command(epilog="Example: learnable topic gpt")
def topic(stem: Annotated[str, typer.Argument(help="See 'learnable list topics'.")], json: Json = False) -> None:
    """Everything about a topic: code, recipes, results, what comes before and after."""
    from learnable.cli import pages

    pages.topic(stem, json)


@app.command(epilog="Example: learnable path want-language-models")
def path(name: Annotated[str | None, typer.Argument(help="None: list them.")] = None, json: Json = False) -> None:
    """The ways through the course."""
    from learnable.cli import pages

    pages.path(name, json)


@app.command(epilog="Example: learnable new resnet")
def new(
    stem: Annotated[str, typer.Argument(help="Of a planned topic, or a new one: lower-case words, hyphenated.")],
    part: Annotated[str | None, typer.Option(help="For a new one: the part of the course that it belongs to.")] = None,
    title: Annotated[str | None, typer.Option(help="For a new one: its title.")] = None,
    json: Json = False,
) -> None:
    """In a checkout: scaffold a topic on every floor."""
    from learnable.cli import scaffold

    scaffold.new(stem, part, title, json)


ExerciseName = Annotated[str, typer.Argument(metavar="STEM[/NAME]", help="See 'learnable list exercises'.")]


@app.command(epilog="Example: learnable exercise self-attention")
def exercise(name: ExerciseName, json: Json = False) -> None:
    """Begin an exercise: what to write, and in which file."""
    from learnable.cli import exercises

    exercises.exercise(name, json)


@app.command(epilog="Example: learnable check self-attention --watch")
def check(
    name: ExerciseName,
    file: Annotated[Path | None, typer.Option(help="Another file than your own of this topic.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again at every save, until Ctrl-C.")] = False,
    json: Json = False,
) -> None:
    """Check an exercise: what is right, and where the first thing that is not goes wrong."""
    from learnable.cli import exercises

    raise typer.Exit(exercises.check(name, file, json, watch))


@app.command(epilog="Example: learnable hint self-attention/attend")
def hint(
    name: ExerciseName,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: Json = False,
) -> None:
    """The next hint to an exercise; each time one more."""
    from learnable.cli import exercises

    exercises.hint(name, all_, json)


@app.command(epilog="Example: learnable solution self-attention/attend")
def solution(
    name: ExerciseName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to show it.")] = False,
    json: Json = False,
) -> None:
    """Our solution of an exercise, and why it is so."""
    from learnable.cli import exercises

    exercises.solution(name, yes, json)


@app.command(epilog="Example: learnable figures lenet shift")
def figures(
    stem: Annotated[str, typer.Argument(help="A topic with a lesson.")],
    names: Annotated[list[str] | None, typer.Argument(help="All, if none is named.")] = None,
    json: Json = False,
) -> None:
    """In a checkout: measure the figures of a lesson again."""
    from learnable.cli import course

    course.figures(stem, names or [], json)


@app.command(epilog="Example: learnable notebook lenet --out lenet.ipynb")
def notebook(
    stem: Annotated[str, typer.Argument(help="A topic with a lesson.")],
    out: Annotated[Path | None, typer.Option(help="Where to; STEM.ipynb here by default.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    json: Json = False,
) -> None:
    """A lesson as a notebook for Jupyter and Colab."""
    from learnable.cli import course

    course.notebook(stem, out, overwrite, json)


@app.command(epilog="Example: learnable site public")
def site(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a course that was written there before.")
    ] = False,
    json: Json = False,
) -> None:
    """The course as static files, for any host and any sub-folder."""
    from learnable.cli import course

    course.site(out, overwrite, json)


@app.command(epilog="Example: learnable review --stem lenet")
def review(
    stem: Annotated[str | None, typer.Option(help="The cards of one lesson, new ones without a limit.")] = None,
    json: Json = False,
) -> None:
    """Flash cards that are due, asked in the terminal; piped, they are listed."""
    from learnable.cli import review as reviewing

    reviewing.review(stem, json)


@app.command(epilog="Example: learnable today --minutes 20")
def today(
    minutes: Annotated[int, typer.Option(help="How much time there is.", min=1, max=1440)] = 30,
    json: Json = False,
) -> None:
    """What to do now: cards that are due, what was begun, the next topic of your path."""
    from learnable.cli import memory

    memory.today(minutes, json)


@app.command(epilog="Example: learnable progress --export progress.json")
def progress(
    export: Annotated[Path | None, typer.Option(help="Write all of it to a file; - is standard output.")] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", help="Take in what another machine exported; the newest wins.")
    ] = None,
    json: Json = False,
) -> None:
    """What was done: pages, exercises, cards, days."""
    from learnable.cli import memory

    memory.progress(export, import_, json)


@app.command(epilog="Example: learnable search scaled dot product")
def search(
    words: Annotated[list[str], typer.Argument(help="A letter may be wrong, an end may be missing.")],
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=200)] = 12,
    json: Json = False,
) -> None:
    """Where in the course something is said."""
    from learnable.cli import memory

    memory.search(words, limit, json)
