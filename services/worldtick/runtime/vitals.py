"""Vitals: whether a process is fit, part by part, and its metrics, over HTTP.
Lives here: parts, beats, marks, the little server. Not here: what is measured (metrics), when a part is fit."""

import errno
import logging
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worldtick.contracts.errors import Faulty
from worldtick.runtime.logs import hidden
from worldtick.runtime.metrics import BUILD, REGISTRY

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 5.0  # a client that says nothing does not hold a thread for longer
STOP_S: Final = 2.0


class _Part(NamedTuple):
    ok: bool
    detail: str
    since: float


@dataclass(slots=True)
class _Beat:
    last: float
    stale_after_s: float


class Vitals:
    """What one process says of itself; any thread may speak.

    A part is a dependency or a thing that can be unfit (`part`). A beat is a loop that must come round (`beat`): a late
    one makes the process unfit, and is the only thing that makes it not alive. A mark is a moment whose age is shown.
    A process is not ready before it has said anything.
    """

    def __init__(self, process: str, release: str = "", registry: CollectorRegistry = REGISTRY) -> None:
        self._process = process
        self._release = release
        self._registry = registry
        self._lock = threading.Lock()
        self._parts: dict[str, _Part] = {}
        self._beats: dict[str, _Beat] = {}
        self._marks: dict[str, float] = {}
        self._started = time.monotonic()
        self._server: ThreadingHTTPServer | None = None
        BUILD.labels(process, release).set(1)

    def part(self, name: str, ok: bool, detail: str = "") -> None:
        """Say whether a part is fit; a change is logged, once."""
        now = time.monotonic()
        with self._lock:
            before = self._parts.get(name)
            changed = before is None or before.ok != ok
            self._parts[name] = _Part(ok, hidden(detail), now if before is None or changed else before.since)
        if changed and (before is not None or not ok):
            say = log.info if ok else log.warning
            say("part_fit" if ok else "part_unfit", extra={"part": name, "detail": detail})

    def beat(self, name: str, stale_after_s: float) -> None:
        """A loop came round; it comes again within `stale_after_s`, or is stuck."""
        with self._lock:
            self._beats[name] = _Beat(time.monotonic(), stale_after_s)

    def silent_s(self, name: str) -> float:
        """Since a loop last came round; 0 for one that is not known."""
        with self._lock:
            beat = self._beats.get(name)
        return 0.0 if beat is None else time.monotonic() - beat.last

    def ended(self, name: str) -> None:
        """A loop came to its end by itself: its silence means nothing."""
        with self._lock:
            self._beats.pop(name, None)

    def mark(self, name: str) -> None:
        """Something happened now, such as a tick; how long ago is shown."""
        with self._lock:
            self._marks[name] = time.monotonic()

    def report(self) -> dict[str, Any]:
        """All that is known: `ready`, `alive`, and each part with its detail. Ages and spans in seconds."""
        now = time.monotonic()
        with self._lock:
            parts = {name: _part_shown(part, now) for name, part in self._parts.items()}
            beats = {name: _beat_shown(beat, now) for name, beat in self._beats.items()}
            marks = {name: round(now - at, 3) for name, at in self._marks.items()}
        alive = all(beat["ok"] for beat in beats.values())
        ready = alive and all(part["ok"] for part in parts.values()) and bool(parts or beats)
        head = {"process": self._process, "release": self._release, "up_s": round(now - self._started, 3)}
        return {**head, "ready": ready, "alive": alive, "parts": parts | beats, "ages_s": marks}

    def serve(self, port: int, host: str = "0.0.0.0") -> int:  # probes come from other hosts
        """Answer /health, /healthz, /readyz and /metrics from a thread of its own; the port (0: one is chosen).

        Raises Faulty if the port is taken or may not be had.
        """
        try:
            server = _Server((host, port), self)
        except (OSError, OverflowError) as refused:
            raise Faulty("PORT", [_sentence(port, refused)]) from refused
        self._server = server
        threading.Thread(target=server.serve_forever, name="vitals", daemon=True).start()
        chosen = int(server.server_address[1])
        log.info("vitals_served", extra={"port": chosen, "release": self._release})
        return chosen

    def close(self) -> None:
        """Stop answering; safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a GET; /healthz asks only that loops come round, the others for all parts."""
        path = path.partition("?")[0].rstrip("/")
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return HTTPStatus.OK, content_type, encode(self._registry)
        if path not in ("/health", "/healthz", "/readyz"):
            body = {"error": "there is /health, /healthz, /readyz and /metrics"}
            return HTTPStatus.NOT_FOUND, "application/json", msgspec.json.encode(body)
        report = self.report()
        fit = report["alive" if path == "/healthz" else "ready"]
        status = HTTPStatus.OK if fit else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", msgspec.json.encode(report)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a slow client does not hold up the end of the process

    def __init__(self, address: tuple[str, int], vitals: Vitals) -> None:
        self.vitals = vitals
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away mid-answer is no fault of ours."""
        log.debug("vitals_client_left", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.1"
    server_version = "worldtick"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        try:
            status, content_type, body = self.server.vitals.answer(self.path, self.headers.get("Accept", ""))
        except Exception as broken:  # noqa: BLE001 - a collector that fails must not look like an empty process
            log.error("vitals_failed", extra={"path": self.path, "error": str(broken)})
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", hidden(str(broken)).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # probes come every few seconds
        """Say nothing of a request."""


def _part_shown(part: _Part, now: float) -> dict[str, Any]:
    return {"ok": part.ok, "detail": part.detail, "for_s": round(now - part.since, 3)}


def _beat_shown(beat: _Beat, now: float) -> dict[str, Any]:
    silent_s = now - beat.last
    ok = silent_s <= beat.stale_after_s
    detail = "" if ok else f"has not come round for {silent_s:.1f} s; it should within {beat.stale_after_s:g} s"
    return {"ok": ok, "detail": detail, "silent_s": round(silent_s, 3)}


def _sentence(port: int, refused: Exception) -> str:
    if isinstance(refused, OSError) and refused.errno == errno.EADDRINUSE:
        return f"{port} is taken by another process: set PORT to a free one, or to 0 to have one chosen"
    return f"{port} cannot be listened on ({refused}): set PORT to another one, or to 0 to have one chosen"
