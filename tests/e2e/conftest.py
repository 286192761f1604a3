"""Fixtures: one bed a run, a daemon a test, more of them where a test asks."""

import pytest

from bed import Bed, Daemon


@pytest.fixture(scope="session")
def bed():
    the_bed = Bed()
    yield the_bed
    the_bed.close()


@pytest.fixture
def start(bed):
    """start(hosts=..., **config) gives a daemon that ends with the test."""
    daemons = []

    def start_daemon(**options):
        daemons.append(Daemon(bed, **options))
        return daemons[-1]

    yield start_daemon
    for daemon in daemons:
        daemon.close()


@pytest.fixture
def daemon(start):
    return start()


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    return path
