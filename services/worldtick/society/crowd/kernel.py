"""The built-in crowd as a sequential kernel over arrays: one person after another, hour after hour.
Lives here: what one person does in one hour, in machine code. Not here: the same rules in Mesa (city), the day (days).

Sequential on purpose: each person sees what those before it did in the same hour, as agents in Mesa do. A step of all
people at once is another model.
"""

from typing import Any

import numpy as np

from worldtick.chance.compiled import compiled, spliced
from worldtick.chance.philox import block
from worldtick.chance.streams import ChanceStream
from worldtick.society.crowd.places import place_of, place_x, place_y
from worldtick.society.crowd.rules import (
    BED,
    BELIEVED,
    CALM_HOURS,
    COUNTED,
    COURAGE,
    COURAGE_MAX,
    DEAR,
    DEAR_MAX,
    DREAD_ANGER,
    EMPLOYED,
    EVEN,
    FEAST_MOOD,
    FEAST_WITHIN,
    FULL,
    HOARD,
    HOURS_A_DAY,
    HUNGER_ASLEEP,
    HUNGER_AWAKE,
    HUNGRY,
    HUNGRY_MOOD,
    IDLE_ANGER,
    KEEP_H,
    LARDER,
    LONELY,
    MEAL,
    MEAL_MOOD,
    MONEY_MAX,
    MOOD_HOURS,
    MOVING,
    NEAR_BITS,
    OFF_WORK,
    PROTEST_H,
    ROAM,
    SAVINGS,
    SHUT,
    STARVING,
    STARVING_ANGER,
    STARVING_MOOD,
    STRIDE,
    TALK_EASE,
    TALK_MOOD,
    TELL_H,
    TO_WORK,
    TREAT_MOOD,
    UNEASY,
    UNPAID_ANGER,
    VENT_KEEPS_4THS,
    WAKE,
    WORK_WITHIN,
    Activity,
    Rumour,
    Tally,
)

HOUR_STREAM = np.uint64(ChanceStream.CROWD_HOUR)
HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
NEAR_SHIFT = np.uint64(64 - NEAR_BITS)
KIND_SHIFT = np.uint64(62)
NONE, DREAD, FEAST_NEWS = int(Rumour.NONE), int(Rumour.DREAD), int(Rumour.FEAST)
REST, WORK, SHOP = int(Activity.REST), int(Activity.WORK), int(Activity.SHOP)
MEET, FEAST, PROTEST = int(Activity.MEET), int(Activity.FEAST), int(Activity.PROTEST)
BOUGHT, UNMET, HEARD, TALKS = int(Tally.BOUGHT), int(Tally.UNMET), int(Tally.HEARD), int(Tally.TALKS)
GATHERED, PROTESTED, MOVED = int(Tally.GATHERED), int(Tally.PROTESTED), int(Tally.MOVED)


@spliced
def _high(word: Any, bound: Any) -> Any:
    """An integer in [0, bound) out of a word's upper half."""
    return np.int64(((word >> HALF) * np.uint64(bound)) >> HALF)


@spliced
def _low(word: Any, bound: Any) -> Any:
    """An integer in [0, bound) out of a word's lower half."""
    return np.int64(((word & LOW) * np.uint64(bound)) >> HALF)


@spliced
def _live(person: Any, hour: Any) -> Any:
    """Needs grow, anger cools, what is in the larder is eaten."""
    asleep = hour < WAKE or hour >= BED
    hunger = min(FULL, person.hunger + (HUNGER_ASLEEP if asleep else HUNGER_AWAKE))
    discontent = person.discontent - (person.discontent + CALM_HOURS - 1) // CALM_HOURS
    mood = person.mood + (EVEN - person.mood) // MOOD_HOURS
    if hunger >= HUNGRY and person.food > 0:
        person.food -= 1
        hunger = max(0, hunger - MEAL)
        mood += MEAL_MOOD
    if hunger >= STARVING:
        mood -= STARVING_MOOD
        discontent += STARVING_ANGER
    person.hunger = hunger
    person.social = min(FULL, person.social + person.sociability)
    person.discontent = min(FULL, discontent)
    person.mood = min(FULL, max(0, mood))
    if person.tell_h > 0:
        person.tell_h -= 1
    if person.keep_h > 0:
        person.keep_h -= 1
        if person.keep_h == 0:
            person.rumour = NONE


@spliced
def _move_home(person: Any, shape: Any, words: Any) -> Any:
    """Whether somebody moves today: to any home, with work near it."""
    if _high(words[2], 65_536) >= ROAM + person.discontent:
        return False
    person.home_x = _high(words[1], shape.width)
    person.home_y = _low(words[1], shape.height)
    span = 2 * WORK_WITHIN + 1
    person.work_x = min(shape.width - 1, max(0, person.home_x + _high(words[0], span) - WORK_WITHIN))
    person.work_y = min(shape.height - 1, max(0, person.home_y + _low(words[0], span) - WORK_WITHIN))
    return True


