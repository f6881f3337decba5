"""How the processes of one machine meet: by a file, and over sockets that no other machine can reach."""

from __future__ import annotations

import sys

RENDEZVOUS = "VISPLAY_RENDEZVOUS"
"""The environment variable with the path of the file; the processes of `launch` have it."""

_INTERFACE = "lo0" if sys.platform == "darwin" else "lo"
LOOPBACK = {"GLOO_SOCKET_IFNAME": _INTERFACE, "NCCL_SOCKET_IFNAME": f"={_INTERFACE}"}
"""Environment variables by which gloo and NCCL listen on the loopback interface alone (NCCL: `=` is the exact name)."""
