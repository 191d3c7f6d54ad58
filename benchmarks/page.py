"""docs/PERFORMANCE.md: the part of it that is made from results.json.

Lives here: the table and a figure's line in words. Not here: the page's prose, which people write."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "PERFORMANCE.md"
BEGIN, END = "<!-- made from benchmarks/results.json: begin -->", "<!-- end -->"
HEAD = "| Figure | Median | Low to high (runs) | Against | Ratio | Goal | Met |\n|---|---:|---:|---|---:|---|---|\n"


def table(rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """The Markdown between the markers."""
    shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    return f"Conditions: {shown}.\n\n{HEAD}" + "".join(_row(row) for row in rows)


def regenerate(rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Put the table into the page. Raises LookupError if its markers are gone."""
    text = PAGE.read_text("utf-8")
    if BEGIN not in text or END not in text:
        raise LookupError(f"docs/PERFORMANCE.md lacks the markers {BEGIN!r} and {END!r}: put them back round the table")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows, facts)}{END}{after}", "utf-8")


def line(figure: Figure) -> str:
    """A figure in one line for a terminal."""
    row = figure.row()
    against = f", {row['ratio']} x {row['against']}" if row["ratio"] is not None else ""
    goal = f" (goal {row['goal']}: {'met' if row['met'] else 'MISSED'})" if row["goal"] else ""
    return f"{row['name']} = {_number(row['value'])} {row['unit']}{against}{goal}"


def _row(row: Mapping[str, Any]) -> str:
    name = row["name"].replace("_", " ")
    spread = "" if row.get("low") is None else f"{_number(row['low'])} to {_number(row['high'])} ({row['runs']})"
    met = {None: "", True: "yes", False: "**no**"}[row["met"]]
    cells = [
        name,
        f"{_number(row['value'])} {row['unit']}",
        spread,
        (row["against"] or "").replace("_", " "),
        "" if row["ratio"] is None else f"{row['ratio']:g}",
        row["goal"] or "",
        met,
    ]
    return "| " + " | ".join(cells) + " |\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
