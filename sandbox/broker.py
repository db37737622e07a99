"""A real RabbitMQ node of our own: own port, own folder, own epmd; the system's service is never touched."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from sandbox.program import Program, find_port, last_lines

# Debian's own path: /usr/sbin/rabbitmq-server is a wrapper that only runs the system's node as the system's user.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 120.0

# Packages start their services when installed, unless this file forbids it:
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
_INSTALL = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\\nexit 101\\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends rabbitmq-server
"""

_CONFIGURATION = """\
# Longer than any delivery: what a broker in production is told as well.
consumer_timeout = 86400000
# A test's disk and memory are small; an alarm would silently block publishers.
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.file.level = warning
"""


class BrokerError(Exception):
    """RabbitMQ could not be installed or did not start; the message holds the end of its log."""


class Broker:
    """A RabbitMQ node that lives as long as the `with` block. Not for use by several threads at once.

    Every node has its own name, ports and temporary folder, so any number may run side by side, as any user.

    Raises:
        BrokerError: if it can't be installed, or does not take connections within two minutes.
    """

    def __init__(self) -> None:
        self._folder = Path()
        self._port = find_port()
        self._environment: dict[str, str] = {}
        self._server: Path | None = None
        self._epmd: Program | None = None
        self._node: Program | None = None

    def __enter__(self) -> "Broker":
        self._server = find_server() or install_server()
        self._folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        try:
            self._environment = _furnish(self._folder, self._port)
            self._start_epmd()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart. The account is RabbitMQ's own, good from loopback only."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"

    @property
    def folder(self) -> Path:
        """Where it keeps all it writes."""
        return self._folder

    def start(self) -> None:
        """Start the node on the data that is there, and wait until it takes connections.

        After a power cut it may end at its start: then it is started once more, as every supervisor does.
        """
        try:
            self._start()
        except BrokerError:
            self.kill()
            self._start()

    def _start(self) -> None:
        assert self._server
        self._node = Program(
            "RabbitMQ", [self._server], self._environment, self._folder / "node.log", folder=self._folder
        )
        self._wait_for(self._node, lambda: _takes_connections(self._port))

    def restart(self) -> None:
        """Stop the node in good order and start it on the same port and data."""
        assert self._node
        self._node.stop()
        self.start()

    def kill(self) -> None:
        """End the node as a power cut would; `start` brings it back on what it had written."""
        assert self._node
        self._node.kill()
        _end_strays(self._folder)

    def raise_alarm(self) -> None:
        """Let it have no memory left: publishers are held up until the alarm is cleared, nobody else is."""
        self._control("set_vm_memory_high_watermark", "absolute", "1")

    def clear_alarm(self) -> None:
        """Let it have memory again: what publishers sent meanwhile lands."""
        self._control("set_vm_memory_high_watermark", "absolute", "1GB")

    def list_queues(self) -> list[str]:
        """Name the queues whose messages go when they are consumed, and that outlive who declared them; some seconds.

        Not streams, that is, and not what one connection has for itself.
        """
        return list(self.count_messages())

    def count_messages(self) -> dict[str, int]:
        """Return how many messages each of these queues has, those in somebody's hands as well; some seconds."""
        told = self._control("--silent", "list_queues", "name", "type", "exclusive", "messages", "--formatter", "json")
        kept = [each for each in json.loads(told[told.index("[") :]) if "stream" not in str(each["type"])]
        return {each["name"]: int(each["messages"]) for each in kept if not each["exclusive"]}

    def _control(self, *command: str) -> str:
        """Run a command of `rabbitmqctl` and return what it says; some seconds."""
        assert self._server
        done = subprocess.run(
            [self._server.with_name("rabbitmqctl"), "--node", self._environment["RABBITMQ_NODENAME"], *command],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BrokerError(f"rabbitmqctl {command[0]}:\n{done.stdout[-3000:]}")
        return done.stdout

    def stop(self) -> None:
        """End the node and its epmd and remove their folder. May be called again."""
        for program in (self._node, self._epmd):
            if program:
                program.kill()
        self._node = self._epmd = None
        if self._folder.name:
            _end_strays(self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start_epmd(self) -> None:
        # A node that finds none starts one as a daemon, which would stay when the node is gone.
        self._epmd = Program("epmd", ["epmd"], self._environment, self._folder / "epmd.log", self._folder)
        port = int(self._environment["ERL_EPMD_PORT"])
        self._wait_for(self._epmd, lambda: _listens(port))

    def _wait_for(self, program: Program, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if program.exit_code is not None:
                raise BrokerError(f"{program.name} ended with {program.exit_code} at its start:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"{program.name} did not start in {_START_SECONDS:.0f} s:\n{self._last_words()}")
            time.sleep(0.05)

    def _last_words(self) -> str:
        logs = [*sorted(self._folder.glob("*.log")), *sorted((self._folder / "log").glob("*.log"))]
        return "\n".join(f"--- {log.name}\n{last_lines(log, 80)}" for log in logs if log.exists())


def find_server() -> Path | None:
    """Give back the script that runs a node, or None if RabbitMQ is not on this machine."""
    if _SERVER.exists():
        return _SERVER
    # Other systems and RabbitMQ's own archives have no wrapper: what is in PATH is the script itself.
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def install_server() -> Path:
    """Install RabbitMQ with the system's package manager, without starting the system's service.

    Raises:
        BrokerError: if this is not a Debian, we are neither root nor have sudo, or apt-get fails.
    """
    if not shutil.which("apt-get"):
        raise BrokerError(
            "There is no rabbitmq-server and no apt-get to install it with: install it, or set RABBITMQ_URL."
        )
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and not shutil.which("sudo"):
        raise BrokerError("rabbitmq-server is missing and can't be installed without root or sudo: set RABBITMQ_URL.")
    print("Installing rabbitmq-server with apt-get (once; about 110 MB)...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [*as_root, "/bin/sh", "-c", _INSTALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    server = find_server()
    if done.returncode or not server:
        raise BrokerError(f"apt-get could not install rabbitmq-server:\n{done.stdout[-3000:]}")
    return server


def _furnish(folder: Path, port: int) -> dict[str, str]:
    """Write a node's files into its folder and give back its environment: nothing of the system's, nothing of ours."""
    files = {
        "rabbitmq.conf": _CONFIGURATION,
        "advanced.config": "[].\n",
        "enabled_plugins": "[].\n",
        "rabbitmq-env.conf": "",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "conf.d").mkdir()
    return {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(folder),  # .erlang.cookie is made here
        "ERL_CRASH_DUMP_SECONDS": "0",  # none is written: nobody would read it
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(find_port()),
        "RABBITMQ_NODENAME": f"sandbox-{secrets.token_hex(6)}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(find_port()),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def _end_strays(folder: Path) -> None:
    """End what a killed node had only just begun, and wait for that: Erlang's children are in sessions of their own.

    They are known by their environment, which names the node's folder.
    """
    while strays := [process for process in Path("/proc").glob("[0-9]*") if _belongs_to(process, folder)]:
        for process in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
        time.sleep(0.01)


def _belongs_to(process: Path, folder: Path) -> bool:
    try:
        return f"HOME={folder}\0".encode() in (process / "environ").read_bytes()
    except OSError:  # it ended meanwhile, or is another user's
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _takes_connections(port: int) -> bool:
    """Whether an AMQP server answers: its first frame is connection.start, on channel 0."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(3) == b"\x01\x00\x00"
    except OSError:
        return False
