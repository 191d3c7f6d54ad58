"""Schema files: made from the models, kept for every release.
Lives here: what is written under schemas/, whether it is current. Not here: compatibility (compat), reading (schemas).

`python -m worldtick.contracts.release` writes the version that this build writes, unless that was released already."""

import json
import sys
from pathlib import Path
from typing import Any

from worldtick.contracts.avro import avro_schema
from worldtick.contracts.compat import faults_avro, faults_json
from worldtick.contracts.envelope import VERSION, BaseEvent
from worldtick.contracts.errors import Faulty
from worldtick.contracts.registry import MODELS
from worldtick.contracts.shipped import shipped


def json_schema(event_type: str, model: type[BaseEvent[Any]]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event: open, so that a newer writer's fields are passed over."""
    body = _tidied(model.model_json_schema(mode="validation"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:worldtick:{event_type}:{VERSION}",
        **body,
        "title": event_type,
    }


def _tidied(schema: Any) -> Any:
    """Without pydantic's titles, and without nulls where a field may be absent: absent is how we say it."""
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if kept.get("default", 0) is None:
        del kept["default"]
    return {key: _tidied(value) for key, value in kept.items()}


def released(root: Path, form: str, event_type: str) -> dict[str, dict[str, Any]]:
    """Version -> schema, of all that stand under `root`/avro or `root`/json for one event, oldest first."""
    suffix = {"avro": "avsc", "json": "json"}[form]
    files = sorted((root / form / event_type).glob(f"*.{suffix}"), key=lambda file: _version_key(file.stem))
    return {file.stem: json.loads(file.read_text("utf-8")) for file in files}


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def made() -> dict[str, dict[str, Any]]:
    """Path below schemas/ -> schema, of the version that this build writes."""
    files: dict[str, dict[str, Any]] = {}
    for event_type, model in MODELS.items():
        files[f"avro/{event_type}/{VERSION}.avsc"] = avro_schema(model)
        files[f"json/{event_type}/{VERSION}.json"] = json_schema(event_type, model)
    return files


def faults(root: Path) -> list[str]:
    """Every way in which the models and the schemas under `root` disagree, or break a released version."""
    found: list[str] = []
    for path, schema in made().items():
        form, event_type, _ = path.split("/")
        file = root / path
        if file.is_file() and json.loads(file.read_text("utf-8")) != schema:
            found.append(f"{path} was released and the models say otherwise: raise envelope.VERSION")
        for version, old in released(root, form, event_type).items():
            check = faults_avro if form == "avro" else faults_json
            found += [f"{path} against {version}: {fault}" for fault in check(old, schema)]
    return found


def write(root: Path) -> list[str]:
    """Write what is missing under `root`; a released file is never changed. Returns what was written; raises Faulty."""
    broken = faults(root)
    if broken:
        raise Faulty("the schemas cannot be released", broken)
    written: list[str] = []
    for path, schema in made().items():
        file = root / path
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", "utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    sys.stdout.write("".join(f"{path}\n" for path in write(shipped("schemas"))) or "no change\n")
