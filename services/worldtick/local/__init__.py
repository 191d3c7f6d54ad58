"""A Kafka broker and a PostgreSQL on this machine, without Docker."""
