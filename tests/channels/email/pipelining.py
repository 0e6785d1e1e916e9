"""A mail server that announces PIPELINING and has a fault for each address and command that should have one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

DROP = "drop"  # hang up instead of an answer; after a text: having taken it
ABORT = "abort"  # the same with a reset
FINE = {"MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok", "DATA": "354 Go on", ".": "250 2.0.0 Ok"}


class PipeliningPeer:
    """Serve in threads. `faults`: what is said to a command for an address, or DROP or ABORT.

    `most`: how many messages a connection is good for, then MAIL gets a 421. `dribble`: how many bytes of an answer are
    sent at once, 0 for all. `many_lines`: answers have two lines each.
    """

    def __init__(
        self,
        faults: Mapping[tuple[str, str], str] | None = None,
        *,
        most: int = 0,
        dribble: int = 0,
        many_lines: bool = False,
    ) -> None:
        self.faults, self.most, self.dribble, self.many_lines = dict(faults or {}), most, dribble, many_lines
        self.mails: list[tuple[str, bytes]] = []
        self.sessions = 0
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._lines: list[socket.socket] = []
        self._threads[0].start()

    def stop(self) -> None:
        """Hang up everywhere."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._server.accept()
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sessions += 1
                self._lines.append(line)
                self._threads.append(threading.Thread(target=self._serve, args=(line,), daemon=True))
                self._threads[-1].start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            _Session(self, line).run()


class _Session:
    """One connection: what was heard, whom the message is for, and what is to be said when nothing more has come."""

    def __init__(self, peer: PipeliningPeer, line: socket.socket) -> None:
        self.peer, self.line = peer, line
        self.heard, self.said = b"", b""
        self.address, self.count = "", 0
        self.accepted_sender = self.accepted_recipient = False
        self.waiting: list[str] = []

    def run(self) -> None:
        self.say("220 peer ESMTP")
        while True:
            while b"\r\n" not in self.heard:
                self.flush()
                more = self.line.recv(65_536)
                if not more:
                    return
                self.heard += more
            command, _, self.heard = self.heard.partition(b"\r\n")
            if not self.obey(command.decode()):
                return

    def obey(self, command: str) -> bool:
        """Answer one command; False: hung up."""
        word = command[:4].upper()
        if word == "EHLO":
            self.said += b"250-peer\r\n250-PIPELINING\r\n250 SIZE\r\n"
        elif word == "QUIT":
            return False
        elif word == "MAIL":
            return self.mail()
        elif word == "RCPT":
            self.address = command.partition("<")[2].rstrip(">")
            return self.recipient()
        elif word == "DATA":
            return self.data()
        else:
            self.accepted_sender = self.accepted_recipient = False
            self.say("250 2.0.0 Ok")
        return True

    def mail(self) -> bool:
        if self.peer.most and self.count >= self.peer.most:
            self.say("421 4.7.0 enough on this connection")
            self.flush()
            return False
        # Whom it is for comes with the next command, which was sent with this one.
        while b"RCPT TO:<" not in self.heard or b">" not in self.heard.partition(b"RCPT TO:<")[2]:
            self.flush()
            more = self.line.recv(65_536)
            if not more:
                return False
            self.heard += more
        self.address = self.heard.partition(b"RCPT TO:<")[2].partition(b">")[0].decode()
        self.accepted_sender = self.reply("MAIL")
        return not self.is_over

    is_over = False

    def recipient(self) -> bool:
        if not self.accepted_sender:
            self.say("503 5.5.1 MAIL first")
            return True
        self.accepted_recipient = self.reply("RCPT")
        return not self.is_over

    def data(self) -> bool:
        if not self.accepted_recipient:
            self.say("503 5.5.1 RCPT first")
            return True
        self.accepted_sender = self.accepted_recipient = False
        if not self.reply("DATA"):
            return not self.is_over
        while not (self.heard.startswith(b".\r\n") or b"\r\n.\r\n" in self.heard):
            self.flush()
            more = self.line.recv(65_536)
            if not more:
                return False
            self.heard += more
        text, _, self.heard = (b"\r\n" + self.heard).partition(b"\r\n.\r\n")
        said = self.peer.faults.get((self.address, "."), FINE["."])
        if said[:1] == "2" or said in (DROP, ABORT):
            self.peer.mails.append((self.address, (text[2:] + b"\r\n").replace(b"\r\n..", b"\r\n.")))
        self.count += 1
        self.reply(".")
        return not self.is_over

    def reply(self, command: str) -> bool:
        """Say what is said to a command for this address; return whether it was a yes."""
        said = self.peer.faults.get((self.address, command), FINE[command])
        if said in (DROP, ABORT) or said.startswith("421"):
            if said == ABORT:
                self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif said != DROP:
                self.say(said)
            self.flush()
            self.is_over = True
            return False
        self.say(said)
        return said[:1] in "23"

    def say(self, text: str) -> None:
        if self.peer.many_lines and text[:3] != "354":
            self.said += f"{text[:3]}-first of two\r\n".encode()
        self.said += f"{text}\r\n".encode()

    def flush(self) -> None:
        size = self.peer.dribble or len(self.said) or 1
        for place in range(0, len(self.said), size):
            self.line.sendall(self.said[place : place + size])
            if self.peer.dribble:
                time.sleep(0.0005)
        self.said = b""
