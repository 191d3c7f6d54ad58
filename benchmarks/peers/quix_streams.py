"""Peer: Quix Streams, processing_guarantee="exactly-once", count and sum in its RocksDB state with a changelog.

Lives here: the topology and the settings that were fastest for it. Not here: anything that the bare loop's
event() says."""

import json
import sys
from typing import Any

from benchmarks.peers.bare_loop import event

COMMIT_EVERY = 2000  # records; the other contestants' batch
COMMIT_INTERVAL_S = 0.1  # what Kafka Streams has by default under exactly-once


def main() -> None:
    """Argument: a JSON object with bootstrap, group, input, output, scratch. Runs until it is terminated."""
    from quixstreams import Application, State  # here, so that the module loads without the bench extra

    course = json.loads(sys.argv[1])
    app = Application(
        broker_address=course["bootstrap"],
        consumer_group=course["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=course.get("commit_interval_s", COMMIT_INTERVAL_S),
        commit_every=course.get("commit_every", COMMIT_EVERY),
        consumer_poll_timeout=0.01,  # with its default (1) a lone record's commit waits 1 s for the poll
        state_dir=course["scratch"],
        producer_extra_config={"retry.backoff.ms": 2},  # the same help that the bare loop has
        consumer_extra_config={"isolation.level": "read_committed"},
        auto_create_topics=True,  # its changelog; input and output are there already
        loglevel="WARNING",
    )

    def step(record: dict[str, Any], state: State[Any, Any]) -> dict[str, Any]:
        tick = record["data"]
        count, total = state.get("totals", (0, 0))
        count, total = count + 1, total + tick["seq"]
        state.set("totals", (count, total))
        return event(tick, count, total)

    ticks = app.dataframe(app.topic(course["input"], key_deserializer="str", value_deserializer="json"))
    output = app.topic(course["output"], key_serializer="str", value_serializer="json")
    ticks.apply(step, stateful=True).to_topic(output)
    app.run()


if __name__ == "__main__":
    main()
