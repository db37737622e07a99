"""One private RabbitMQ node, and the runtime that the nodes of one broker share.

A runtime has a folder, an epmd and an Erlang cookie; nodes of different runtimes cannot see each other.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.run.program import Program, find_port, last_lines
from sandbox.run.rabbitmq import BrokerError, find_server, install_server

_START_SECONDS = 120.0

_CONFIGURATION = """\
# Longer than any delivery, as in production.
consumer_timeout = 86400000
# A test's disk and memory are small; an alarm would silently block publishers.
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.file.level = warning
"""


class BrokerRuntime:
    """Folder, epmd and Erlang cookie that the nodes of one broker share.

    Attributes:
        folder: holds the nodes' folders; created by `open`.
        server: the script that runs a node.
        cookie: authenticates the nodes to each other.
        environment: environment variables of all its processes.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self.server = Path()
        self.cookie = secrets.token_hex(20)
        self.environment: dict[str, str] = {}
        self._epmd: Program | None = None

    def open(self) -> None:
        """Find or install RabbitMQ, make the folder, and start epmd.

        Raises:
            BrokerError: if it can't be installed, or epmd does not start.
        """
        self.server = find_server() or install_server()
        self.folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        port = find_port()
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ERL_CRASH_DUMP_SECONDS": "0",  # no crash dumps
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(port),
        }
        # A node that finds no epmd starts one as a daemon, which would outlive the node.
        self._epmd = Program("epmd", ["epmd"], self.environment, self.folder / "epmd.log", self.folder)
        _wait_for(self._epmd, lambda: _listens(port), self.folder)

    def close(self) -> None:
        """End epmd and remove the folder; the nodes have been killed before. May be called again."""
        if self._epmd:
            self._epmd.kill()
            self._epmd = None
        if self.folder.name:
            _kill_leftovers(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)


class Node:
    """One node on its own data. Not thread-safe.

    Args:
        runtime: of its broker; opened.
        name: Erlang node name, `<name>@<host>`.
        more: additional lines of its configuration.
        plugins: of RabbitMQ that it runs with.

    Attributes:
        name: as given.
        port: where it listens, on 127.0.0.1; the same after restarts.
        environment: environment variables of its processes.
    """

    def __init__(self, runtime: BrokerRuntime, name: str, more: str = "", plugins: Sequence[str] = ()) -> None:
        self.port = find_port()
        self.name = name
        self._server = runtime.server
        self._folder = runtime.folder / name.partition("@")[0]
        files = {"rabbitmq.conf": _CONFIGURATION + more, "enabled_plugins": f"[{','.join(plugins)}].\n"}
        self.environment = runtime.environment | _write_files(self._folder, name, self.port, runtime.cookie, files)
        self._program: Program | None = None

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is starting."""
        return self._program is not None and self._program.exit_code is None

    def launch(self) -> None:
        """Start it on its existing data, without waiting."""
        log = self._folder / "node.log"
        self._program = Program("RabbitMQ", [self._server], self.environment, log, folder=self._folder)

    def wait(self) -> None:
        """Wait until it accepts connections.

        After a kill it may exit during its start: then it is started once more, as every supervisor does.

        Raises:
            BrokerError: it does not start.
        """
        try:
            self._wait()
        except BrokerError:
            self.kill()
            self.launch()
            self._wait()

    def stop(self) -> None:
        """Shut it down."""
        assert self._program
        self._program.stop()

    def kill(self) -> None:
        """Kill it, as a power cut would; its data is there when it is launched again."""
        if self._program:
            self._program.kill()
            _kill_leftovers(self._folder)

    def control(self, *command: str) -> str:
        """Run a `rabbitmqctl` command and return its output; takes some seconds.

        Raises:
            BrokerError: the command failed; contains its output.
        """
        done = subprocess.run(
            [self._server.with_name("rabbitmqctl"), "--node", self.name, *command],
            env=self.environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BrokerError(f"rabbitmqctl {command[0]}:\n{done.stdout[-3000:]}")
        return done.stdout

    def _wait(self) -> None:
        assert self._program
        _wait_for(self._program, lambda: _takes_connections(self.port), self._folder)


def _write_files(folder: Path, name: str, port: int, cookie: str, own: Mapping[str, str]) -> dict[str, str]:
    """Create a node's folder and files; return the environment variables that point to them."""
    folder.mkdir()
    files = {**own, "advanced.config": "[].\n", "rabbitmq-env.conf": "", ".erlang.cookie": cookie}
    for file, content in files.items():
        (folder / file).write_text(content)
    (folder / ".erlang.cookie").chmod(0o400)  # Erlang takes no other
    (folder / "conf.d").mkdir()
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": name,
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


def _wait_for(program: Program, is_ready: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_ready():
        if program.exit_code is not None:
            raise BrokerError(f"{program.name} ended with {program.exit_code} at its start:\n{_read_logs(folder)}")
        if time.monotonic() > deadline:
            raise BrokerError(f"{program.name} did not start in {_START_SECONDS:.0f} s:\n{_read_logs(folder)}")
        time.sleep(0.05)


def _read_logs(folder: Path) -> str:
    logs = [*sorted(folder.glob("*.log")), *sorted((folder / "log").glob("*.log"))]
    return "\n".join(f"--- {log.name}\n{last_lines(log, 80)}" for log in logs if log.exists())


def _kill_leftovers(folder: Path) -> None:
    """Kill processes that a killed node left behind: Erlang's children are in sessions of their own.

    They are found by their environment, which names the node's folder.
    """
    while leftovers := [process for process in Path("/proc").glob("[0-9]*") if _belongs_to(process, folder)]:
        for process in leftovers:
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
