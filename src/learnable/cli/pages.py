"""What can be listed and looked up: topics, recipes, runs, paths."""

from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from learnable import catalog
from learnable.cli.show import ACCENT, console, duration, emit, note, number, say, sparkline, table
from learnable.errors import LearnableError, unknown


def where_am_i() -> None:
    """`learnable` alone: what there is, what was done last, and what to do next."""
    from learnable.home import home
    from learnable.runs.health import kept, promise
    from learnable.runs.run import Run, runs

    standing = [topic for topic in catalog.topics() if topic.stands]
    out = console()
    out.print(f"[bold {ACCENT}]Learnable[/], a deep-learning course that runs. {len(standing)} topics stand, "
              f"{len(catalog.topics()) - len(standing)} are planned. Yours: {_plain(home())}")  # fmt: skip
    _read_next(out)
    done = set()
    latest = None
    for folder in runs():
        try:
            run = Run(folder)
            topic = catalog.recipe_row(run.recipe_name)[0]
        except LearnableError:  # damaged, or of a recipe that is no more
            continue
        latest = run
        if run.record["status"] == "finished" and not run.record["overrides"].get("smoke"):
            expected = promise(run)
            if expected is None or kept(run, expected):
                done.add(topic.stem)
    if latest is None:
        out.print("\nYou have trained nothing yet. Half a minute, and it reads digits:\n\n  learnable train lenet")
        out.print("\nMore:  learnable list topics    learnable topic lenet    learnable --help", markup=False)
        return
    result = "  ".join(f"{key} {number(value)}" for key, value in latest.record.get("metrics", {}).items())
    out.print(f"Last:  {latest.name}, {latest.status}  {result}", markup=False)
    if latest.status in ("interrupted", "stopped"):
        out.print(f"Next:  learnable train --resume {latest.name}", markup=False)
        return
    ahead = [topic for topic in standing if topic.stem not in done and topic.recipes]
    out.print(f"Done:  {', '.join(sorted(done)) or 'nothing yet'}", markup=False)
    if ahead:
        out.print(
            f"Next:  learnable topic {ahead[0].stem}, then learnable train {next(iter(ahead[0].recipes))}", markup=False
        )
    else:
        out.print("Next:  every topic that stands is done; learnable path shows what will come", markup=False)


def _read_next(out: Any) -> None:
    """The course itself: how it is opened, and the first thing to do today."""
    from learnable.course.progress import Progress
    from learnable.course.today import plan
    from learnable.home import home

    progress = Progress(home())
    if notice := progress.notice():
        note(notice)
    out.print("The course:  learnable open", markup=False)
    for item in plan(progress, 30)[:1]:
        out.print(
            f"Today:       {item['title']}, {item['minutes']} min: {item['why']}  ({item['command']})", markup=False
        )


def _plain(text: object) -> str:
    """Text in which Rich finds no markup: a folder may be called [bold]."""
    from rich.markup import escape

    return escape(str(text))


def list_what(what: str, everything: bool, json: bool, pattern: str | None = None) -> None:
    """The tables of `learnable list`."""
    tables = {"topics": _topics, "models": _models, "weights": _weights, "recipes": _recipes, "datasets": _datasets}
    rows: list[dict[str, Any]] = tables[what](everything)
    if pattern is not None:
        from learnable import models

        column = {"models": "variant", "weights": "stem"}[what]
        named = [row[column] for row in rows if row[column]]
        others = {theirs: ours for theirs, ours in models.aliases().items() if what == "models"}
        meant = {ours for theirs, ours in others.items() if fnmatchcase(theirs.lower(), pattern.lower())}
        rows = [row for row in rows if _fits(row, pattern)] or [row for row in rows if row.get("variant") in meant]
        if not rows:
            raise unknown(what.removesuffix("s") if what == "models" else what, pattern, [*named, *others])
    if json:
        emit(rows)
        return
    columns = {
        "topics": ("stem", "title", "part", "weight", "minutes", "stands"),
        "models": ("variant", "parameters", "name", "stem", "weights"),
        "weights": ("stem", "variant", "licence", "top1", "side"),
        "recipes": ("stem", "promise", "minutes", "data"),
        "datasets": ("stem", "title", "bytes", "licence"),
    }[what]
    table(
        columns,
        [[_cell(row[column]) for column in columns] for row in rows],
        numbers=("minutes", "bytes", "parameters", "top1", "side"),
    )
    planned = sum(not topic.stands for topic in catalog.topics())
    if what == "topics" and not everything and planned:
        note(f"{planned} more are planned: learnable list topics --all")


def _cell(value: Any) -> Any:
    return (
        {True: "yes", False: "planned"}.get(value, value)
        if isinstance(value, bool)
        else f"{value:,}"
        if isinstance(value, int)
        else value
    )


