"""How one environment variable's text is read: a value, or ValueError with a sentence's end.
Lives here: readings, whose docstrings docs/CONFIGURATION.md quotes, and Secret. Not here: which variables there are."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.-]+):(\d{1,5})")


class Secret:
    """A text that no repr, log line or message shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one who logs in with it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))


def text(given: str) -> str:
    """Any text."""
    return given


def secret(given: str) -> Secret:
    """Any text, hidden."""
    return Secret(given)


def directory(given: str) -> Path:
    """A path; `~` is the home directory."""
    return Path(given).expanduser()


def name(given: str) -> str:
    """A world's id."""
    if not NAME.fullmatch(given):
        raise ValueError(f"must be a world id of a-z, 0-9, _ . - (it is {given!r})")
    return given


def prefix(given: str) -> str:
    """The beginning of topic names."""
    if not PREFIX.fullmatch(given):
        raise ValueError(f"must be made of letters, digits, . _ - (it is {given!r})")
    return given


def servers(given: str) -> str:
    """host:port, several with commas between."""
    for server in given.split(","):
        match = SERVER.fullmatch(server.strip())
        if match is None or not 0 < int(match[2]) < 65_536:
            raise ValueError(f"must be host:port, several with commas between (it has {server.strip()!r})")
    return ",".join(server.strip() for server in given.split(","))


def web_address(given: str) -> str:
    """An http or https address."""
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    return given.rstrip("/")


def choice(*allowed: str) -> Callable[[str], str]:
    """One of some words, however they are written."""
    by_fold = {word.casefold(): word for word in allowed}

    def read(given: str) -> str:
        if given.casefold() not in by_fold:
            raise ValueError(f"must be one of {', '.join(allowed)} (it is {given!r})")
        return by_fold[given.casefold()]

    read.__doc__ = " or ".join(f"`{word}`" for word in allowed) + "."
    return read


def number(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def read(given: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", given) or not least <= int(given) <= most:
            raise ValueError(f"must be a whole number from {least} to {most} (it is {given!r})")
        return int(given)

    read.__doc__ = f"{least} to {most}."
    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    """A number of seconds within bounds."""

    def read(given: str) -> float:
        try:
            value = float(given)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ValueError(f"must be seconds from {least:g} to {most:g} (it is {given!r})")
        return value

    read.__doc__ = f"Seconds, {least:g} to {most:g}."
    return read
