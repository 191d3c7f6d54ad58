"""A verb's way to the database: a small pool for as long as the verb runs.
Lives here: opening it, and what an empty database means. Not here: what is asked of it (store)."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import UndefinedColumn, UndefinedTable

from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Unavailable
from worldtick.store.db import Pool, open_pool

VERB_CONNECTIONS = 2


@contextmanager
def database(settings: Settings, verb: str, connections: int = VERB_CONNECTIONS) -> Iterator[Pool]:
    """A pool that is closed at the end. Raises DatabaseAway, or Unavailable where our tables are missing or old."""
    pool = open_pool(settings.database_url, connections, f"worldtick.{verb}")
    try:
        yield pool
    except (UndefinedTable, UndefinedColumn) as missing:
        raise Unavailable(
            "the database has none of worldtick's tables, or older ones: run `worldtick up`, which prepares"
            " the one that DATABASE_URL names too"
        ) from missing
    finally:
        pool.close()
