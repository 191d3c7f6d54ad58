"""What the demo shows: a live table of ticks and prices on a terminal, plain lines elsewhere, and the proof.
Lives here: drawing. Not here: what is drawn (demo, demo_proof)."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worldtick.cli.demo_proof import FAULTS_SHOWN, Line
from worldtick.store.markets import MarketRow

NOTES_SHOWN: Final = 6
REFRESH_HZ: Final = 8


@dataclass(frozen=True, slots=True)
class View:
    """One look at the world."""

    world_time: str
    hour: int  # hourly ticks finished
    hours: int  # of so many
    sealed: int  # ticks of all kinds
    applied: int
    markets: Sequence[MarketRow]
    days: int = 0  # daily ticks finished
    relations: Mapping[str, int] = field(default_factory=dict)  # state -> pairs of factions in it

    def means(self) -> Mapping[str, float]:
        """commodity -> mean price over the districts, whole units of money."""
        prices: dict[str, list[int]] = {}
        for row in self.markets:
            prices.setdefault(row.commodity, []).append(row.price_ticks)
        return {commodity: sum(each) / len(each) / 100 for commodity, each in prices.items()}


class Screen(Protocol):
    """Where the demo speaks."""

    def __enter__(self) -> "Screen": ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the terminal as it was."""

    def say(self, text: str) -> None:
        """Something happened."""

    def show(self, view: View) -> None:
        """The world moved."""


class Plain:
    """A line for everything, for logs and pipes. quiet: nothing at all but what goes wrong."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._hour = 0
        self._days = 0

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            click.echo(text)

    def show(self, view: View) -> None:
        """One line for every hour that has been finished since the last one."""
        if view.hour == self._hour or not view.markets:
            return
        self._hour = view.hour
        prices = "  ".join(f"{commodity} {price:.2f}" for commodity, price in view.means().items())
        volume = sum(row.volume for row in view.markets)
        self.say(f"{view.world_time}  hour {view.hour:>3}/{view.hours}  {prices}  {volume} units traded")
        if view.days > self._days:
            self._days = view.days
            self.say(f"{view.world_time}  day {view.days}: {relations_line(view)}")


class Drawn:
    """A table that lives: districts by commodities, what happened below."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._notes: deque[str] = deque(maxlen=NOTES_SHOWN)
        self._view: View | None = None
        self._before: dict[str, int] = {}
        self._live = Live(console=console, refresh_per_second=REFRESH_HZ, transient=False)

    def __enter__(self) -> "Drawn":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A line below the table; older ones leave."""
        self._notes.append(text)
        self._live.update(self._drawn())

    def show(self, view: View) -> None:
        """Draw the world as it is now."""
        if self._view is not None and view.hour != self._view.hour:
            self._before = {row.market_id: row.price_ticks for row in self._view.markets}
        self._view = view
        self._live.update(self._drawn())

    def _drawn(self) -> Group:
        notes = Text("\n".join(self._notes), style="dim")
        if self._view is None or not self._view.markets:
            return Group(notes)
        view = self._view
        title = (
            f"{view.world_time}   hour {view.hour} of {view.hours}   {view.sealed} ticks sealed, {view.applied} applied"
        )
        table = Table(title=title, title_justify="left")
        districts = list(dict.fromkeys(row.district for row in view.markets))
        commodities = list(dict.fromkeys(row.commodity for row in view.markets))
        at = {(row.district, row.commodity): row for row in view.markets}
        table.add_column("price (traded)")
        for commodity in commodities:
            table.add_column(commodity, justify="right")
        for district in districts:
            table.add_row(district, *(self._cell(at[district, commodity]) for commodity in commodities))
        return Group(table, Text(f"factions: {relations_line(view)}"), notes)

    def _cell(self, row: MarketRow) -> Text:
        old = self._before.get(row.market_id, row.price_ticks)
        style = "green" if row.price_ticks > old else "red" if row.price_ticks < old else ""
        return Text.assemble((f"{row.price_ticks / 100:.2f}", style), (f" ({row.volume})", "dim"))


def relations_line(view: View) -> str:
    """How many pairs of factions are in each state."""
    order = ("WAR", "COLD_WAR", "PEACE", "ALLIANCE")
    told = [f"{view.relations[state]} {state.lower().replace('_', ' ')}" for state in order if state in view.relations]
    return ", ".join(told) or "their first day is not over"


def print_proof(lines: Sequence[Line], color: bool) -> None:
    """The checklist; under a promise that was not kept, what speaks against it."""
    width = max(len(line.name) for line in lines)
    for line in lines:
        mark = click.style("ok  ", fg="green") if line.ok else click.style("FAIL", fg="red", bold=True)
        click.echo(f"  {mark} {line.name:<{width}}  {line.text}", color=color)
        for fault in line.faults[:FAULTS_SHOWN]:
            click.echo(f"       {'':<{width}}  - {fault}")
        if len(line.faults) > FAULTS_SHOWN:
            click.echo(f"       {'':<{width}}  … and {len(line.faults) - FAULTS_SHOWN} more")
