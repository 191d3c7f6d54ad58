"""Control as a part of a process: its room made of plain arguments, run until it is told to stop.
Lives here: putting link, desk and room together. Not here: settings, signals, threads (cli)."""

import threading
from collections.abc import Mapping
from functools import partial

from worldtick.contracts.commands import CONTROL_TOPIC
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.wire import EventWriter
from worldtick.control.commands import Reach
from worldtick.control.desk import Desk, Rules
from worldtick.control.hearing import Hearing, Manners
from worldtick.control.link import SESSION_TIMEOUT_MS, Link
from worldtick.control.replaying import fetch_letter
from worldtick.control.room import TICK_TOPICS, Room
from worldtick.runtime.vitals import Vitals
from worldtick.sealing.draft import Catalogue
from worldtick.store.db import Pool


def run_control(
    kafka: Mapping[str, str],
    pool: Pool,
    catalogue: Catalogue,
    writer: EventWriter,
    rules: Rules,
    stop: threading.Event,
    registry: SchemaRegistry | None = None,
    vitals: Vitals | None = None,
    session_timeout_ms: int = SESSION_TIMEOUT_MS,
    manners: Manners | None = None,
) -> None:
    """Seal what is pasted on the tick topics, answer commands, dead-letter what nobody can read, until `stop` is set.

    kafka: librdkafka's client settings. rules.prefix stands before topics and group. Needs two connections of the
    pool, and a third while a paste waits.
    Blocks; works in any thread. Away parts are waited for; only a fault of ours ends it, by its exception.
    """
    link = Link(kafka, rules.prefix, (*TICK_TOPICS, CONTROL_TOPIC), session_timeout_ms)
    reach = Reach(writer, rules.prefix, registry, partial(fetch_letter, kafka, rules.prefix))
    hearing = Hearing(pool, catalogue, manners or Manners(), reach)
    Room(link, Desk(pool, catalogue, rules, registry), pool, writer, vitals, hearing).run_until(stop)
