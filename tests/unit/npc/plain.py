"""The decision of one inhabitant in plain Python, by docs/NPC.md: what the kernel must agree with, bit for bit.
Lives here: the oracle, one person and one decision at a time. Not here: the comparison (comparing).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from worldtick.chance.philox import block
from worldtick.chance.streams import ChanceStream
from worldtick.npc import brought
from worldtick.npc.hours import MONDAY_S, Moment
from worldtick.npc.people import People, Slice
from worldtick.npc.units import (
    DAY_S,
    EVEN,
    FULL,
    HOPS_MAX,
    HOUR_S,
    NEVER,
    UNITS_MAX,
    WEEK_S,
    Atom,
    Intent,
    Phase,
    Spot,
    Tier,
)


def words(moment: Moment, entity: int, stream: ChanceStream, at: int) -> list[int]:
    """Four words of 64 bits of an inhabitant at a second."""
    drawn = block(np.uint64(moment.seed), np.uint64(moment.seq), np.uint64(entity), np.uint64(stream), np.uint64(at))
    return [int(word) for word in drawn]


@dataclass
class Oracle:
    """One slice in lists."""

    state: Slice
    moment: Moment
    row: dict[str, Any] = field(init=False)
    lines: list[tuple[int, ...]] = field(default_factory=list)
    asks: list[tuple[int, ...]] = field(default_factory=list)
    used: int = 0

    def __post_init__(self) -> None:
        self.row = {name: getattr(self.state.people, name).tolist() for name in People._fields}
        self.t = self.state.plan.tables
        self.from_s = self.moment.from_us // 1_000_000
        self.to_s = self.moment.to_us // 1_000_000

    def live(self) -> None:
        """Round after round, in order of entities."""
        due = [i for i, second in enumerate(self.row["due_s"]) if second < self.to_s]
        while due and self.used < self.moment.decisions:
            left = self.moment.decisions - self.used
            served = sorted(sorted(due, key=lambda i: (self.row["due_s"][i], i))[:left])
            for i in served:
                self.decide(i)
            self.used += len(served)
            due = [i for i in due if self.row["due_s"][i] < self.to_s]

    def claim(self, i: int) -> tuple[int, int]:
        """(tier that it claims, since when), by the rules as the tick begins."""
        row, rules = self.row, self.state.plan.rules
        truth = [self.holds(i, self.from_s, atom) for atom in range(len(self.t.atom_kind))]
        for rule, tier in enumerate(rules.tier.tolist()):
            clauses = range(int(rules.clause_start[rule]), int(rules.clause_start[rule + 1]))
            holds = any(_clause(int(rules.must[c]), int(rules.never[c]), truth) for c in clauses)
            if holds and rules.group[rule, row["group"][i]]:
                if tier != row["claim"][i] and row["focus_s"][i] <= self.from_s:
                    return tier, self.from_s
                break
        return row["claim"][i], row["claimed_s"][i]

    def decide(self, i: int) -> None:
        row, t = self.row, self.t
        at = max(row["due_s"][i], self.from_s, row["seen_s"][i])
        factors = self.factors(i, at)
        self.pass_time(i, at)
        duty, until = self.duty(i, at)
        truth = [self.holds(i, at, atom) for atom in range(len(t.atom_kind))]
        able = [self.able(i, a, at, until, truth) for a in range(len(t.weight_q8))]
        drawn = words(self.moment, self.state.first + i, ChanceStream.NPC_DECIDE, at)
        now = row["activity"][i]
        picked = self.pick(i, able, factors, drawn[0])
        if duty >= 0 and duty == now and row["ends_s"][i] == until:
            pass
        elif duty >= 0 or at >= row["ends_s"][i]:
            self.complete(i, now, at)
            chosen = duty if duty >= 0 else self.next(i, picked, able, truth, drawn[1])
            self.begin(i, now, chosen, at, drawn[3])
            row["ends_s"][i] = until if duty >= 0 else at + int(t.least_s[chosen])
        tier = row["tier"][i]
        row["due_s"][i] = min(at + self.moment.intervals_s[tier], until)

    def factors(self, i: int, at: int) -> list[int]:
        """What each evaluator says of one inhabitant, asked for it alone."""
        if not self.state.plan.evaluators:
            return []
        columns = self.state.people._asdict()
        people = People(**{name: np.array(self.row[name], columns[name].dtype) for name in People._fields})
        said = [brought.part(brought.EVALUATORS, name) for name in self.state.plan.evaluators]
        return [max(64, min(1_024, int(each(people, np.array([i]), np.array([at]))[0]))) for each in said]

    def pass_time(self, i: int, at: int) -> None:
        row, t, seen = self.row, self.t, self.row["seen_s"][i]
        for k in range(8):
            rate = int(t.rate[row["activity"][i], k])
            row["level"][k][i] = max(0, min(FULL, row["level"][k][i] + rate * at // HOUR_S - rate * seen // HOUR_S))
        for k in range(2):
            back = int(t.calm[k]) * at // HOUR_S - int(t.calm[k]) * seen // HOUR_S
            off = row["level"][6 + k][i] - EVEN
            row["level"][6 + k][i] = EVEN + (max(0, off - back) if off > 0 else min(0, off + back))
        for line in row["cool_s"]:
            line[i] = max(0, line[i] - (at - seen))
        row["seen_s"][i] = at

    def duty(self, i: int, at: int) -> tuple[int, int]:
        t = self.t
        schedule = int(t.group_schedule[self.row["group"][i]])
        if schedule < 0:
            return -1, NEVER
        second = (at + self.moment.epoch_s - MONDAY_S) % WEEK_S
        rows = range(int(t.week_start[schedule]), int(t.week_start[schedule + 1]))
        on = max(row for row in rows if t.week_at[row] <= second)
        later = [int(t.week_at[row]) for row in rows if t.week_at[row] > second]
        return int(t.week_activity[on]), at + min([*later, WEEK_S]) - second

    def holds(self, i: int, at: int, atom: int) -> bool:
        row, t = self.row, self.t
        kind, column = Atom(int(t.atom_kind[atom])), int(t.atom_column[atom])
        low, high = int(t.atom_low[atom]), int(t.atom_high[atom])
        clock = (at + self.moment.epoch_s - MONDAY_S) % WEEK_S
        if kind == Atom.LEVEL:
            return low <= int(row["level"][column][i]) <= high
        if kind == Atom.TIE:
            ties = [slot for slot in range(len(row["tie"])) if row["tie"][slot][i] >= 0]
            return low <= max([0, *(int(row["axis"][column][slot][i]) for slot in ties)]) <= high
        if kind == Atom.TIME:
            second = clock % DAY_S
            return low <= second < high if low < high else not high <= second < low
        if kind == Atom.CHANCE:
            word = words(self.moment, self.state.first + i, ChanceStream.NPC_CHANCE, at)[column // 4]
            return (word >> 16 * (column % 4)) % 65_536 < low
        place = row["place"][i]
        rest: dict[Atom, Any] = {
            Atom.FLAG: row["flags"][i] >> column & 1,
            Atom.ITEM: column < len(row["item"]) and low <= row["item"][column][i] <= high,
            Atom.PLACE: place == column,
            Atom.KIND: t.place_kind[place] == column,
            Atom.HOME: place == row["home"][i],
            Atom.WORK: place == row["work"][i],
            Atom.DAYS: low >> (clock // DAY_S) & 1,
        }
        return bool(rest[kind])

    def able(self, i: int, a: int, at: int, until: int, truth: list[bool]) -> bool:
        t = self.t
        clauses = range(int(t.clause_start[a]), int(t.clause_start[a + 1]))
        cool = int(t.cool_row[a])
        return (
            any(_clause(int(t.must[c]), int(t.never[c]), truth) for c in clauses)
            and at + int(t.least_s[a]) <= until
            and (cool < 0 or self.row["cool_s"][cool][i] == 0)
        )

    def pick(self, i: int, able: list[bool], factors: list[int], word: int) -> int:
        scores = [self.score(i, a, factors) if able[a] else 0 for a in range(len(able))]
        left = (word >> 32) * sum(scores) >> 32
        for a, score in enumerate(scores):
            if left < score:
                return a
            left -= score
        return len(scores) - 1

    def score(self, i: int, a: int, factors: list[int]) -> int:
        row, t = self.row, self.t
        level = [int(row["level"][k][i]) for k in range(8)]
        dull = [(((FULL - level[k]) >> 6) ** 2) >> 10 for k in range(6)]
        urgency = min(1_024, 64 + (sum(dull[k] * int(t.urgency[a, k]) for k in range(6)) >> 6))
        mood = int(t.mood[a, 0]) * (level[6] - EVEN) + int(t.mood[a, 1]) * (level[7] - EVEN)
        feel = max(128, min(512, 256 + (mood >> 13)))
        near = max(128, min(512, 256 + (int(t.company[a]) * (row["close"][i] - 100) >> 5)))
        weight = int(self.state.standing[a, i]) * urgency >> 8
        weight = (weight * feel >> 8) * near >> 8
        if t.evaluator[a] >= 0:
            weight = weight * factors[t.evaluator[a]] >> 8
        same = int(t.inertia_q8) if row["activity"][i] == a else 256
        return max(1, int(weight) * same >> 8)

    def complete(self, i: int, now: int, at: int) -> None:
        row, t = self.row, self.t
        if at >= row["ends_s"][i]:
            for k in range(8):
                row["level"][k][i] = max(0, min(FULL, row["level"][k][i] + int(t.gain[now, k])))
            row["flags"][i] = row["flags"][i] & int(t.keep_flags[now]) | int(t.set_flags[now])
            for item, line in enumerate(row["item"]):
                line[i] = max(0, min(UNITS_MAX, line[i] + int(t.item_gain[now, item])))
            if row["partner"][i] >= 0:
                for axis in range(4):
                    line = row["axis"][axis][row["partner"][i]]
                    line[i] = max(0, min(100, line[i] + int(t.bond[now, axis])))
                ties = [slot for slot in range(len(row["tie"])) if row["tie"][slot][i] >= 0]
                row["close"][i] = max(row["axis"][0][slot][i] + row["axis"][1][slot][i] for slot in ties)
            if t.event[now] >= 0:
                self.say(i, int(t.event[now]), Phase.CUSTOM, at)
        if t.cool_row[now] >= 0:
            row["cool_s"][t.cool_row[now]][i] = int(t.cool_s[now])

    def next(self, i: int, picked: int, able: list[bool], truth: list[bool], word: int) -> int:
        node = self.row["node"][i]
        if node < 0:
            return picked
        for _ in range(HOPS_MAX):
            node = self.edge(node, truth, word % (1 << 24))
            if node < 0:
                return picked
            if self.t.node_kind[node] == 2:
                if not able[self.t.node_activity[node]]:
                    return picked
                self.row["node"][i] = node
                return int(self.t.node_activity[node])
            word >>= 8
        return picked

    def edge(self, node: int, truth: list[bool], word: int) -> int:
        t = self.t
        edges = [
            edge
            for edge in range(int(t.edge_start[node]), int(t.edge_start[node + 1]))
            if any(
                _clause(int(t.edge_must[c]), int(t.edge_never[c]), truth)
                for c in range(int(t.edge_clause[edge]), int(t.edge_clause[edge + 1]))
            )
        ]
        if not edges:
            return -1
        if t.node_kind[node] != 1:
            return int(t.edge_to[edges[0]])
        left = sum(int(t.edge_weight[edge]) for edge in edges) * word >> 24
        for edge in edges:
            if left < t.edge_weight[edge]:
                return int(t.edge_to[edge])
            left -= int(t.edge_weight[edge])
        raise AssertionError("a share of a sum lies within it")

    def begin(self, i: int, now: int, chosen: int, at: int, word: int) -> None:
        row, t = self.row, self.t
        if chosen != now:
            self.say(i, now, Phase.FINISHED, at)
        spot = int(t.spot[chosen])
        if spot == Spot.HOME:
            row["place"][i] = row["home"][i]
        elif spot == Spot.WORK:
            row["place"][i] = row["work"][i]
        elif spot >= 0:
            cell = spot * len(self.state.plan.districts) + int(t.place_district[row["home"][i]])
            places = t.spot_place[t.spot_start[cell] : t.spot_start[cell + 1]].tolist()
            if places:
                row["place"][i] = places[(self.state.first + i) % len(places)]
        row["activity"][i], row["started_s"][i], row["partner"][i] = chosen, at, -1
        if t.intent[chosen]:
            self.ask(i, chosen, at, word)
        if chosen != now:
            self.say(i, chosen, Phase.STARTED, at)

    def ask(self, i: int, chosen: int, at: int, word: int) -> None:
        row, t = self.row, self.t
        ties = [(slot, 1 + row["axis"][0][slot][i]) for slot in range(len(row["tie"])) if row["tie"][slot][i] >= 0]
        left = (word >> 32) * sum(weight for _, weight in ties) >> 32
        for slot, weight in ties:
            if left < weight:
                row["partner"][i] = slot
                break
            left -= weight
        gives, item = t.intent[chosen] == Intent.GIVE, int(t.gives[chosen])
        if not ties or (gives and row["item"][item][i] == 0) or not (gives or row["tier"][i] <= Tier.ACTIVE):
            return
        if len(self.asks) < self.moment.intents:
            self.asks.append((i, row["tie"][row["partner"][i]][i], chosen, item, at))
            if gives:
                row["item"][item][i] -= 1

    def say(self, i: int, what: int, phase: Phase, at: int) -> None:
        row = self.row
        if row["tier"][i] <= Tier.ACTIVE and len(self.lines) < self.moment.events:
            partner = row["partner"][i]
            other = row["tie"][partner][i] if partner >= 0 else -1
            self.lines.append((at, i, what, int(phase), row["place"][i], other))


def _clause(must: int, never: int, truth: list[bool]) -> bool:
    bits = sum(1 << number for number, holds in enumerate(truth) if holds)
    return bits & must == must and bits & never == 0
