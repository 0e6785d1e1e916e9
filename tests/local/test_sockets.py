"""Where a server can listen: free ports, taken ports, and hosts that are not this machine's."""

from __future__ import annotations

import socket

import pytest

from restock.local.lifeline import StartError
from restock.local.sockets import free_port, port_is_taken


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_is_free_until_somebody_listens(host: str) -> None:
    port = free_port(host)
    assert not port_is_taken(host, port)
    with socket.create_server((host, port)):
        assert port_is_taken(host, port)


@pytest.mark.parametrize("host", ["999.1.1.1", "192.0.2.1"])  # no address at all; somebody else's (RFC 5737)
def test_a_host_that_is_not_ours_is_named_with_the_mend(host: str) -> None:
    sentence = f"HOST={host} is no address of this machine"
    with pytest.raises(StartError, match=sentence):
        free_port(host)
    with pytest.raises(StartError, match=sentence):
        port_is_taken(host, 8000)
