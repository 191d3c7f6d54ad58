"""Logs: a line is a fixed event name plus fields, as one JSON object or, for a person, as a readable line.
Lives here: both forms, hiding secrets, the fields that a tick gives. Not here: what is logged (each room), metrics."""

import logging
import re
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO

import msgspec

from worldtick.contracts.sealed import SealedTick
from worldtick.contracts.stamps import rfc3339

Form = Literal["json", "console"]
LEVELS: Final = ("debug", "info", "warning", "error")
FIRST: Final = ("service", "world", "tick", "tick_id", "kind", "slot", "slice")  # stand before a line's other fields
TEXT_CHARS_MAX: Final = 8_000  # of one field or traceback: a line must pass through every shipper

KAFKA_LOG: Final = logging.getLogger("kafka")  # of Kafka's clients, which else write to stderr by themselves
KAFKA_LOG.addHandler(logging.NullHandler())  # where nothing is set up, as in a command for people, they say nothing

_HIDDEN: Final = "***"
_SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|credential|api_?key|authorization")
_SECRET_TEXT = re.compile(
    r"(?i)(?P<url>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?=@)"
    r"|(?P<pair>[\"']?\w*(?:password|passwd|secret|token)\w*[\"']?\s*[=:]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;}]+)"
)
_OURS = "worldtick"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def setup(level: str, form: Form = "json", stream: TextIO | None = None, **fields: Any) -> None:
    """Send every log line of the process to `stream` (default: standard error) in one form.

    level: one of LEVELS. `fields` (such as service="economy") stand on every line that does not say them itself.
    Calling it again replaces what was set before. Raises KeyError for a level that there is not.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(_JsonLines(fields) if form == "json" else _ConsoleLines(fields))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries say what went wrong, no more
    logging.getLogger(_OURS).setLevel(number)
    logging.captureWarnings(True)
    threading.excepthook = _thread_died
    sys.excepthook = _process_died


def of_tick(tick: SealedTick) -> dict[str, Any]:
    """The fields that put a line into a tick's life: world, tick (seq), tick_id, kind, slot (world time, RFC 3339)."""
    slot = tick.date(tick.to_us)
    return {"world": tick.world, "tick": tick.seq, "tick_id": tick.tick_id, "kind": tick.kind, "slot": slot}


def hidden(text: str) -> str:
    """The text without passwords of URLs and of key=value pairs."""
    return _SECRET_TEXT.sub(lambda found: f"{found['url'] or found['pair']}{_HIDDEN}", text)


def _thread_died(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread else "?"
    cause = died.exc_value or died.exc_type()
    logging.getLogger(_OURS).error("thread_died", exc_info=cause, extra={"died": name})


def _process_died(kind: type[BaseException], cause: BaseException, _trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(_OURS).error("process_died", exc_info=cause)


def _said(record: logging.LogRecord, base: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a line in the order in which they stand; secrets are hidden."""
    given = {**base, **{key: value for key, value in vars(record).items() if key not in _STANDARD}}
    fields = {key: given.pop(key) for key in FIRST if key in given} | given
    if not record.name.startswith(_OURS):  # a library's sentence is no event name of ours
        fields["message"] = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        fields.setdefault("error", f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
        fields["trace"] = logging.Formatter().formatException(record.exc_info)
    return {key: _HIDDEN if _SECRET_NAME.search(key) else _safe(value) for key, value in fields.items()}


def _safe(value: Any) -> Any:
    match value:
        case str():
            return hidden(value if len(value) <= TEXT_CHARS_MAX else value[:TEXT_CHARS_MAX] + "…")
        case bytes():
            return value.hex()
        case dict():
            return {str(key): _HIDDEN if _SECRET_NAME.search(str(key)) else _safe(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe(part) for part in value]
        case BaseException():
            return hidden(f"{type(value).__name__}: {value}")
        case _:
            return value


def _event(record: logging.LogRecord) -> str:
    return hidden(record.getMessage()) if record.name.startswith(_OURS) else record.name


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, then the fields."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        super().__init__()
        self._base = base

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": rfc3339(round(record.created * 1e6)), "level": record.levelname, "event": _event(record)}
        said = _said(record, self._base)
        for name in head.keys() & said.keys():
            said[f"{name}_"] = said.pop(name)  # a field may not hide what the line itself says
        return _encode({**head, **said}).decode()


class _ConsoleLines(logging.Formatter):
    """Time of day, level, event, key=value; a traceback on the lines below."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        super().__init__()
        self._base = base

    def format(self, record: logging.LogRecord) -> str:
        said = _said(record, self._base)
        trace = said.pop("trace", None)
        clock = rfc3339(round(record.created * 1e3) * 1_000).rstrip("Z").partition("T")[2][:12]
        pairs = "".join(f" {key}={_word(value)}" for key, value in said.items())
        line = f"{clock:<12} {record.levelname:<7} {_event(record)}{pairs}"
        return f"{line}\n{trace}" if trace else line


def _word(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable() and not set(value) & set(" \"'="):
        return value
    return _encode(value).decode()
