"""The agenda as a service: what a tick asks of it, and what is said of its timers.
Lives here: the binding of the core to the runtime's contract. Not here: how timers are kept and run (agenda, queue)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from worldtick.agenda.agenda import (
    Agenda,
    Bounds,
    Cancel,
    Complete,
    Disable,
    Enable,
    Fate,
    Lived,
    Order,
    Refuse,
    Skip,
    agenda_of,
    live,
)
from worldtick.agenda.asked import (
    AgendaScenario,
    AgendaSettings,
    Completed,
    TimerAdd,
    TimerCancel,
    TimerDisable,
    TimerEnable,
    TimerSkip,
    is_timer_name,
)
from worldtick.agenda.codec import decode, encode
from worldtick.clock.errors import NotAMoment
from worldtick.contracts.sealed import Directive, SealedTick
from worldtick.runtime.declared import EFFECTS_MAX
from worldtick.runtime.service import Effect, Event, Projection, Service, Step

NAME: Final = "agenda"
TIMERS_FIRED: Final = "timers_fired"
TIMERS_FIRED_DEFAULT: Final = 1_000
NEXT_TIMER: Final = "next_timer"  # the fact: us -> world time of the next pending timer; over -> 1
FATES: Final = "timer_fate"  # the table
UNNAMED: Final = "?"


def _genesis(section: AgendaScenario, seed: int, slice_no: int) -> Agenda:
    return agenda_of(section.puts())


def _first_facts(section: AgendaScenario, seed: int, slice_no: int) -> dict[str, dict[str, int]]:
    return _facts(_genesis(section, seed, slice_no))


def _decode(body: bytes, section: AgendaScenario, slice_no: int) -> Agenda:
    return decode(body)


def _facts(agenda: Agenda) -> dict[str, dict[str, int]]:
    next_us = agenda.next_us
    if next_us is not None:
        return {NEXT_TIMER: {"us": next_us}}
    return {NEXT_TIMER: {"over": 1} if agenda.over else {}}


def _step(agenda: Agenda, tick: SealedTick) -> Step[Agenda]:
    orders = [_order(told, tick) for told in tick.directives_of(NAME)] if tick.directives else []
    pending_max = tick.settings.get(NAME, {}).get("timers_max", AgendaSettings().timers_max)
    bounds = Bounds(tick.budget(NAME, TIMERS_FIRED), EFFECTS_MAX, pending_max)
    lived = live(agenda, orders, tick.to_us, bounds)
    changed = lived.agenda.next_us != agenda.next_us or lived.agenda.over != agenda.over
    return Step(
        state=lived.agenda,
        events=_events(lived, tick) if lived.fates or lived.completed else (),
        facts=_facts(lived.agenda) if changed else None,
        effects=[_effect(fate) for fate in lived.fates if fate.what == "fired" and _sends(fate)],
        used={TIMERS_FIRED: lived.used},
        carried={TIMERS_FIRED: lived.carried},
        rows={FATES: _rows(lived.fates)} if lived.fates else {},
    )


def _order(told: Directive, tick: SealedTick) -> Order:
    """What a directive means; one that came as an effect may be none that can be."""
    name = told.args.get("id")
    try:
        if told.name == "timer_add":
            return TimerAdd.model_validate(told.args).put(tick.from_us, tick.epoch_s, told.source)
        if told.name == "timer_cancel":
            return Cancel(TimerCancel.model_validate(told.args).id)
        if told.name == "timer_disable":
            return Disable(TimerDisable.model_validate(told.args).id)
        if told.name == "timer_enable":
            return Enable(TimerEnable.model_validate(told.args).id, tick.from_us)
        if told.name == "timer_skip":
            return Skip(TimerSkip.model_validate(told.args).before_us)
        if told.name == "complete":
            return Complete()
        reason = f"{told.name[:64]!r} is nothing that the agenda does"
    except ValidationError as broken:
        faults = broken.errors(include_url=False)[:5]
        reason = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}" for fault in faults)
    except NotAMoment as fault:
        reason = str(fault)
    return Refuse(name if is_timer_name(name) else UNNAMED, reason[:500])


def _sends(fate: Fate) -> bool:
    return fate.timer is not None and fate.timer.then is not None


def _effect(fate: Fate) -> Effect:
    assert fate.timer is not None, "it was asked for those that send"
    assert fate.timer.then is not None, "the same"
    then = fate.timer.then
    return Effect(then.service, then.name, msgspec.json.decode(then.args))


def _events(lived: Lived, tick: SealedTick) -> list[Event]:
    events = [_event(fate, tick) for fate in lived.fates]
    if lived.completed:
        at = tick.date(tick.to_us)
        events.append(Event("simulation_complete", {"at": at, "tick_id": tick.tick_id}))
    return events


def _event(fate: Fate, tick: SealedTick) -> Event:
    """What is said of a timer, stamped with the time that was its own."""
    data: dict[str, Any] = {"timer": fate.name, "tick_id": tick.tick_id}
    timer = fate.timer
    if timer is not None:
        data["at"] = tick.date(timer.at_us)
    if fate.reason:
        data["reason"] = fate.reason
    if timer is not None and fate.what in ("fired", "skipped"):
        data |= {"occurrence": timer.times + 1, "priority": timer.priority}
        if fate.what == "skipped":
            data["occurrences"] = fate.times
        elif timer.payload:
            data["payload"] = timer.payload
        if fate.what == "fired" and timer.then is not None:
            data["then"] = f"{timer.then.service}.{timer.then.name}"
    return Event(f"timer_{fate.what}", data)


def _rows(fates: Sequence[Fate]) -> list[tuple[int, str, str, int | None, int, str | None]]:
    return [
        (at, fate.name, fate.what, None if fate.timer is None else fate.timer.at_us, fate.times, fate.reason or None)
        for at, fate in enumerate(fates)
    ]


SERVICE: Service[Agenda] = Service(
    name=NAME,
    stream="all",
    step_version=1,
    scenario_model=AgendaScenario,
    slices=lambda section: 1,
    genesis=_genesis,
    first_facts=_first_facts,
    step=_step,
    encode=encode,
    decode=_decode,
    budgets={TIMERS_FIRED: TIMERS_FIRED_DEFAULT},
    settings=AgendaSettings,
    directives={
        "timer_add": TimerAdd,
        "timer_cancel": TimerCancel,
        "timer_disable": TimerDisable,
        "timer_enable": TimerEnable,
        "timer_skip": TimerSkip,
        "complete": Completed,
    },
    writes_facts=(NEXT_TIMER,),
    projections=(
        Projection(
            FATES,
            ("ordinal", "timer", "fate", "at_us", "times", "reason"),
            ("int4", "text", "text", "int8", "int8", "text"),
        ),
    ),
)