def _topics(everything: bool) -> list[dict[str, Any]]:
    return [
        {
            "stem": topic.stem, "title": topic.title, "part": topic.part, "weight": "★" * topic.weight, "level": topic.level,
            "minutes": topic.minutes.total, "prerequisites": list(topic.prerequisites), "paper": topic.paper, "year": topic.year,
            "stands": topic.stands, "code": list(topic.code), "recipes": list(topic.recipes),
        }
        for topic in catalog.topics()
        if everything or topic.stands
    ]  # fmt: skip


def _fits(row: dict[str, Any], pattern: str) -> bool:
    """By the name of a variant, of a class, or of weights."""
    names = (row.get("variant"), row.get("name"), row["stem"] if "licence" in row else None)
    return any(name is not None and fnmatchcase(name.lower(), pattern.lower()) for name in names)


def _models(_: bool) -> list[dict[str, Any]]:
    """A row for every published variant of every model; a model that was published in no size of its own has one."""
    from learnable import models

    def row(model: catalog.Model, variant: models.Variant | None) -> dict[str, Any]:
        return {
            "stem": model.stem, "name": model.name, "target": model.target, "variant": variant and variant.name,
            "parameters": variant and variant.parameters, "weights": len(models.published(variant.name)) if variant else 0,
        }  # fmt: skip

    mine = {
        model: [each for each in models.variants().values() if f"{each.module}:{each.family}" == model.target]
        for model in catalog.models()
    }
    return [row(model, variant) for model, found in mine.items() for variant in found or (None,)]


def _weights(_: bool) -> list[dict[str, Any]]:
    from learnable import models

    return [
        {
            "stem": row.name, "variant": row.variant, "licence": row.licence, "top1": row.top1, "address": row.address or None,
            "side": row.preprocessing and row.preprocessing.size,
            "preprocessing": row.preprocessing and asdict(row.preprocessing),
        }
        for name in models.variants()
        for row in models.published(name)
    ]  # fmt: skip


def _recipes(_: bool) -> list[dict[str, Any]]:
    rows = []
    for topic in catalog.topics():
        for name, target in topic.recipes.items():
            recipe = catalog.load(target)
            rows.append({
                "stem": name, "topic": topic.stem, "promise": str(recipe.expected), "minutes": recipe.expected.minutes,
                "data": ", ".join(recipe.sources) or "embedded", "settings": recipe.settings,
                "promises": {data: str(expected) for data, expected in recipe.promises.items()},
            })  # fmt: skip
    return rows


def _datasets(_: bool) -> list[dict[str, Any]]:
    from learnable.data import registry

    return [
        {
            "stem": name, "title": dataset.title, "licence": dataset.licence, "home": dataset.home,
            "bytes": sum(file.bytes for file in dataset.files), "embedded": not dataset.files,
        }
        for name, dataset in registry.DATASETS.items()
    ]  # fmt: skip


def model(name: str, json: bool) -> None:
    """All that is known of a family of models; of one variant, its own rows alone."""
    from learnable import models
    from learnable.runs import model_pages

    told = model_pages.page(name)
    if name != told["stem"] and (name in models.variants() or name in models.aliases()):
        variant, weights = models.find(name), {row.name for row in models.published(name)}
        ours = variant == models.variants()[variant.name]  # else it is another size of it, or pads otherwise
        told["variants"] = [model_pages.described(variant if ours else variant._replace(name=name))]
        told["weights"] = [row for row in told["weights"] if row["name"] in weights]
    if json:
        emit(told)
        return
    out = console()
    out.print(told["title"], style=f"bold {ACCENT}", markup=False)
    out.print(f"{told['papers']}\n{told['module']}" + (f"    learnable topic {told['topic']}" if told["topic"] else ""),
              markup=False)  # fmt: skip
    out.print("\nvariants", style="bold")
    table(("variant", "class", "parameters"), [(v["name"], v["class"], f"{v['parameters']:,}") for v in told["variants"]],
          numbers=("parameters",))  # fmt: skip
    out.print("\npublished weights", style="bold")
    rows = [(w["name"], w["licence"], w["top1"], model_pages.prepared(w["preprocessing"])) for w in told["weights"]]
    if rows:
        table(("weights", "licence", "top-1, %", "pictures"), rows, numbers=("top-1, %",))
    else:
        out.print("  none are known here")
    out.print("\nparity", style="bold")
    for line in model_pages.parity_lines(told["parity"]):
        out.print(f"  {line}", markup=False)
    out.print("\nspeed and memory", style="bold")
    out.print(f"  {model_pages.speed_line(told['speed'])}", markup=False)
    if told["speed"]:
        table(model_pages.SPEED_COLUMNS, model_pages.speed_rows(told["speed"]), numbers=model_pages.SPEED_COLUMNS[2:])
    out.print("\nknown departures", style="bold")
    out.print(f"  {told['departures'] or 'none are known'}", markup=False)
    out.print(
        f"\nlearnable.models.create({told['variants'][0]['name']!r})    learnable copy {told['stem']} DIR",
        markup=False,
    )


