"""Whether pasted ticks count: what WORLDTICK_PASTE says, and what `auto` comes to where commands must be signed.
Lives here: the rule, and waiting for Kafka's answer. Not here: how Kafka is asked (runtime/acls), pastes (control)."""

import logging
import threading
from typing import Final

from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Unavailable
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM
from worldtick.runtime.acls import is_guarded
from worldtick.runtime.backoff import backoff_s
from worldtick.runtime.topics import admin_client
from worldtick.runtime.vitals import Vitals

log = logging.getLogger(__name__)

ASK_S: Final = 10.0
_SAID: Final = {
    True: "Kafka decides who may write to the tick topics",
    False: "commands must be signed, and everybody may write to the tick topics as far as Kafka lets us see; with ACLs"
    " there (`worldtick topics apply --acls`) pastes would be on, and WORLDTICK_PASTE=on says so anyway",
}


def takes_pastes(settings: Settings, vitals: Vitals, stop: threading.Event) -> bool:
    """Whether control seals what is pasted. Only `auto` with signed commands asks Kafka, until it answers or `stop`.

    A paste proves nobody: it counts where commands prove nobody either, or where Kafka itself knows who may write.
    """
    if settings.paste != "auto" or settings.control_auth == "none":
        return settings.paste != "off"
    topics = [settings.topic_prefix + topic for topic in TICK_TOPIC_OF_STREAM.values()]
    admin, failures = admin_client(settings.kafka), 0
    while not stop.is_set():
        try:
            guarded = is_guarded(admin, topics, ASK_S)
        except Unavailable as away:
            again_in_s = backoff_s(failures)
            failures += 1
            vitals.part("kafka", False, str(away))
            log.warning("pastes_undecided", extra={"error": str(away), "again_in_s": again_in_s})
            stop.wait(again_in_s)
        else:
            log.info("pastes_decided", extra={"on": guarded, "because": _SAID[guarded]})
            return guarded
    return False
