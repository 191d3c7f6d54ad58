"""`worldtick tick`: one tick. `template` prints a line to paste; `explain` tells a sealed tick's life.
Lives here: the group, and `template`. Not here: what a template holds (control), `explain` (tick_explain)."""

import importlib
import importlib.util

import click

from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.clock.moves import BoundaryKind, CatchUp, Standing
from worldtick.clock.worldtime import WorldTime
from worldtick.control.naming import named_world
from worldtick.control.template import TOPIC_OF_KIND, nameless_line, next_line
from worldtick.store.clocks import ClockView, find_view
from worldtick.store.db import transaction

_ELSEWHERE = {"explain": "worldtick.cli.tick_explain"}  # command -> its module, loaded when it is used


class _Tick(click.Group):
    """Knows commands that stand in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours, and those whose module is there."""
        there = [name for name, module in _ELSEWHERE.items() if importlib.util.find_spec(module)]
        return sorted([*super().list_commands(ctx), *there])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command."""
        if cmd_name in _ELSEWHERE and cmd_name in self.list_commands(ctx):
            command = getattr(importlib.import_module(_ELSEWHERE[cmd_name]), cmd_name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Tick)
def tick() -> None:
    """Explain a tick, or print one to paste."""


@tick.command()
@click.argument("kind", type=click.Choice(["hourly", "daily"]))
@click.option("--world", metavar="ID", help="This world's next slot, by its id: then pasting it twice does no more.")
@click.pass_obj
def template(settings: Settings, kind: BoundaryKind, world: str | None) -> None:
    """Print one line of JSON that can be pasted into any producer; where to, and what it does, on stderr.

    Without --world no world and no slot is named: each time it is pasted, the only active world moves one slot.
    """
    topic = settings.topic_prefix + TOPIC_OF_KIND[kind]
    if world is None:
        click.echo(nameless_line(kind))
        meaning = "each paste moves the only active world, or WORLDTICK_DEFAULT_WORLD, to its next slot"
    else:
        with database(settings, "tick") as pool, transaction(pool) as conn:
            view = find_view(conn, named_world(conn, world, active=True).world_key)
        assert view is not None, f"world {world} has no clock"  # they are created together
        click.echo(next_line(world, kind, standing_in(view)))
        meaning = f"the next {kind} tick of {world}, once however often it is pasted"
    click.echo(f"one record on {topic}, no key: {meaning}", err=True)


def standing_in(view: ClockView) -> Standing:
    """What planning needs of a clock that is only looked at."""
    policy: CatchUp = "coalesce" if view.catch_up == "coalesce" else "each"
    return Standing(WorldTime(view.now_us), WorldTime(view.daily_us), view.epoch_s, view.hourly, view.daily, policy)
