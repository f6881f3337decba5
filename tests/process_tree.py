"""The processes below a process, and the addresses at which they listen, from /proc."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

Address = IPv4Address | IPv6Address
_LISTENING = "0A"


def below(process: int) -> set[int]:
    """A process and all that it started, directly or not, and that still run."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if (state := _state(int(folder.name))) is not None and state[0] != "Z":
            parents[int(folder.name)] = state[1]
    found, before = {process} & parents.keys(), set[int]()
    while found != before:
        before = found
        found = found | {child for child, parent in parents.items() if parent in found}
    return found


def running(processes: Iterable[int]) -> set[int]:
    """Those that still run; one that has ended and that nobody waited for does not."""
    return {process for process in processes if (state := _state(process)) is not None and state[0] != "Z"}


def listening(processes: Iterable[int]) -> set[Address]:
    """The addresses of TCP sockets that accept connections in any of the processes."""
    sockets = _listening_sockets()
    return {sockets[inode] for process in processes for inode in _socket_inodes(process) if inode in sockets}


def beyond_loopback(addresses: Iterable[Address]) -> set[Address]:
    return {address for address in addresses if not address.is_loopback}


def _state(process: int) -> tuple[str, int] | None:
    """The letter of a process's state and the id of its parent; None if there is no such process."""
    try:
        # The name in brackets may hold anything, also brackets.
        letter, parent, *_ = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return letter, int(parent)


def _listening_sockets() -> dict[str, Address]:
    found: dict[str, Address] = {}
    for file, words, kind in (("tcp", 1, IPv4Address), ("tcp6", 4, IPv6Address)):
        for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                # The kernel prints each word of the address as a number of this machine.
                raw = bytes.fromhex(fields[1].partition(":")[0])
                numbers = struct.unpack(f">{words}I", raw)
                found[fields[9]] = kind(struct.pack(f"={words}I", *numbers))
    return found


def _socket_inodes(process: int) -> set[str]:
    found = set[str]()
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target.removeprefix("socket:[").rstrip("]"))
    except OSError:
        pass
    return found
