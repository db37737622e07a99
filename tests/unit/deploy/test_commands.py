"""Every command that a document tells somebody to type: tried here, or in a list of those that cannot be, with why.

A command is a line of a fenced block: each of `sh`, those behind `$` of `console` and `text`. One of a kind that is not
known makes this red, so that somebody decides how it is tried. Commands run in a copy of the checkout made of links; a
container's `python -m …` is tried as if this were the container.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if path.name != "CHANGELOG.md")
OTHERS = [ROOT / ".env.example", *(ROOT / "compose").glob("*.env"), *(ROOT / "k8s").rglob("*.yaml")]
COMPOSE = yaml.safe_load((ROOT / "compose/docker-compose.yml").read_text())
# No broker, no gallery and no cloud answers: what is asked is refused at once, and nobody outside is asked.
NOWHERE = {
    "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1/",
    "SECRET_KEYS": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U",
    "PUBLIC_BASE_URL": "http://127.0.0.1:1",
    "GALLERY_BASE_URL": "http://127.0.0.1:1",
    "ALLOW_LOCAL_NETWORK": "true",
}
# What can't be tried in a second on a developer's machine, by how it begins, and why. Names in them are looked at.
CANNOT = {
    r"docker build ": "needs a Docker engine",
    r"docker (compose|run|push|buildx) ": "needs a Docker engine",
    r"for service in web worker; do\s+docker build ": "needs a Docker engine",
    r"for s in web worker; do docker compose ": "needs a Docker engine",
    r"scripts/rehearse ": "needs a Docker engine",
    r"kubectl ": "needs a cluster",
    r"rabbitmq(ctl|-\w+) ": "needs a broker that one may change",
    r"(broker='|\$broker |umask 077$|tar -tzf broker)": "of the broker's upgrade and backup: no business of a test",
    r"ns='-n ": "needs a cluster",
    r"curl -s localhost:8000/": "needs a `web` that runs; tests/unit/web/api post the same",
    r"tail -f /tmp/cloud_archive-demo-": "never ends",
    r"scripts/setup$": "installs for minutes; scripts/test has run it before this",
}


def split_commands(script: str) -> Iterator[str]:
    """Yield the commands of a script: each ends where a shell finds it whole."""
    pending = ""
    for line in script.splitlines():
        pending = f"{pending}\n{line}".strip()
        if pending and not pending.endswith("\\") and is_whole(pending):
            yield re.sub(r"\s+#\s.*$", "", pending, flags=re.M)
            pending = ""
    assert not pending, f"no shell understands: {pending}"


def is_whole(text: str) -> bool:
    """Tell whether a shell finds nothing missing; most lines need not be asked."""
    if not re.search(r"['\"`<(]|\b(for|if|while|do|done)\b", text):
        return True
    return subprocess.run(["bash", "-nc", text], capture_output=True, check=False).returncode == 0


def list_commands() -> list[tuple[str, str]]:
    """Return each command with the document that has it, once."""
    found: dict[str, str] = {}
    for path in DOCUMENTS:
        for kind, block in re.findall(r"^ *```(sh|console|text)\n(.*?)^ *```", path.read_text(), re.S | re.M):
            if kind != "sh":
                block = "\n".join(line.strip()[2:] for line in block.splitlines() if line.strip().startswith("$ "))
            for command in split_commands(block):
                found.setdefault(command, str(path.relative_to(ROOT)))
    return [(command, name) for command, name in found.items() if not command.startswith("#")]


COMMANDS = list_commands()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the repository, whose environment is this one; what is written there is thrown away."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name not in (".git", ".venv", ".env"):
            (folder / path.name).symlink_to(path)
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    return folder


def run(checkout: Path, command: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command where no virtual environment is active, with these settings only."""
    ours = str(Path(sys.executable).parent) if sys.prefix != sys.base_prefix else ""
    path = ":".join(folder for folder in os.environ["PATH"].split(":") if folder != ours)
    clean = {"PATH": path, "HOME": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("LANG", "LD_LIBRARY_PATH"):
        clean |= {name: os.environ[name]} if name in os.environ else {}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=checkout,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def succeeds(checkout: Path, command: str) -> None:
    """It needs nothing."""
    ran = run(checkout, command, {})
    assert ran.returncode == 0, ran.stderr


def asks_for_a_broker(checkout: Path, command: str) -> None:
    """Its arguments are understood, and only the broker is missing; tests/integration/test_tools.py has one."""
    ran = run(checkout, command, {})
    assert ran.returncode == 2
    assert "RABBITMQ_URL is required" in ran.stderr, ran.stderr


def examines(checkout: Path, command: str) -> None:
    """The doctor tells what is right and what is wrong of settings that lead nowhere."""
    ran = run(checkout, command, NOWHERE)
    assert ran.returncode == 1, ran.stderr
    assert re.search(r"^ok +settings", ran.stdout, re.M), ran.stdout
    assert re.search(r"^WRONG broker", ran.stdout, re.M)


def has_its_tests(checkout: Path, command: str) -> None:
    """The files are there, and `-k` chooses something in one of them."""
    words = shlex.split(command)
    paths = [ROOT / word for word in words if word.startswith("tests/")]
    assert all(path.exists() for path in paths)
    if "-k" in words:
        chosen = words[words.index("-k") + 1]
        assert any(re.search(rf"def test_\w*{chosen}", path.read_text()) for path in paths if path.is_file())


@cache
def read_help(checkout: Path, module: str) -> str:
    """Return what a module or a script says about itself."""
    ran = run(checkout, f"{module} --help", {})
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def knows_its_options(checkout: Path, command: str) -> None:
    """It can be run, and each option stands in its help; of a script that only starts a module, in that one's."""
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    script = ROOT / words[0]
    assert os.access(script, os.X_OK)
    started = re.search(r"^exec (\.venv/bin/python -m [\w.]+)", script.read_text(), re.M)
    told = read_help(checkout, started[1] if started else words[0])
    assert [word for word in words if word.startswith("--") and word not in told] == []


# How each kind is tried: the first that fits. `{}` is the environment's Python.
TRIED: tuple[tuple[str, Callable[[Path, str], None]], ...] = (
    (r"{} -m tools\.(jobs|dead|workers)\b", asks_for_a_broker),
    (r"{} -m tools\.(make_key|cloud_settings)\b", succeeds),
    (r"{} -m tools\.doctor$", examines),
    (r"{} -m pytest ", has_its_tests),
    (r"scripts/test( tests/\S+| -k \S+)*$", has_its_tests),
    (r"(LOG_LEVEL=DEBUG )?scripts/(demo|chaos|bench|tunnel)\b", knows_its_options),
    (r"cp \.env\.example \.env$", succeeds),
    (r"version=\$\(sed ", succeeds),
)


def find_trial(command: str) -> Callable[[Path, str], None] | None:
    """Return how a command is tried."""
    for pattern, trial in TRIED:
        if re.match(pattern.replace("{}", r"\.venv/bin/python"), command):
            return trial
    return None


def read_inner(command: str) -> str | None:
    """Return what a command runs in a container, as one of a checkout; None if it runs no module of ours there."""
    inner = re.search(r"(?:exec .*?|--entrypoint )python(?: \$?\w+)?( -m (?:tools|web|worker)\b[^;|]*)", command)
    return f".venv/bin/python{inner[1].rstrip()}" if inner else None


@pytest.mark.parametrize(("command", "document"), COMMANDS, ids=[command[:60] for command, _ in COMMANDS])
def test_somebody_has_decided(command: str, document: str) -> None:
    """A command of no known kind: say in TRIED how it is tried, or in CANNOT why it can't be."""
    excused = [why for pattern, why in CANNOT.items() if re.match(pattern, command)]
    assert bool(find_trial(command)) != bool(excused), f"{document}: {command}"
    inner = read_inner(command)
    assert inner is None or find_trial(inner), f"{document}: {inner}"


def test_commands_run_as_they_are_written(checkout: Path) -> None:
    """All that can be run here, side by side; also what containers are told to run."""
    wanted = {each for command, _ in COMMANDS for each in (command, read_inner(command)) if each}
    tried = [(trial, command) for command in sorted(wanted) if (trial := find_trial(command))]
    assert len(tried) > 15

    def attempt(trial: Callable[[Path, str], None], command: str) -> str | None:
        try:
            trial(checkout, command)
        except AssertionError as error:
            return f"{command}\n    {error}"
        return None

    with ThreadPoolExecutor(4) as pool:
        wrong = [each for each in pool.map(lambda pair: attempt(*pair), tried) if each]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("command", "document"), COMMANDS, ids=[command[:60] for command, _ in COMMANDS])
