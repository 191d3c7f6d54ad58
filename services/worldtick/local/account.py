"""Who PostgreSQL runs as when we are root, which it refuses.
Lives here: the account, and what it can reach. Not here: the server (postgres)."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from worldtick.contracts.errors import Unavailable

CANDIDATES = ("postgres", "worldtick", "nobody")
SYSTEM_HOME = Path("/var/lib/worldtick")  # for root, when the account cannot reach root's own directories


@dataclass(frozen=True, slots=True)
class Account:
    """An account that commands are run as; None fields: the one that we are."""

    uid: int | None = None
    gid: int | None = None

    def run(self, argv: list[str], env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command as this account, from a directory that it can surely enter."""
        groups = None if self.uid is None else ()
        return subprocess.run(
            argv,
            user=self.uid,
            group=self.gid,
            extra_groups=groups,
            cwd="/",
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def own(self, directory: Path) -> None:
        """Make a directory that only this account enters."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.uid is not None and self.gid is not None:
            os.chown(directory, self.uid, self.gid)

    def write_secret(self, path: Path, text: str) -> None:
        """Write a file that only this account reads."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as secret:
            secret.write(text)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can(self, *test: str) -> bool:
        """What `test` says to this account, such as can("-w", path)."""
        return self.run(["/bin/sh", "-c", 'test "$@"', "test", *test]).returncode == 0  # whatever the PATH is


def unprivileged() -> Account:
    """Us, or, if we are root, an account that is not."""
    if os.geteuid() != 0:
        return Account()
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise Unavailable(
        "PostgreSQL does not run as root and there is no other account to run it as: "
        "`useradd --system worldtick`, or set DATABASE_URL"
    )


def reachable_home(account: Account, wanted: Path, key: str) -> Path:
    """`wanted` made the account's own; below SYSTEM_HOME instead if it cannot get there."""
    account.own(wanted)
    if account.can("-w", str(wanted)):
        return wanted
    wanted.rmdir()
    SYSTEM_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    home = SYSTEM_HOME / key
    account.own(home)
    return home


def reachable_programs(account: Account, install: Path, key: str) -> Path:
    """PostgreSQL's directory of programs; a copy below SYSTEM_HOME if the account cannot execute the installed one."""
    if account.can("-x", str(install / "bin" / "postgres")):
        return install / "bin"
    copy = SYSTEM_HOME / key
    if not copy.is_dir():
        SYSTEM_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(install, fresh, symlinks=True)
        try:
            fresh.rename(copy)
        except OSError:  # another one was first, with the same content
            shutil.rmtree(fresh)
    return copy / "bin"
