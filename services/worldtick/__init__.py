"""worldtick keeps persistent game worlds and agent simulations alive on Kafka and PostgreSQL."""
