"""The rival of economy_step that does the same work: our market hour in plain Python, one object for each person.
Lives here: one district's hour, equal to the compiled one number for number. Not here: timing, random words.

Written as one would write it to be quick in Python: slots, local names, tuples. The random words are given to it and
cost it nothing.
"""

from dataclasses import dataclass
from operator import itemgetter

PPM = 1_000_000
Order = tuple[int, int, int, "Person"]  # price, units, what a unit is worth to its owner, owner


@dataclass(frozen=True, slots=True)
class Trade:
    """What a person of this trade makes of what; units as in the scenario."""

    makes: int
    batch_units: int
    batches_milli: int
    uses: tuple[int, ...]  # by commodity
    store_units: int


@dataclass(frozen=True, slots=True)
class Wants:
    """What households want of each commodity."""

    spend_ppm: tuple[int, ...]
    need_milli: tuple[int, ...]
    larder_units: tuple[int, ...]


class Person:
    """One trader; lists by commodity."""

    __slots__ = ("high", "low", "money", "number", "past", "purse", "stock", "trade")

    def __init__(self, number: int, trade: Trade, money: int, beliefs: list[tuple[int, int]], stock: list[int],
                 purse: list[int], past: list[tuple[int, int]]) -> None:  # fmt: skip
        self.number = number
        self.trade = trade
        self.money = money
        self.low = [low for low, _ in beliefs]
        self.high = [high for _, high in beliefs]
        self.stock = stock
        self.purse = purse
        self.past = past  # the last ten trades: commodity, price


def _flow(rate_milli: int, hour: int, number: int) -> int:
    phase = number * 617 % 1000
    return (hour * rate_milli + phase) // 1000 - ((hour - 1) * rate_milli + phase) // 1000


