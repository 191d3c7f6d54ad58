"""`worldtick run`: the workers of services, control and the observer, one process each or all in this one.
Lives here: the verb, what runs in a process. Not here: keeping processes alive (keeping), the workers (runtime)."""

import logging
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, cast

import click

from worldtick.cli.catalogue import catalogue
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.cli.writing import registry_of, writer_of
from worldtick.runtime import logs
from worldtick.runtime.rules import Rules
from worldtick.runtime.service import Service
from worldtick.runtime.vitals import Vitals
from worldtick.runtime.worker import Place, Worker, tame_collector
from worldtick.ticker.serve import until_signal

log = logging.getLogger(__name__)

CONTROL_CONNECTIONS = 3  # two for its work, one that waits for notices of services

Loop = Callable[[threading.Event], None]  # works until the event is set


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@click.option("--all", "everything", is_flag=True, help="Every service of the catalogue, control and the observer.")
@click.option("--together", is_flag=True, help="All in this process, in threads; else one process each, kept alive.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="For health and metrics, instead of PORT; 0: any free one."
)
@click.pass_obj
def run(settings: Settings, names: tuple[str, ...], everything: bool, together: bool, port: int | None) -> None:
    """Run workers until SIGTERM, then drain: what is under way ends, partitions are handed on, exit 0.

    SERVICE is one of `worldtick services list`, or control, or observer. Any number of processes may run the same
    service: they share its partitions.
    """
    chosen = chosen_of(names, everything)
    logs.setup(settings.log_level, cast(logs.Form, settings.log_format))
    at = settings.port if port is None else port
    if len(chosen) == 1 or together:
        run_here(settings, chosen, at)
    else:
        from worldtick.cli.keeping import keep_alive

        keep_alive(chosen, at)


def chosen_of(names: tuple[str, ...], everything: bool) -> list[str]:
    """What to run, each once. Raises UsageError naming what there is."""
    known = [*catalogue(), "control", "observer"]
    if everything and names:
        raise click.UsageError("--all runs everything: name services, or give --all")
    if not everything and not names:
        raise click.UsageError(f"name what to run, or give --all: {', '.join(known)}")
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"there is no service {', '.join(unknown)}; there are {', '.join(known)}")
    return known if everything else list(dict.fromkeys(names))


def run_here(settings: Settings, names: list[str], port: int) -> None:
    """Run these in this process until SIGTERM or SIGINT. One that breaks ends them all, and is raised."""
    vitals = Vitals("+".join(names), version("worldtick"))
    alone = names == ["observer"]  # whose metrics are its own, at a port of its own
    loops = [(name, _loop(settings, name, vitals, port if alone else 0)) for name in names]
    loops += [(f"{name}.split", _splitter(settings, name, vitals)) for name in names if _is_split(name)]
    if not alone:
        vitals.serve(port)
    tame_collector()
    broken: list[BaseException] = []
    with until_signal() as stop:

        def guarded(loop: Loop) -> None:
            try:
                loop(stop)
            except BaseException as error:  # noqa: BLE001 - raised again by the main thread
                broken.append(error)
                stop.set()

        threads = [threading.Thread(target=guarded, args=(loop,), name=name) for name, loop in loops]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.2)
    vitals.close()
    if broken:
        raise broken[0]


def _loop(settings: Settings, name: str, vitals: Vitals, port: int) -> Loop:
    if name == "observer":
        return _observer(settings, port)
    if name == "control":
        return _control(settings, vitals)
    return Worker(catalogue()[name], place_of(settings, catalogue()[name]), vitals).run_until


def _is_split(name: str) -> bool:
    return name in catalogue() and catalogue()[name].slice_topic is not None


def _splitter(settings: Settings, name: str, vitals: Vitals) -> Loop:
    """Beside the worker of a service that is rung slice by slice: any of them may split any world's rings."""
    from worldtick.runtime.splitting import Splitter

    service = catalogue()[name]
    return Splitter(service, place_of(settings, service), vitals).run_until


def place_of(settings: Settings, service: Service[Any]) -> Place:
    """Where a worker works, as the settings say."""
    return Place(
        kafka=settings.kafka,
        database_url=settings.database_url,
        prefix=settings.topic_prefix,
        writer=writer_of(settings),
        registry=registry_of(settings),
        rules=Rules(batch_records=settings.batch_records, ticks_per_record=settings.ticks_per_record),
        session_timeout_ms=int(settings.session_timeout_s * 1_000),
        step_timeout_s=settings.step_timeout_s,
    )


def _control(settings: Settings, vitals: Vitals) -> Loop:
    from worldtick.cli.pasting import takes_pastes
    from worldtick.control.admitting import Auth
    from worldtick.control.desk import Rules as PasteRules
    from worldtick.control.hearing import Manners
    from worldtick.control.serve import run_control

    auth = cast(Auth, settings.control_auth)
    manners = Manners(auth, settings.control_rate, settings.scenario_defaults)
    if auth == "none":
        log.warning("commands_unproved", extra={"remedy": "set WORLDTICK_CONTROL_AUTH=signed where others can write"})

    def loop(stop: threading.Event) -> None:
        pastes = takes_pastes(settings, vitals, stop)
        rules = PasteRules(pastes=pastes, default_world=settings.default_world or None, prefix=settings.topic_prefix)
        with database(settings, "control", CONTROL_CONNECTIONS) as pool:
            registry, session_ms = registry_of(settings), int(settings.session_timeout_s * 1_000)
            run_control(
                settings.kafka,
                pool,
                catalogue(),
                writer_of(settings),
                rules,
                stop,
                registry,
                vitals,
                session_ms,
                manners,
            )

    return loop


def _observer(settings: Settings, port: int) -> Loop:
    from worldtick.observer.service import run_observer

    return lambda stop: run_observer(
        settings.kafka,
        settings.database_url,
        settings.topic_prefix,
        port,
        stop,
        registry_of(settings),
        version("worldtick"),
    )
