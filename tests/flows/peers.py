"""Providers not written here: postfix's smtp-sink, Prism on Twilio's own OpenAPI, the npm push service.

Each runs as its own process on a loopback port and ends with its test. An absent one skips, saying why.
"""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from restock.local.sockets import free_port, port_is_taken

TESTS = Path(__file__).resolve().parents[1]
NODE_MODULES = TESTS / "node_modules"
START_SECONDS = 90.0


class SmtpSink:
    """Postfix's smtp-sink, which keeps every mail as a file."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin:/usr/libexec/postfix")
        if program is None:
            pytest.skip("postfix's smtp-sink is not installed")
        self.port = free_port("127.0.0.1")
        self._folder = folder
        folder.mkdir()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(folder, "nobody")
        command = [program, *user, "-d", "mail.", f"127.0.0.1:{self.port}", "50"]
        self._process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        _wait_for(self.port)

    def mails(self) -> list[EmailMessage]:
        """Parse what has arrived; the sink puts its own envelope lines before each mail."""
        found = []
        for path in sorted(self._folder.glob("mail.*")):
            text = path.read_bytes()
            found.append(email.message_from_bytes(text, policy=email.policy.default))
        return found  # type: ignore[return-value]

    def close(self) -> None:
        _end(self._process)


class Prism:
    """Prism in front of a fake Twilio: a request or an answer that is not as Twilio describes it fails the call."""

    def __init__(self, upstream: str, folder: Path) -> None:
        script = NODE_MODULES / "@stoplight" / "prism-cli" / "dist" / "index.js"
        node = _node(script)
        spec = folder / "twilio_api_v2010.json"
        spec.write_bytes(gzip.decompress((TESTS / "contracts" / "twilio_api_v2010.json.gz").read_bytes()))
        self.port = free_port("127.0.0.1")
        self._log = (folder / "prism.log").open("w")
        command = [node, str(script), "proxy", "--errors", "-h", "127.0.0.1", "-p", str(self.port), str(spec), upstream]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        _wait_for(self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        _end(self._process)
        self._log.close()


class PushTestingService:
    """The npm package web-push-testing: a push service that decrypts as a browser would."""

    def __init__(self) -> None:
        script = NODE_MODULES / "web-push-testing" / "src" / "bin" / "server.js"
        self.port = free_port("127.0.0.1")
        self._process = subprocess.Popen([_node(script), str(script), str(self.port)], stdout=subprocess.DEVNULL)
        _wait_for(self.port)

    def subscribe(self, public_key: str) -> dict[str, Any]:
        """Subscribe as a browser does with this key; return its PushSubscription."""
        asked = {"userVisibleOnly": "true", "applicationServerKey": public_key}
        subscription: dict[str, Any] = self._post("/subscribe", asked)["data"]
        return subscription

    def notifications(self, client_hash: str) -> list[str]:
        """Return the decrypted texts a browser was shown."""
        return list(self._post("/get-notifications", {"clientHash": client_hash})["data"]["messages"])

    def close(self) -> None:
        _end(self._process)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def closing_all(*peers: Any) -> Iterator[None]:
    """End every peer, whatever happens."""
    try:
        yield
    finally:
        for peer in peers:
            peer.close()


def _node(script: Path) -> str:
    node = shutil.which("node")
    if node is None or not script.exists():
        pytest.skip(f"node or {script.relative_to(TESTS)} is missing (npm ci in tests/)")
    return node


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not port_is_taken("127.0.0.1", port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=60)
