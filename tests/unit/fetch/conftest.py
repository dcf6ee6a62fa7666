"""A server that is gone when the test is."""

import pytest

from tests.fetch_server import Server


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Syncing thousands of small files takes seconds on a busy disk, and only a power cut could tell."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
