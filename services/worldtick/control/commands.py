"""Every command there is: what it asks, who may, and the one function that does it, whichever door it comes in by.
Lives here: the registry, services' directives in it. Not here: clocks' own (clocks), proof and replies (hearing)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from worldtick.clock.moves import BoundaryKind
from worldtick.contracts.errors import Faulty, Refused, Unreadable
from worldtick.contracts.ids import tick_id
from worldtick.contracts.ticks import PastedTick
from worldtick.control import clocks
from worldtick.control.asking import ask_in
from worldtick.control.clocks import Nothing
from worldtick.control.configuring import Configure, configure
from worldtick.control.creation import archive_world_in, create_world_in
from worldtick.control.documents import Document
from worldtick.control.faults import near, validated
from worldtick.control.pasted import move_towards, reached, target_of
from worldtick.control.scenario import NO_DEFAULTS, Defaults, Word, load_scenario, read_scenario
from worldtick.sealing.draft import Catalogue, Draft
from worldtick.sealing.seal import admissible, behind, missing_services, seal_round, standing_of
from worldtick.store.clocks import Clock, save_clocks
from worldtick.store.db import Connection
from worldtick.store.worlds import World

Role = Literal["viewer", "owner", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "owner", "admin")  # each may what those before it may
DIRECTIVE: Final = "directive."
_MOVES: Final = ("clock.advance", "clock.set", clocks.SKIP_TO_NEXT)  # these aim the clock; done when it is there
_FORCED_MAX: Final = 26  # a forced day: its hours, its daily tick, and one that was owed


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

    def locked(self) -> Clock:
        """The world's clock."""
        if self.clock is None:
            raise AssertionError(f"{self.name} is about a world, and was called without one")
        return self.clock


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to. Where one of the last three is given, `completed` follows."""

    changed: bool
    message: str
    tick_id: str | None = None
    seals: bool = False  # ticks were sealed, which are to be rung
    directive_id: int | None = None
    until_us: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One command of the registry."""

    name: str
    about: str
    model: type[BaseModel]
    role: Role
    act: Callable[[Call, Any], Done]
    needs_world: bool = True  # an active one, which is locked


class Create(BaseModel):
    """A world out of a scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: str | dict[str, Any] = Field(description="A name such as night_city, or the whole document.")
    seed: int = Field(1, strict=True, ge=-(2**63), le=2**63 - 1)
    owner: Word | None = Field(None, description="Default: the actor. Only an admin names another.")


class Force(BaseModel):
    """The next boundary of a kind, now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: BoundaryKind = "hourly"


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


def _force(call: Call, args: Force) -> Done:
    clock = call.locked()
    if missing := missing_services(clock, call.catalogue):
        raise Refused(f"control has no service {', '.join(missing)} of {clock.world!r}: install it here")
    paste = PastedTick.model_validate({"data": {"tick_type": args.kind}})
    try:
        target = target_of(standing_of(clock), args.kind, paste)
    except Unreadable as refused:
        raise Refused(str(refused)) from refused
    late = behind(call.conn, [clock]).get(clock.world_key, {})
    for _ in range(_FORCED_MAX):
        move = move_towards(standing_of(clock), target)
        if move is None:
            break
        if not admissible(clock, late):
            raise Refused(f"{', '.join(sorted(late))} must finish first; try again under another id")
        own = move.kind == target.kind and move.to_us == target.slot_us
        draft = Draft(clock, move.kind, move.from_us, move.to_us, move.hours, "manual" if own else "system")
        (tick,) = seal_round(call.conn, [draft], call.catalogue)
        for service in tick.consumers:
            late.setdefault(service, tick.seq)
    save_clocks(call.conn, [clock])
    if not reached(standing_of(clock), target):
        raise Refused(f"that would be over {_FORCED_MAX} ticks: tell the clock to advance instead")
    name = tick_id(clock.world, target.kind, target.slot_us)
    return Done(True, f"a {target.kind} tick is sealed", tick_id=name, seals=True, seq=clock.seq)


def _clock(call: Call, args: BaseModel) -> Done:
    clock = call.locked()
    changed = clocks.apply(call.conn, clock, call.name, args, call.wall_us)
    if call.name == clocks.SKIP_TO_NEXT and clock.target_us is None:
        return Done(False, "No more events")
    moves = changed and call.name in _MOVES
    said = "on its way" if moves else "done"
    return Done(changed, said if changed else "it was so already", until_us=clock.target_us if moves else None)


def _ask(call: Call, args: Mapping[str, Any]) -> Done:
    service, _, name = call.name.removeprefix(DIRECTIVE).partition(".")
    if call.world is None:
        raise AssertionError(f"{call.name} is about a world, and was called without one")
    number, _stored = ask_in(call.conn, call.catalogue, call.world, service, name, args)
    return Done(True, "some tick soon carries it", directive_id=number)


_OWN: Final = (
    CommandKind("ping", "Whether control answers.", Nothing, "viewer", _ping, needs_world=False),
    CommandKind("world.create", "Make a world, its clock and its empty slices.", Create, "owner", _create, False),
    CommandKind("world.archive", "End a world; what it was stays.", Nothing, "owner", _archive),
    CommandKind("world.configure", "Change a part of a world's configuration.", Configure, "owner", _configure),
    CommandKind("tick.force", "Seal the next boundary's tick now, paused or not.", Force, "owner", _force),
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
    faults: list[str] = []
    read = validated(kind.model, Document("args", dict(args)), dict(args), (), faults)
    if read is None:
        raise Faulty(kind.name, faults)
    return kind.act(call, read)


def refuse_unallowed(kind: CommandKind, actor: str, role: Role, world: World | None) -> None:
    """Raises Refused unless the role allows the command, and an owner's world is the owner's."""
    if ROLES.index(role) < ROLES.index(kind.role):
        raise Refused(f"{kind.name} needs the role {kind.role}, and {actor} is {role}")
    if world is not None and role != "admin" and kind.role != "viewer" and world.owner != actor:
        raise Refused(f"world {world.world_id!r} is not {actor}'s")
