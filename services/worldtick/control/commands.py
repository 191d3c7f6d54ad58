"""Every command there is: what it asks, who may, and the one function that does it, whichever door it comes in by.
Lives here: the registry, services' directives in it. Not here: clocks' own (clocks), proof and replies (hearing)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from worldtick.contracts.errors import Faulty, Refused
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.sealed import decode_sealed
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.contracts.wire import EventWriter
from worldtick.control import clocks
from worldtick.control.asking import ask_in
from worldtick.control.clocks import Nothing
from worldtick.control.configuring import Configure, configure
from worldtick.control.creation import archive_world_in, create_world_in
from worldtick.control.desk import Outgoing
from worldtick.control.faults import asked, near
from worldtick.control.replaying import Letter, Sent, record_in, replay_in
from worldtick.control.scenario import NO_DEFAULTS, Defaults, Word, load_scenario, read_scenario
from worldtick.control.ticking import Force, Manual, seal_asked
from worldtick.sealing.draft import AGENDA, Catalogue
from worldtick.sealing.rings import ring_on
from worldtick.store.clocks import Clock
from worldtick.store.db import Connection
from worldtick.store.ticks import newest_of_streams
from worldtick.store.worlds import World

Role = Literal["viewer", "owner", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "owner", "admin")  # each may what those before it may
DIRECTIVE: Final = "directive."
_MOVES: Final = ("clock.advance", "clock.set", clocks.SKIP_TO_NEXT)  # these aim the clock; done when it is there
Letters = Callable[[str, int, int], Letter]  # the dead letter at (topic, partition, offset)


def _no_letters(topic: str, partition: int, offset: int) -> Letter:
    raise Refused("dead letters cannot be read here")


@dataclass(frozen=True, slots=True)
class Reach:
    """What commands need beyond SQL."""

    writer: EventWriter = field(default_factory=EventWriter)
    prefix: str = ""
    registry: SchemaRegistry | None = None
    letters: Letters = _no_letters


@dataclass(frozen=True, slots=True)
class Call:
    """What a command's function works with. Clock and world are locked and there where the command is about one."""

    conn: Connection
    catalogue: Catalogue
    name: str
    world_id: str
    actor: str
    role: Role
    wall_us: int  # Unix us
    world: World | None = None
    clock: Clock | None = None
    defaults: Defaults = field(default_factory=lambda: NO_DEFAULTS)
    reach: Reach = field(default_factory=Reach)

    def locked(self) -> Clock:
        """The world's clock."""
        if self.clock is None:
            raise AssertionError(f"{self.name} is about a world, and was called without one")
        return self.clock

    def about(self) -> World:
        """The world."""
        if self.world is None:
            raise AssertionError(f"{self.name} is about a world, and was called without one")
        return self.world


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to. Where one of the last four is given, `completed` follows."""

    changed: bool
    message: str
    tick_id: str | None = None
    seals: bool = False  # ticks were sealed, which are to be rung
    sends: Sequence[Outgoing] = ()  # what goes out with the reply
    complete: bool | None = None  # True: nothing is left to skip to
    directive_id: int | None = None
    until_us: int | None = None
    seq: int | None = None
    stored_seq: int | None = None


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One command of the registry."""

    name: str
    about: str
    model: type[BaseModel]
    role: Role
    act: Callable[[Call, Any], Done]
    needs_world: bool = True  # an active one, which is locked
    sent: Callable[[Call, Any], Sequence[Outgoing]] | None = None  # what it sends, for a record that is read again


class Create(BaseModel):
    """A world out of a scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: str | dict[str, Any] = Field(description="A name such as night_city, or the whole document.")
    seed: int = Field(1, strict=True, ge=-(2**63), le=2**63 - 1)
    owner: Word | None = Field(None, description="Default: the actor. Only an admin names another.")


class Task(BaseModel):
    """A task of a world: a timer of its agenda, most often one that recurs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field(min_length=1, max_length=128, description="The timer's id.")


