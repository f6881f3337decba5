"""A real vLLM that serves the lab's model on loopback and takes adapters while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from tests.chat_server import free_port
from visplay.models.names import model_name

START_S = 900.0


class Serving:
    """A vLLM process with its children.

    Args:
        log: where it writes; in the way of nobody.
        port: that of one which was killed, or none in particular.
    """

    def __init__(self, log: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        # What `vllm serve` runs; the package for CPUs has no such command.
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model_name("lab")]
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--served-model-name", "lab", "--dtype", "float32"]
        options += ["--enable-lora", "--max-lora-rank", "16", "--enforce-eager"]
        # vLLM 0.32 dies on a CPU where a seeded request's prompt is read in parts.
        options += ["--no-enable-chunked-prefill"]
        environment = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_CPU_KVCACHE_SPACE": "1", **os.environ}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command + options, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def check(self) -> None:
        """Fail with its last words where it has ended."""
        if self._process.poll() is not None:
            raise AssertionError(self.log.read_text(errors="replace")[-3000:])

    def models(self) -> list[str]:
        """Names that it serves: its base, and adapters."""
        return [model["id"] for model in httpx2.get(f"{self.url}/v1/models", timeout=30).json()["data"]]

    def under_way(self) -> int:
        """Requests that it works on."""
        lines = httpx2.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith("vllm:num_requests_running{"))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def served(log: Path, port: int | None = None) -> Iterator[Serving]:
    """Such a process, which is gone after a `with` block; it may still be starting."""
    process = Serving(log, port)
    try:
        yield process
    finally:
        process.kill()
