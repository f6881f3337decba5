"""The page under a hostile client: no error of the server, no traceback, bounded memory, connections and files."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.report.planted import SETTINGS, Written, silver_set
from visplay.config import load_settings
from visplay.report.connections import BACKLOG, HEAD_S, MOST_CONNECTIONS
from visplay.runs import RunDirectory

pytestmark = pytest.mark.faults
REQUESTS = 1500 * (4 if os.environ.get("LONG") else 1)


class Served:
    """`visplay watch` in a process of its own."""

    def __init__(self, run: Path) -> None:
        self.log = run.parent / "log.txt"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "visplay", "watch", str(run), "--port", "0"]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", self.process.stdout.readline())
        assert found, self.log.read_text()
        self.port = int(found[1])

    @property
    def rss(self) -> int:
        """Mebibytes that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1024

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def line(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def send(self, content: bytes, patience: float = 60.0) -> bytes:
        """The first bytes of the answer; empty if there is none within `patience` seconds."""
        with self.line() as line:
            line.settimeout(patience)
            with suppress(OSError):  # refused before it had arrived; there is an answer
                line.sendall(content)
            with suppress(OSError):
                return line.recv(5000)
        return b""

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
        lines = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines |= {"Content-Length": str(len(body))} if body else {}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return self.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "images").mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "images" / "red.png")
    settings = load_settings("default", [*SETTINGS, f"images={folder / 'images'}"])
    with RunDirectory.create(folder / "run", settings) as run:
        written = Written(run)
        written.begin()
        written.silver(1, silver_set())
    page = Served(folder / "run")
    yield page
    page.process.terminate()
    assert page.process.wait(30) == 143
    log = page.log.read_text()
    assert "Traceback" not in log
    assert log.endswith(f"visplay watch: interrupted; the page of {folder / 'run'} is closed, the run is as it was\n")


PATHS = ["/api/item", "/api/gallery", "/api/story", "/image", "/api/run", "/api/storied", "/", "/x"]
FIELDS = "id image text order start count iteration phase type least most kept gate side".split()
ASKING = {"Content_Type": "application/json", "Sec_Fetch_Site": "same-origin"}


def value(random_: random.Random) -> object:
    """A JSON value of any type, at times huge or deep."""
    kinds = (
        lambda: None,
        lambda: random_.choice([True, -1, 0, 1e300, float("nan"), float("inf"), 10**400]),
        lambda: "".join(chr(random_.randrange(0x1, 0xD7FF)) for _ in range(random_.choice([0, 1, 50]))),
        lambda: [value(random_) for _ in range(random_.randrange(3))],
        lambda: {random_.choice(["image", "question", "x"]): value(random_) for _ in range(random_.randrange(3))},
        lambda: "\ud800",
    )
    return random_.choice(kinds)()


def odd_body(random_: random.Random) -> bytes:
    deep = random_.choice([b"[", b'{"image":', b'{"a":[']) * random_.choice([10, 1000, 100_000])
    raw = bytes(random_.randrange(256) for _ in range(random_.choice([0, 1, 40])))
    huge = b'{"image": ' + b"9" * random_.choice([10, 5000, 100_000]) + b"}"
    asked = {"image": value(random_), "question": value(random_)}
    return random_.choice([deep, raw, huge, json.dumps(asked).encode(), json.dumps(value(random_)).encode()])


def odd_request(served: Served, random_: random.Random) -> bytes:
    """One request of a random kind, and its answer."""
    kind = random_.random()
    if kind < 0.55:
        path = random_.choice(
            ["/api/item", "/api/gallery", "/api/story", "/image", "/api/run", "/api/storied", "/", "/x"]
        )
        values = (bytes(random_.randrange(256) for _ in range(random_.choice([0, 1, 3, 20, 300]))) for _ in FIELDS)
        asked = [f"{name}={quote(text)}" for name, text in zip(FIELDS, values, strict=True) if random_.random() < 0.2]
        return served.request(random_.choice(["GET", "GET", "HEAD", "POST", "FOO"]), f"{path}?{'&'.join(asked)}")
    if kind < 0.8:
        return served.request("POST", "/api/playground", odd_body(random_), **ASKING)
    if kind < 0.9:
        content = bytearray(b"POST /api/playground HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde")
        for _ in range(random_.randrange(1, 8)):
            content[random_.randrange(len(content))] = random_.randrange(256)
        return served.send(bytes(content), patience=0.2)  # it may ask for more than is sent
    with served.line() as line:  # leaves in the middle of its body
        line.sendall(b"POST /api/playground HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        line.sendall(b"Sec-Fetch-Site: same-origin\r\nContent-Length: 1000\r\n\r\n" + b"x" * random_.randrange(900))
    return b""


def test_random_requests_are_answered_in_words(served: Served) -> None:
    random_, seen = random.Random(18), Counter[int]()
    # The first question imports torch, which is no leak.
    assert b"400 Bad Request" in served.request("POST", "/api/playground", b"{}", **ASKING)
    before = served.rss
    for _ in range(REQUESTS):
        answer = odd_request(served, random_)
        if answer:
            status = int(answer.split()[1])
            seen[status] += 1
            assert status < 500 or status == 503, answer
            assert b"content-security-policy: default-src 'none'" in answer.lower(), answer
            assert b"Traceback" not in answer
    told = dict(sorted(seen.items()))
    print(f"{sum(seen.values())} answers to {REQUESTS} requests: {told}, {served.rss - before:+} MiB")
    assert {200, 400, 404, 405} <= seen.keys() and served.process.poll() is None
    assert served.rss - before < 200


def test_forty_uploads_at_once_are_bounded(served: Served) -> None:
    body = b'{"image": "' + b"A" * 27_000_000 + b'"}'
    served.request("GET", "/api/run")
    before, most, answers = served.rss, 0, list[bytes]()
    threads = [
        threading.Thread(target=lambda: answers.append(served.request("POST", "/api/playground", body, **ASKING)))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, served.rss)
        time.sleep(0.02)
    statuses = Counter(answer.split()[1] for answer in answers if answer)
    print(f"40 uploads of 27 MB: {dict(statuses)}, at most {most - before:+} MiB")
    assert sum(statuses.values()) == 40 and statuses[b"503"] >= 30
    assert all(b"retry-after: 5" in answer.lower() for answer in answers if answer.split()[1] == b"503")
    assert most - before < 300
    assert served.request("GET", "/api/run").startswith(b"HTTP/1.1 200")


def test_connections_that_never_end_are_closed(served: Served) -> None:
    lines = []
    slowest, at_rest = 0.0, served.files
    for number in range(500):
        line = served.line()
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Never: ")
        lines.append(line)
        if number % 100 == 99:
            begun = time.monotonic()
            assert served.request("GET", "/api/run").startswith(b"HTTP/1.1 200")
            slowest = max(slowest, time.monotonic() - begun)
            most, deadline = at_rest + MOST_CONNECTIONS + 2 * BACKLOG, time.monotonic() + 5
            while served.files >= most and time.monotonic() < deadline:
                time.sleep(0.1)  # those that are told to go are still closing
            assert served.files < most
    print(f"500 half requests: the page answers within {slowest:.2f} s, {served.files} files are open")
    deadline = time.monotonic() + HEAD_S + 10
    while served.files > at_rest + 5 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert served.files <= at_rest + 5
    for line in lines:
        line.close()
