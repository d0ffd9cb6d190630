r"""A lesson's page: Markdown with directives in, HTML out. The one renderer of the server, the static site and the tests.

    ::: source learnable.nn.attention:attend        the live source of one or more definitions
    ::: lab draw          ::: run lenet             ::: result lenet lenet-sgd        ::: figure shrinking
    ::: exercise          ::: cards                 ::: resources

    ::: minute            ::: predict               ::: answer           ::: mistake Title        ::: symbols
    ...                   a question, and inside    folded away          how it looks             $Q$ | words | code | shape
    :::                   it the answer             :::                  :::                      :::

    ^[a side note]        [[lenet:accuracy]] a measured number           \sym{query}{Q} in a formula: the code's `query`

A mistake in a lesson (an unknown name, a number that nobody measured) is an error here, never a gap on the page.
"""

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, Comment, Name, _TokenType
from pygments.util import ClassNotFound

from learnable import catalog
from learnable.course import quoting
from learnable.course import source as sources
from learnable.course.lesson import folder
from learnable.errors import CallError

LEAVES = ("source", "lab", "run", "result", "figure", "exercise", "cards", "resources")
LONG = 60  # lines of source that are shown before the rest is folded


@dataclass(frozen=True)
class Section:
    """A heading of the page, and its words without marks, for search."""

    id: str
    title: str
    text: str


@dataclass
class Page:
    """A lesson, rendered."""

    stem: str
    title: str
    html: str
    one_minute: str  # HTML of the opening
    sections: list[Section] = field(default_factory=list)
    panels: list[str] = field(default_factory=list)  # "lab:draw", "exercise", ...
    reads: list[Path] = field(default_factory=list)  # the files that it was made of
    words: int = 0


def has_lesson(stem: str) -> bool:
    """Whether the topic has a page to read."""
    return (folder(stem) / "lesson.md").exists()


def lessons() -> tuple[str, ...]:
    """The stems of all lessons that are written, in the order of the course."""
    return tuple(topic.stem for topic in catalog.topics() if has_lesson(topic.stem))


def page(stem: str) -> Page:
    """The page of a topic, rendered again only if one of the files that it was made of has changed.

    Raises:
        CallError: no such topic, no lesson yet, or a mistake in the lesson; the message names it.
    """
    kept = _pages.get(stem)
    if kept is not None and _state(kept[0].reads) == kept[1]:
        return kept[0]
    rendered = render(stem, folder(stem))
    _pages[stem] = (rendered, _state(rendered.reads))
    return rendered


_pages: dict[str, tuple[Page, tuple[int, ...]]] = {}


def _state(paths: Sequence[Path]) -> tuple[int, ...]:
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def render(stem: str, lesson: Path) -> Page:
    """Render the lesson in a folder.

    Raises:
        CallError: there is none, or it has a mistake.
    """
    file = lesson / "lesson.md"
    if not file.exists():
        raise CallError(f"the lesson on {stem} is not written yet; 'learnable topic {stem}' says what there is")
    text = file.read_text(encoding="utf-8")
    made = _Maker(stem, lesson, text)
    try:
        return made.page()
    except CallError as error:
        raise CallError(f"lesson {stem}: {error}") from error


