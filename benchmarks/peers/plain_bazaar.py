"""The rival of economy_step: a BazaarBot round in plain Python, one object for each agent and each offer.
Lives here: that model, as its paper and its published source describe it. Not here: timing, or our markets.

Doran & Parberry, "Emergent economies for role playing games" (2010), with the beliefs, favourability and wobble of the
authors' published BazaarBot. Written as one would write it to be quick: slots, local names, no library but `random`.
"""

from dataclasses import dataclass
from random import Random

PAST_MAX = 10  # trades that an agent looks back on
WOBBLE = 0.05
SIGNIFICANT = 0.25
LOW_STOCK, HIGH_STOCK = 0.25, 2.0


@dataclass(frozen=True, slots=True)
class Role:
    """What a role makes of what, in one batch, how many batches a round, and what its agents keep of each good."""

    makes: int
    batch: int
    batches: float
    uses: tuple[tuple[int, int], ...]
    ideal: tuple[float, ...]


class Agent:
    """One trader: inventory, money, a believed price range for each good, past prices."""

    __slots__ = ("ahead", "high", "low", "money", "past", "role", "stock")

    def __init__(self, role: Role, money: float, prices: list[float], chance: Random) -> None:
        self.role = role
        self.money = money
        self.stock = [float(units // 2) for units in role.ideal]
        self.low = [price * chance.uniform(0.6, 0.9) for price in prices]
        self.high = [price * chance.uniform(1.1, 1.4) for price in prices]
        self.past: list[list[float]] = [[price] for price in prices]
        self.ahead = chance.random()  # part of a batch begun


class Offer:
    """A bid or an ask."""

    __slots__ = ("agent", "price", "units")

    def __init__(self, agent: Agent, units: float, price: float) -> None:
        self.agent = agent
        self.units = units
        self.price = price


class Bazaar:
    """One world: all goods trade between all agents, round after round."""

    def __init__(self, roles: list[Role], counts: list[int], prices: list[float], use: list[float], seed: int) -> None:
        self.chance = Random(seed)
        self.use = use  # units of each good that an agent uses up in a round
        self.mean = list(prices)  # price of the last round that traded, by good
        self.asked, self.bid, self.traded = ([0.0] * len(prices) for _ in range(3))
        self.agents = [Agent(role, 1000.0, prices, self.chance) for role, n in zip(roles, counts, strict=True)
                       for _ in range(n)]  # fmt: skip

    def round(self) -> None:
        """Everybody works and offers, then good after good is matched."""
        goods = range(len(self.mean))
        bids: list[list[Offer]] = [[] for _ in goods]
        asks: list[list[Offer]] = [[] for _ in goods]
        for agent in self.agents:
            self._work(agent)
            for good in goods:
                self._offer(agent, good, bids[good], asks[good])
        for good in goods:
            self._resolve(good, bids[good], asks[good])

    def _work(self, agent: Agent) -> None:
        role, stock = agent.role, agent.stock
        agent.ahead += role.batches
        while agent.ahead >= 1:
            agent.ahead -= 1
            if all(stock[good] >= units for good, units in role.uses) and stock[role.makes] < 24 * role.batch:
                for good, units in role.uses:
                    stock[good] -= units
                stock[role.makes] += role.batch
        for good, eaten in enumerate(self.use):
            if good != role.makes and stock[good] > 0:
                stock[good] = max(0.0, stock[good] - eaten)

    def _favourability(self, agent: Agent, good: int) -> float:
        """Where the mean price lies in the range that the agent has seen: 0 cheap, 1 dear."""
        past = agent.past[good]
        low, high = min(past), max(past)
        if high <= low:
            return 0.5
        return min(1.0, max(0.0, (self.mean[good] - low) / (high - low)))

    def _offer(self, agent: Agent, good: int, bids: list[Offer], asks: list[Offer]) -> None:
        ideal, held = agent.role.ideal[good], agent.stock[good]
        if held >= ideal + 1:
            units = round(self._favourability(agent, good) * (held - ideal)) or 1
            asks.append(Offer(agent, units, self.chance.uniform(agent.low[good], agent.high[good])))
        elif held <= ideal - 1:
            units = round((1 - self._favourability(agent, good)) * (ideal - held)) or 1
            price = self.chance.uniform(agent.low[good], agent.high[good])
            affordable = min(units, agent.money // price)
            if affordable >= 1:
                bids.append(Offer(agent, affordable, price))

    def _resolve(self, good: int, bids: list[Offer], asks: list[Offer]) -> None:
        self.chance.shuffle(bids)
        self.chance.shuffle(asks)
        bids.sort(key=lambda offer: -offer.price)
        asks.sort(key=lambda offer: offer.price)
        self.bid[good] = sum(offer.units for offer in bids)
        self.asked[good] = sum(offer.units for offer in asks)
        b = a = 0
        traded = worth = 0.0
        while b < len(bids) and a < len(asks):
            bid, ask = bids[b], asks[a]
            price = (bid.price + ask.price) / 2
            units = min(bid.units, ask.units, bid.agent.money // price)
            if units > 0:
                self._hand_over(good, bid, ask, units, price)
                traded += units
                worth += units * price
            if ask.units <= 0:
                a += 1
            if bid.units <= 0 or units <= 0:
                b += 1
        for offer in bids[b:]:
            self._learn(offer.agent, good, 1, 0.0)
        for offer in asks[a:]:
            self._learn(offer.agent, good, -1, 0.0)
        self.traded[good] = traded
        if traded:
            self.mean[good] = worth / traded

    def _hand_over(self, good: int, bid: Offer, ask: Offer, units: float, price: float) -> None:
        bid.units -= units
        ask.units -= units
        bid.agent.stock[good] += units
        ask.agent.stock[good] -= units
        bid.agent.money -= units * price
        ask.agent.money += units * price
        self._learn(bid.agent, good, 1, price)
        self._learn(ask.agent, good, -1, price)

    def _learn(self, agent: Agent, good: int, sign: int, price: float) -> None:
        """Move a belief after a trade at `price`, or after none (0). sign: 1 a buyer, -1 a seller."""
        low, high = agent.low[good], agent.high[good]
        mean = (low + high) / 2
        wobble = WOBBLE
        off = mean - self.mean[good]
        if price:
            past = agent.past[good]
            past.append(price)
            if len(past) > PAST_MAX:
                del past[0]
            if off * sign > SIGNIFICANT * mean:
                low, high = low - off / 2, high - off / 2
            low, high = low + wobble * mean, high - wobble * mean
            if low > high:
                low = high = (low + high) / 2
        else:
            low, high = low - off / 2, high - off / 2
            held, ideal = agent.stock[good], agent.role.ideal[good]
            if (sign > 0 and held < LOW_STOCK * ideal) or (sign < 0 and held > HIGH_STOCK * ideal):
                wobble *= 2
            else:
                asked, bid = self.asked[good], self.bid[good]
                excess = (asked - bid) / (asked + bid) if asked + bid else 0.0
                if abs(excess) > 0.1:
                    move = (mean - self.mean[good] * (1 - excess)) / 2
                    low, high = low - move, high - move
            low, high = low - wobble * mean, high + wobble * mean
        agent.low[good] = max(0.01, low)
        agent.high[good] = max(agent.low[good], high)
