"""The check of listening addresses sees what it has to refuse."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from ipaddress import ip_address

import pytest

from tests.process_tree import below, beyond_loopback, listening, running

LISTEN = """
import socket, sys
listening = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("address", "seen"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True), ("127.0.0.2", False)]
)
def test_the_address_of_a_grandchild_is_seen(address: str, seen: bool) -> None:
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LISTEN!r}, {address!r}])"
    child = subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdin is not None
    try:
        assert child.stdout.readline() == b"ready\n"
        tree = below(child.pid)
        assert len(tree) == 2 and running(tree) == tree
        assert listening(tree) == {ip_address(address)}
        assert bool(beyond_loopback(listening(tree))) == seen
    finally:
        child.stdin.close()
        child.wait(10)
    assert running(tree) == set() and below(child.pid) == set()


def test_the_sockets_of_others_are_not_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert ip_address("127.0.0.1") in listening([os.getpid()])
        assert listening([]) == set()
