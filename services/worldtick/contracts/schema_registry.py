"""A client of a Confluent-compatible schema registry: schema by id, id by schema.
Lives here: two HTTP calls and a bounded cache. Not here: framing (codec)."""

import base64
import json
import time
from collections import OrderedDict
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from worldtick.contracts.avro import Schema, parsed
from worldtick.contracts.errors import Faulty, Unavailable, Unreadable

_IDS_MAX = 1_024  # schemas kept in memory
_UNKNOWN_S = 30.0  # an id that the registry does not know is not asked for again before that
_BODY_BYTES_MAX = 1 << 20
_MEDIA = "application/vnd.schemaregistry.v1+json"


class SchemaRegistry:
    """Looks up and registers schemas. An answer 'no such id' is Unreadable; a registry that is away, Unavailable."""

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Faulty("SCHEMA_REGISTRY_URL", [f"{parts.scheme}://… is no http or https address"])
        host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self._url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._login = f"{parts.username}:{parts.password or ''}" if parts.username else None
        self._timeout_s = timeout_s
        self._schemas: OrderedDict[int, Schema | float] = OrderedDict()  # a float: unknown, asked at that moment
        self._ids: dict[str, int] = {}  # subject -> id; as many as there are events

    def schema(self, schema_id: int) -> Schema:
        """The writer's schema of a framed record. Raises Unreadable or Unavailable."""
        kept = self._schemas.get(schema_id)
        if isinstance(kept, dict):
            self._schemas.move_to_end(schema_id)
            return kept
        if isinstance(kept, float) and time.monotonic() - kept < _UNKNOWN_S:
            raise _no_such(schema_id)
        try:
            answer = self._call("GET", f"/schemas/ids/{schema_id}", None)
        except FileNotFoundError as none:
            self._keep(schema_id, time.monotonic())
            raise _no_such(schema_id) from none
        self._keep(schema_id, _avro_of(answer, schema_id))
        return self.schema(schema_id)

    def register(self, subject: str, schema: Schema) -> int:
        """The id under which the registry holds `schema` for `subject`. Raises Unavailable, or Faulty if refused."""
        if subject not in self._ids:
            body = {"schemaType": "AVRO", "schema": json.dumps(schema)}
            try:
                answer = self._call("POST", f"/subjects/{quote(subject, safe='')}/versions", body)
            except FileNotFoundError as none:
                raise Faulty(
                    "SCHEMA_REGISTRY_URL", [f"{self._url} has no subjects: it is no schema registry"]
                ) from none
            self._ids[subject] = int(answer["id"])
        return self._ids[subject]

    def _keep(self, schema_id: int, entry: Schema | float) -> None:
        self._schemas[schema_id] = entry
        self._schemas.move_to_end(schema_id)
        if len(self._schemas) > _IDS_MAX:
            self._schemas.popitem(last=False)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Content-Type": _MEDIA, "Accept": f"{_MEDIA}, application/json"}
        if self._login is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(self._login.encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self._url + path, data, headers, method=method), timeout=self._timeout_s) as reply:
                answer: dict[str, Any] = json.loads(reply.read(_BODY_BYTES_MAX))
                return answer
        except HTTPError as refused:
            with refused:
                said = refused.read(500).decode("utf-8", "replace")
            if refused.code == 404:
                raise FileNotFoundError(path) from refused
            if refused.code in (409, 422):
                raise Faulty("the schema registry refused a schema", [said]) from refused
            raise Unavailable(f"the schema registry at {self._url} answered {refused.code}: {said}") from refused
        except (URLError, TimeoutError, OSError, ValueError) as away:
            raise Unavailable(f"the schema registry at {self._url} does not answer: {away}") from away


def _avro_of(answer: dict[str, Any], schema_id: int) -> Schema:
    """The Avro record in the registry's answer. Raises Unreadable if the id is of something else."""
    if answer.get("schemaType", "AVRO") != "AVRO":
        raise Unreadable("no_such_schema", f"schema {schema_id} of the registry is {answer['schemaType']}, not Avro")
    try:
        return parsed(json.loads(answer["schema"]))
    except (KeyError, TypeError, ValueError) as broken:
        raise Unreadable(
            "no_such_schema", f"schema {schema_id} of the registry is no Avro record: {broken}"
        ) from broken


def _no_such(schema_id: int) -> Unreadable:
    return Unreadable("no_such_schema", f"the schema registry knows no schema {schema_id}")
