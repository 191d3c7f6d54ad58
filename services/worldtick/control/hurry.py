"""Hurry: a guess, without asking the store, whether a command may be one to be done, which then must not wait.
Lives here: what the guess is made from. Not here: verdicts (hearing, sifting), how long the others wait (room)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from worldtick.contracts.commands import Command, read_command
from worldtick.contracts.errors import Refused, Unreadable
from worldtick.control.admitting import Auth, Coded, Unproved, refuse_late, role_of
from worldtick.control.desk import Incoming
from worldtick.store.keys import KeyRow

KEYS_MAX: Final = 1_000
DECIDED_MAX: Final = 10_000  # and as many strangers


@dataclass(slots=True)
class Hurry:
    """What was met of late. A wrong guess costs its sender a moment and changes no verdict."""

    auth: Auth
    _keys: dict[str, KeyRow] = field(default_factory=dict)
    _decided: set[tuple[str, str]] = field(default_factory=set)  # (actor, id)
    _strangers: set[tuple[str, str | None]] = field(default_factory=set)  # (actor, world)

    def met_keys(self, keys: Mapping[str, KeyRow]) -> None:
        """Remember keys as they are in the store."""
        if len(self._keys) > KEYS_MAX:
            self._keys.clear()
        self._keys.update(keys)

    def met_decided(self, actor: str, command_id: str) -> None:
        """Remember that an id was decided: who sends it again can wait."""
        if len(self._decided) > DECIDED_MAX:
            self._decided.clear()
        self._decided.add((actor, command_id))

    @contextmanager
    def noting_strangers(self, command: Command) -> Iterator[None]:
        """Remember whose command about a world is refused while this lasts: for who asks, not for what."""
        try:
            yield
        except Refused:
            if len(self._strangers) > DECIDED_MAX:
                self._strangers.clear()
            self._strangers.add((command.actor, command.world))
            raise

    def may_be_done(self, record: Incoming) -> bool:
        """Whether it seems whole, proved, in time, new, and its sender's to ask."""
        try:
            command = read_command(record.value)
            if (command.actor, command.id) in self._decided or (command.actor, command.world) in self._strangers:
                return False
            refuse_late(command, record, time.time_ns() // 1_000, self.auth)
            if self.auth == "signed":
                role_of(self._keys.get, record, command)
        except (Unreadable, Unproved, Coded):
            return False
        return True
