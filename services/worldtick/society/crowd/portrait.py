"""What a crowd looks like: a frame of text, and how each person is drawn.
Lives here: both, from a CrowdModel. Not here: printing and pictures (cli), the model (city).

`portray` has the form that Mesa's space components take for `agent_portrayal`, and any plot can use it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from worldtick.society.crowd.rules import HOURS_A_DAY, HUNGRY, Activity, Rumour

LETTERS: Mapping[Activity, str] = {
    Activity.REST: ".",
    Activity.WORK: "w",
    Activity.SHOP: "s",
    Activity.MEET: "m",
    Activity.FEAST: "f",
    Activity.PROTEST: "!",
}
COLORS: Mapping[Activity, str] = {
    Activity.REST: "tab:gray",
    Activity.WORK: "tab:blue",
    Activity.SHOP: "tab:green",
    Activity.MEET: "tab:orange",
    Activity.FEAST: "tab:pink",
    Activity.PROTEST: "tab:red",
}
LEGEND = "  ".join(f"{letter} {activity.name.lower()}" for activity, letter in LETTERS.items())


def portray(person: Any) -> dict[str, Any]:
    """Colour by activity; larger while it tells a rumour, another shape while it dreads."""
    return {
        "color": COLORS[Activity(person.activity)],
        "size": 45 if person.tell_h > 0 else 20,
        "marker": "v" if person.rumour == Rumour.DREAD else "o",
    }


def frame(model: Any, columns_max: int = 100, rows_max: int = 40) -> list[str]:
    """The grid as lines of text: what most people do in each block of cells, a capital where they are several."""
    across = -(-model.width // columns_max)
    down = -(-model.height // rows_max)
    rows, columns = -(-model.height // down), -(-model.width // across)
    people: dict[tuple[int, int], Counter[Activity]] = {}
    for person in model.agents:
        x, y = person.cell.coordinate
        people.setdefault((y // down, x // across), Counter())[Activity(person.activity)] += 1
    return ["".join(_letter(people.get((row, column))) for column in range(columns)) for row in range(rows)]


def _letter(found: Counter[Activity] | None) -> str:
    if found is None:
        return " "
    most = max(found, key=lambda activity: (found[activity], activity))
    return LETTERS[most].upper() if found.total() > 1 else LETTERS[most]


def caption(model: Any) -> str:
    """The hour that has just been lived, in numbers."""
    day, hour = divmod(model.hour - 1, HOURS_A_DAY)
    people: Sequence[Any] = list(model.agents)
    hungry = sum(person.hunger >= HUNGRY for person in people)
    believers = sum(person.rumour != Rumour.NONE for person in people)
    protesters = sum(person.protest_h > 0 for person in people)
    mood = sum(person.mood for person in people) // len(people)
    return (
        f"day {day + 1}, {hour:02}:00  mood {mood}  hungry {hungry}  believing a rumour {believers}"
        f"  protesting {protesters}  of {len(people)}"
    )