class _Maker:
    """One rendering: what the directives need to know, and what they leave behind."""

    def __init__(self, stem: str, lesson: Path, text: str):
        self.stem = stem
        self.lesson = lesson
        self.text = text
        self.symbols = dict(symbol_rows(text))  # code identifier -> words
        self.panels: list[str] = []
        self.reads = [lesson / "lesson.md"]
        self.minute = ""
        self.notes = 0

    def page(self) -> Page:
        markdown = self.markdown()
        text = quoted(self.text, self.lesson)
        self.reads += sorted((self.lesson / "figures").glob("*.json"))
        self.reads += sorted(quoting.results_folder().glob("*.json"))
        environment: dict[str, Any] = {}
        tokens = markdown.parse(text, environment)
        title, tokens = self.take_title(tokens)
        sections = self.number_headings(tokens)
        html = markdown.renderer.render(tokens, markdown.options, environment)
        found = re.search(r'<div class="minute">.*?</div><!-- minute -->', html, re.S)
        plain = " ".join(section.text for section in sections)
        return Page(
            stem=self.stem, title=title, html=html, one_minute=found.group(0) if found else "", sections=sections,
            panels=self.panels, reads=self.reads, words=len(plain.split()),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------ Markdown

    def markdown(self) -> MarkdownIt:
        """The parser with the house's directives."""
        md = MarkdownIt("commonmark", {"html": False, "typographer": False}).enable(["table", "strikethrough"])
        md.use(dollarmath_plugin, allow_space=False, double_inline=True)
        md.use(footnote_plugin, inline=True, move_to_end=False)
        md.block.ruler.before("fence", "leaf", leaf, {"alt": ["paragraph", "reference", "blockquote", "list"]})
        md.block.ruler.before(
            "fence", "container", container, {"alt": ["paragraph", "reference", "blockquote", "list"]}
        )
        md.block.ruler.before("fence", "symbols", symbol_table, {"alt": ["paragraph"]})
        rules: dict[str, Callable[..., str]] = {
            "leaf": self.leaf, "container": self.container, "symbols": self.symbols_table, "fence": self.fence,
            "code_inline": self.code_inline,
            "footnote_ref": self.side_note, "footnote_block_open": nothing, "footnote_block_close": nothing,
            "footnote_open": nothing, "footnote_close": nothing, "footnote_anchor": nothing,
            "math_inline": math_inline, "math_block": math_block, "math_inline_double": math_block,
            "table_open": lambda *_: '<div class="scrolls"><table class="table">\n',
            "table_close": lambda *_: "</table></div>\n",
        }  # fmt: skip
        for name, rule in rules.items():
            md.renderer.rules[name] = rule  # type: ignore[attr-defined]
        return md

    def take_title(self, tokens: list[Token]) -> tuple[str, list[Token]]:
        """The first heading is the page's title; the template prints it."""
        if not tokens or tokens[0].type != "heading_open" or tokens[0].tag != "h1":
            raise CallError("expected '# Title' in the first line")
        return tokens[1].content, tokens[3:]

    def number_headings(self, tokens: list[Token]) -> list[Section]:
        """Give each heading an address, and gather the words below it."""
        sections: list[Section] = []
        words: list[str] = []
        head: tuple[str, str] = ("", "")
        taken: set[str] = set()

        def end() -> None:
            sections.append(Section(head[0], head[1], " ".join(" ".join(words).split())))
            words.clear()

        for at, token in enumerate(tokens):
            if token.type == "heading_open" and token.tag in ("h2", "h3"):
                end()
                title = bare(tokens[at + 1].content)
                address = slug(title)
                while address in taken:
                    address += "-again"
                taken.add(address)
                token.attrSet("id", address)
                head = (address, title)
            elif token.type == "inline" and tokens[at - 1].type != "heading_open":
                words.append(bare(token.content))
        end()
        return [section for section in sections if section.title or section.text]

    def side_note(self, tokens: list[Token], at: int, options: Any, environment: Any) -> str:
        """A note stands in the margin, beside the line that calls it."""
        number = tokens[at].meta["id"]
        note = environment["footnotes"]["list"][number]
        if "content" not in note:
            raise CallError("side notes are written in place: ^[like this]")
        inside = self.markdown().renderInline(note["content"])
        self.notes += 1
        name = f"note-{number + 1}"
        return (
            f'<label class="sidenote-number" for="{name}" aria-label="Side note {number + 1}">{number + 1}</label>'
            f'<input type="checkbox" class="sidenote-toggle" id="{name}" aria-label="Show side note {number + 1}">'
            f'<span class="sidenote" role="note"><span class="sidenote-mark">{number + 1}</span> {inside}</span>'
        )

    def fence(self, tokens: list[Token], at: int, options: Any, environment: Any) -> str:
        language = tokens[at].info.split()[0] if tokens[at].info else ""
        text = tokens[at].content
        if language == "output":
            return f'<pre class="output" tabindex="0" aria-label="Output">{escape(text)}</pre>\n'
        return f'<div class="snippet"><pre class="code" tabindex="0"><code>{self.colored(text, language)}</code></pre></div>\n'

    def code_inline(self, tokens: list[Token], at: int, options: Any, environment: Any) -> str:
        text = tokens[at].content
        tie = f' data-symbol="{escape(text)}"' if text in self.symbols else ""
        return f"<code{tie}>{escape(text)}</code>"

    def colored(self, text: str, language: str) -> str:
        return colored(text, language, frozenset(self.symbols))

    # ------------------------------------------------------------------------------------------ containers

    def container(self, tokens: list[Token], at: int, *_: Any) -> str:
        """The beginning or the end of a container."""
        name, title = tokens[at].meta["name"], tokens[at].meta["title"]
        begins = tokens[at].nesting == 1
        if name == "minute":
            return '<div class="minute"><p class="label">In one minute</p>\n' if begins else "</div><!-- minute -->\n"
        if name == "predict":
            return '<div class="predict"><p class="label">Predict, then try</p>\n' if begins else "</div>\n"
        if name == "answer":
            return '<details class="answer"><summary>Answer</summary>\n' if begins else "</details>\n"
        if not title:
            raise CallError("expected '::: mistake TITLE'")
        if begins:
            return f'<div class="mistake"><p class="label">{self.markdown().renderInline(title)}</p>\n'
        return "</div>\n"

    # ------------------------------------------------------------------------------------------ directives

    def leaf(self, tokens: list[Token], at: int, *_: Any) -> str:
        name, words = tokens[at].meta["name"], tokens[at].meta["words"]
        self.panels.append(":".join([name, *words[:1]]))
        return str(getattr(self, f"put_{name}")(words))

    def put_source(self, words: list[str]) -> str:
        if not words:
            raise CallError("expected '::: source module:name'")
        module = ""
        parts = []
        for word in words:
            module, name = word.split(":") if ":" in word else (module, word)
            found = sources.find(f"{module}:{name}")
            self.reads.append(found.file)
            parts.append(self.one_source(found))
        return "".join(parts)

    def one_source(self, found: sources.Source) -> str:
        colored = self.colored(found.text, "python").split("\n")
        lines = len(colored)
        tall = f' data-lines="{lines}"' + (' data-long=""' if lines > LONG else "")
        body = "\n".join(colored)
        name = found.target.partition(":")[2]
        return (
            f'<div class="source" data-path="{escape(found.path)}" data-line="{found.line}" data-name="{escape(name)}"{tall}>'
            f'<p class="where"><span class="name">{escape(name)}</span> '
            f'<span class="path">{escape(found.path)}:{found.line}</span></p>'
            f'<pre class="code" tabindex="0" aria-label="Source of {escape(name)}"><code>{body}</code></pre></div>\n'
        )

    def put_lab(self, words: list[str]) -> str:
        from learnable.course.labs import labs

        if len(words) != 1:
            raise CallError("expected '::: lab NAME'")
        file = self.lesson / "lab.py"
        self.reads.append(file)
        found = labs(self.stem, self.lesson)
        if words[0] not in found:
            raise CallError(f"lab.py has the labs {', '.join(found)}; came {words[0]!r}")
        lab = found[words[0]]
        return panel("lab", lab.to_json(), lab.title, stem=self.stem, name=words[0],
                     without="The lab needs JavaScript, and the course's own server or its recorded pictures.")  # fmt: skip

    def put_run(self, words: list[str]) -> str:
        if not words:
            raise CallError("expected '::: run RECIPE'")
        recipe, flags = words[0], " ".join(words[1:])
        catalog.recipe_row(recipe)
        data = words[words.index("--data") + 1] if "--data" in words else ""
        try:
            result: dict[str, Any] | None = quoting.result(recipe, data)
        except CallError:
            result = None
        command = " ".join(["learnable train", *words])
        about: dict[str, Any] = {
            "title": f"Train {recipe}",
            "command": command,
            "recipe": recipe,
            "flags": flags,
            "result": result,
        }
        return panel("run", about, about["title"], recipe=recipe, flags=flags, without=f"In a terminal: {command}")

    def put_result(self, words: list[str]) -> str:
        """What was measured, a row for each recipe; "recipe:data" names other data than its own."""
        if not words:
            raise CallError("expected '::: result RECIPE'")
        rows = []
        for word in words:
            recipe, _, data = word.partition(":")
            row = quoting.result(recipe, data)
            values = [seed[row["metric"]] for seed in row["metrics"].values()]
            command = f"learnable verify {recipe}{' --data ' + data if data else ''} --seeds {len(values)}"
            rows.append((
                f"<code>{escape(recipe)}</code>", escape(str(row["data"])), escape(row["metric"].replace("_", " ")),
                escape(quoting.spread(row["metric"], values)), str(len(values)),
                escape(quoting.duration(sum(row["seconds"]) / len(row["seconds"]))), f"<code>{escape(command)}</code>",
            ))  # fmt: skip
        machine = row["machine"]
        head = ("recipe", "data", "metric", "measured", "seeds", "time", "command")
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows)
        return (
            '<div class="scrolls"><table class="table result"><thead><tr>'
            + "".join(f'<th scope="col">{name}</th>' for name in head)
            + f"</tr></thead><tbody>{body}</tbody></table></div>\n"
            f'<p class="origin">Mean ± standard deviation over seeds. {escape(machine["cpu"])}, {machine["threads"]} threads, '
            f"torch {escape(row['versions']['torch'])}, {row['date']}.</p>\n"
        )

    def put_figure(self, words: list[str]) -> str:
        if len(words) != 1:
            raise CallError("expected '::: figure NAME'")
        file = self.lesson / "figures" / f"{words[0]}.json"
        if not file.exists():
            raise CallError(f"figures/{words[0]}.json is missing; write it: learnable figures {self.stem}")
        content = json.loads(file.read_text(encoding="utf-8"))
        caption = self.markdown().renderInline(quoted(content["caption"], self.lesson))
        summary = " ".join(view.get("summary", "") for view in content["views"])
        about = {"views": content["views"], "summary": summary}
        return (
            f'<figure class="panel figure" data-panel="figure" data-name="{escape(words[0])}" id="figure-{escape(words[0])}">'
            f'{script(about)}<div class="drawn"><noscript><p>{escape(summary)}</p></noscript></div>'
            f"<figcaption>{caption}</figcaption></figure>\n"
        )

    def put_exercise(self, words: list[str]) -> str:
        from learnable.course import exercises

        self.reads.append(self.lesson / "exercise.py")
        found = exercises.find(self.stem, self.lesson)
        parts = [
            {"name": part.name, "title": part.title, "task_html": self.task(part.task), "hints_count": len(part.hints)}
            for part in found.parts
        ]
        return panel("exercise", {"parts": parts, "stub": found.stub_text()}, "Do it", stem=self.stem,
                     without=f"In a terminal: learnable exercise {self.stem}")  # fmt: skip

    def task(self, text: str) -> str:
        import textwrap

        return str(self.markdown().render(textwrap.dedent(text)))

    def put_cards(self, words: list[str]) -> str:
        file = self.lesson / "cards.toml"
        self.reads.append(file)
        count = len(tomllib.loads(file.read_text(encoding="utf-8"))["card"])
        return panel("cards", {"count": count}, "Remember", stem=self.stem,
                     without=f"In a terminal: learnable review --stem {self.stem}")  # fmt: skip

    def put_resources(self, words: list[str]) -> str:
        rows = []
        for row in catalog.resources(self.stem):
            year = f", {row.year}" if row.year else ""
            free = "" if row.free else " Not free."
            rows.append(
                f'<li><span class="kind">{escape(row.kind)}</span> <a href="{escape(row.address)}" rel="noreferrer">'
                f'{escape(row.title)}</a> <span class="by">{escape(row.author)}{year}</span> '
                f'<span class="why">{escape(row.why)}{free}</span></li>'
            )
        return f'<ul class="resources">{"".join(rows)}</ul>\n'

    def symbols_table(self, tokens: list[Token], at: int, *_: Any) -> str:
        rows = []
        for symbol, words, code, shape in tokens[at].meta["rows"]:
            inline = self.markdown().renderInline
            tie = f' data-symbol="{escape(code)}"' if code else ""
            rows.append(
                f"<tr{tie}><td>{inline(symbol)}</td><td>{inline(words)}</td>"
                f"<td>{f'<code{tie}>{escape(code)}</code>' if code else ''}</td><td>{inline(shape)}</td></tr>"
            )
        head = "".join(f'<th scope="col">{name}</th>' for name in ("symbol", "what it is", "in the code", "shape"))
        return (
            f'<div class="scrolls"><table class="table symbols"><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>\n"
        )


