"""Society as a service: each part of a world is a slice of its own.
Lives here: which part a slice is, and the service's declaration. Not here: what a part does (diplomats, crowded)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from worldtick.contracts.sealed import SealedTick
from worldtick.runtime.service import Projection, Service, Step
from worldtick.society import crowded, diplomats
from worldtick.society.crowd import codec, days
from worldtick.society.crowd.days import Crowd
from worldtick.society.crowd.town import Town
from worldtick.society.crowded import AGENT_STEPS_DEFAULT, RUMOUR_START, RumourStart
from worldtick.society.diplomacy.scenario import IncidentArgs, TreatyBreach, TreatyProposal
from worldtick.society.names import AGENT_STEPS, AT_WAR, DEMAND, NAME, PAIRS, PRICES, RELATION, UNREST
from worldtick.society.scenario import SocietyScenario
from worldtick.society.warming import warm


class Part(NamedTuple):
    """What a slice of one kind can do."""

    state: type
    genesis: Callable[[SocietyScenario, int], Any]  # (section, seed)
    live: Callable[[Any, SealedTick], Step[Any]]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, SocietyScenario], Any]


def _town(section: SocietyScenario) -> Town:
    if section.crowd is None:
        raise ValueError("the section has no crowd")
    return section.crowd.town


def _crowd_genesis(section: SocietyScenario, seed: int) -> Crowd:
    return days.genesis(_town(section), seed)


def _crowd_decode(body: bytes, section: SocietyScenario) -> Crowd:
    return codec.decode(body, _town(section))


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "diplomacy": Part(diplomats.Diplomacy, diplomats.genesis, diplomats.live, diplomats.encode, diplomats.decode),
        "crowd": Part(Crowd, _crowd_genesis, crowded.step, codec.encode, _crowd_decode),
    }
)
_PART_OF_STATE = {part.state: part for part in PARTS.values()}


def _part(section: SocietyScenario, slice_no: int) -> Part:
    return PARTS[section.parts[slice_no]]


def _step(state: Any, tick: SealedTick) -> Step[Any]:
    return _PART_OF_STATE[type(state)].live(state, tick)


SERVICE: Service[Any] = Service(
    name=NAME,
    stream="daily",
    step_version=1,
    scenario_model=SocietyScenario,
    slices=lambda section: len(section.parts),
    genesis=lambda section, seed, slice_no: _part(section, slice_no).genesis(section, seed),
    step=_step,
    encode=lambda state: _PART_OF_STATE[type(state)].encode(state),
    decode=lambda body, section, slice_no: _part(section, slice_no).decode(body, section),
    factions=lambda section: section.factions,
    warm_up=warm,
    budgets={PAIRS: 20_000, AGENT_STEPS: AGENT_STEPS_DEFAULT},
    directives={
        "incident": IncidentArgs,
        "treaty_propose": TreatyProposal,
        "treaty_break": TreatyBreach,
        RUMOUR_START: RumourStart,
    },
    reads_facts=(PRICES, UNREST),
    writes_facts=(AT_WAR, DEMAND, UNREST),
    projections=(
        Projection(
            RELATION,
            ("faction_a", "faction_b", "state", "score_milli", "reason", "slot_us"),
            ("text", "text", "text", "int4", "text", "int8"),
        ),
    ),
)
