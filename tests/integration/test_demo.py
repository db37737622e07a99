"""The demo: the whole way from the button to the call, with real programs and a real RabbitMQ."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from common.messages.topology import JOBS
from tests.integration.processes import processes_of

ROOT = Path(__file__).parents[2]
DONE = '{"cloud_type": "google_drive", "failed_photos": 0, "archive_type": "originals"}'


def start_demo(folder: Path, rabbitmq_url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo with its temporary files under `folder`."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder),
        "RABBITMQ_URL": rabbitmq_url,
        "RETRY_BASE_SECONDS": "0.05",
    }
    command = [sys.executable, "-m", "sandbox.demo", "--photos", "12", "--size", "40000", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def read_summary(output: str) -> dict[str, str]:
    """Read the lines of the summary: name, then value."""
    lines = output.partition("== summary\n")[2].splitlines()
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in lines if "  " in line)


def assert_all_arrived(output: str) -> None:
    """Every photo arrived and was verified, and the gallery was told so."""
    summary = read_summary(output)
    assert summary["photos"] == "12", output
    assert summary["bytes"].split()[0] == str(12 * 40000)
    assert summary["md5 verified"] == "12/12"
    assert summary["gallery told"].replace(" ", "") == DONE.replace(" ", "")


def test_demo_copies_every_photo_and_leaves_nothing_running(rabbitmq_url, tmp_path):
    """Exit 0, the tree and the numbers of the summary, and afterwards neither a process nor a file."""
    demo = start_demo(tmp_path, rabbitmq_url)
    output, _ = demo.communicate(timeout=100)
    assert demo.returncode == 0, output
    assert_all_arrived(output)
    assert "Свадьба Анны и Ивана/  (12 photos, 480.0 kB)" in output
    assert "У озера/  (3 photos, 120.0 kB)" in output
    assert processes_of(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "faults",
    [
        ["upload:drop_midway", "photo:truncate"],
        ["upload:status:status=503:times=2", "photo:drop_midway", "upload:expire_token"],
        ["upload:drop_after:times=3", "list:drop_midway", "files_list:status:status=500"],
    ],
)
def test_faults_in_the_middle_do_not_change_the_result(faults, rabbitmq_url, tmp_path):
    """Broken connections, refusals and torn photos: the same tree, the same call; the faults did strike."""
    options = [word for fault in faults for word in ("--fault", fault)]
    demo = start_demo(tmp_path, rabbitmq_url, *options)
    output, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, output
    assert_all_arrived(output)
    for fault in faults:
        assert f"fault struck   {':'.join(fault.split(':')[:2])}" in output


def forget_jobs(rabbitmq_url: str) -> None:
    """Take the job that was left unfinished out of the queue: its world is gone, and others share the broker."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    connection.channel().queue_purge(JOBS)
    connection.close()


@pytest.fixture
def hanging_demo(rabbitmq_url, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """A demo in the middle of copying, which can't go on because the photos don't come."""
    demo = start_demo(tmp_path, rabbitmq_url, "--workers", "2", "--fault", "photo:stall:seconds=300:times=100")
    try:
        for line in demo.stdout:
            if line.startswith("== a guest"):
                break
        yield demo
    finally:
        demo.kill()
        demo.communicate()
        forget_jobs(rabbitmq_url)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_demo_that_is_stopped_stops_what_it_started(number, code, hanging_demo, tmp_path):
    """Ctrl-C and SIGTERM end all programs and remove all files."""
    assert processes_of(tmp_path)
    hanging_demo.send_signal(number)
    output, _ = hanging_demo.communicate(timeout=60)
    assert hanging_demo.returncode == code, output
    assert processes_of(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_demo_notices_a_worker_that_dies(hanging_demo, tmp_path):
    """A dead worker is told at once, with its log, and the rest is stopped."""
    programs = processes_of(tmp_path)
    workers = [pid for pid, command in programs.items() if command == f"{sys.executable} -m worker"]
    assert len(workers) == 2, programs
    os.kill(workers[0], signal.SIGKILL)
    output, _ = hanging_demo.communicate(timeout=60)
    assert hanging_demo.returncode == 1
    assert re.search(r"worker \d ended by itself with -9", output)
    assert "--- the end of worker 1's log" in output
    assert processes_of(tmp_path) == {}
