"""The built-in crowd as a Mesa model: the same people, rules and random words as the kernel's, agent by agent.
Lives here: CrowdModel and its agents. Not here: the kernel that a worker runs, the test that both agree bit for bit.

    model = CrowdModel(agents=100, width=50, height=50, seed=1)
    for _ in range(48):
        model.step()  # an hour
    model.datacollector.get_model_vars_dataframe()

It is written as agents in Mesa are written and shares nothing with the kernel but the constants: so it is the kernel's
oracle and what the kernel is measured against. It needs Mesa; no worker loads it.
"""

from collections.abc import Sequence
from typing import Any

import mesa
import numpy as np
from mesa.discrete_space import CellAgent, OrthogonalMooreGrid
from numpy.typing import NDArray

from worldtick.chance.philox import WORD_MASK, words
from worldtick.chance.streams import ChanceStream
from worldtick.society.crowd import people as first_people
from worldtick.society.crowd import rules
from worldtick.society.crowd.people import cells_of
from worldtick.society.crowd.rules import PERSON, TALLIES, Activity, Rumour, Tally
from worldtick.society.crowd.town import Town, town_of

OWN_FIELDS = tuple(
    name
    for name in PERSON.names or ()
    if name not in ("x", "y", "home_x", "home_y", "work_x", "work_y", "above", "below")
)
REPORTERS: dict[str, Any] = {
    "hunger": lambda model: model.agents.agg("hunger", np.mean),
    "mood": lambda model: model.agents.agg("mood", np.mean),
    "discontent": lambda model: model.agents.agg("discontent", np.mean),
    "believers": lambda model: sum(person.rumour != Rumour.NONE for person in model.agents),
    "protesters": lambda model: sum(place.protesters for place in model.places),
    "price": lambda model: sum(model.prices) / len(model.prices),
}
NEAR = 2**rules.NEAR_BITS
LOW = 0xFFFFFFFF


def high(word: int, bound: int) -> int:
    """An integer in [0, bound) out of a word's upper half."""
    return (word >> 32) * bound >> 32


def low(word: int, bound: int) -> int:
    """An integer in [0, bound) out of a word's lower half."""
    return (word & LOW) * bound >> 32


