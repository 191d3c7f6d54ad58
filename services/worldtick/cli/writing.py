"""How this deployment writes and reads records, out of its settings.
Lives here: the writer and the schema registry that settings name. Not here: formats (contracts)."""

from typing import cast

from worldtick.cli.settings import Settings
from worldtick.contracts.schema_registry import SchemaRegistry
from worldtick.contracts.wire import EventWriter, Format


def registry_of(settings: Settings) -> SchemaRegistry | None:
    """The schema registry, where there is one."""
    return SchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None


def writer_of(settings: Settings) -> EventWriter:
    """A writer in the format that WORLDTICK_FORMAT names."""
    return EventWriter(cast(Format, settings.record_format), registry_of(settings))
