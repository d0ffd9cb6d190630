"""Views drawn by matplotlib, for notebooks and paper; the page draws the same data itself.

The colors are those of the page's style sheet, on light paper.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

from learnable.course.views import View, plain

COLORS = {
    "accent": "#1f4e8c", "query": "#0072b2", "key": "#d55e00", "value": "#007a5a", "data": "#767676", "model": "#1f4e8c",
    "train": "#1f4e8c", "validation": "#1f4e8c", "forward": "#0072b2", "backward": "#d55e00", "gray": "#767676",
    "1": "#0072b2", "2": "#e69f00", "3": "#009e73", "4": "#cc79a7", "5": "#56b4e9", "6": "#d55e00", "7": "#b8a800", "8": "#000000",
}  # fmt: skip
MAPS = {"sequential": "viridis", "diverging": "RdBu_r", "gray": "gray", "ink": "gray_r"}
WIDTH = 7.2  # inches


class Drawn:
    """matplotlib's figure, which a notebook shows by itself; a screen reader is told what is to be seen."""

    def __init__(self, figure: Any, summary: str):
        self.figure = figure
        self.summary = summary

    def __repr__(self) -> str:
        return self.summary

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=110)
        return picture.getvalue()


def draw(views: Sequence[View | dict[str, Any]], title: str = "") -> Drawn:
    """Draw views one below the other.

    >>> from learnable.course.views import Bars
    >>> draw([Bars(labels=["a", "b"], values=[1, 2], summary="b is larger")])
    b is larger
    """
    from matplotlib.figure import Figure

    shown = [view.to_json() if isinstance(view, View) else view for view in plain(list(views))]
    heights = [HEIGHTS.get(view["kind"], 2.8) for view in shown]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.3), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    for part, view in zip(
        figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0], shown, strict=True
    ):
        if view["title"]:
            part.suptitle(view["title"], fontsize=10)
        DRAWERS[view["kind"]](part, view)
    return Drawn(figure, " ".join(view["summary"] for view in shown if view["summary"]))


def color(name: str) -> str:
    return COLORS.get(name, COLORS["accent"])


def axes_of(part: Any) -> Any:
    axes = part.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def dress(axes: Any, view: dict[str, Any], *sides: str) -> None:
    """Labels, scales and ends as the view asks for."""
    for side in sides:
        axis = view[side]
        getattr(axes, f"set_{side}label")(axis["label"])
        if axis["log"]:
            getattr(axes, f"set_{side}scale")("log")
        low, high = axis["low"], axis["high"]
        if low is not None or high is not None:
            getattr(axes, f"set_{side}lim")(low, high)


def numbers(values: Any) -> Any:
    """Lists as an array, null as NaN."""
    import numpy as np

    return np.array(values, dtype=float)


def lines(part: Any, view: dict[str, Any]) -> None:
    axes = axes_of(part)
    for row in view["series"]:
        x, y = numbers(row["x"]), numbers(row["y"])
        axes.plot(x, y, color=color(row["color"]), linestyle="--" if row["dashed"] else "-", linewidth=1.4)
        if row["low"] is not None:
            axes.fill_between(
                x, numbers(row["low"]), numbers(row["high"]), color=color(row["color"]), alpha=0.18, linewidth=0
            )
        if len(x):
            axes.annotate(
                row["name"],
                (x[-1], y[-1]),
                color=color(row["color"]),
                fontsize=8,
                xytext=(4, 0),
                textcoords="offset points",
            )
    for mark in view["marks"]:
        axes.annotate(
            mark["label"], (mark["x"], mark["y"]), fontsize=8, xytext=(-4, 8), textcoords="offset points", ha="right"
        )
    dress(axes, view, "x", "y")


def bars(part: Any, view: dict[str, Any]) -> None:
    axes = axes_of(part)
    values = numbers(view["values"])
    shades = [color("backward") if at in view["highlight"] else color(view["color"]) for at in range(len(values))]
    drawn = axes.bar(range(len(values)), values, color=shades)
    axes.bar_label(drawn, fmt=f"%.{view['digits']}f", fontsize=8)
    axes.set_xticks(range(len(values)), [str(label) for label in view["labels"]], fontsize=8)
    if view["low"] is not None:
        spread = abs(numbers([view["low"], view["high"]]) - values)
        axes.errorbar(range(len(values)), values, yerr=spread, fmt="none", ecolor="black", linewidth=1)
    if view["reference"] is not None:
        axes.axhline(view["reference"], color=color("gray"), linewidth=1)
        axes.annotate(
            view["reference_label"], (0, view["reference"]), fontsize=8, xytext=(0, 3), textcoords="offset points"
        )
    dress(axes, view, "y")


