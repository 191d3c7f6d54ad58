"""How a world's budget and tier limits are divided over its slices: a pure function of what slices said of themselves.
Lives here: largest remainder, and who waits longest first. Not here: facts (service)."""

from collections.abc import Sequence
from typing import NamedTuple


class Need(NamedTuple):
    """What a slice said after an earlier tick."""

    due: int  # decisions that it expects: carried ones, and those that come due
    wait_s: int  # seconds that its oldest undecided one waits; 0: none


def divided(total: int, claims: Sequence[int]) -> list[int]:
    """Largest remainder: shares of `total` in proportion to claims, whole, their sum exact; nobody gets over its claim.

    Where the claims come to no more than `total`, each gets its claim. Ties go to the lower number.
    """
    asked = sum(claims)
    if asked <= total:
        return list(claims)
    shares = [total * claim // asked for claim in claims]
    rest = sorted(range(len(claims)), key=lambda number: (-(total * claims[number] % asked), number))
    for number in rest[: total - sum(shares)]:
        shares[number] += 1
    return shares


def granted(budget: int, needs: Sequence[Need]) -> list[int]:
    """Decisions of each slice; their sum never exceeds `budget`.

    Half of the budget goes to those who wait longest, slice after slice, each up to what is due; the rest in
    proportion to what is then still due. What nobody claims is given round evenly: due work is an estimate.
    """
    first = [0] * len(needs)
    left = (budget + 1) // 2
    for number in sorted(range(len(needs)), key=lambda number: (-needs[number].wait_s, number)):
        if needs[number].wait_s > 0:
            first[number] = min(left, needs[number].due)
            left -= first[number]
    rest = budget - sum(first)
    more = divided(rest, [need.due - got for need, got in zip(needs, first, strict=True)])
    spare, odd = divmod(rest - sum(more), max(1, len(needs)))
    return [got + also + spare + (number < odd) for number, (got, also) in enumerate(zip(first, more, strict=True))]


def even(total: int, parts: int, number: int) -> int:
    """One part of what is given round evenly; the first ones get one more."""
    spare, odd = divmod(total, parts)
    return spare + (number < odd)


def tier_shares(limits: Sequence[int], claims: Sequence[Sequence[int]]) -> list[list[int]]:
    """How many of each tier each slice may hold: (slices, tiers), every tier's sum its limit.

    claims: (slices, tiers) inhabitants that claim each tier. What a slice cannot hold claims the next tier. Where
    claims leave room, the room is given round evenly, for those who come to claim it in this very tick.
    """
    wanted = [list(row) for row in claims]
    shares: list[list[int]] = [[] for _ in claims]
    for tier, limit in enumerate(limits):
        column = [row[tier] for row in wanted]
        held = divided(limit, column)
        spare = limit - sum(held)
        for number, row in enumerate(wanted):
            share = held[number] + even(spare, len(wanted), number)
            shares[number].append(share)
            if tier + 1 < len(limits):
                row[tier + 1] += max(0, row[tier] - share)
    return shares