@spliced
def _protest(person: Any, place: Any, protesters: Any) -> Any:
    """Who protests goes on till it has vented; who has had enough begins, sooner among others who do."""
    if person.protest_h > 0:
        person.protest_h -= 1
        if person.protest_h == 0:
            person.discontent = person.discontent * VENT_KEEPS_4THS // 4
            protesters[place] -= 1


@spliced
def _rise(person: Any, place: Any, protesters: Any) -> Any:
    if person.protest_h == 0 and person.discontent >= person.patience - COURAGE * min(protesters[place], COURAGE_MAX):
        person.protest_h = PROTEST_H
        protesters[place] += 1


@spliced
def _choose(person: Any, hour: Any, price: Any, shape: Any) -> Any:
    """What to do in this hour."""
    if person.protest_h > 0:
        return PROTEST
    if hour < WAKE or hour >= BED:
        return REST
    pays = person.money >= price
    if person.food == 0 and person.hunger >= HUNGRY and pays:
        return SHOP
    if TO_WORK <= hour < OFF_WORK:
        return WORK
    if person.food < (HOARD if person.rumour == DREAD else LARDER) and hour < SHUT and (pays or person.food == 0):
        return SHOP
    if person.rumour == FEAST_NEWS and person.tell_h > 0 and hour >= OFF_WORK:
        far_x = abs(place_x(person.meet, shape.places_x, shape.width) - person.home_x)
        far_y = abs(place_y(person.meet, shape.places_x, shape.height) - person.home_y)
        if max(far_x, far_y) <= FEAST_WITHIN:
            return FEAST
    if person.social >= LONELY:
        return MEET
    return REST


@spliced
def _walk(people: Any, head: Any, i: Any, to_x: Any, to_y: Any, width: Any) -> Any:
    """Up to STRIDE cells towards a cell, along both axes at once; the newest in a cell heads its list."""
    person = people[i]
    x = person.x + min(STRIDE, max(-STRIDE, to_x - person.x))
    y = person.y + min(STRIDE, max(-STRIDE, to_y - person.y))
    if x != person.x or y != person.y:
        if person.above >= 0:
            people[person.above].below = person.below
        else:
            head[person.y * width + person.x] = person.below
        if person.below >= 0:
            people[person.below].above = person.above
        person.x = x
        person.y = y
        person.above = -1
        person.below = head[y * width + x]
        if person.below >= 0:
            people[person.below].above = i
        head[y * width + x] = i


