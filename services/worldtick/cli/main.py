"""The `worldtick` command: its verbs, and how errors end it.
Lives here: the list of verbs, exit codes. Not here: what a verb does (its own module)."""

import importlib
import importlib.util
import sys
import traceback
from typing import Any

import click

from worldtick.contracts.errors import Faulty, Unavailable, WorldtickError

OK, FAILED, USAGE, AWAY, LATER, INTERRUPTED = 0, 1, 2, 69, 75, 130
LATER_ERRORS = ("DatabaseBusy", "NotYet")  # by name: their rooms load drivers, and `--help` must be quick

# verb -> (module below worldtick.cli, the command's name there, what --help says)
VERBS: dict[str, tuple[str, str, str]] = {
    "up": ("stack", "up", "Start a local Kafka and PostgreSQL, and prepare both."),
    "down": ("stack", "down", "Stop the local Kafka and PostgreSQL."),
    "stack": ("stack", "stack", "What the local stack does."),
    "topics": ("topics", "topics", "Declared topics and the cluster's."),
    "tail": ("tail", "tail", "Print a topic's records, decoded."),
    "world": ("world", "world", "Create, list, show and archive worlds."),
    "clock": ("clock", "clock", "A world's time, and what changes how it runs."),
    "ticker": ("ticker", "ticker", "Seal and publish the ticks that are due."),
    "tick": ("tick", "tick", "Explain a tick, or print one to paste."),
    "ticks": ("ticks", "ticks", "List a world's ticks."),
    "run": ("run", "run", "Run the workers of services."),
    "services": ("services", "services", "The services there are; a new one's skeleton."),
    "control": ("control", "control", "Commands: list, send and sign them."),
    "key": ("key", "key", "Keys of those who may command."),
    "audit": ("audit", "audit", "Every command, and what came of it."),
    "directive": ("directive", "directive", "Queue a directive for a world."),
    "timers": ("timers", "timers", "What is due in a world, and what became of it."),
    "status": ("status", "status", "Worlds, clocks, last ticks, who is behind."),
    "slice": ("slice", "slice", "List slices; let a parked one go on."),
    "dlq": ("dlq", "dlq", "List, show and replay dead letters."),
    "retention": ("retention", "retention", "What grows, and its bound."),
    "verify": ("verify", "verify", "Replay a world and compare every digest."),
    "diff": ("diff", "diff", "Where two histories part."),
    "doctor": ("doctor", "doctor", "What is wrong with this installation, and what to do."),
    "npc": ("npc", "npc", "Inhabitants of a world: list, tiers, show, watch."),
    "society": ("society", "society", "Relations between a world's factions."),
    "crowd": ("crowd", "crowd", "The crowd alone: watch it live."),
    "demo": ("demo", "demo", "Two game days of a market economy, with a proof."),
    "docs": ("docs", "docs", "Write the documents that are made from the code."),
}


class Verbs(click.Group):
    """Loads a verb's module when it is used, so that `worldtick --help` loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs whose module is there, in the order of VERBS."""
        return [verb for verb, (module, _, _) in VERBS.items() if importlib.util.find_spec(f"worldtick.cli.{module}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the verb."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, attribute, _ = VERBS[cmd_name]
        command = getattr(importlib.import_module(f"worldtick.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their one line each."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb][2]) for verb in self.list_commands(ctx)])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="worldtick", prog_name="worldtick")
@click.pass_context
def worldtick(ctx: click.Context) -> None:
    """Keeps persistent worlds alive on Kafka and PostgreSQL: every tick once, every tick replayable.

    Settings are environment variables: see docs/CONFIGURATION.md.
    """
    from worldtick.cli.settings import load  # after --help and --version, which need none

    ctx.obj = load()
    for warning in ctx.obj.warnings():
        click.echo(f"warning: {warning}", err=True)


def main() -> None:
    """The script's entry: runs the command and ends the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command; every error becomes one sentence on stderr and an exit code."""
    try:
        return _number(worldtick.main(arguments, prog_name="worldtick", standalone_mode=False))
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left, as in `worldtick tail | head`: nobody to tell
        return OK
    except WorldtickError as error:
        return _failed(error, str(error), exit_code(error))
    except Exception as error:  # noqa: BLE001 - the last place: it is reported here, once
        return _failed(error, _foreign(error), AWAY if _is_away(error) else FAILED)


def _number(ended: Any) -> int:
    return ended if isinstance(ended, int) else OK


def exit_code(error: WorldtickError) -> int:
    """What a script sees of an error."""
    if isinstance(error, Faulty):
        return USAGE
    if type(error).__name__ in LATER_ERRORS:
        return LATER
    return AWAY if isinstance(error, Unavailable) else FAILED


def _is_away(error: Exception) -> bool:
    return (
        type(error).__module__.split(".")[0] in ("psycopg", "psycopg_pool") or type(error).__name__ == "KafkaException"
    )


def _foreign(error: Exception) -> str:
    what = " ".join(str(error).split()) or "no reason given"
    if _is_away(error):
        return f"Kafka or PostgreSQL does not answer as it should: {what}"
    return f"a fault of worldtick ({type(error).__name__}: {what}); LOG_LEVEL=debug shows where"


def _failed(error: Exception, sentence: str, code: int) -> int:
    context = click.get_current_context(silent=True)
    if _debugging(context):
        traceback.print_exception(error)
    click.echo(f"worldtick: {sentence}", err=True)
    return code


def _debugging(context: click.Context | None) -> bool:
    from worldtick.cli.settings import load  # only when something failed

    try:
        return load().log_level == "debug"
    except Faulty:
        return False  # the faults are what is being reported


if __name__ == "__main__":
    main()
