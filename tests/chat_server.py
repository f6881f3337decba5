"""A real HTTP server that speaks OpenAI's chat protocol, well or badly, as a test tells it."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import torch
from peft import load_peft_weights

Body = dict[str, Any]


class ChatServer(ThreadingHTTPServer):
    """Answers "<prompt>|<number>", a token a byte and one for the end; choices come in reversed order.

    Attributes:
        fault: of a body and how often it came before: a status to answer with, "reset" for none; None for no fault.
        say: of a body and the number of an answer: its text.
        bodies, busiest: what was asked, and the most chats that were under way at once.
        loaded: adapters by name, with their weights as they were in the folder.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault: Callable[[Body, int], int | str | None] = lambda body, before: None
        self.say: Callable[[Body, int], str] = lambda body, index: f"{text_of(body)}|{index}"
        self.complaint: Callable[[int], str] = lambda status: f"no,\nnot {status}"
        self.seconds: Callable[[], float] = lambda: 0.0
        self.shape: Callable[[Body], Body] = lambda reply: reply
        self.models: list[Body] = [{"id": "base", "parent": None}]
        self.loaded: dict[str, dict[str, torch.Tensor]] = {}
        self.bodies: list[Body] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.tries: Counter[str] = Counter()
        self.busy = self.busiest = 0
        self.lock = Lock()
        self.open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are part of the game."""

    def die(self) -> None:
        """What a killed process leaves: nobody listens, every connection is broken."""
        self.socket.close()
        for connection in self.open:
            broken_off(connection)


def broken_off(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        fault = self.server.fault({}, len(self.server.paths) - 1)
        if isinstance(fault, int):
            self._reply(fault, {"message": "loading"})
        else:
            self._reply(200, {"object": "list", "data": self.server.models})

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = json.dumps([self.path, body])
        with server.lock:
            before = server.tries[name]
            server.tries[name] += 1
            server.paths.append(self.path)
            server.keys.append(self.headers["Authorization"])
        fault = server.fault(body, before)
        if self.path == "/v1/chat/completions":
            self._chat(body, fault)
        else:
            self._adapter(body, fault)

    def _chat(self, body: Body, fault: int | str | None) -> None:
        server = self.server
        with server.lock:
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        time.sleep(server.seconds())
        with server.lock:
            server.busy -= 1
        if self._faulty(fault):
            return
        server.bodies.append(body)
        texts = [server.say(body, index) for index in range(body["n"])]
        choices = [choice(index, text) for index, text in enumerate(texts)]
        self._reply(200, server.shape({"object": "chat.completion", "choices": choices[::-1]}))

    def _adapter(self, body: Body, fault: int | str | None) -> None:
        loaded, name = self.server.loaded, body["lora_name"]
        if isinstance(fault, int) and self._faulty(fault):
            return
        if self.path == "/v1/unload_lora_adapter":
            loaded.pop(name)
        elif name in loaded:
            self._reply(400, {"error": {"message": f"The lora adapter '{name}' has already been loaded."}})
            return
        else:
            loaded[name] = load_peft_weights(body["lora_path"], device="cpu")
        if not self._faulty(fault):
            self._reply(200, {})

    def _faulty(self, fault: int | str | None) -> bool:
        if fault == "reset":
            self.close_connection = True
            broken_off(self.connection)
        elif fault is not None:
            self._reply(int(fault), {"error": {"message": self.server.complaint(int(fault))}})
        return fault is not None

    def _reply(self, status: int, value: Any) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def text_of(body: Body) -> str:
    return str(body["messages"][0]["content"][-1]["text"])


def choice(index: int, text: str, finish: str = "stop") -> Body:
    tokens = [*text.encode(), *([0] if finish == "stop" else [])]
    content = [{"token": str(t), "logprob": -0.01 * (place + 1), "bytes": [t]} for place, t in enumerate(tokens)]
    message = {"role": "assistant", "content": text}
    return {"index": index, "message": message, "finish_reason": finish, "logprobs": {"content": content}}


@contextmanager
def serving(server: ChatServer) -> Iterator[ChatServer]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
