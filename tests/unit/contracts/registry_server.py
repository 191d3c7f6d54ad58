"""A schema registry small enough for a test, over real HTTP.
Lives here: its two calls. Not here: what is asked of it."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar


class RegistryCalls(BaseHTTPRequestHandler):
    """The two calls of a schema registry that we use; ids are places in `schemas`, from 1."""

    schemas: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        number = int(self.path.rsplit("/", 1)[1])
        if number >= 900:
            self._answer(503, {"message": "down"})
        elif 0 < number <= len(self.schemas):
            self._answer(200, {"schema": self.schemas[number - 1]})
        else:
            self._answer(404, {"error_code": 40403})

    def do_POST(self) -> None:
        self.asked.append(self.path)
        schema = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        if schema not in self.schemas:
            self.schemas.append(schema)
        self._answer(200, {"id": self.schemas.index(schema) + 1})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: pytest shows what failed."""
