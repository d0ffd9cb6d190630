"""What a training writes down as it goes: `metrics.jsonl`, one JSON object a line, each with its `step`."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from learnable.errors import WorldError
from learnable.files import finite, write_text

Row = dict[str, Any]


class MetricsLog:
    """The lines of `metrics.jsonl`. A line torn by a kill is left out when reading and overwritten when going on."""

    def __init__(self, path: Path):
        self.path = path

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a line; NaN and infinity are written as null."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(finite(dict(row))) + "\n")
        except OSError as error:
            raise WorldError(f"{self.path} cannot be written ({error.strerror}); what was recorded before is unharmed. "
                             "Make room, then continue with --resume.") from error  # fmt: skip

    def rows(self) -> tuple[list[Row], int]:
        """All whole lines, and how many could not be read."""
        if not self.path.is_file():
            return [], 0
        rows, torn = [], 0
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                if not isinstance(row["step"], int):
                    raise TypeError
                rows.append(row)
            except (ValueError, KeyError, TypeError):
                torn += bool(line.strip())
        return rows, torn

    def cut_back(self, step: int) -> int:
        """Forget what came after `step`, where a resumed run goes on; gives the number of torn lines that were dropped."""
        rows, torn = self.rows()
        kept = [row for row in rows if row["step"] <= step]
        if torn or len(kept) < len(rows):
            write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return torn


class Tally:
    """Means of what was lost since the last report. Numbers stay on their device until then: asking for each would wait for it."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = {name: _number(value) / max(1, self.count) for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


class Clock:
    """Seconds of work, over all the sittings of a run."""

    def __init__(self, before: float = 0.0):
        self.before = before
        self.begun = time.perf_counter()

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.begun


def _number(value: Tensor) -> float:
    return float(value.full_tensor()) if hasattr(value, "full_tensor") else float(value)
