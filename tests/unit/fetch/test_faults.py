"""Whatever a server does, the file is exact or refused with a reason, and nothing is left half named."""

import json
import random
import re

import pytest

from tests.fetch_cases import CASES, DATA, fetch, run
from tests.fetch_server import OLD, after, answer, change, document


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(case, tmp_path):
    result = run(case, tmp_path)
    outcome = result.outcome
    assert outcome.state == case.state, outcome
    assert re.search(case.reason, outcome.reason), outcome
    listed = (
        [json.loads(line) for line in (tmp_path / "fetch.ledger").read_text().splitlines()]
        if (tmp_path / "fetch.ledger").exists()
        else []
    )
    if case.state == "fetched":
        assert result.file.read_bytes() == case.data
        assert outcome.bytes == len(case.data) == listed[0]["bytes"] and len(listed) == 1
        assert not list((tmp_path / ".fetch").glob("*.part*"))
    else:
        assert not result.file.exists() and not listed
    if case.requests is not None:
        assert len(result.server.asked()) == case.requests, [r.headers for r in result.server.asked()]
    for request in result.server.seen:
        assert request.headers["user-agent"].startswith("pile-curate/")
        assert request.headers["accept-encoding"] == "identity"


def slept(name, tmp_path):
    return run(next(case for case in CASES if case.name == name), tmp_path).clock.slept


def test_retry_after_is_obeyed_and_back_off_grows_without_chance(tmp_path):
    assert slept("429 with Retry-After", tmp_path / "a")[0] == 7.0
    once, again = slept("always drops", tmp_path / "b"), slept("always drops", tmp_path / "c")
    assert len(once) == len(again) == 8 and sum(once) > 60
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(once))


FAULTS = [
    lambda cut: change(cut=cut),
    lambda cut: change(cut=cut, reset=True),
    lambda cut: change(chunked=True, cut=cut),
    lambda cut: change(length=len(DATA) + cut + 1),
    lambda cut: change(unframed=True, cut=cut),
    lambda cut: change(unframed=True),
    lambda cut: answer(503),
    lambda cut: answer(416),
    lambda cut: answer(304),
    lambda cut: answer(206, Content_Range=f"bytes {cut}-{cut + 4}/{cut + 9}"),
    lambda cut: lambda request, reply: reply,
]


@pytest.mark.parametrize("seed", range(30))
def test_any_sequence_of_passing_faults_ends_in_the_exact_file(server, tmp_path, seed):
    chance = random.Random(seed)
    faults = [chance.choice(FAULTS)(chance.randrange(len(DATA))) for _ in range(chance.randrange(7))]
    kind = {"etag": chance.choice(['"v1"', 'W/"v1"', ""]), "modified": chance.choice([OLD, ""])}
    server.routes["/a.gz"] = after(document(DATA, ranges=chance.random() < 0.8, **kind), *faults)
    outcome = fetch(server, tmp_path, server.url("/a.gz"))
    assert outcome.state == "fetched" and (tmp_path / "a.gz").read_bytes() == DATA, outcome
