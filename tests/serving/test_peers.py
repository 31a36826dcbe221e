"""What workers tell each other comes out as it went in, to the bit; and one that is gone is told apart from one that refuses."""

import numpy as np
import pytest

from barmill.market import Bar
from barmill.serving.answers import Answer, Ask, RawBars, StreamStatus
from barmill.serving.peers import PeerPlane, Peers, PeerServer, Place, owner_of
from barmill.serving.refusals import Refusal

STATUS = StreamStatus("s", "m", "live", 3, 0, None)


class Keeping:
    """A plane that says back what it was asked."""

    def push(self, ask, stream, bar):
        self.asked = (ask.model, ask.request_id, stream, bar)
        columns = {"p_up": np.array([np.nextafter(0.1, 1)]), "none": np.empty(0)}
        return Answer("m", "1.0.0", 7, "d", columns, np.array([bar.open_time]), None, "canary", True, "why", ("a",), STATUS)

    def extend(self, ask, stream, bars):
        self.bars = bars
        raise Refusal("conflict", "bar_out_of_order", "bars[3]", "is old", expected="new", mend="Send it.", retry_after=1.5)

    def stream(self, ask, stream):
        raise RuntimeError("secret")

    def drop(self, ask, stream):
        return STATUS


@pytest.fixture
def peers(tmp_path):
    """The plane of worker 0 of two, the plane that worker 1 keeps, and its server."""
    folder = tmp_path / ("deep" * 40)  # longer than the path of a Unix socket may be
    folder.mkdir()
    keeping = Keeping()
    server = PeerServer(keeping, Place(1, 2, folder))
    found = Peers(Place(0, 2, folder))
    yield PeerPlane(Keeping(), found), keeping, server
    found.close()
    server.close()


THEIRS = next(f"s{number}" for number in range(99) if owner_of("m", f"s{number}", 2) == 1)
OURS = next(f"s{number}" for number in range(99) if owner_of("m", f"s{number}", 2) == 0)


def test_streams_are_spread_over_the_workers():
    owners = [owner_of("m", f"stream-{number}", 4) for number in range(4000)]
    assert all(900 < owners.count(worker) < 1100 for worker in range(4))


def test_an_answer_comes_back_to_the_bit(peers):
    plane, keeping, _ = peers
    bar = Bar(5, 0.1, 0.3, 0.1, 0.2, 7.0, {"spread": 0.1 + 0.2})
    for _ in range(3):
        answer = plane.push(Ask("m", request_id="id"), THEIRS, bar)
    assert keeping.asked == ("m", "id", THEIRS, bar)
    expected = Keeping().push(Ask("m"), THEIRS, bar)
    for name, values in expected.columns.items():
        assert answer.columns[name].tobytes() == values.tobytes()
        assert answer.columns[name].dtype == np.float64
    assert answer.open_time.tolist() == [5]
    assert (answer.known_at, answer.source, answer.degraded, answer.notes, answer.stream) == (None, "canary", True, ("a",), STATUS)
    assert plane.elsewhere("m", THEIRS)
    assert not plane.elsewhere("m", OURS)


def test_a_refusal_comes_back_whole_and_an_error_without_its_words(peers):
    plane, keeping, _ = peers
    bars = RawBars(np.arange(3), np.arange(15.0).reshape(3, 5), {"spread": np.arange(3.0)})
    with pytest.raises(Refusal) as refused:
        plane.extend(Ask("m"), THEIRS, bars)
    told = refused.value
    assert (told.kind, told.code, told.place, told.retry_after) == ("conflict", "bar_out_of_order", "bars[3]", 1.5)
    assert keeping.bars.values.tolist() == bars.values.tolist()
    with pytest.raises(Refusal) as refused:
        plane.stream(Ask("m"), THEIRS)
    assert refused.value.kind == "failed"
    assert "secret" not in str(refused.value)
    assert plane.drop(Ask("m"), THEIRS) == STATUS


def test_a_worker_that_is_gone_is_unavailable_for_a_while(tmp_path):
    plane = PeerPlane(Keeping(), Peers(Place(0, 2, tmp_path)))
    with pytest.raises(Refusal) as refused:
        plane.drop(Ask("m"), THEIRS)
    assert (refused.value.kind, refused.value.code, refused.value.retry_after) == ("unavailable", "worker_restarting", 1.0)
    assert plane.drop(Ask("m"), OURS) == STATUS
    with pytest.raises(Refusal, match="has passed"):
        plane.drop(Ask("m", deadline=0.0), THEIRS)