@spliced
def _shop(person: Any, price: Any, level: Any, tally: Any, words: Any) -> Any:
    """Buy what is lacking, as far as the money goes. Who pays much more than usual is angry; who is hungry and cannot
    pay is so too, and may spread dread."""
    wanted = (HOARD if person.rumour == DREAD else LARDER) - person.food
    bought = max(0, min(wanted, person.money // price))
    person.food += bought
    person.money -= bought * price
    tally[BOUGHT] += bought
    dearer = (price - level) * 100 // level
    if bought > 0 and dearer >= DEAR:
        person.discontent = min(FULL, person.discontent + min(DEAR_MAX, dearer))
    if bought == 0 and wanted > 0 and person.hunger >= HUNGRY:
        tally[UNMET] += 1
        person.discontent = min(FULL, person.discontent + UNPAID_ANGER)
        person.mood = max(0, person.mood - HUNGRY_MOOD)
        if person.rumour == NONE and _high(words[3], 4) == 0:
            person.rumour = DREAD
            person.tell_h = TELL_H
            person.keep_h = KEEP_H


@spliced
def _spend(person: Any, activity: Any, level: Any) -> Any:
    """Among others: who has money to spare spends an eighth of it, and is the happier."""
    spare = person.money - SAVINGS * level
    mood = person.mood
    if spare > 0:
        person.money -= spare // 8
        mood += TREAT_MOOD
    if activity == FEAST:
        mood += FEAST_MOOD
    person.mood = min(FULL, mood)


@spliced
def _tell(teller: Any, hearer: Any, tally: Any) -> Any:
    hearer.rumour = teller.rumour
    hearer.meet = teller.meet
    hearer.tell_h = TELL_H
    hearer.keep_h = KEEP_H
    tally[HEARD] += 1
    if teller.rumour == DREAD:
        hearer.discontent = min(FULL, hearer.discontent + DREAD_ANGER)


@spliced
def _near(people: Any, head: Any, i: Any, width: Any, nth: Any) -> Any:
    """Who came n-th last to the cell where somebody stands, itself not counted; -1 if there are not so many."""
    other = head[people[i].y * width + people[i].x]
    left = nth
    while other >= 0:
        if other != i:
            if left == 0:
                return other
            left -= 1
        other = people[other].below
    return -1


@spliced
def _talk(person: Any, other: Any, own: Any, others: Any, words: Any) -> Any:
    """Both are less alone; a rumour that one tells on and the other has not heard may pass, either way."""
    person.social = max(0, person.social - TALK_EASE)
    other.social = max(0, other.social - TALK_EASE)
    person.mood = min(FULL, person.mood + TALK_MOOD)
    other.mood = min(FULL, other.mood + TALK_MOOD)
    own[TALKS] += 1
    if _low(words[1], 1000) < BELIEVED:
        if person.tell_h > 0 and other.rumour == NONE:
            _tell(person, other, others)
        elif other.tell_h > 0 and person.rumour == NONE:
            _tell(other, person, own)


@spliced
def _muse(person: Any, place: Any, shape: Any, words: Any) -> Any:
    """Now and then somebody begins a rumour: the discontented and every fourth of dread, others of a feast."""
    if person.rumour == NONE and _low(words[3], shape.start_bound) == 0:
        dread = person.discontent >= UNEASY or words[3] >> KIND_SHIFT == np.uint64(0)
        person.rumour = DREAD if dread else FEAST_NEWS
        person.meet = place
        person.tell_h = TELL_H
        person.keep_h = KEEP_H


@spliced
def _act(person: Any, activity: Any, sector: Any, prices: Any, level: Any, own: Any, tallies: Any, words: Any) -> Any:
    """What somebody does where it wanted to be. sector: of the cell where it stands."""
    if activity == WORK:
        if _low(words[2], 1000) < EMPLOYED:
            person.money = min(MONEY_MAX, person.money + person.wage * level // 1000)
        else:
            person.discontent = min(FULL, person.discontent + IDLE_ANGER)
    elif activity != REST:
        tallies[sector, GATHERED] += 1
        if activity == SHOP:
            _shop(person, prices[sector], level, own, words)
        if activity == PROTEST:
            own[PROTESTED] += 1
        else:
            _spend(person, activity, level)


@compiled
def live(
    shape: Any, people: Any, head: Any, sector_of: Any, prices: Any, level: Any, tallies: Any, present: Any,
    protesters: Any, seed: Any, hour: Any, agent: Any, steps: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """So many agent-steps, from person `agent` in world hour `hour` on; people and counts change in place.

    people (n,) PERSON; head (cells,) int32, the newest in each cell; sector_of (cells,) int32; prices (sectors,) int64
    of a ration; level int64, its usual price; tallies (sectors, TALLIES) int64; present (sectors, sectors) int64, who
    lives where and is where in the evening; protesters (places,) int64. Returns the next (hour, agent).
    """
    width = shape.width
    for _ in range(steps):
        person = people[agent]
        h = hour % HOURS_A_DAY
        words = block(seed, np.uint64(hour // HOURS_A_DAY), np.uint64(agent), HOUR_STREAM, np.uint64(h))
        home = sector_of[person.home_y * width + person.home_x]
        _live(person, h)
        if h == MOVING and _move_home(person, shape, words):
            tallies[home, MOVED] += 1
            home = sector_of[person.home_y * width + person.home_x]
        place = place_of(person.home_x, person.home_y, shape.places_x, shape.places_y)
        _protest(person, place, protesters)
        if h == OFF_WORK:
            _rise(person, place, protesters)
        market = place_y(place, shape.places_x, shape.height) * width + place_x(place, shape.places_x, width)
        activity = _choose(person, h, prices[sector_of[market]], shape)
        person.activity = activity
        to_x, to_y = person.home_x, person.home_y
        if activity == WORK:
            to_x, to_y = person.work_x, person.work_y
        elif activity != REST:
            target = person.meet if activity == FEAST else place
            to_x = place_x(target, shape.places_x, width)
            to_y = place_y(target, shape.places_x, shape.height)
        _walk(people, head, agent, to_x, to_y, width)
        here = sector_of[person.y * width + person.x]
        if person.x == to_x and person.y == to_y:
            _act(person, activity, here, prices, level, tallies[home], tallies, words)
        if WAKE <= h < BED:
            other = _near(people, head, agent, width, np.int64(words[0] >> NEAR_SHIFT))
            if other >= 0:
                theirs = sector_of[people[other].home_y * width + people[other].home_x]
                _talk(person, people[other], tallies[home], tallies[theirs], words)
            _muse(person, place, shape, words)
        if h == COUNTED:
            present[home, here] += 1
        agent += 1
        if agent == people.shape[0]:
            agent = 0
            hour += 1
    return hour, agent