def heatmap(part: Any, view: dict[str, Any]) -> None:
    axes = part.subplots()
    values = numbers(view["values"])
    low, high = limits(values, view)
    image = axes.imshow(
        values, cmap=MAPS[view["scale"]], vmin=low, vmax=high, aspect="auto" if values.size > 900 else "equal"
    )
    part.colorbar(image, ax=axes, shrink=0.8)
    if view["rows"]:
        axes.set_yticks(range(len(view["rows"])), view["rows"], fontsize=8)
    if view["columns"]:
        axes.set_xticks(
            range(len(view["columns"])),
            view["columns"],
            fontsize=8,
            rotation=45 if len(str(view["columns"])) > 60 else 0,
        )
    axes.set_xlabel(view["column_label"])
    axes.set_ylabel(view["row_label"])
    if view["digits"] is not None:
        for row, cells in enumerate(values):
            for column, cell in enumerate(cells):
                axes.text(column, row, f"{cell:.{view['digits']}f}", ha="center", va="center", fontsize=7, color="white",
                          bbox={"boxstyle": "round,pad=0.1", "facecolor": "black", "alpha": 0.35, "linewidth": 0})  # fmt: skip


def limits(values: Any, view: dict[str, Any]) -> tuple[float, float]:
    """The ends of a scale; a diverging one has its middle at zero."""
    import numpy as np

    finite = values[np.isfinite(values)]
    low = (
        view["low"] if view["low"] is not None else float(finite.min(initial=0.0) if not finite.size else finite.min())
    )
    high = view["high"] if view["high"] is not None else float(finite.max() if finite.size else 1.0)
    if view["scale"] == "diverging":
        middle = view.get("middle") or 0.0
        far = max(abs(low - middle), abs(high - middle)) or 1.0
        return middle - far, middle + far
    return low, high if high > low else low + 1.0


