"""The house rules, as tests: leases, sizes, names, one-way loading.
Lives here: what ruff, mypy and import-linter cannot say. Not here: behaviour of any room."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
PACKAGE = HOUSE / "services" / "worldtick"
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
CORES = {  # room -> modules that are not core
    "agenda": {"service"},
    "economy": {"service"},
    "npc": {"service"},
    "society": {"service", "crowded", "diplomats"},
    "clock": set[str](),
    "chance": set[str](),
}
SQL = re.compile(
    r"(?is)\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s*\()"
)
OUTSIDE = ("psycopg", "psycopg_pool", "confluent_kafka", "worldtick.runtime", "worldtick.store")

MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((HOUSE / "tests").rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _core_modules() -> list[str]:
    return [
        ".".join(("worldtick", *path.relative_to(PACKAGE).with_suffix("").parts))
        for room, outside in CORES.items()
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if path.stem not in outside | {"__init__"}
    ]


def test_the_house_is_there() -> None:
    assert len(MODULES) > 10
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("path", MODULES + TESTS, ids=_name)
def test_module_is_small(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= MODULE_LINES_MAX, f"{_name(path)} has {lines} lines: split it by noun"


@pytest.mark.parametrize("path", MODULES + TESTS, ids=_name)
def test_functions_are_small(path: Path) -> None:
    long = [
        f"{function.name} ({lines} lines)"
        for function in _functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, f"{_name(path)}: {', '.join(long)} over {FUNCTION_LINES_MAX} lines"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py"], ids=_name)
def test_module_opens_with_its_lease(path: Path) -> None:
    lease = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert "Lives here:" in lease, f"{_name(path)} does not say what lives here"
    assert "Not here:" in lease, f"{_name(path)} does not say what does not"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=_name)
def test_init_is_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text("utf-8")).body
    assert len(body) == 1, f"{_name(path)} holds code: importing a room must load nothing"
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", MODULES + TESTS, ids=_name)
def test_name_says_what_lives_there(path: Path) -> None:
    parts = {part for name in path.relative_to(HOUSE).parts for part in Path(name).stem.split("_")}
    assert not parts & BANNED_NAMES, f"{_name(path)}: name the noun instead"


@pytest.mark.parametrize("path", MODULES + TESTS, ids=_name)
def test_suppressions_name_their_rule(path: Path) -> None:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        for mark, coded in (("# no" + "qa", "# no" + "qa: "), ("# type: " + "ignore", "# type: " + "ignore[")):
            assert mark not in line or coded in line, f"{_name(path)}:{number} silences every rule at once"
        assert ("TO" + "DO") not in line, f"{_name(path)}:{number} leaves work unsaid"


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name != "store"], ids=_name)
def test_sql_lives_in_the_store(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value.decode("utf-8", "replace") if isinstance(node.value, bytes) else node.value
            assert not SQL.match(text), f"{_name(path)}:{node.lineno} holds SQL"


def test_each_core_loads_alone() -> None:
    """In a fresh interpreter each core module loads nothing that talks to the outside."""
    program = (
        "import importlib, sys\n"
        f"for name in {_core_modules()!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = sorted(set({OUTSIDE!r}) & set(sys.modules))\n"
        "    assert not loaded, f'{name} loads {loaded}'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1:]
