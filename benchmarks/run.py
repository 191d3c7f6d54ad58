"""Takes all figures in one run: `python -m benchmarks.run`, which is what `make bench` calls.

Lives here: finding the modules, the command line, results.json. Not here: what is measured, or the page (page.py)."""

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # started as `python benchmarks/run.py`
    sys.path.insert(0, str(ROOT))

from benchmarks import page  # noqa: E402
from benchmarks.figures import Figure, Place  # noqa: E402
from benchmarks.ground import machine_facts, servers  # noqa: E402

HERE = ROOT / "benchmarks"
RESULTS = HERE / "results.json"
MACHINE = HERE / "machine.json"


def module_names() -> list[str]:
    """Every module here that has a `measure`, in alphabetical order; none is imported."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\ndef measure(" in path.read_text("utf-8"))


def take(names: Iterable[str], place: Place) -> list[Figure]:
    """The figures of these modules, in order."""
    figures: list[Figure] = []
    for name in names:
        began = time.monotonic()
        module = importlib.import_module(f"benchmarks.{name}")
        place.say(f"{name}: {(module.__doc__ or name).splitlines()[0]}")
        taken: list[Figure] = module.measure(place)
        for figure in taken:
            place.say(f"  {page.line(figure)}")
        place.say(f"  took {time.monotonic() - began:.0f} s")
        figures += taken
    return figures


def merge(old: list[dict[str, object]], new: list[dict[str, object]]) -> list[dict[str, object]]:
    """The new rows in the place of old ones with their names; rows of modules that did not run stay."""
    fresh = {row["name"]: row for row in new}
    kept = [fresh.pop(row["name"], row) for row in old]
    return kept + [row for row in new if row["name"] in fresh]


@click.command()
@click.option("--smoke", is_flag=True, help="Sizes that take seconds; writes nothing.")
@click.option("--only", default="", help="Modules, separated by commas; other rows are kept as they are.")
@click.option("--runs", default=3, type=click.IntRange(1, 99), help="How often each contestant runs.")
@click.option("--list", "listing", is_flag=True, help="Name the modules and end.")
@click.option("--strict", is_flag=True, help="Exit 1 if a goal is not met.")
def main(smoke: bool, only: str, runs: int, listing: bool, strict: bool) -> None:
    """Take the figures, write results.json and machine.json, and regenerate the table in docs/PERFORMANCE.md.

    On the servers that KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name, else on a local stack of its own.
    """
    known = module_names()
    chosen = [name.strip() for name in only.split(",") if name.strip()] or known
    if unknown := sorted(set(chosen) - set(known)):
        raise click.UsageError(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}")
    if listing:
        click.echo("\n".join(known))
        return
    with tempfile.TemporaryDirectory(prefix="worldtick-bench-") as scratch, servers(click.echo) as connect:
        place = Place(smoke, Path(scratch), runs, connect, click.echo)
        figures = take(chosen, place)
    if not smoke:
        _write([figure.row() for figure in figures], whole=chosen == known)
    missed = [figure.name for figure in figures if figure.met is False]
    goals = sum(figure.met is not None for figure in figures)
    click.echo(f"{goals - len(missed)} of {goals} goals met" + (f"; missed: {', '.join(missed)}" if missed else ""))
    if strict and missed and not smoke:
        raise SystemExit(1)


def _write(rows: list[dict[str, object]], *, whole: bool) -> None:
    if not whole and RESULTS.exists():
        rows = merge(json.loads(RESULTS.read_text("utf-8")), rows)
    facts = machine_facts()
    RESULTS.write_text("[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n", "utf-8")
    MACHINE.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    page.regenerate(rows, facts)


if __name__ == "__main__":
    main()
