"""What the modules that draw share: Night City's sections, and how a picture of the documents is written.
Lives here: both, and matplotlib without a screen. Not here: which histories are drawn and how (the modules that draw).
"""

from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import yaml

from worldtick.contracts.shipped import shipped

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "img"


def night_city(service: str) -> dict[str, Any]:
    """A service's section of the scenario night_city, as it is written."""
    document = yaml.safe_load(shipped("scenarios").joinpath("night_city.yaml").read_text("utf-8"))
    section: dict[str, Any] = document["services"][service]
    return section


def save(figure: Any, name: str) -> None:
    """Write a figure as docs/img/NAME, and let go of it; the same figure gives the same bytes."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGES / name, dpi=110, metadata={"Software": None})
    plt.close(figure)
