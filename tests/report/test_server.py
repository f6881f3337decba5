"""Who is served and what: host names, paths, origins, over a real connection."""

from __future__ import annotations

import base64
import http.client
import io
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import uvicorn
from PIL import Image

from tests.report.planted import SETTINGS, Written, silver_set
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.errors import ConfigError, ImageError
from visplay.report.connections import PageProtocol
from visplay.report.one_file import report_page, write_report
from visplay.report.playground import read_image, read_question
from visplay.report.run_data import RunView
from visplay.report.server import LOOPBACK, MOST_BYTES, MOST_UPLOADS, make_app
from visplay.runs import RunDirectory

Answer = tuple[int, bytes, dict[str, str]]  # status, content, headers


class Site:
    """A server in this process and what it answers."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """`path` is sent as it is written; names of `headers` have _ for -."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        line.putrequest(method, path, skip_host=True)
        sent = {"Host": f"127.0.0.1:{self.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None:
            sent["Content-Length"] = str(len(body))
        for name, value in sent.items():
            line.putheader(name, value)
        line.endheaders(body)
        answer = line.getresponse()
        found = answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        line.close()
        return found

    def get(self, path: str, **headers: str) -> Any:
        status, content, _ = self.ask("GET", path, **headers)
        assert status == 200, content
        return json.loads(content)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """As the fixture of this name, on a folder of one image, which opens quicker than drawings."""
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "images" / "red.png")
    settings = load_settings("default", [*SETTINGS, f"images={tmp_path / 'images'}"])
    with RunDirectory.create(tmp_path / "run", settings) as run:
        yield Written(run)


@pytest.fixture
def site(written: Written) -> Iterator[Site]:
    written.begin()
    written.silver(1, silver_set())
    app = make_app(written.path, (*LOOPBACK, "lab.example"))
    server = uvicorn.Server(uvicorn.Config(app, http=PageProtocol, ws="none", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        sleep(0.01)
    yield Site(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:8765", "[::1]:8765", "lab.example"])
def test_its_own_names_are_answered(site: Site, host: str) -> None:
    assert site.get("/api/run", Host=host)["page"]["status"]["state"] == "running"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1"])
def test_other_names_are_refused(site: Site, host: str) -> None:
    for path in ("/", "/api/run", "/image?image=x"):
        status, content, headers = site.ask("GET", path, Host=host)
        assert status == 400 and b"suites" not in content
        assert "content-security-policy" in headers


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../../../etc/passwd",
        "/..%2f..%2f..%2f..%2fpyproject.toml",
        "/%2e%2e/server.py",
        "/vendor/../../server.py",
        "//etc/passwd",
        "/vendor/README.md",
        "/vendor/preact.LICENSE",
        "/vendor/",
        "/config.yaml",
        "/metrics.jsonl",
        "/asked/1-silver-0.parquet",
        "/image?image=../config.yaml",
        "/image?image=/etc/passwd",
        "/image?image=%00",
        "/api/item?id=../../config.yaml",
    ],
)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    status, content, _ = site.ask("GET", path)
    assert status == 404
    assert b"root:" not in content and b"questioner" not in content and b"import" not in content


def test_a_image_of_the_run_is_served(site: Site) -> None:
    status, content, headers = site.ask("GET", "/image?image=red.png&side=64")
    assert status == 200 and headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(content)).size == (64, 64)


def test_every_answer_has_a_strict_policy(site: Site) -> None:
    for path in ("/", "/main.js", "/api/run", "/nothing"):
        _, _, headers = site.ask("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_refusals_have_the_policy_too(site: Site) -> None:
    for sent in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"PUT /api/run HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
            line.sendall(sent)
            answer = line.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 400") and b"default-src 'none'" in answer


def test_a_run_that_goes_away_or_is_damaged_is_told_in_words(site: Site, written: Written) -> None:
    everything = (
        "/api/run",
        "/api/gallery",
        "/api/item?id=x",
        "/api/storied",
        "/api/story?image=x",
        "/image?image=red.png",
    )
    with (written.path / "metrics.jsonl").open("a") as file:
        file.write('[1]\n{"phase": 5}\n')
    (written.path / "summary.json").write_text('{"suites": 7}')
    for file in (written.path / "asked").iterdir():
        file.write_bytes(b"PAR1 and nothing else")
    for path in everything:
        status, words, _ = site.ask("GET", path)
        assert status in (200, 404, 409) and b"Traceback" not in words
    shutil.rmtree(written.path)
    shutil.rmtree(written.path.parent / "images")
    for path in everything:
        status, words, headers = site.ask("GET", path)
        assert status in (200, 404) and "content-security-policy" in headers
    assert "is gone" in site.ask("GET", "/api/run")[1].decode()


def test_two_images_are_received_at_once_and_others_wait(site: Site) -> None:
    head = (
        f"POST /api/playground HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nSec-Fetch-Site: same-origin\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    ).encode()
    with ExitStack() as lines:
        for _ in range(MOST_UPLOADS):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=20))
            line.sendall(head + b"{")
        sleep(0.3)
        headers = {"Sec_Fetch_Site": "same-origin", "Content_Type": "application/json"}
        status, words, told = site.ask("POST", "/api/playground", b"{}", **headers)
        assert status == 503 and told["retry-after"] == "5" and b"ask again later" in words
        assert site.get("/api/run")
        line.sendall(b"}" * 999)
        assert line.recv(1000).startswith(b"HTTP/1.1 400")
    sleep(0.3)
    assert site.ask("POST", "/api/playground", b"{}", **headers)[0] == 400


