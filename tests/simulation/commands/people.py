"""People who command: what is sent on world.control and pasted on the tick topics, drawn from the seed.
Lives here: records, and what their senders know of them. Not here: when they are sent (house), what must come of them
(promises)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from tests.simulation.commands.plan import Plan

ACTORS: Final = ("ann", "bob")
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
DRIVERS: Final = ("auto", "manual", "scheduled", "event", "timely")
OTHERS: Final = ("n0", "n1", "nobody")  # worlds that may be made meanwhile, and one that never is
PASTES: Final = (b'{"data": {"tick_type": "hourly"}}', b'{"data": {"tick_type": "hourly", "world": "w0"}}')
GARBAGE: Final = (
    None,
    b"",
    b"\xff\xfe",
    b"[1, 2]",
    b'{"id": "x"}',
    b'{"id": "x", "actor": "ann", "name": "ping", "args": ' + b"[" * 40 + b"]" * 40 + b"}",
    b'{"id": "x\\u0000", "actor": "ann", "name": "ping"}',
    b'{"id": "' + b"x" * 140_000 + b'"}',
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as its sender knows it."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    value: bytes | None = None
    garbage: bool = False
    late: bool = False  # it was issued too long ago, or will be

    @property
    def whose(self) -> tuple[str, str]:
        """(actor, id)."""
        return self.fields["actor"], self.fields["id"]

    @property
    def meaning(self) -> str:
        """What it asks, however it is written."""
        asked = {name: self.fields.get(name) for name in ("name", "world", "args", "expected_version", "dry_run")}
        return json.dumps(asked, sort_keys=True)


class People:
    """Draws one record after another."""

    def __init__(self, rng: Random, plan: Plan, version_of: Callable[[str], int]) -> None:
        self._rng, self._plan = rng, plan
        self._worlds = (*[world.name for world in plan.worlds] * 6, *OTHERS)
        self._version_of = version_of
        self._sent: list[Asked] = []
        self._number = 0

    def ask(self, now: datetime) -> Asked:
        """A new command, one that was sent before, another under its id, or garbage."""
        drawn = self._rng.random()
        if drawn < 0.06:
            return Asked(value=self._rng.choice(GARBAGE), garbage=True)
        if self._sent and drawn < 0.06 + self._plan.repeats:
            return self._repeat(self._rng.choice(self._sent), now)
        asked = self._new(now)
        self._sent.append(asked)
        return asked

    def _repeat(self, before: Asked, now: datetime) -> Asked:
        """The same bytes, the same command sent anew, another command, or the same id of another actor."""
        way = self._rng.choice(("bytes", "bytes", "anew", "other", "actor"))
        if way == "bytes":
            return before
        if way == "anew":
            return _written({**before.fields, "issued_at": now.isoformat()})
        if way == "other":
            return _written({**self._new(now).fields, "id": before.fields["id"], "actor": before.fields["actor"]})
        other = {"ann": "bob", "bob": "ann"}[before.fields["actor"]]
        return _written({**before.fields, "actor": other, "issued_at": now.isoformat()})

    def _new(self, now: datetime) -> Asked:
        rng = self._rng
        self._number += 1
        name = rng.choice(self._plan.only or (*_ARGS, *_OFTEN))
        fields: dict[str, Any] = {
            "id": f"c{self._number}",
            "actor": rng.choice(ACTORS),
            "name": name,
            "args": _ARGS[name](rng),
            "issued_at": now.isoformat(),
        }
        if name != "ping":
            fields["world"] = rng.choice(_OF_FEW.get(name, self._worlds))
        if name == "clock.set_mode" and not self._plan.modes:
            fields["args"] = {"driver": "timely"}
        if rng.random() < 0.15:
            fields["dry_run"] = True
        if rng.random() < 0.15:
            fields["expected_version"] = max(
                1, self._version_of(fields.get("world", "")) + rng.choice((0, 0, 0, 1, -1))
            )
        late = rng.random() < 0.05
        if late:
            fields["issued_at"] = (now + timedelta(seconds=rng.choice((-400, 40_000)))).isoformat()
        return _written(fields, late)


def _written(fields: dict[str, Any], late: bool = False) -> Asked:
    return Asked(fields, json.dumps(fields).encode(), late=late)


def last_wish(world: str, name: str, number: int, now: datetime) -> Asked:
    """One of those that bring a world to rest at the end."""
    issued = now.isoformat()
    fields = {
        "id": f"{name}{number}",
        "actor": f"end.{world}",
        "name": name,
        "world": world,
        "args": {},
        "issued_at": issued,
    }
    return _written(fields)


def _configuration(rng: Random) -> dict[str, Any]:
    many: dict[str, Any] = {
        "timeScale": rng.choice((1, 60, 0.5)),
        "inFlightMax": rng.choice((1, 4, 16)),
        "lagPolicy": rng.choice(("wait", "skip", "slow_down")),
        "lagMaxSeconds": rng.choice((1, 60)),
        "pauseSimulation": rng.random() < 0.5,
        "budgets": {"market": {"orders": rng.choice((5, 80, None))}},
        "settings": {"market": {"closed": rng.choice((True, False, None))}},
        "tickIntervalSeconds": rng.choice((0.5, 1, -1)),
    }
    return {name: many[name] for name in rng.sample(sorted(many), rng.randint(1, 3))}


def _world(rng: Random) -> dict[str, Any]:
    services = {"count": {"slices": rng.choice((1, 2))}, rng.choice(("market", "market", "markt")): {}}
    return {"scenario": {"name": "small", "services": services, "world": {"driver": "manual"}}}


_ARGS: Final[Mapping[str, Callable[[Random], dict[str, Any]]]] = {
    "ping": lambda rng: {},
    "clock.pause": lambda rng: {},
    "clock.resume": lambda rng: {},
    "clock.set_scale": lambda rng: {"scale": rng.choice(("1", "60", "3600", "0.5", "0", "-1"))},
    "clock.set_mode": lambda rng: {"driver": rng.choice(DRIVERS)},
    "clock.set_interval": lambda rng: {"interval": rng.choice(("500ms", "1s", "2s"))},
    "clock.advance": lambda rng: {"duration": rng.choice(("20m", "1h", "1h30m", "3h", "5h", "-1h"))},
    "clock.set": lambda rng: {
        "time": (EPOCH + timedelta(minutes=10 * rng.randint(0, 180))).isoformat(),
        "execute_skipped": rng.random() < 0.5,
    },
    "clock.skip_to_next": lambda rng: {},
    "tick.force": lambda rng: {"kind": rng.choice(("hourly", "hourly", "hourly", "daily"))},
    "directive.count.nudge": lambda rng: {"by": rng.choice((1, 2, 3, "much"))},
    "directive.count.write": lambda rng: {"text": rng.choice(("a", "b", "c"))},
    "world.configure": _configuration,
    "world.create": _world,
    "world.archive": lambda rng: {},
}
_OFTEN: Final = ("clock.advance", "tick.force", "directive.count.nudge") * 2
_OF_FEW: Final = {"world.archive": ("w1", "n0", "n1", "nobody"), "world.create": ("n0", "n1", "w0")}
