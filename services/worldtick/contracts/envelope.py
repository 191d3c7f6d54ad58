"""The base event that every record on our topics is: id, type, time, version, source, data.
Lives here: the envelope and the field types that all events share. Not here: what each event says (ticks, events)."""

from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from worldtick.contracts.stamps import Stamp

VERSION: Final = "1.0.0"  # of the schemas that this build writes
INT64_MAX: Final = 2**63 - 1

Count = Annotated[int, Field(strict=True, ge=0, le=INT64_MAX)]
Ordinal = Annotated[int, Field(strict=True, ge=1, le=INT64_MAX)]
Whole = Annotated[int, Field(strict=True, ge=-(2**63), le=INT64_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
UuidText = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        json_schema_extra={"format": "uuid"},
    ),
]


def _exact(value: Any) -> Any:
    return str(value) if isinstance(value, float) else value  # repr of a float with two digits is those two digits


# Money on the wire: an exact decimal of two digits, a JSON number; beside it stands the integer that we compute with.
Price = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(max_digits=18, decimal_places=2),
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number"}),
]


class Wire(BaseModel):
    """Anything on the wire. Fields that a reader does not know are passed over: they come from a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


DataT = TypeVar("DataT", bound=Wire)


class BaseEvent(Wire, Generic[DataT]):
    """The base event."""

    event_id: UuidText = Field(description="Derived, so that the same event always has the same id.")
    event_type: Name
    timestamp: Stamp = Field(description="World time of the tick that it belongs to; wall time is the record's own.")
    version: Annotated[str, Field(pattern=r"^1\.\d{1,4}\.\d{1,4}$")] = Field(
        description="Version of this event's schema."
    )
    source: Name = Field(description="Who says it, such as simulation.ticker.")
    data: DataT


def price_of(price_ticks: int) -> Decimal:
    """The exact decimal of a price in ticks of 0.01: 1050 -> 10.50."""
    return Decimal(price_ticks).scaleb(-2)
