"""Who is where: meeting places, the lists of people in each cell, counts over sectors.
Lives here: small kernels over cells. Not here: what people do there (kernel), the town's tables (town)."""

from typing import Any

from worldtick.chance.compiled import compiled
from worldtick.society.crowd.rules import BLOCK


@compiled
def place_of(x: Any, y: Any, places_x: Any, places_y: Any) -> Any:
    """The meeting place of the block that a cell lies in."""
    return min(y // BLOCK, places_y - 1) * places_x + min(x // BLOCK, places_x - 1)


@compiled
def place_x(place: Any, places_x: Any, width: Any) -> Any:
    """Its cell, along x."""
    return place % places_x * BLOCK + min(BLOCK, width) // 2


@compiled
def place_y(place: Any, places_x: Any, height: Any) -> Any:
    """Its cell, along y."""
    return place // places_x * BLOCK + min(BLOCK, height) // 2


@compiled
def find_heads(people: Any, width: Any, head: Any) -> None:
    """Who came last to each cell: (cells,) int32, -1 where nobody is."""
    head[:] = -1
    for i in range(people.shape[0]):
        if people[i].above < 0:
            head[people[i].y * width + people[i].x] = i


@compiled
def census(shape: Any, people: Any, sector_of: Any, out: Any) -> None:
    """out (3, sectors) int64, to be zero before: residents, sum of their moods, sum of their discontent."""
    for i in range(people.shape[0]):
        person = people[i]
        sector = sector_of[person.home_y * shape.width + person.home_x]
        out[0, sector] += 1
        out[1, sector] += person.mood
        out[2, sector] += person.discontent


@compiled
def count_protesters(shape: Any, people: Any, out: Any) -> None:
    """out (places,) int64, to be zero before: who protests at each place."""
    for i in range(people.shape[0]):
        if people[i].protest_h > 0:
            out[place_of(people[i].home_x, people[i].home_y, shape.places_x, shape.places_y)] += 1
