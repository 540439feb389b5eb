"""A PostgreSQL of the test's own, behind a socket in its directory, from the programs of the machine."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from support.wait import until

LOCATIONS = pathlib.Path("/usr/lib/postgresql")


class Postgres:
    """Use as a context manager; stop and start it in between as you like."""

    def __init__(self):
        versions = sorted(LOCATIONS.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
        assert versions, f"PostgreSQL is needed by this test and there is none in {LOCATIONS}; install it: apt-get install postgresql"
        self.programs = versions[-1].parent
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tindra-postgres-"))
        self.url = f"postgres://tindra@localhost/postgres?host={self.directory}"
        # It refuses to run as root.
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-D", "data", "-U", "tindra", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.process = None

    def command(self, program, *arguments):
        become = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"] if self.user else []
        return [*become, str(self.programs / program), *arguments]

    def run(self, program, *arguments):
        done = subprocess.run(self.command(program, *arguments), cwd=self.directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done

    def start(self):
        with open(self.directory / "log", "ab") as log:
            command = self.command("postgres", "-D", "data", "-k", str(self.directory), "-c", "listen_addresses=")
            self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self.is_ready, 60, "PostgreSQL to be ready")
        return self

    def is_ready(self):
        asked = self.command("pg_isready", "-h", str(self.directory), "-U", "tindra", "-q")
        return subprocess.run(asked, cwd=self.directory, timeout=10).returncode == 0

    def stop(self):
        """At once, as a service manager that has no patience."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory)
