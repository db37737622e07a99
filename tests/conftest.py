"""What every test may ask for: a real RabbitMQ and a pretend world."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from sandbox.run.broker import Broker
from sandbox.world import World

# An example that takes longer than usual is a busy machine: the clock on the wall decides no test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """The address of a real RabbitMQ: RABBITMQ_URL if set (shared with others), else a node of our own."""
    given = os.environ.get("RABBITMQ_URL")
    if given:
        yield given
        return
    with Broker() as broker:
        yield broker.url


@pytest.fixture
def world() -> Iterator[World]:
    """A pretend world of one's own: accounts, clouds and a gallery, on loopback."""
    with World() as pretend:
        yield pretend


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Whatever a command that a test runs here does to the logs, the next test finds them as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
