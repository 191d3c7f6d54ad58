"""Read simulation.event from outside: no package of ours, schemas pinned to 1.0.0. Ends after QUIET_S of silence."""

import json
import sys
from pathlib import Path

from confluent_kafka import Consumer
from jsonschema import Draft202012Validator

servers, topic, schemas, group, quiet_s = sys.argv[1:6]
pinned = {file.parent.name: json.loads(file.read_text()) for file in Path(schemas).glob("json/*/1.0.0.json")}
reader = Consumer({"bootstrap.servers": servers, "group.id": group, "auto.offset.reset": "earliest",
                   "isolation.level": "read_committed"})  # without this, aborted duplicates are seen  # fmt: skip
reader.subscribe([topic])
seen = set()
while (message := reader.poll(float(quiet_s))) is not None:
    event = json.loads(message.value())
    Draft202012Validator(pinned[event["event_type"]]).validate(event)
    sys.exit(f"twice: {event['event_id']}") if event["event_id"] in seen else seen.add(event["event_id"])
    sys.stdout.write(f"{message.key().decode()} {event['data'].get('seq')} {event['event_type']}\n")
reader.close()