def images(part: Any, view: dict[str, Any]) -> None:
    items = view["items"]
    columns = min(8, max(1, len(items)))
    rows = -(-max(1, len(items)) // columns)
    grid = part.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, item in zip(grid.flat, items, strict=False):
        pixels = numbers(item["pixels"])
        low, high = limits(pixels, {**view, "scale": view["scale"]})
        axes.imshow(pixels, cmap=MAPS[view["scale"]], vmin=low, vmax=high)
        axes.set_title(item["label"], fontsize=8)


def tokens(part: Any, view: dict[str, Any]) -> None:
    axes = part.subplots()
    axes.set_axis_off()
    count = len(view["tokens"])
    for at, token in enumerate(view["tokens"]):
        shade = {"facecolor": color(token["color"]), "alpha": 0.08 + 0.6 * (token["weight"] or 0), "linewidth": 0}
        axes.text(
            (at % 16) + 0.5,
            -(at // 16),
            token["text"].replace("\n", "⏎"),
            ha="center",
            va="center",
            fontsize=8,
            bbox=shade,
        )
    for link in view["links"]:
        if count <= 16 and link["weight"] > 0.02:
            style = {
                "arrowstyle": "-",
                "connectionstyle": "arc3,rad=-0.4",
                "linewidth": 3 * link["weight"],
                "alpha": 0.6,
            }
            axes.annotate("", (link["target"] + 0.5, 0.15), (link["source"] + 0.5, 0.15), arrowprops=style)
    axes.set_xlim(0, min(16, max(1, count)))
    axes.set_ylim(-(max(0, count - 1) // 16) - 0.8, 2.0 if view["links"] else 0.8)


def clouds(axes: Any, view: dict[str, Any]) -> None:
    for cloud in view["clouds"]:
        axes.scatter(
            cloud["x"],
            cloud["y"],
            s=cloud["size"] ** 2,
            color=color(cloud["color"]),
            label=cloud["name"],
            alpha=0.7,
            linewidth=0,
        )
    if len(view["clouds"]) > 1:
        axes.legend(fontsize=8, frameon=False)


def points(part: Any, view: dict[str, Any]) -> None:
    axes = axes_of(part)
    clouds(axes, view)
    if view["equal"]:
        axes.set_aspect("equal")
    dress(axes, view, "x", "y")


def field(part: Any, view: dict[str, Any]) -> None:
    axes = axes_of(part)
    values = numbers(view["values"])
    low, high = limits(values, view)
    ends = (view["x"]["low"], view["x"]["high"], view["y"]["low"], view["y"]["high"])
    image = axes.imshow(values, cmap=MAPS[view["scale"]], vmin=low, vmax=high, extent=ends, origin="lower", alpha=0.8)
    part.colorbar(image, ax=axes, shrink=0.8, label=view["label"])
    if view["contours"]:
        axes.contour(values, levels=sorted(view["contours"]), extent=ends, colors="black", linewidths=0.7)
    clouds(axes, view)
    for arrow in view["arrows"]:
        axes.arrow(
            arrow["x"],
            arrow["y"],
            arrow["dx"],
            arrow["dy"],
            color=color(arrow["color"]),
            head_width=0.03,
            length_includes_head=True,
        )
    dress(axes, view, "x", "y")


def surface(part: Any, view: dict[str, Any]) -> None:
    import numpy as np

    axes = part.subplots(subplot_kw={"projection": "3d"})
    values = numbers(view["values"])
    x = np.linspace(view["x"]["low"], view["x"]["high"], values.shape[1])
    y = np.linspace(view["y"]["low"], view["y"]["high"], values.shape[0])
    axes.plot_surface(*np.meshgrid(x, y), values, cmap="viridis", alpha=0.8)
    if view["path"] is not None:
        axes.plot(*numbers(view["path"]).T, color=color("backward"))
    axes.set_xlabel(view["x"]["label"])
    axes.set_ylabel(view["y"]["label"])


def graph(part: Any, view: dict[str, Any]) -> None:
    """Each node one column behind the last of those that it is made of."""
    axes = part.subplots()
    axes.set_axis_off()
    before: dict[str, list[str]] = {node["id"]: [] for node in view["nodes"]}
    for edge in view["edges"]:
        before[edge["target"]].append(edge["source"])
    column: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in column:
            column[name] = 1 + max((place(one) for one in before[name]), default=-1)
        return column[name]

    used: dict[int, int] = {}
    at: dict[str, tuple[float, float]] = {}
    for node in view["nodes"]:
        x = place(node["id"])
        at[node["id"]] = (x, -used.get(x, 0))
        used[x] = used.get(x, 0) + 1
    for edge in view["edges"]:
        axes.annotate(
            "",
            at[edge["target"]],
            at[edge["source"]],
            arrowprops={"arrowstyle": "->", "color": color("gray"), "shrinkA": 16, "shrinkB": 16},
        )
    for node in view["nodes"]:
        text = "\n".join(filter(None, (node["label"], node["value"], node["gradient"] and f"∂ {node['gradient']}")))
        axes.text(
            *at[node["id"]],
            text,
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "round", "facecolor": "white"},
        )
    axes.set_xlim(-0.6, max(used, default=0) + 0.6)
    axes.set_ylim(-max(used.values(), default=1) + 0.4, 0.6)


def table(part: Any, view: dict[str, Any]) -> None:
    axes = part.subplots()
    axes.set_axis_off()
    rows = [[str(cell) for cell in row] for row in view["rows"]]
    if rows:
        axes.table(cellText=rows, colLabels=list(view["columns"]), loc="center", edges="horizontal").set_fontsize(9)


def text(part: Any, view: dict[str, Any]) -> None:
    axes = part.subplots()
    axes.set_axis_off()
    words = (view["prompt"] + view["text"]).replace("$", r"\$")
    axes.text(0, 1, words, va="top", wrap=True, fontsize=9, family="monospace" if view["code"] else "sans-serif")


HEIGHTS = {"text": 0.9, "tokens": 1.4, "images": 2.0, "table": 2.0, "field": 3.6, "points": 3.6, "surface": 3.6}

DRAWERS: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "lines": lines, "bars": bars, "heatmap": heatmap, "images": images, "tokens": tokens, "points": points, "field": field,
    "surface": surface, "graph": graph, "table": table, "text": text,
}  # fmt: skip