def test_what_did_not_change_is_not_sent_again(site: Site, written: Written) -> None:
    _, _, headers = site.ask("GET", "/api/run")
    status, content, _ = site.ask("GET", "/api/run", If_None_Match=headers["etag"])
    assert (status, content) == (304, b"")
    written.line("reasoner", 1, 0, reward=0.5)
    status, content, _ = site.ask("GET", "/api/run", If_None_Match=headers["etag"])
    assert status == 200
    assert {"reasoner"} == {curve["phase"] for curve in json.loads(content)["page"]["curves"]}


def test_filters_come_by_address(site: Site) -> None:
    everything = site.get("/api/gallery")
    kept = site.get("/api/gallery?kept=true&order=confidence&count=1")
    assert 0 < kept["total"] < everything["total"] and len(kept["rows"]) == 1
    assert site.get(f"/api/item?id={kept['rows'][0]['id']}")["kept"] is True
    for wrong in ("kept=perhaps", "iteration=-1", "least=2", "most=nan", "order=random", "count=1e9", "start=%D9%A3"):
        status, content, _ = site.ask("GET", f"/api/gallery?{wrong}")
        assert status == 400 and wrong.split("=")[0] in content.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://localhost", "Host": "localhost"},
        {"Origin": "http://[::1"},
    ],
)
def test_other_pages_may_not_ask_the_models(site: Site, headers: dict[str, str]) -> None:
    status, content, _ = site.ask("POST", "/api/playground", b"{}", Content_Type="application/json", **headers)
    assert status == 403 and "only the page itself" in content.decode()


def test_what_cannot_be_asked_is_refused_in_words(site: Site) -> None:
    def said(body: bytes, kind: str = "application/json") -> tuple[int, str]:
        headers = {"Sec_Fetch_Site": "same-origin", "Content_Type": kind}
        status, content, _ = site.ask("POST", "/api/playground", body, **headers)
        return status, content.decode()

    assert said(b"{}") == (400, "there is no image; choose one")
    for body in (b"[1]", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"\xff\xfe", b"", b'{"image": 1e999'):
        assert said(body) == (400, "send a JSON object")
    assert said(b'{"image": NaN}')[0] == said(b'{"image": "\\ud800"}')[0] == said(b'{"question": 9e999}')[0] == 400
    assert said(b"{", "text/plain") == (415, "send JSON")
    text = base64.b64encode(b"no image").decode()
    assert said(json.dumps({"image": text}).encode())[1].startswith("the image cannot be used: not an image")
    status, words = said(b'{"image": "' + b"A" * (MOST_BYTES * 3 // 2) + b'"}')
    assert (status, words) == (413, "the image is too large: at most 20 MiB")


def test_images_and_questions_are_checked() -> None:
    drawn = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(drawn, "PNG")
    with pytest.raises(ImageError, match="pixels"):
        read_image(base64.b64encode(drawn.getvalue()).decode())
    with pytest.raises(ImageError, match="did not arrive whole"):
        read_image("no base64!")
    with pytest.raises(ConfigError, match="at most 2000"):
        read_question("x" * 2001)
    assert read_question("what \ud800 is it? ") == "what \ufffd is it?"
    assert read_question(None) == ""


def test_a_wildcard_name_is_refused(written: Written) -> None:
    with pytest.raises(ConfigError, match="--allow-host"):
        make_app(written.path, ["*"])


def test_a_report_holds_the_run_and_keeps_to_its_size(written: Written, tmp_path: Path) -> None:
    written.begin()
    written.silver(1, silver_set())
    results = write_report(written.path, tmp_path / "sent" / "report.html")
    assert results.read_text(encoding="utf-8").startswith("# lab on images")
    page = (tmp_path / "sent" / "report.html").read_text(encoding="utf-8")
    assert "http-equiv" in page and "src=" not in page.split("</head>")[0]
    data = page.split('<script type="application/json" id="report">')[1].split("</script>")[0]
    assert {item["phase"] for item in json.loads(data)["items"]} == {"silver"}
    view = RunView(written.path)
    with pytest.raises(ValueError, match="without any question"):
        report_page(view, view.overview(), 10_000)


def test_wrong_commands_are_one_line(written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["watch", str(tmp_path / "nowhere")],
        ["watch", str(written.path), "--port", "70000"],
        ["watch", str(written.path), "--allow-host", "*"],
        ["watch", str(written.path), "--host", "203.0.113.1", "--port", "0"],
        ["report", str(tmp_path / "nowhere"), "--to", str(tmp_path / "report.html")],
        ["report", str(written.path), "--to", str(tmp_path)],
        ["report", str(written.path), "--to", str(tmp_path / "report.html"), "--most-mib", "0"],
        ["report", str(written.path), "--to", str(tmp_path / "report.html"), "--most-mib", "inf"],
    ):
        assert main(command) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("visplay: ") and printed.count("\n") == 1, printed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.jsonl", "{}\n"),
        ("metrics.jsonl", '{"phase": 1, "iteration": "x", "step": null, "time": 5}\n'),
        ("summary.json", '{"suites": 5, "headline": 5}'),
        ("summary.json", '{"suites": {"a": 5}, "headline": {"verdict": 1}}'),
        ("state.json", '{"state": 5}'),
        ("state.json", '{"x": 5}'),
        ("failure.json", '{"error": {}}'),
        ("inputs.json", '{"x": 5}'),
    ],
)
def test_a_report_of_damaged_files_is_a_report_or_one_line(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    written.begin()
    (written.path / name).write_text(text)
    status = main(["report", str(written.path), "--to", str(tmp_path / "report.html")])
    told = capsys.readouterr().err.splitlines()
    assert (status, len(told)) in ((0, 0), (2, 1)), told
