"""Moments on the wire: RFC 3339 text with a zone, and the calendar numbers that a tick carries.
Lives here: what a record says of time. Not here: world time's arithmetic and calendar (clock)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

RFC3339 = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6}0*)?([Zz]|[+-]\d{2}:\d{2})$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


def rfc3339(unix_us: int) -> str:
    """Text in UTC with Z; a fraction of six digits only where there is one. OverflowError beyond year 9999."""
    moment = _EPOCH + timedelta(microseconds=unix_us)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def stamp_text(moment: datetime) -> str:
    """An aware moment as we write it: in UTC, with Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _only_text(value: Any) -> Any:
    if not isinstance(value, str | datetime):
        raise ValueError("a moment is RFC 3339 text such as 2024-01-15T14:00:00Z")
    if isinstance(value, str) and len(value) < len("2024-01-15T14:00:00"):
        raise ValueError("a moment has a date, a time and a zone, such as 2024-01-15T14:00:00Z")
    return value


def _aware_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment names its zone: end it with Z or an offset like +02:00")
    return value.astimezone(UTC)


# A moment in a model: read from text with any offset, held in UTC, written with Z. Naive ones are refused.
Stamp = Annotated[
    datetime,
    BeforeValidator(_only_text),
    AfterValidator(_aware_utc),
    PlainSerializer(stamp_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": RFC3339}),
]


class CalendarNumbers(NamedTuple):
    """What a tick says of its day; all count from 1, but for the year, which is the calendar's."""

    hour: int
    day: int
    week: int
    month: int
    year: int


@lru_cache(maxsize=4096)  # a batch has many worlds at the same slot
def calendar_numbers(at_us: int, epoch_s: int) -> CalendarNumbers:
    """The numbers of a world time; day 1 is the epoch's day, week 1 its days 1-7, month 1 the epoch's month."""
    moment = _EPOCH + timedelta(seconds=epoch_s, microseconds=at_us)
    first = _EPOCH + timedelta(seconds=epoch_s)
    day = (at_us // 1_000_000 + epoch_s) // _DAY_S - epoch_s // _DAY_S + 1
    months = (moment.year - first.year) * 12 + moment.month - first.month
    return CalendarNumbers(moment.hour, day, (day - 1) // 7 + 1, months + 1, moment.year)
