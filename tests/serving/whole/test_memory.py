"""What a server holds does not grow with what it is asked: not with requests, and with streams by what each of them remembers."""

import gc
import json
import os
import queue
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from barmill.bundles import publish
from barmill.serving.answers import Ask, RawBars
from barmill.serving.breaker import Breaker
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.schema import FeatureSchema
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.streams import Streams

pytestmark = pytest.mark.xdist_group("whole servers")

MEGABYTE = 1 << 20
FIRST, ALL = 4_000, 20_000
PASSES = 4  # over the table of hostile requests


def resident(process):
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Kept:
    """One connection that is kept, read and written as bytes: a client that costs next to nothing."""

    def __init__(self, url):
        host, _, port = url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=120)
        self._file = self._socket.makefile("rb")

    def post(self, path, body, head=""):
        head = head or f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode() + body)
        status, length = self._file.readline(), 0
        while (line := self._file.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status.split()[1], self._file.read(length)

    def close(self):
        self._file.close()
        self._socket.close()


def test_twenty_thousand_requests_on_one_connection_leave_nothing_behind(serving, files_of, truth_of, tmp_path):
    """After the first thousands all that is held once is held: pools of the allocator, threads, metrics of each label."""
    publish(files_of("logistic"), tmp_path / "models", "logistic")
    server = serving("--models", tmp_path / "models", state=str(tmp_path / "state"), log_level="error")
    truth = truth_of([tmp_path / "models" / "logistic"])
    connection = Kept(server.url)
    forecast = json.dumps({"features": truth.features[int(truth.bars.open_time[truth.history])]}).encode()
    bars = [json.dumps(truth.bar(row)).encode() for row in range(len(truth.bars))]
    before = 0
    for number in range(ALL):
        if number == FIRST:
            before = resident(server.process.pid)
        kind = number % 20
        if kind == 0:  # a stream takes the last bar there is again and again, once it has all
            status, body = connection.post("/v1/models/logistic/streams/memory/bars", bars[min(number // 20, len(bars) - 1)])
        elif kind == 1:
            status, body = connection.post("/v1/models/logistic/forecast", b'{"features": {"nothing": 1}}')
            assert status == b"422"
            continue
        else:
            status, body = connection.post("/v1/models/logistic/forecast", forecast)
        assert status == b"200", body
    grown = resident(server.process.pid) - before
    connection.close()
    assert grown < 3 * MEGABYTE, f"{grown / (ALL - FIRST):.0f} bytes a request"


def hostile(names):
    """Path, body and, where it is another, head of requests that no server is to be asked; each is refused."""
    forecast, infer, push = "/v1/models/logistic/forecast", "/v2/models/logistic/infer", "/v1/models/logistic/streams/hostile/bars"
    first, rest = names[0], "".join(f', "{name}": 0.5' for name in names[1:])
    tensor = '{"inputs": [{"name": "features", "shape": [%s], "datatype": "%s", "data": [%s]}]}'
    values = ["NaN", "Infinity", "1e999", "9" * 400, "null", '"a"', "true", "[1]", "{}", "01", "0x1", ""]
    table = [(forecast, f'{{"features": {{"{first}": {value}{rest}}}}}') for value in values]
    table += [
        (infer, tensor % (shape, kind, "0.5"))
        for shape in ("-1, 1", "1099511627776, 1", "1.5, 1", "1, 1")
        for kind in ("FP64", "FP32", "BYTES")
    ]
    table += [
        (path, text)
        for path in (forecast, infer, push)
        for text in ("", "{", "[]", "7", '{"a": 1, "a": 1}', "[" * 100_000, '{"a":' * 100_000)
    ]
    table += [(forecast, f'{{"features": {text}}}') for text in ("[[1], 2]", "[[1], [1, 2]]", "[]", "{}", "[" + "[1]," * 5_000 + "[1]]")]
    huge = [
        b"[[1]" + b",[1]" * 1_900_000 + b"]",
        b"{" + b",".join(b'"%d":1' % key for key in range(400_000)) + b"}",
        b'"' + b"x" * 7_000_000 + b'"',
    ]
    huge += [b"[" + b"1," * 3_900_000 + b"1]", b"[" + b"{}," * 2_500_000 + b"{}]", b"[" * 8_000_000]
    wrapped = [(forecast, b'{"features":' + body + b"}") for body in huge] + [(push, huge[1])]
    plain = [(path, text.encode(), "") for path, text in table] + [(*one, "") for one in wrapped]
    heads = [
        "Content-Length: 9000000000\r\n",
        "Content-Type: text/plain\r\nContent-Length: 2\r\n",
        "Content-Encoding: gzip\r\nContent-Length: 2\r\n",
    ]
    return [*plain, *((forecast, b"{}" if "2" in head else b"", head) for head in heads)]


def test_hostile_requests_leave_neither_their_bytes_nor_a_good_client_waiting(serving, files_of, truth_of, tmp_path):
    """Beside each of them a good one is answered, to the bit; after the first pass, which fills the allocator's pools, nothing grows."""
    publish(files_of("logistic"), tmp_path / "models", "logistic")
    server = serving("--models", tmp_path / "models", log_level="error", limits={"answer_seconds": 100.0}, plane={"max_seconds": 100.0})
    truth = truth_of([tmp_path / "models" / "logistic"])
    features = truth.features[int(truth.bars.open_time[truth.history])]
    good, body = Kept(server.url), json.dumps({"features": features}).encode()
    _, right = good.post("/v1/models/logistic/forecast", body)
    asked, answered = queue.SimpleQueue(), queue.SimpleQueue()

    def harm():
        while (one := asked.get()) is not None:
            bad = Kept(server.url)
            answered.put(bad.post(*one))
            bad.close()

    other = threading.Thread(target=harm)
    other.start()
    table, before, count = hostile(list(features)), 0, 0
    for number in range(PASSES):
        if number == 1:
            before = resident(server.process.pid)
        for one in table:
            asked.put(one)
            assert good.post("/v1/models/logistic/forecast", body) == (b"200", right)
            status, said = answered.get(timeout=100)
            assert status[:1] == b"4", (one[0], one[1][:80], status, said)
            assert set(json.loads(said)) == {"error", "code", "field"}
            assert b"Traceback" not in said
            count += 1
    asked.put(None)
    other.join()
    good.close()
    assert count == PASSES * len(table) > 200
    assert resident(server.process.pid) - before < 2 * 8 * MEGABYTE


def test_ten_thousand_streams_cost_what_each_remembers_and_bars_cost_nothing(small, making):
    table, settings = ModelTable(), PlaneSettings()
    schema = FeatureSchema.of(small.bundle, settings.range_iqr)
    table.install(ServedModel(small.bundle, "logistic", 1, 1e-4, True, schema, Breaker(settings), None, 0.0), champion=True)
    plane, ask = Plane(table, Streams()), Ask("logistic")
    bars = making.walk(200, seed=41)
    names = [f"s{number}" for number in range(10_000)]
    plane.push(ask, names[0], bars.bar(0))
    gc.collect()
    empty = resident("self")
    for row in range(1):
        for number, name in enumerate(names):
            plane.push(ask, name, bars.bar(number % 5 + 1 + row))
    gc.collect()
    full = resident("self")
    for row in range(1, 3):
        for number, name in enumerate(names):
            plane.push(ask, name, bars.bar(number % 5 + 1 + row))
    gc.collect()
    each = (full - empty) / len(names)
    remembered = sum(array.nbytes for array in small.bundle.stream().state().values())
    assert each < 3 * remembered + 20_000, f"{each:.0f} bytes a stream, of which it remembers {remembered}"
    assert resident("self") - full < 10 * MEGABYTE
    with pytest.raises(Refusal) as refused:
        plane.push(ask, "one-more", bars.bar(0))
    assert refused.value.kind == "too_many"
    chosen = 7_777
    begin = chosen % 5 + 4
    part = bars.slice(begin, len(bars))
    raw = RawBars(part.open_time, np.column_stack([part.open, part.high, part.low, part.close, part.volume]))
    answer = plane.extend(ask, names[chosen], raw)
    alone = small.bundle.forecast(bars.slice(chosen % 5 + 1, len(bars))).frame
    assert len(alone) > 100
    assert answer.columns["p_up"].tolist() == alone["p_up"].to_list()
