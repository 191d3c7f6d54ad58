"""`worldtick crowd`: the built-in crowd alone, without a world.
Lives here: watching it live, as text or a picture. Not here: the model (society/crowd), worlds' crowds."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from worldtick.contracts.errors import Faulty, Refused

HOURS_MAX = 24 * 366


@click.group()
def crowd() -> None:
    """The crowd alone: a Mesa model to look at."""


@crowd.command()
@click.option("--agents", type=click.IntRange(1, 100_000), default=100, show_default=True, help="People.")
@click.option("--width", type=click.IntRange(5, 1_000), default=50, show_default=True, help="Cells.")
@click.option("--height", type=click.IntRange(5, 1_000), default=50, show_default=True, help="Cells.")
@click.option("--seed", type=click.IntRange(-(2**63), 2**63 - 1), default=1, show_default=True)
@click.option("--price", type=click.IntRange(1, 1_000_000), default=300, show_default=True, help="Of food, in ticks.")
@click.option("--hours", type=click.IntRange(1, HOURS_MAX), default=24, show_default=True, help="How long to live.")
@click.option("--every", type=click.IntRange(1, HOURS_MAX), default=1, show_default=True, help="Hours to a frame.")
@click.option("--pace", type=click.FloatRange(0, 60), default=0.2, show_default=True, help="Seconds a frame stays.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Draw the last hour into this file too.")
def view(
    agents: int, width: int, height: int, seed: int, price: int, hours: int, every: int, pace: float, png: Path | None
) -> None:
    """Live through some hours and show them: frames of text, on a terminal one over the other.

    It is the Mesa model that any notebook can run: worldtick.society.crowd.city.CrowdModel. It agrees bit for bit with
    the kernel that workers run.
    """
    from worldtick.society.crowd.city import CrowdModel  # loads Mesa

    model = CrowdModel(agents, width, height, food_price_ticks=300, seed=seed)
    model.prices = [price]
    on_terminal = sys.stdout.isatty()
    for hour in range(hours):
        model.step()
        if (hour + 1) % every == 0 or hour + 1 == hours:
            _show(model, on_terminal)
            if on_terminal and hour + 1 < hours:
                time.sleep(pace)
    if png is not None:
        _draw(model, png)
        click.echo(f"drawn: {png}", err=True)


def _show(model: Any, on_terminal: bool) -> None:
    from worldtick.society.crowd.portrait import LEGEND, caption, frame

    if on_terminal:
        click.clear()
    click.echo("\n".join([caption(model), *frame(model), LEGEND]))


def _draw(model: Any, file: Path) -> None:
    """Everybody as a dot, as `portray` says. Raises Refused without matplotlib."""
    from worldtick.society.crowd.portrait import caption, portray

    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise Refused("a picture needs matplotlib: pip install 'worldtick[bench]'") from missing
    figure = Figure(figsize=(7, 7), layout="constrained")
    axis = figure.subplots()
    for person in model.agents:
        look = portray(person)
        x, y = person.cell.coordinate
        axis.scatter(x, y, s=look["size"], color=look["color"], marker=look["marker"], alpha=0.7)
    axis.set(xlim=(-1, model.width), ylim=(model.height, -1), aspect="equal")
    axis.set_title(caption(model), fontsize=8)
    try:
        figure.savefig(file, dpi=110, metadata={"Software": None})
    except (OSError, ValueError) as broken:
        raise Faulty(f"--png {file}", [str(broken)]) from broken
