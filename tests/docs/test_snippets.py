"""What the documents show works: Python snippets run, commands and options exist, links lead somewhere.
Lives here: docs/*.md and README.md against the code. Not here: documents made from the code (tests/unit/cli)."""

import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from worldtick.cli.main import worldtick
from worldtick.observer import exposition
from worldtick.observer.exposition import COUNTERS, GAUGES, HISTOGRAMS
from worldtick.runtime.metrics import REGISTRY

HOUSE = Path(__file__).parents[2]
PAGES = [*sorted((HOUSE / "docs").glob("*.md")), HOUSE / "README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s(`;|&])worldtick ([a-z][^\n`|;&#)]*)")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)")
METRIC = re.compile(r"\bworldtick_[a-z_]*[a-z]\b")
SAMPLES = {path.read_text("utf-8").strip() for path in (HOUSE / "docs" / "samples").glob("*.py")}  # tested on their own


def _blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(page.read_text("utf-8")) if language in languages]


def _commands(page: Path) -> Iterator[str]:
    """Every `worldtick …` in a page's shell blocks and inline code."""
    text = page.read_text("utf-8")
    inline = re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    for piece in [*_blocks(page, "sh", "bash", "console"), *inline]:
        yield from (found.strip() for found in COMMAND.findall(piece.replace("\\\n", " ")))


def _snippets(page: Path) -> str:
    return "\n\n".join(block for block in _blocks(page, "python") if block.strip() not in SAMPLES)


@pytest.mark.parametrize("page", [page for page in PAGES if _snippets(page)], ids=lambda page: page.name)
def test_python_runs(page: Path, tmp_path: Path) -> None:
    """One module of all snippets of a page, in order; what they call `test_…` is run too."""
    module = tmp_path / f"test_{page.stem.lower()}_page.py"
    module.write_text(_snippets(page) + "\n\ndef test_the_page_was_read():\n    pass\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(module)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    faults = [fault for command in _commands(page) if (fault := _fault(command)) is not None]
    assert not faults, f"{page.name}: " + "; ".join(sorted(set(faults)))


def _fault(command: str) -> str | None:
    """What is wrong with a command line after the word worldtick."""
    words = command.split()
    with click.Context(worldtick) as context:
        found: click.Command = worldtick
        while isinstance(found, click.Group) and words and not words[0].startswith("-"):
            child = found.get_command(context, words[0])
            if child is None:
                return f"there is no command `worldtick {command}`"
            own = sum(isinstance(parameter, click.Argument) for parameter in child.params)  # such as a clock's world
            found, words = child, words[1 + own :] if isinstance(child, click.Group) else words[1:]
    if found.context_settings.get("ignore_unknown_options"):
        return None  # another program's options follow
    known = {"--help"}.union(*(parameter.opts + parameter.secondary_opts for parameter in found.params))
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return f"`worldtick {command}` has no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_data_can_be_read(page: Path) -> None:
    """YAML and TOML blocks parse, and a manifest's `args` are a command that exists."""
    for block in _blocks(page, "toml"):
        tomllib.loads(block)
    for block in _blocks(page, "yaml"):
        for document in yaml.safe_load_all(block):
            for args in _args_in(document):
                assert _fault(" ".join(args[1:])) is None, args


def _args_in(value: Any) -> Iterator[list[str]]:
    if isinstance(value, list) and value and value[0] == "worldtick":
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _args_in(part)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_exist(page: Path) -> None:
    named = {_bare(name) for name in METRIC.findall(page.read_text("utf-8"))}
    unknown = sorted(named - _metrics())
    assert not unknown, f"{page.name} names metrics that nobody exports: {', '.join(unknown)}"


def _metrics() -> set[str]:
    """Every series of workers, tickers, control and observer, without suffixes."""
    own = {_bare(metric.name) for metric in REGISTRY.collect()}
    made = re.findall(r"""_(?:gauge|counter)\(\s*"([a-z_]+)\"""", inspect.getsource(exposition))
    made += [series for series, *_ in [*COUNTERS.values(), *GAUGES.values(), *HISTOGRAMS.values()]]
    return own | {f"worldtick_{_bare(name)}" for name in made} | {"worldtick_observed"}


def _bare(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count)$", "", name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text("utf-8")) if "://" not in target]
    dead = [target for target in targets if not (page.parent / target).exists()]
    assert not dead, f"{page.name} links to {', '.join(dead)}, which is not there"