def copy(name: str, folder: Path, force: bool, json: bool) -> None:
    """A model as plain torch files."""
    from learnable.runs import copying

    copied = copying.copy(name, folder, force)
    if json:
        emit({"path": str(copied.folder), "package": copied.package, "files": list(copied.files), "tests": list(copied.tests),
              "needs": list(copied.needs)})  # fmt: skip
        return
    say(f"{copied.folder}: {len(copied.files)} files, the package {copied.package}; it needs {', '.join(copied.needs)}")
    if not copied.tests:
        note("no parity test came along: there is none for this model")


def topic(stem: str, json: bool) -> None:
    """Everything about a topic."""
    from learnable.runs.verification import result

    row = catalog.find(stem)
    after = [other.stem for other in catalog.topics() if stem in other.prerequisites]
    results = {name: result(name) for name in row.recipes}
    read = catalog.resources(stem)
    if json:
        emit({**next(each for each in _topics(True) if each["stem"] == stem), "recipes": dict(row.recipes), "results": results,
              "after": after, "resources": [resource._asdict() for resource in read]})  # fmt: skip
        return
    out = console()
    out.print(
        f"[bold {ACCENT}]{row.title}[/]  {'★' * row.weight}  {row.level}, {row.minutes.total} min, part: {row.part}"
    )
    out.print(f"{row.paper} ({row.year})" if str(row.year) not in row.paper else row.paper, markup=False)
    out.print(
        f"before:  {', '.join(row.prerequisites) or 'nothing'}    after:  {', '.join(after) or 'nothing yet'}",
        markup=False,
    )
    if not row.stands:
        out.print("planned: there is no code and no recipe yet", style="yellow")
        return
    out.print("\ncode", style="bold")
    for target in row.code:
        out.print(f"  {target}", markup=False)
    out.print("\nrecipes", style="bold")
    for name, target in row.recipes.items():
        recipe = catalog.load(target)
        out.print(f"  learnable train {name}", markup=False)
        out.print(
            f"      promises {recipe.expected}, about {recipe.expected.minutes:g} min on {recipe.expected.machine}",
            markup=False,
        )
        for data, measured in results[name].items():
            spread = f" ± {number(measured['spread'])}" if len(measured["values"]) > 1 else ""
            out.print(f"      measured {measured['metric']} {number(measured['mean'])}{spread} on {data}, {len(measured['values'])} seeds, "
                      f"{duration(sum(measured['seconds']) / len(measured['seconds']))}, {measured['date']}", markup=False)  # fmt: skip
    if read:
        out.print("\nto read", style="bold")
        for resource in read:
            out.print(f"  {resource.kind}: {resource.title}, {resource.author}\n      {resource.address}", markup=False)


def path(name: str | None, json: bool) -> None:
    """The ways through the course, or one of them."""
    paths = catalog.paths()
    if name is None:
        if json:
            emit(
                [
                    {"stem": each.name, "title": each.title, "whom": each.whom, "hours": each.hours}
                    for each in paths.values()
                ]
            )
        else:
            table(
                ("path", "title", "hours", "for whom"),
                [(p.name, p.title, f"{p.hours:g}", p.whom) for p in paths.values()],
                numbers=("hours",),
            )
        return
    if name not in paths:
        raise unknown("path", name, paths)
    way = paths[name]
    if json:
        emit({"stem": way.name, "title": way.title, "whom": way.whom, "hours": way.hours, "assumes": list(way.assumes),
              "legs": [leg._asdict() for leg in way.legs]})  # fmt: skip
        return
    out = console()
    out.print(f"[bold {ACCENT}]{way.title}[/]  {way.hours:g} h" + (f", {way.days} days" if way.days else ""))
    out.print(way.whom, markup=False)
    if way.assumes:
        out.print(f"assumes:  {', '.join(way.assumes)}", markup=False)
    for leg in way.legs:
        out.print(f"\n{leg.title}  {leg.hours:g} h", style="bold")
        for stem in leg.topics:
            row = catalog.find(stem)
            out.print(f"  {stem:24} {row.title}" + ("" if row.stands else "  (planned)"), markup=False)


