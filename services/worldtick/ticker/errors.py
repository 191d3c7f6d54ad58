"""What can keep a ticker from its work.
Lives here: the ticker's own errors. Not here: errors that several rooms raise."""

from worldtick.contracts.errors import Unavailable


class KafkaAway(Unavailable):
    """Rings were not acknowledged in time: start the broker or correct its address; the next run rings again."""