class Market:
    """One district of one world."""

    def __init__(self, people: list[Person], wants: Wants, prices: list[int]) -> None:
        self.people = people
        self.wants = wants
        self.prices = prices
        self.report: list[tuple[int, ...]] = []  # by commodity: volume, demand, supply, orders, efficiency_ppm

    def live(self, hour: int, draws: list[list[int]]) -> None:
        """One hour. draws: 32 random bits by person and commodity."""
        commodities = range(len(self.prices))
        bids: list[list[Order]] = [[] for _ in commodities]
        asks: list[list[Order]] = [[] for _ in commodities]
        for person, words in zip(self.people, draws, strict=True):
            self._work(person, hour)
            self._consume(person, hour)
            self._wish(person, words, bids, asks)
        self.report = [self._clear(c, bids[c], asks[c]) for c in commodities]

    def _work(self, person: Person, hour: int) -> None:
        trade, stock = person.trade, person.stock
        made = trade.makes
        batches = _flow(trade.batches_milli, hour, person.number)
        batches = min(batches, max(0, trade.store_units - stock[made]) // trade.batch_units)
        for c, uses in enumerate(trade.uses):
            if uses:
                batches = min(batches, stock[c] // uses)
        if batches:
            for c, uses in enumerate(trade.uses):
                if uses:
                    stock[c] -= batches * uses
            stock[made] += batches * trade.batch_units

    def _consume(self, person: Person, hour: int) -> None:
        stock, trade, wants = person.stock, person.trade, self.wants
        for c, held in enumerate(stock):
            if held > 0 and not trade.uses[c]:
                need = _flow(wants.need_milli[c], hour, person.number)
                over = held - wants.larder_units[c]
                if over > 0 and c != trade.makes:
                    need += (over + 3) >> 2
                stock[c] = held - min(held, need)

    def _wish(self, person: Person, words: list[int], bids: list[list[Order]], asks: list[list[Order]]) -> None:
        trade, wants, stock, purse = person.trade, self.wants, person.stock, person.purse
        lows, highs, money = person.low, person.high, person.money
        made = trade.makes
        gain = trade.batch_units * (lows[made] + highs[made])
        for c, uses in enumerate(trade.uses):
            if uses:
                gain -= uses * (lows[c] + highs[c])
        free = money
        for c, word in enumerate(words):
            low = lows[c]
            width = highs[c] - low
            place = word * (width + 1) >> 32
            if c == made:
                over = max(0, stock[c] - wants.larder_units[c])
                if over:
                    units = min(over, trade.batch_units * trade.batches_milli // 1000 + 1 + (over >> 3))
                    place -= place * min(over, trade.store_units) // trade.store_units
                    asks[c].append((low + place, units, low, person))
                continue
            uses = trade.uses[c]
            if uses:
                enough = uses * max(1, trade.batches_milli * 8 // 1000)
                units = max(0, enough - stock[c]) if gain > 0 else 0
                quote = low + place + (width - place) * units // enough
                units = min(units, free // quote)
            else:
                share = min(money >> 2, money * wants.spend_ppm[c] // PPM)
                saved = min(purse[c] + share, max(share * 6, highs[c]) if share else 0)
                purse[c] = saved
                most = share * 5
                quote = low + place + (width - place) * min(max(0, saved - max(share, low)), most) // max(1, most)
                units = min(saved, free) // quote
            if units:
                free -= units * quote
                bids[c].append((quote, units, highs[c], person))

    def _clear(self, c: int, bids: list[Order], asks: list[Order]) -> tuple[int, ...]:
        bid_values, ask_values = [(o[2], o[1]) for o in bids], [(o[2], o[1]) for o in asks]
        values = _cross(bid_values, ask_values)
        best = 0
        if values is not None:
            best = _worth(bid_values, _filled(bid_values, values, 1)) - _worth(
                ask_values, _filled(ask_values, values, -1)
            )
        bid_offers, ask_offers = [(o[0], o[1]) for o in bids], [(o[0], o[1]) for o in asks]
        found = _cross(bid_offers, ask_offers)
        demand, supply = sum(o[1] for o in bids), sum(o[1] for o in asks)
        if found is None:
            bid_filled, ask_filled, volume, gained = [0] * len(bids), [0] * len(asks), 0, 0
        else:
            self.prices[c] = found[0]
            bid_filled, ask_filled = _filled(bid_offers, found, 1), _filled(ask_offers, found, -1)
            volume = found[1]
            gained = _worth(bid_values, bid_filled) - _worth(ask_values, ask_filled)
            self._spread_news(c, bids, asks)
        price = self.prices[c]
        for order, units in zip(bids, bid_filled, strict=True):
            self._settle(order, units, c, price, 1)
        for order, units in zip(asks, ask_filled, strict=True):
            self._settle(order, units, c, price, -1)
        return volume, demand, supply, len(bids) + len(asks), min(PPM, gained * PPM // best) if best > 0 else PPM

    def _spread_news(self, c: int, bids: list[Order], asks: list[Order]) -> None:
        price = self.prices[c]
        ordered = {order[3].number for order in bids}
        ordered.update(order[3].number for order in asks)
        for person in self.people:
            if person.number not in ordered:
                low, high = person.low[c], person.high[c]
                middle = (low + high) >> 1
                _centre(person, c, middle, (price - middle) >> 3, (high - low) >> 1)

    def _settle(self, order: Order, filled: int, c: int, price: int, sign: int) -> None:
        quote, units, _, person = order
        if filled:
            person.money -= sign * filled * price
            person.stock[c] += sign * filled
            if sign > 0 and not person.trade.uses[c]:
                person.purse[c] -= filled * price
            person.past.append((c, price))
            if len(person.past) > 10:
                del person.past[0]
        low, high = person.low[c], person.high[c]
        middle, half = (low + high) >> 1, (high - low) >> 1
        if filled * 2 >= units:
            past = [paid for what, paid in person.past if what == c]
            move = (((price * 3 + sum(past) // len(past)) >> 2) - middle) >> 2
            half -= half >> 3
        else:
            move = (price - middle) >> 1 if (price - quote) * sign > 0 else 0
            if not filled:
                move += sign * ((middle >> 6) + 1)
            half = min(half + (middle >> 6) + 1, middle >> 1)
        _centre(person, c, middle, move, half)


def _worth(values: list[tuple[int, int]], filled: list[int]) -> int:
    return sum(value * units for (value, _), units in zip(values, filled, strict=True))


def _cross(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> tuple[int, int] | None:
    """(price, volume) of a book of (price, units), or None where nothing trades."""
    if not bids or not asks or max(bids)[0] < min(asks)[0]:
        return None
    need = sum(units for _, units in asks)
    upper = lower = 0
    for price, units in sorted(bids + asks, key=itemgetter(0), reverse=True):
        if need > 0:
            need -= units
            upper = price
            lower = price if need < 0 else 0
        elif not lower:
            lower = price
            break
    at = (upper + lower) >> 1
    volume = min(sum(u for p, u in bids if p >= at), sum(u for p, u in asks if p <= at))
    return (at, volume) if volume else None


def _filled(offers: list[tuple[int, int]], found: tuple[int, int], sign: int) -> list[int]:
    """Units of each (price, units) of a side: better ones whole, those at the price in order of persons."""
    price, left = found
    filled = [units if (limit - price) * sign > 0 else 0 for limit, units in offers]
    left -= sum(filled)
    for number, (limit, units) in enumerate(offers):
        if limit == price:
            filled[number] = min(left, units)
            left -= filled[number]
    return filled


def _centre(person: Person, c: int, middle: int, move: int, half: int) -> None:
    most = (middle >> 5) + 1
    middle += max(-most, min(most, move))
    half = max(half, (middle >> 5) + 1)
    low = max(1, middle - half)
    person.low[c] = low
    person.high[c] = max(low + 1, middle + half)
