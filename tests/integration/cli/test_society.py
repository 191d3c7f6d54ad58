"""`worldtick society`: what people see of relations.
Lives here: the verb on rows of a database. Not here: how rows come there (test_society_flow)."""

import psycopg
import pytest

from tests.integration.cli.conftest import Command

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def test_relations_stand_and_change(worldtick: Command, postgres_url: str) -> None:
    assert worldtick("world", "create", "nc", "--scenario", "night_city").code == 0
    assert "its first day has ended" in worldtick("society", "relations", "nc").out
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(
            "insert into relation select world_key, s.seq, 'a', 'b', s.state, s.seq, s.reason, 86400000000"
            " from world, (values (25, 'PEACE', 'genesis'), (50, 'COLD_WAR', 'rivalry')) as s (seq, state, reason)"
        )
    (row,) = worldtick("society", "relations", "nc", "--json").rows
    assert (row["state"], row["reason"], row["since"]) == ("COLD_WAR", "rivalry", "2024-01-15T00:00:00Z")
    (change,) = worldtick("society", "relations", "nc", "--changes", "--json").rows
    assert change == row
    assert "COLD_WAR" in worldtick("society", "relations", "nc").out
    assert worldtick("society", "relations", "nobody").code == 1
