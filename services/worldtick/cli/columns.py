"""Rows as aligned columns for a terminal, and moments as people read them.
Lives here: padding, tables or JSON, short ages. Not here: what is shown (each verb)."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

GAP = "  "


def aligned(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of columns under their heads; numbers stand to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(head), *cells]) for at in range(len(head))]
    right = [bool(cells) and all(_is_number(line[at]) for line in cells) for at in range(len(head))]
    lines = [list(head), *cells]
    return [
        GAP.join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def print_rows(
    rows: Iterable[Mapping[str, Any]],
    as_json: bool,
    head: Sequence[str],
    cells: Callable[[Mapping[str, Any]], Sequence[object]],
) -> None:
    """Each row as a JSON object on a line of its own, or all as columns under their heads."""
    lines = [json.dumps(row) for row in rows] if as_json else aligned(head, [cells(row) for row in rows])
    for line in lines:
        click.echo(line)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).isdigit()


def age(moment: datetime | None, now: datetime) -> str | None:
    """How long ago, in the largest unit that says it: 3 s, 5 min, 2 h, 4 d."""
    if moment is None:
        return None
    return span((now - moment).total_seconds())


def span(seconds: float) -> str:
    """A span of time in the largest unit that says it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def size(count: int) -> str:
    """Bytes as people read them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