# ---------------------------------------------------------------------------------------------- pieces


def panel(kind: str, about: dict[str, Any], title: str, without: str, **data: str) -> str:
    """A place that the front end fills; without it, a sentence says what to do instead."""
    attributes = "".join(f' data-{key}="{escape(value)}"' for key, value in data.items())
    name = slug(f"{kind} {data.get('name', data.get('recipe', ''))}".strip())
    return (
        f'<section class="panel" data-panel="{kind}"{attributes} id="{name}" aria-label="{escape(title)}">'
        f"<h3>{escape(title)}</h3>{script(about)}"
        f"<noscript><p>{escape(without)}</p></noscript></section>\n"
    )


def script(about: dict[str, Any]) -> str:
    """JSON inside HTML: the one thing that must not appear in it is the end of the element."""
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def math_inline(tokens: list[Token], at: int, *_: Any) -> str:
    """TeX as text; the page sets it."""
    return f'<span class="math inline">{escape(tokens[at].content.strip())}</span>'


def math_block(tokens: list[Token], at: int, *_: Any) -> str:
    return f'<div class="math block" tabindex="0">{escape(tokens[at].content.strip())}</div>\n'


def nothing(*_: Any) -> str:
    return ""


def leaf(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A block of one line: `::: name words`."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    found = re.fullmatch(r":::\s+(\w+)((?:\s+\S+)*)\s*", line)
    if not found or found.group(1) not in LEAVES:
        if found and found.group(1) not in ("minute", "predict", "answer", "mistake", "symbols"):
            raise CallError(f"no directive '::: {found.group(1)}'; there are {', '.join(LEAVES)}, minute, predict, "
                            "answer, mistake and symbols")  # fmt: skip
        return False
    if silent:
        return True
    token = state.push("leaf", "", 0)
    token.meta = {"name": found.group(1), "words": found.group(2).split()}
    token.map = [start, start + 1]
    state.line = start + 1
    return True


def container(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`::: name title`, any blocks, containers among them, and a line `:::` that ends it."""

    def line(at: int) -> str:
        return state.src[state.bMarks[at] + state.tShift[at] : state.eMarks[at]].strip()

    found = re.fullmatch(r":::\s+(minute|predict|answer|mistake)(?:\s+(.*))?", line(start))
    if not found:
        return False
    depth, stop, fenced = 1, start, False
    while depth:
        stop += 1
        if stop >= end:
            raise CallError(f"'{line(start)}' has no end; expected a line with ':::' below it")
        if line(stop).startswith("```"):
            fenced = not fenced
        elif not fenced and re.match(r":::\s+(minute|predict|answer|mistake|symbols)\b", line(stop)):
            depth += 1
        elif not fenced and line(stop) == ":::":
            depth -= 1
    if silent:
        return True
    meta = {"name": found.group(1), "title": (found.group(2) or "").strip()}
    for nesting in (1, -1):
        token = state.push("container", "div", nesting)
        token.meta = meta
        token.map = [start, stop]
        if nesting == 1:
            before, state.parentType = state.parentType, "container"
            last, state.lineMax = state.lineMax, stop
            state.md.block.tokenize(state, start + 1, stop)
            state.parentType, state.lineMax = before, last
    state.line = stop + 1
    return True


def symbol_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`::: symbols`, rows of four cells, `:::`."""

    def line(at: int) -> str:
        return state.src[state.bMarks[at] + state.tShift[at] : state.eMarks[at]].strip()

    if line(start) != "::: symbols":
        return False
    stop = next((at for at in range(start + 1, end) if line(at) == ":::"), None)
    if stop is None:
        raise CallError("'::: symbols' has no end; expected a line with ':::' below its rows")
    if silent:
        return True
    token = state.push("symbols", "", 0)
    token.meta = {"rows": [cells(line(at)) for at in range(start + 1, stop) if line(at)]}
    token.map = [start, stop + 1]
    state.line = stop + 1
    return True


def cells(line: str) -> tuple[str, str, str, str]:
    """A row of the table of symbols.

    >>> cells("$Q$ | what each token looks for | query | (tokens, width)")
    ('$Q$', 'what each token looks for', 'query', '(tokens, width)')
    """
    found = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
    if len(found) != 4:
        raise CallError(f"expected '$symbol$ | words | code | shape', came {line!r}")
    return found[0].replace("\\|", "|"), found[1], found[2].strip("`"), found[3]


def symbol_rows(text: str) -> list[tuple[str, str]]:
    """Code identifiers that the lesson's table of symbols names, with their words."""
    found = []
    for block in re.findall(r"^::: symbols\n(.*?)^:::$", text, re.S | re.M):
        found += [(row[2], row[1]) for row in map(cells, filter(str.strip, block.splitlines())) if row[2]]
    return found


def quoted(text: str, lesson: Path) -> str:
    """The text with every [[reference]] replaced by the number that was measured."""

    def number(match: re.Match[str]) -> str:
        return quoting.quote(match.group(1).strip(), lesson).text.replace(" %", "\u00a0%")

    return re.sub(r"\[\[([\w-]+:[^\]\n]+)\]\]", number, text)


def colored(text: str, language: str, symbols: frozenset[str] = frozenset()) -> str:
    """Code as HTML with Pygments' short classes; identifiers that stand for a symbol carry its name."""
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False, ensurenl=False)
    except ClassNotFound:
        raise CallError(f"no language {language!r} for code; python, console and output are usual") from None
    out = []
    for kind, value in lexer.get_tokens(text.rstrip("\n")):
        short = _short(kind)
        tie = f' data-symbol="{escape(value)}"' if value in symbols and kind in Name else ""
        if not short and not tie:
            out.append(escape(value))
            continue
        for number, piece in enumerate(value.split("\n")):  # no element crosses a line
            out.append("\n" if number else "")
            if piece:
                out.append(f'<span class="{short}"{tie}>{escape(piece)}</span>')
    return "".join(out)


@lru_cache
def _short(kind: _TokenType) -> str:
    if kind is Name or kind in Comment.Hashbang:
        return "n" if kind is Name else "c"
    while kind not in STANDARD_TYPES:
        assert kind.parent is not None
        kind = kind.parent
    return STANDARD_TYPES[kind]


def bare(text: str) -> str:
    """Words without Markdown's marks."""
    text = re.sub(r"\\sym\{[^}]*\}\{([^}]*)\}", r"\1", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[*`$^\[\]]|(?<!\w)_|_(?!\w)", "", text)


def slug(title: str) -> str:
    """An address made of a title.

    >>> slug("Why √d, and not d?")
    'why-d-and-not-d'
    """
    return "-".join(re.findall(r"[a-z0-9]+", title.lower())) or "section"
