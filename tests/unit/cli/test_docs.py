"""Documents made from the code are never stale.
Lives here: the pages and their verb. Not here: what they describe."""

from pathlib import Path

import pytest

from worldtick.cli import docs, main
from worldtick.contracts.errors import Refused


@pytest.mark.parametrize("name", docs.PAGES)
def test_page_is_current(name: str) -> None:
    assert (docs.docs_dir() / name).read_text("utf-8") == docs.PAGES[name](), "run `worldtick docs`"


def test_the_verb_writes_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs" / "samples").mkdir(parents=True)
    sample = docs.docs_dir() / "samples" / "read_events.py"
    (tmp_path / "docs" / "samples" / "read_events.py").write_text(sample.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(docs, "shipped", lambda name: tmp_path / name)
    assert main.run(["docs", "--check"]) == main.FAILED
    assert not (tmp_path / "docs" / "CONFIGURATION.md").exists()
    assert main.run(["docs"]) == main.OK
    assert "| `DATABASE_URL` | - |" in (tmp_path / "docs" / "CONFIGURATION.md").read_text("utf-8")
    capsys.readouterr()
    assert main.run(["docs", "--check"]) == main.OK
    assert capsys.readouterr().out == "no change\n"


def test_an_installation_without_a_clone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "shipped", lambda name: tmp_path / name)
    with pytest.raises(Refused, match="clone"):
        docs.docs_dir()
