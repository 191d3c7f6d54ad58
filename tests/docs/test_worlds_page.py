"""The scenario on docs/WORLDS.md is one, and what it calls defaults are the defaults.
Lives here: that page's YAML. Not here: its commands and links (test_snippets)."""

import re
from pathlib import Path

from worldtick.cli.catalogue import catalogue
from worldtick.control.scenario import WorldRules, read_scenario

PAGE = (Path(__file__).parents[2] / "docs" / "WORLDS.md").read_text("utf-8")


def test_the_scenario_is_one() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    scenario = read_scenario(block.encode(), "WORLDS.md", catalogue())
    assert list(scenario.sections) == ["economy"]
    assert scenario.rules.model_copy(update={"epoch": None}) == WorldRules()