class Replay(BaseModel):
    """Send a dead letter's record back to its topic, once; of a dead step, queue its directives again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(min_length=1, max_length=249, description="With or without .dlq and the prefix.")
    partition: int = Field(0, strict=True, ge=0)
    offset: int = Field(strict=True, ge=0)
    again: bool = Field(False, strict=True, description="Even if it was replayed before.")


def _ping(call: Call, _: Nothing) -> Done:
    return Done(False, "here")


def _create(call: Call, args: Create) -> Done:
    owner = args.owner or call.actor
    if owner != call.actor and call.role != "admin":
        raise Refused(f"only an admin makes worlds for others, and {call.actor} is none")
    if isinstance(args.scenario, dict):
        raw = json.dumps(args.scenario).encode()
        read = read_scenario(raw, "args.scenario", call.catalogue, call.defaults)
    else:
        if "/" in args.scenario or "." in args.scenario:  # a command names no files of control's machine
            raise Faulty(call.name, ["args.scenario: is a scenario's name, such as night_city, or a document"])
        read = load_scenario(args.scenario, call.catalogue, call.defaults)
    plan = read.plan(call.world_id, call.wall_us, args.seed, owner)
    created = create_world_in(call.conn, plan, call.catalogue)
    return Done(created, f"world {call.world_id} was created" if created else "the world is there, and just so")


def _archive(call: Call, _: Nothing) -> Done:
    archived = archive_world_in(call.conn, call.world_id)
    return Done(archived, f"world {call.world_id} is archived")


def _configure(call: Call, args: Configure) -> Done:
    clock = call.locked()
    changed = configure(call.conn, call.catalogue, clock, args, call.wall_us)
    waits = changed and not clock.paused
    return Done(changed, "takes effect with the next tick", seq=clock.seq + 1 if waits else None)


def _tick(call: Call, args: Force | Manual) -> Done:
    tick = seal_asked(call.conn, call.catalogue, call.locked(), args)
    said = f"a {tick.kind} tick is sealed" if tick.fresh else "that slot was sealed before"
    return Done(tick.fresh, said, tick_id=tick.tick_id, seals=tick.fresh, seq=tick.seq)


def _task(call: Call, args: Task) -> Done:
    what = call.name.removeprefix("task.")
    number, _ = ask_in(call.conn, call.catalogue, call.about(), AGENDA, f"timer_{what}", {"id": args.task})
    return Done(True, f"some tick soon {what}s it", directive_id=number)


def _replay(call: Call, args: Replay) -> Done:
    reach = call.reach
    letter = reach.letters(args.topic, args.partition, args.offset)
    done = replay_in(call.conn, reach.prefix, letter, args.again, reach.registry)
    if isinstance(done, Sent):
        return Done(True, f"{letter} is back on {done.topic}", sends=record_in(letter, reach.prefix, reach.registry))
    ids = ", ".join(map(str, done.directive_ids))
    return Done(True, f"directives of tick {done.seq} of {done.world} for {done.service} wait again, as {ids}")


def _replayed(call: Call, args: Replay) -> Sequence[Outgoing]:
    letter = call.reach.letters(args.topic, args.partition, args.offset)
    return record_in(letter, call.reach.prefix, call.reach.registry)


def _snapshot(call: Call, args: Nothing) -> Done:
    clock = call.locked()
    if not clock.seq:
        raise Refused(f"world {clock.world!r} has no tick yet, and nothing to store")
    said = "its services store their states"
    return Done(True, said, sends=_storing(call, args), stored_seq=clock.seq)


def _storing(call: Call, _: Nothing) -> Sequence[Outgoing]:
    """The newest ring of each stream again, which now asks for states to be stored."""
    newest = newest_of_streams(call.conn, call.about().world_key)
    rings = [(TICK_TOPIC_OF_STREAM[stream], decode_sealed(bytes(body))) for stream, body in newest]
    return [Outgoing(*ring_on(topic, tick, call.reach.writer, snapshot=True)) for topic, tick in rings]


def _clock(call: Call, args: BaseModel) -> Done:
    clock = call.locked()
    changed = clocks.apply(call.conn, clock, call.name, args, call.wall_us)
    if call.name == clocks.SKIP_TO_NEXT and clock.target_us is None:
        return Done(False, "No more events", complete=True)
    moves = changed and call.name in _MOVES
    said = "on its way" if moves else "done"
    return Done(changed, said if changed else "it was so already", until_us=clock.target_us if moves else None)


def _ask(call: Call, args: Mapping[str, Any]) -> Done:
    service, _, name = call.name.removeprefix(DIRECTIVE).partition(".")
    number, _stored = ask_in(call.conn, call.catalogue, call.about(), service, name, args)
    return Done(True, "some tick soon carries it", directive_id=number)


_OWN: Final = (
    CommandKind("ping", "Whether control answers.", Nothing, "viewer", _ping, needs_world=False),
    CommandKind("world.create", "Make a world, its clock and its empty slices.", Create, "owner", _create, False),
    CommandKind("world.archive", "End a world; what it was stays.", Nothing, "owner", _archive),
    CommandKind("world.configure", "Change a part of a world's configuration.", Configure, "owner", _configure),
    CommandKind("tick.force", "Seal the next boundary's tick now, paused or not.", Force, "owner", _tick),
    CommandKind("tick.manual", "Seal the tick of a slot, as a pasted tick does.", Manual, "owner", _tick),
    CommandKind("task.disable", "A timer of the world's agenda does not come up any more.", Task, "owner", _task),
    CommandKind("task.enable", "A disabled timer comes up again, from its next time on.", Task, "owner", _task),
    CommandKind("dlq.replay", "Send a dead letter back, once.", Replay, "admin", _replay, False, _replayed),
    CommandKind(
        "snapshot.now", "Have all services store a world's state now.", Nothing, "owner", _snapshot, True, _storing
    ),
)


def commands_of(catalogue: Catalogue) -> dict[str, CommandKind]:
    """Every command by name: control's own, the clocks', and the directives of the catalogue's services."""
    found = {kind.name: kind for kind in _OWN}
    for name, each in clocks.COMMANDS.items():
        found[name] = CommandKind(name, _first_line(each.model), each.model, "owner", _clock)
    for service in catalogue.values():
        for directive, model in service.directives.items():
            name = f"{DIRECTIVE}{service.name}.{directive}"
            found[name] = CommandKind(name, _first_line(model), model, "owner", _ask)
    return dict(sorted(found.items()))


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def kind_named(known: Mapping[str, CommandKind], name: str) -> CommandKind:
    """The command of a name. Raises Refused with the one that was meant."""
    if name not in known:
        raise Refused(f"there is no command {name!r}{near(name, known)}")
    return known[name]


def perform(kind: CommandKind, call: Call, args: Mapping[str, Any]) -> Done:
    """Validate the arguments and do it, in the caller's transaction. Raises Faulty naming every fault, or Refused."""
    if kind.name.startswith(DIRECTIVE):  # checked against the world's own section, by whoever queues it
        return kind.act(call, args)
    return kind.act(call, asked(kind.model, kind.name, args))


def sent_by(kind: CommandKind, call: Call, args: Mapping[str, Any]) -> Sequence[Outgoing]:
    """What an accepted command sent beside its reply, for a record that is read again. Raises Refused: it is gone."""
    return () if kind.sent is None else kind.sent(call, asked(kind.model, kind.name, args))


def refuse_unallowed(kind: CommandKind, actor: str, role: Role, world: World | None) -> None:
    """Raises Refused unless the role allows the command, and an owner's world is the owner's."""
    if ROLES.index(role) < ROLES.index(kind.role):
        raise Refused(f"{kind.name} needs the role {kind.role}, and {actor} is {role}")
    if world is not None and role != "admin" and kind.role != "viewer" and world.owner != actor:
        raise Refused(f"world {world.world_id!r} is not {actor}'s")