class Place:
    """A meeting place, which is the market of its block too."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell
        self.protesters = 0


class Person(CellAgent):  # type: ignore[misc]  # Mesa has no types
    """Somebody with needs, money, a home and work; the fields are those of rules.PERSON."""

    cell: Any
    money: int
    wage: int
    hunger: int
    social: int
    mood: int
    discontent: int
    patience: int
    sociability: int
    food: int
    tell_h: int
    keep_h: int
    protest_h: int
    meet: int
    rumour: int
    activity: int

    def __init__(self, model: "CrowdModel", number: int, record: Any) -> None:
        super().__init__(model)
        self.number = number
        for name in OWN_FIELDS:
            setattr(self, name, int(record[name]))
        self.home = model.grid[int(record["home_x"]), int(record["home_y"])]
        self.work = model.grid[int(record["work_x"]), int(record["work_y"])]

    def step(self) -> None:
        """One hour."""
        hour = self.model.hour % rules.HOURS_A_DAY
        drawn = self.model.words[self.number]
        self.live(hour)
        if hour == rules.MOVING:
            self.consider_moving(drawn)
        place = self.model.place_of(self.home)
        self.go_on_protesting(place)
        if hour == rules.OFF_WORK:
            self.consider_protest(place)
        self.activity = self.choose(hour, self.model.price_at(place.cell))
        goal = self.goal(place)
        self.walk_to(goal)
        if self.cell is goal:
            self.act(drawn)
        if rules.WAKE <= hour < rules.BED:
            self.talk(drawn)
            self.muse(place, drawn)
        if hour == rules.COUNTED:
            self.model.present[self.model.sector(self.home)][self.model.sector(self.cell)] += 1

    def live(self, hour: int) -> None:
        """Needs grow, anger cools, what is in the larder is eaten."""
        asleep = not rules.WAKE <= hour < rules.BED
        self.hunger = min(rules.FULL, self.hunger + (rules.HUNGER_ASLEEP if asleep else rules.HUNGER_AWAKE))
        self.social = min(rules.FULL, self.social + self.sociability)
        self.discontent -= -(-self.discontent // rules.CALM_HOURS)
        self.mood += (rules.EVEN - self.mood) // rules.MOOD_HOURS
        if self.hunger >= rules.HUNGRY and self.food > 0:
            self.food -= 1
            self.hunger = max(0, self.hunger - rules.MEAL)
            self.mood += rules.MEAL_MOOD
        if self.hunger >= rules.STARVING:
            self.mood -= rules.STARVING_MOOD
            self.discontent = min(rules.FULL, self.discontent + rules.STARVING_ANGER)
        self.mood = max(0, min(rules.FULL, self.mood))
        self.tell_h = max(0, self.tell_h - 1)
        self.keep_h = max(0, self.keep_h - 1)
        if self.keep_h == 0:
            self.rumour = Rumour.NONE

    def consider_moving(self, drawn: list[int]) -> None:
        """Contented people move rarely, others more often; they find work near their new home."""
        if high(drawn[2], 65_536) >= rules.ROAM + self.discontent:
            return
        self.model.count(self.home, Tally.MOVED)
        width, height = self.model.width, self.model.height
        x, y = high(drawn[1], width), low(drawn[1], height)
        span = 2 * rules.WORK_WITHIN + 1
        work_x = min(width - 1, max(0, x + high(drawn[0], span) - rules.WORK_WITHIN))
        work_y = min(height - 1, max(0, y + low(drawn[0], span) - rules.WORK_WITHIN))
        self.home = self.model.grid[x, y]
        self.work = self.model.grid[work_x, work_y]

    def go_on_protesting(self, place: Place) -> None:
        """An hour less; at the end some anger is vented."""
        if self.protest_h > 0:
            self.protest_h -= 1
            if self.protest_h == 0:
                self.discontent = self.discontent * rules.VENT_KEEPS_4THS // 4
                place.protesters -= 1

    def consider_protest(self, place: Place) -> None:
        """Those who have had enough protest, the sooner the more others do."""
        courage = rules.COURAGE * min(place.protesters, rules.COURAGE_MAX)
        if self.protest_h == 0 and self.discontent >= self.patience - courage:
            self.protest_h = rules.PROTEST_H
            place.protesters += 1

    def choose(self, hour: int, price: int) -> Activity:
        """What to do in this hour."""
        if self.protest_h > 0:
            return Activity.PROTEST
        if not rules.WAKE <= hour < rules.BED:
            return Activity.REST
        pays = self.money >= price
        if self.food == 0 and self.hunger >= rules.HUNGRY and pays:
            return Activity.SHOP
        if rules.TO_WORK <= hour < rules.OFF_WORK:
            return Activity.WORK
        if self.food < self.larder and hour < rules.SHUT and (pays or self.food == 0):
            return Activity.SHOP
        if self.rumour == Rumour.FEAST and self.tell_h > 0 and hour >= rules.OFF_WORK and self.near_feast:
            return Activity.FEAST
        return Activity.MEET if self.social >= rules.LONELY else Activity.REST

    @property
    def larder(self) -> int:
        """Rations that it wants to have."""
        return rules.HOARD if self.rumour == Rumour.DREAD else rules.LARDER

    @property
    def near_feast(self) -> bool:
        """Whether the feast that it heard of is near enough to go."""
        (x, y), (home_x, home_y) = self.model.places[self.meet].cell.coordinate, self.home.coordinate
        return bool(max(abs(x - home_x), abs(y - home_y)) <= rules.FEAST_WITHIN)

    def goal(self, place: Place) -> Any:
        """The cell where it wants to be."""
        if self.activity == Activity.REST:
            return self.home
        if self.activity == Activity.WORK:
            return self.work
        return self.model.places[self.meet].cell if self.activity == Activity.FEAST else place.cell

    def walk_to(self, goal: Any) -> None:
        """Up to eight cells along both axes."""
        if self.cell is goal:
            return
        (x, y), (to_x, to_y) = self.cell.coordinate, goal.coordinate
        x += max(-rules.STRIDE, min(rules.STRIDE, to_x - x))
        y += max(-rules.STRIDE, min(rules.STRIDE, to_y - y))
        self.cell = self.model.grid[x, y]

    def act(self, drawn: list[int]) -> None:
        """Do at the goal what it came for."""
        if self.activity == Activity.REST:
            return
        if self.activity == Activity.WORK:
            self.earn(drawn)
            return
        self.model.count(self.cell, Tally.GATHERED)
        if self.activity == Activity.PROTEST:
            self.model.count(self.home, Tally.PROTESTED)
            return
        if self.activity == Activity.SHOP:
            self.shop(self.model.price_at(self.cell), drawn)
        self.spend()

    def earn(self, drawn: list[int]) -> None:
        """Most hours at work are paid, by the usual price of food."""
        if low(drawn[2], 1000) < rules.EMPLOYED:
            self.money = min(rules.MONEY_MAX, self.money + self.wage * self.model.usual_price // 1000)
        else:
            self.discontent = min(rules.FULL, self.discontent + rules.IDLE_ANGER)

    def shop(self, price: int, drawn: list[int]) -> None:
        """Buy what is lacking, as far as the money goes, and be angry at prices."""
        wanted = self.larder - self.food
        bought = max(0, min(wanted, self.money // price))
        self.food += bought
        self.money -= bought * price
        self.model.count(self.home, Tally.BOUGHT, bought)
        dearer = (price - self.model.usual_price) * 100 // self.model.usual_price
        if bought > 0 and dearer >= rules.DEAR:
            self.discontent = min(rules.FULL, self.discontent + min(rules.DEAR_MAX, dearer))
        if bought == 0 and wanted > 0 and self.hunger >= rules.HUNGRY:
            self.model.count(self.home, Tally.UNMET)
            self.discontent = min(rules.FULL, self.discontent + rules.UNPAID_ANGER)
            self.mood = max(0, self.mood - rules.HUNGRY_MOOD)
            if self.rumour == Rumour.NONE and high(drawn[3], 4) == 0:
                self.believe(Rumour.DREAD, self.meet)

    def spend(self) -> None:
        """Spend of what it has to spare; a feast is a feast."""
        spare = self.money - rules.SAVINGS * self.model.usual_price
        if spare > 0:
            self.money -= spare // 8
            self.mood += rules.TREAT_MOOD
        if self.activity == Activity.FEAST:
            self.mood += rules.FEAST_MOOD
        self.mood = min(rules.FULL, self.mood)

    def believe(self, rumour: int, meet: int) -> None:
        """Begin to tell a rumour."""
        self.rumour, self.meet = rumour, meet
        self.tell_h, self.keep_h = rules.TELL_H, rules.KEEP_H

    def talk(self, drawn: list[int]) -> None:
        """With one of the last eight who came here, if there are so many."""
        others = [other for other in reversed(self.cell.agents[-NEAR - 1 :]) if other is not self]
        nth = drawn[0] >> 64 - rules.NEAR_BITS
        if nth >= len(others):
            return
        other = others[nth]
        for one in (self, other):
            one.social = max(0, one.social - rules.TALK_EASE)
            one.mood = min(rules.FULL, one.mood + rules.TALK_MOOD)
        self.model.count(self.home, Tally.TALKS)
        if low(drawn[1], 1000) < rules.BELIEVED:
            if self.tell_h > 0 and other.rumour == Rumour.NONE:
                other.hear_from(self)
            elif other.tell_h > 0 and self.rumour == Rumour.NONE:
                self.hear_from(other)

    def hear_from(self, teller: "Person") -> None:
        """Believe what somebody tells."""
        self.believe(teller.rumour, teller.meet)
        self.model.count(self.home, Tally.HEARD)
        if self.rumour == Rumour.DREAD:
            self.discontent = min(rules.FULL, self.discontent + rules.DREAD_ANGER)

    def muse(self, place: Place, drawn: list[int]) -> None:
        """Now and then begin a rumour."""
        if self.rumour == Rumour.NONE and low(drawn[3], self.model.start_bound) == 0:
            dread = self.discontent >= rules.UNEASY or drawn[3] >> 62 == 0
            self.believe(Rumour.DREAD if dread else Rumour.FEAST, self.model.places.index(place))


class CrowdModel(mesa.Model):  # type: ignore[misc]
    """A town of people. A step is an hour of world time; at midnight wages follow prices."""

    def __init__(
        self,
        agents: int = 100,
        width: int = 50,
        height: int = 50,
        sectors: Sequence[str] = ("town",),
        food_price_ticks: int = 300,
        seed: int | None = None,
    ) -> None:
        seed = 1 if seed is None else seed
        super().__init__(rng=seed & WORD_MASK)  # Mesa's own generators; the people draw from our words
        town = town_of(agents, width, height, tuple(sectors), "Food", food_price_ticks, "city", ())
        self._settle(town, seed, first_people.genesis(town, seed), 0, food_price_ticks * rules.LEVEL_SCALE)

    @classmethod
    def from_people(
        cls, town: Town, seed: int, people: NDArray[Any], hour: int, level: int, prices: Sequence[int] | None = None
    ) -> "CrowdModel":
        """The model of a crowd as a worker keeps it: (n,) PERSON at the beginning of an hour of its life."""
        model = cls.__new__(cls)
        mesa.Model.__init__(model, rng=seed & WORD_MASK)
        model._settle(town, seed, people, hour, level)
        if prices is not None:
            model.prices = list(prices)
        return model

    def _settle(self, town: Town, seed: int, people: NDArray[Any], hour: int, level: int) -> None:
        self.town, self.seed_of_world, self.hour, self.level = town, seed, hour, level
        shape = town.shape
        self.width, self.height, self.start_bound = shape.width, shape.height, shape.start_bound
        self.grid = OrthogonalMooreGrid((self.width, self.height), torus=False, capacity=None, random=self.random)
        self._sector = town.sector_of.tolist()
        self.prices = [town.food_price_ticks] * len(town.sectors)
        self._places_x = shape.places_x
        self._places_y = shape.places_y
        half_x, half_y = min(rules.BLOCK, self.width) // 2, min(rules.BLOCK, self.height) // 2
        self.places = [
            Place(self.grid[column * rules.BLOCK + half_x, row * rules.BLOCK + half_y])
            for row in range(shape.places_y)
            for column in range(shape.places_x)
        ]
        self.persons = [Person(self, number, record) for number, record in enumerate(people)]
        for number, (x, y) in cells_of(people):
            self.persons[number].cell = self.grid[x, y]
        for person in self.persons:
            self.place_of(person.home).protesters += person.protest_h > 0
        self._new_day()
        self.datacollector = mesa.DataCollector(model_reporters=REPORTERS)

    def _new_day(self) -> None:
        sectors = range(len(self.town.sectors))
        self.tallies = [[0] * TALLIES for _ in sectors]
        self.present = [[0 for _ in sectors] for _ in sectors]

    def step(self) -> None:
        """One hour of everybody, in the order of their numbers."""
        day, hour = divmod(self.hour, rules.HOURS_A_DAY)
        if hour == 0:
            self._new_day()
        entities = np.arange(len(self.persons), dtype=np.uint64)
        self.words: list[list[int]] = words(self.seed_of_world, day, entities, ChanceStream.CROWD_HOUR, hour).tolist()
        self.usual_price = self.level // rules.LEVEL_SCALE
        self.agents.do("step")
        self.hour += 1
        if self.hour % rules.HOURS_A_DAY == 0:
            mean = sum(self.prices) * rules.LEVEL_SCALE // len(self.prices)
            self.level += (mean - self.level) // rules.LEVEL_DAYS
        self.datacollector.collect(self)

    def sector(self, cell: Any) -> int:
        """The sector that a cell lies in."""
        x, y = cell.coordinate
        return int(self._sector[y * self.width + x])

    def place_of(self, home: Any) -> Place:
        """The meeting place of a home's block."""
        x, y = home.coordinate
        row, column = min(y // rules.BLOCK, self._places_y - 1), min(x // rules.BLOCK, self._places_x - 1)
        place: Place = self.places[row * self._places_x + column]
        return place

    def price_at(self, cell: Any) -> int:
        """What a ration costs in a cell's sector."""
        return self.prices[self.sector(cell)]

    def count(self, cell: Any, tally: Tally, number: int = 1) -> None:
        """Count something for the sector of a cell."""
        self.tallies[self.sector(cell)][tally] += number

    def to_people(self) -> NDArray[Any]:
        """(n,) PERSON, as a worker keeps it."""
        people = np.zeros(len(self.persons), PERSON)
        for number, person in enumerate(self.persons):
            record = people[number]
            for name in OWN_FIELDS:
                record[name] = getattr(person, name)
            record["x"], record["y"] = person.cell.coordinate
            record["home_x"], record["home_y"] = person.home.coordinate
            record["work_x"], record["work_y"] = person.work.coordinate
            here = person.cell.agents
            at = here.index(person)
            record["below"] = here[at - 1].number if at > 0 else -1
            record["above"] = here[at + 1].number if at + 1 < len(here) else -1
        return people
