"""Documents that people write: YAML (and so JSON) as plain data, each value with the line that it stands on.
Lives here: reading with bounds, duplicate keys, places. Not here: what a document must say (scenario)."""

import math
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from worldtick.contracts.errors import Faulty

DOCUMENT_BYTES_MAX: Final = 1_048_576
VALUES_MAX: Final = 200_000  # with what aliases repeat: a few lines of YAML can stand for billions
DEPTH_MAX: Final = 32
FAULTS_MAX: Final = 100  # named of one document; nobody reads more

Path = tuple[str | int, ...]
_COLLECTIONS: Final = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class _Loader(yaml.SafeLoader):
    """Scalars mean what they look like: no `on` for true, no 010 for 8, no 1:30 for 90, no dates."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:0|[1-9][0-9_]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-+0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


@dataclass(slots=True)
class Document:
    """Plain data: dicts with text keys, lists, text, integers within 64 bits, finite floats, booleans, None."""

    source: str  # how the document is named in faults
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)  # path -> line, from 1

    def place(self, path: Path) -> str:
        """`source:line dotted.path`; the line of what surrounds it where it has none itself."""
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        where = self.source if line is None else f"{self.source}:{line}"
        return f"{where} {dotted(path)}" if path else where


def dotted(path: Path) -> str:
    """A path as text: services.economy.districts[2].name."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(raw: bytes, source: str) -> Document:
    """Read one YAML document. Raises Faulty with every fault and its place (syntax: the first one)."""
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise Faulty(source, [f"has {len(raw)} bytes, and at most {DOCUMENT_BYTES_MAX} are read"])
    try:
        loader = _Loader(raw.decode("utf-8"))
        reading = _Reading(Document(source), loader)
        root = loader.get_single_node()
    except UnicodeDecodeError as bad:
        raise Faulty(source, [f"is no UTF-8 text: {bad.reason} at byte {bad.start}"]) from bad
    except yaml.YAMLError as broken:
        raise Faulty(source, [_syntax(source, broken)]) from broken
    except RecursionError as deep:
        raise Faulty(source, ["is nested too deeply"]) from deep
    reading.document.data = {} if root is None else reading.value(root, ())
    if reading.faults:
        raise Faulty(source, reading.faults[:FAULTS_MAX])
    return reading.document


def _syntax(source: str, broken: yaml.YAMLError) -> str:
    mark = getattr(broken, "problem_mark", None)
    what = " ".join(str(getattr(broken, "problem", None) or broken).split())
    return f"{source}:{mark.line + 1}:{mark.column + 1} {what}" if mark is not None else f"{source} {what}"


class _Reading:
    """One walk over the nodes; faults are collected, so that all are named."""

    def __init__(self, document: Document, loader: _Loader) -> None:
        self.document = document
        self.faults: list[str] = []
        self._loader = loader
        self._values = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        """Plain data of a node; None where it is faulty."""
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        self._values += 1
        if self._values > VALUES_MAX or len(path) > DEPTH_MAX:
            if not self.faults or "too much" not in self.faults[-1]:
                self._fault(path, f"is too much: over {VALUES_MAX} values or {DEPTH_MAX} levels, aliases counted")
            return None
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            self._fault(path, f"has the tag {node.tag}, which nobody reads")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            if self._values > VALUES_MAX:
                return None
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag.endswith(":merge"):
                self._fault(path, f"has a merge key (<<) on line {line}: write the values out")
                continue
            key = self._scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                self._fault(path, f"has a key on line {line} that is no text: put it in quotes")
                continue
            own = (*path, key)
            if key in found:
                self._fault(own, f"stands again on line {line}: keep one of the two")
                continue
            self.document.lines.setdefault(own, line)
            found[key] = self.value(value_node, own)
        return found

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            value: Hashable = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as broken:
            self._fault(path, " ".join(str(getattr(broken, "problem", None) or broken).split()))
            return None
        if isinstance(value, str):
            if not value.isprintable() and unfit(value):
                self._fault(path, "holds characters that no text may hold: NUL or half a surrogate pair")
            return value
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        self._fault(path, f"is {value!r}: no text, whole number of 64 bits, finite number, true, false or null")
        return None

    def _fault(self, path: Path, what: str) -> None:
        if len(self.faults) <= FAULTS_MAX:
            self.faults.append(f"{self.document.place(path)} {what}")


def unfit(text: str) -> bool:
    """Whether PostgreSQL or UTF-8 could not hold it."""
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)
