"""The account of ticks that law 6 asks for: per service, sealed = applied + dead + in flight.
Lives here: putting it together and saying whether it balances. Not here: the rows (store), records (groups)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from worldtick.store.accounts import read_tallies
from worldtick.store.db import Connection
from worldtick.store.standing import ServiceStanding, service_standing, uncounted

APPLIED, DEAD = 1, 2  # ledger.outcome
Tallies = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]


class TickAccount(NamedTuple):
    """One service; ticks are counted per slice."""

    service: str
    sealed: int
    applied: int
    dead: int
    in_flight: int

    @property
    def balances(self) -> bool:
        """Whether every sealed tick is accounted for. applied and dead come from the ledger, the others do not."""
        return self.sealed == self.applied + self.dead + self.in_flight


def tick_accounts(conn: Connection) -> tuple[list[ServiceStanding], list[TickAccount], Tallies]:
    """Services, their accounts and all tallies, of one moment: the caller's transaction is repeatable read."""
    services = service_standing(conn)
    tallies = read_tallies(conn)
    waiting = uncounted(conn)
    counted = {(labels["service"], labels["outcome"]): int(value) for labels, value in tallies.get("ticks", ())}
    accounts = [
        TickAccount(
            service=each.service,
            sealed=each.sealed,
            applied=counted.get((each.service, "applied"), 0) + waiting.get((each.service, APPLIED), 0),
            dead=counted.get((each.service, "dead"), 0) + waiting.get((each.service, DEAD), 0),
            in_flight=each.sealed - each.finished,
        )
        for each in services
    ]
    return services, accounts, tallies
