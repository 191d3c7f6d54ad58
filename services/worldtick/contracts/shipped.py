"""Files that go out with the code: schemas, topic declarations, scenarios.
Lives here: finding them, in a clone and in an installed wheel. Not here: what they say."""

from pathlib import Path

from worldtick.contracts.errors import Unavailable

_PACKAGE = Path(__file__).resolve().parents[1]
_CLONE = _PACKAGE.parents[1]


def shipped(name: str) -> Path:
    """The directory `schemas`, `topics` or `scenarios`. Raises Unavailable if the installation is without it."""
    for place in (_CLONE / name, _PACKAGE / "shipped" / name):  # the clone's first: an editable install has both
        if place.is_dir():
            return place
    raise Unavailable(f"the directory {name!r} is missing from this installation of worldtick: install it again")