def recipe_flags(name: str) -> None:
    """The recipe's own flags, below the help of `train`."""
    try:
        _, target = catalog.recipe_row(name)
    except LearnableError:
        return
    from learnable.runs.configure import MEANINGS, flag

    recipe = catalog.load(target)
    out = console()
    out.print(
        f"[bold {ACCENT}]Recipe {name}[/]: promises {recipe.expected} in about {recipe.expected.minutes:g} min on {recipe.expected.machine}"
    )
    rows = [(flag(key), *_shown(value), MEANINGS[key]) for key, value in recipe.settings.items()]
    if rows:
        table(("its own flag", "takes", "default", "what it is"), rows)
    for source, meaning in recipe.sources.items():
        out.print(f"  --data {source:16} {meaning}", markup=False)


def _shown(value: Any) -> tuple[str, str]:
    """What a flag takes, and its default, as one types them."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}
    return kinds[type(value)], str(value).lower() if isinstance(value, bool) else str(value) or '""'


def list_runs(json: bool) -> None:
    """All runs, the latest last."""
    from learnable.runs.run import Run, runs

    rows = []
    for folder in runs():
        try:
            run = Run(folder)
            rows.append({
                "stem": run.name, "run": str(folder), "status": run.status, "data": run.info.data, "seed": run.seed,
                "metrics": run.record.get("metrics", {}), "seconds": run.record.get("seconds"), "overrides": run.record["overrides"],
            })  # fmt: skip
        except LearnableError as error:
            note(str(error))
    if json:
        emit(rows)
    elif not rows:
        say("There are no runs yet; make one: learnable train lenet")
    else:
        shown = [
            (row["stem"], row["status"], row["data"], row["seed"], _settings(row["overrides"]), _result(row["metrics"]),
             duration(row["seconds"]))
            for row in rows
        ]  # fmt: skip
        table(("run", "status", "data", "seed", "settings", "result", "time"), shown, numbers=("seed", "time"))


def _result(metrics: dict[str, float | None]) -> str:
    """The first metric, which is the one that people ask for."""
    return "  ".join(f"{key} {number(value)}" for key, value in list(metrics.items())[:1])


def _settings(overrides: dict[str, Any]) -> str:
    """What was asked for beside data and seed."""
    return " ".join(
        f"--{key.replace('_', '-')} {value}" for key, value in overrides.items() if key not in ("data", "seed")
    )


def show_run(name: str, json: bool) -> None:
    """One run: how it was made, its curves, its result."""
    from learnable.runs.run import Run

    run = Run.open(name, note)
    rows = run.rows()
    if json:
        emit({**run.record, "status": run.status, "run": str(run.folder), "rows": rows})
        return
    record = run.record
    out = console()
    out.print(f"[bold {ACCENT}]{_plain(run.name)}[/]  {run.status}  {duration(record.get('seconds'))}")
    flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in record["overrides"].items())
    out.print(f"learnable train {run.recipe_name} {flags}", markup=False)
    out.print(
        f"{run.info.data}, seed {run.seed}, {record['machine']['cpu']}, torch {record['versions']['torch']}",
        markup=False,
    )
    curves = _curves(rows)
    if curves:
        out.print()
        wide = max(map(len, curves))
        for label, values in curves.items():
            known = [value for value in values if value is not None]
            ends = f"{number(known[0])} → {number(known[-1])}" if known else "no numbers"
            out.print(f"  {label:{wide}}  {sparkline(values, 36):36}  {ends}", markup=False)
    if "metrics" in record:
        out.print(
            "\nresult on the test part:  "
            + "  ".join(f"{key} {number(value)}" for key, value in record["metrics"].items()),
            markup=False,
        )
    elif run.status != "running":
        out.print(f"\ngo on with: learnable train --resume {run.name}", markup=False)


def _curves(rows: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    curves: dict[str, list[float | None]] = {}
    for row in rows:
        for key, value in row.items():
            if key in ("step", "seconds", "train"):
                continue
            if isinstance(value, dict):
                for inner, each in value.items():
                    curves.setdefault(f"{key} {inner}", []).append(each)
            else:
                curves.setdefault(key, []).append(value)
    return curves


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def compare_runs(first: str, second: str, json: bool) -> None:
    """Two runs, and all that differ from them by the seed alone, compared seed by seed."""
    from learnable.runs.comparison import compare
    from learnable.runs.run import Run

    sides = compare(Run.open(first, note), Run.open(second, note))
    a, b = sides.values
    if json:
        c = sides.comparison
        emit({"metric": sides.metric, "names": list(sides.names), "values": [a, b], "mean": c.mean,
              "interval": c.interval, "p_value": c.p_value, "verdict": c.verdict})  # fmt: skip
        return
    rows = [
        (seed, number(a.get(seed)), number(b.get(seed)), number(_difference(a.get(seed), b.get(seed))))
        for seed in sorted({*a, *b})
    ]
    say(f"{sides.metric} on the test part")
    table(("seed", *sides.names, "difference"), rows, numbers=("seed", *sides.names, "difference"))
    say(sides.comparison.verdict)
