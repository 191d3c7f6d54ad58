"""What the tests of contracts share: a schema registry that answers over HTTP.
Lives here: fixtures. Not here: samples (samples)."""

import threading
from collections.abc import Iterator
from http.server import HTTPServer

import pytest

from tests.unit.contracts.registry_server import RegistryCalls


@pytest.fixture
def registry_url() -> Iterator[str]:
    """The address of an empty registry, for one test."""
    RegistryCalls.schemas, RegistryCalls.asked = [], []
    with HTTPServer(("127.0.0.1", 0), RegistryCalls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
