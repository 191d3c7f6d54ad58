"""A new service's skeleton: which files it has and what stands in them.
Lives here: names that a service may have, the texts out of kit/new_service/. Not here: the command (cli/services)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template
from zlib import crc32

from worldtick.contracts.acls import declared_acls

NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
VAGUE = frozenset({"common", "helper", "helpers", "manager", "misc", "service", "services", "test", "util", "utils"})
TEST_FILE = "test_service.py"
OWN_STREAMS = 0x1000_0000  # chance streams from here to its double are those of new services, by their names
_FOLDER = "new_service"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A service that is to be written. root: where its package is imported from."""

    name: str
    package: str  # dotted
    root: Path
    folder: Path
    test: Path

    @property
    def place(self) -> str:
        """`module:attribute`, as the registry and entry points say it."""
        return f"{self.package}.service:SERVICE"

    @property
    def in_house(self) -> bool:
        """Whether it becomes one of worldtick's own rooms."""
        return self.package.startswith("worldtick.")

    def texts(self) -> Iterator[tuple[Path, str]]:
        """Each file and its text."""
        words = {
            "name": self.name,
            "Title": self.name.replace("_", " ").capitalize(),
            "Class": "".join(part.capitalize() for part in self.name.split("_")),
            "package": self.package,
            "test": self.test.name,
            "stream": f"0x{OWN_STREAMS + crc32(self.name.encode()) % OWN_STREAMS:X}",
        }
        for source in sorted(files("worldtick.kit").joinpath(_FOLDER).iterdir(), key=lambda entry: entry.name):
            file = source.name.removesuffix(".txt")
            target = self.test if file == TEST_FILE else self.folder / file
            text = Template(source.read_text("utf-8")).substitute(words)
            yield target, _in_house(text) if self.in_house else text


def skeleton(name: str, into: Path, tests: Path | None = None) -> Skeleton:
    """The skeleton of a service in a folder `name` of `into`; its test there too, or in `tests`."""
    into = into.resolve()
    root, parts = into, [name]
    while (root / "__init__.py").is_file():  # `into` lies in a package: the service is part of it
        root, parts = root.parent, [root.name, *parts]
    folder = into / name
    test = (tests.resolve() if tests is not None else folder) / f"test_{name}.py"
    return Skeleton(name, ".".join(parts), root, folder, test)


def faults_of(name: str, services: Collection[str], rooms: Collection[str], top_level: bool) -> list[str]:
    """What is wrong with a new service's name. top_level: its package would be imported by that name alone."""
    if not NAME.fullmatch(name) or iskeyword(name):
        return ["is no name for a service: a-z, then a-z, 0-9 and _, at most 31 characters, and no word of Python's"]
    if name in services:
        return ["is the name of a service that there is: see `worldtick services list`"]
    if name in rooms:
        return ["is the name of a room of worldtick's own"]
    if name in declared_acls().roles(()):
        return ["is the name of a principal that has other rights on Kafka: see `worldtick topics acls`"]
    if name in VAGUE:
        return ["says nothing of what the service is about"]
    if top_level and find_spec(name) is not None:
        return ["is the name of a module that can be imported already: one of them would hide the other"]
    return []


def _in_house(text: str) -> str:
    """The imports as the house sorts them: the templates are written for a package that is not worldtick's own."""
    lines = text.splitlines()
    ours = [number for number, line in enumerate(lines) if line.startswith("from worldtick.")]
    if not ours:
        return text
    block = sorted(lines[number] for number in ours)
    last = max(number for number, line in enumerate(lines) if line.startswith(("import ", "from ")))
    kept = [line for number, line in enumerate(lines[: last + 1]) if number not in ours]
    while kept and not kept[-1]:
        kept.pop()
    return "\n".join([*kept, "", *block, *lines[last + 1 :]]) + "\n"