def test_what_is_named_is_there(command: str, document: str) -> None:
    """Of what can't be run: services and profiles of compose, folders of kustomize, our deployments in Kubernetes."""
    if "docker compose" in command:
        services, profiles = COMPOSE["services"], {"live"}
        profiles |= {profile for service in services.values() for profile in service.get("profiles", ())}
        assert set(re.findall(r"--profile (\S+)", command)) <= profiles, document
        named = re.findall(r"(?:exec|run(?: --[\w-]+)* --entrypoint \w+|up -d|logs|restart)\s+([a-z][\w-]*)", command)
        assert set(named) <= services.keys(), document
    for path in re.findall(r"(?:apply -k|kustomize|compose -f) (\S+)", command):
        assert (ROOT / path).exists(), document
    told = set(re.findall(r"\bdeploy(?:/| |ment/)(cloud-archive-\w+)", command))
    assert told <= {"cloud-archive-web", "cloud-archive-worker"}, document


def list_modules() -> Iterator[tuple[str, str, str]]:
    """Yield where modules of ours are told to be run: the file, the words before and the module."""
    for path in [*DOCUMENTS, *OTHERS]:
        text = re.sub(r"^```text\n.*?^```", lambda block: keep_typed(block[0]), path.read_text(), flags=re.S | re.M)
        for line in text.splitlines():
            for match in re.finditer(
                r"(?:\S*/)?python3? -m ((?:tools|web|worker|sandbox|bench|common|pytest)\b[\w.]*)", line
            ):
                yield str(path.relative_to(ROOT)), line[: match.start()] + match[0], match[1]


def keep_typed(block: str) -> str:
    """Return what is typed in a transcript: a program's own words are no advice of ours."""
    return "\n".join(line for line in block.splitlines() if line.startswith("$ "))


def test_modules_are_run_by_an_environment_that_has_them() -> None:
    """A checkout's is `.venv/bin/python`; `python` alone is right in a container only."""
    bare = [
        (name, before)
        for name, before, _ in list_modules()
        if not before.split(" -m ")[-2].endswith(".venv/bin/python") and not re.search(r"exec|docker|kubectl", before)
    ]
    assert bare == []
    assert [module for _, _, module in list_modules() if find_spec(module) is None] == []
