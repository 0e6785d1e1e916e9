"""Our own HTTP to the push services, before servers that do everything a server can do wrong."""

from __future__ import annotations

import datetime
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.push.http.connection import Failure, Result
from restock.channels.push.http.engine import Engine, Limits
from restock.channels.push.http.response import LARGEST_BODY, LARGEST_HEAD, Answer, GarbledError, ResponseReader
from restock.channels.push.http.sites import AddressBook, Origin, origin_from

REQUEST = b"POST /push/1 HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
PATIENT = Limits(connections=4, connect_seconds=30.0, read_seconds=30.0)  # a busy machine is not a silent service
QUICK = Limits(connections=4, connect_seconds=0.4, read_seconds=0.4)  # where the silence is the point
LONG = 60.0  # beyond every limit here

Talk = Callable[[socket.socket, int], None]


class Server:
    """Talks as it is told to on each connection, in a thread each; counts connections and whole requests."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self.connection_count = 0
        self.request_count = 0
        self._talk, self._tls = talk, tls
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def origin(self) -> Origin:
        scheme = "https" if self._tls else "http"
        return Origin(scheme, "localhost" if self._tls else "127.0.0.1", self.port, is_local=True)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connection_count += 1
                threading.Thread(target=self._talk_to, args=(connection, self.connection_count), daemon=True).start()

    def _talk_to(self, connection: socket.socket, number: int) -> None:
        self._open.append(connection)
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._talk(connection, number)
            connection.close()

    def read_request(self, connection: socket.socket) -> bool:
        """Read one whole request; False when the client has gone."""
        buffer = b""
        while not buffer.endswith(b"\r\n\r\nbody"):
            data = connection.recv(4096)
            if not data:
                return False
            buffer += data
        self.request_count += 1
        return True

    def close(self) -> None:
        for one in (self._socket, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def served(*answers: bytes, then: str = "keep", tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve these answers, one for each request, over and over. `then`: keep, close or reset after each."""
    server: Server
    supply = itertools.cycle(answers)

    def talk(connection: socket.socket, number: int) -> None:
        del number
        while server.read_request(connection):
            connection.sendall(next(supply))
            if then != "keep":
                break

    server = Server(talk, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def talking(talk: Callable[[Server, socket.socket, int], None]) -> Iterator[Server]:
    server: Server
    server = Server(lambda connection, number: talk(server, connection, number))
    try:
        yield server
    finally:
        server.close()


def ask(engine: Engine, origin: Origin, count: int = 1, request: bytes = REQUEST) -> dict[int, Result]:
    """Send so many requests, as many at once as there is room for, and wait for what becomes of all."""
    told: dict[int, Result] = {}
    waiting = list(range(count, 0, -1))
    while waiting or engine.busy_count:
        while waiting and engine.room(origin):
            engine.start(origin, waiting.pop(), request)
        told.update(engine.poll(1.0))
    assert sorted(told) == list(range(1, count + 1))
    return told


@contextmanager
def engine(limits: Limits = PATIENT, **more: object) -> Iterator[Engine]:
    opened = Engine(limits, **more)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        opened.close()


def only(answer: bytes, then: str = "keep") -> Result:
    """What becomes of one request that gets this answer."""
    with served(answer, then=then) as server, engine() as asked:
        return ask(asked, server.origin)[1]


CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (CREATED, 201, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 404 \r\nContent-Length: 4\r\n\r\ngone", 404, b"gone"),
        (b"HTTP/1.1 410\r\nContent-Length: 0\r\n\r\n", 410, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + CREATED, 201, b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + CREATED, 201, b""),
        (CHUNKED + b"4;x=y\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n", 201, b"abcdef"),
        (CHUNKED + b"1\r\na\r\n0\r\nTrailer: x\r\n\r\n", 201, b"a"),
        (b"HTTP/1.1 201 C\r\ncontent-LENGTH:2 \r\n\r\nok", 201, b"ok"),
    ],
)  # fmt: skip
def test_an_answer_is_read_whole_and_its_connection_used_again(answer: bytes, status: int, body: bytes) -> None:
    with served(answer) as server, engine(Limits(1, 30.0, 30.0)) as asked:
        told = ask(asked, server.origin, 3)
    assert {(one.status, one.body) for one in told.values() if isinstance(one, Answer)} == {(status, body)}
    assert (server.connection_count, server.request_count) == (1, 3)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 201 Created\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n\r\nup to the end",
        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        CHUNKED + b"xyz\r\n", CHUNKED + b"FFFFFFFF\r\n", CHUNKED + b"1\r\nab\r\n0\r\n\r\n", CHUNKED + b"x" * 300,
        CREATED + b"HTTP/1.1 201 unasked\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000,
        b"HTTP/1.1 201 Created\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000,
        CHUNKED + b"5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_the_status_counts_whatever_is_amiss_behind_it_but_the_connection_is_not_used_again(answer: bytes) -> None:
    with served(answer) as server, engine(Limits(1, 30.0, 30.0)) as asked:
        told = ask(asked, server.origin, 2)
    assert [one.status for one in told.values() if isinstance(one, Answer)] == [201, 201]
    assert all(len(one.body) <= LARGEST_BODY for one in told.values() if isinstance(one, Answer))
    assert server.connection_count == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/2 201\r\n\r\n", b"HTTP/1.1 2O1 Created\r\n\r\n", b"\x15\x03\x01\x00\x02",
        b"HTTP/1.1 201 Created\nContent-Length: 0\n\n", b"HTTP/1.1 201 Created\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nno colon\r\n\r\n", b"HTTP/1.1 201 Created\r\nA : b\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nA: \x00\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20, b"HTTP/1.1 201 Created\r\n" + b"A: b\r\n" * 5000,
        b"HTTP/1.1 201 " + b"x" * 20_000, b"HTTP/1.1 099 Low\r\n\r\n", b"\r\n" + CREATED,
    ],
)  # fmt: skip
def test_what_is_no_http_is_not_taken_for_an_answer(answer: bytes) -> None:
    assert only(answer) is Failure.garbled


def test_a_server_that_closes_after_each_answer_is_followed_without_a_loss() -> None:
    with served(CREATED, then="close") as server, engine() as asked:
        told = ask(asked, server.origin, 40)
    assert {one.status for one in told.values() if isinstance(one, Answer)} == {201}
    assert len(told) == 40


def test_a_connection_closed_while_idle_is_not_used_again_and_nothing_is_doubtful() -> None:
    gone = threading.Event()

    def talk(server: Server, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(CREATED)
            if number == 1:
                break
        if number == 1:
            connection.close()
            gone.set()

    with talking(talk) as server, engine(Limits(1, 30.0, 30.0)) as asked:
        ask(asked, server.origin)
        assert gone.wait(LONG)
        asked.tidy()
        assert isinstance(ask(asked, server.origin)[1], Answer)
    assert (server.connection_count, server.request_count) == (2, 2)


def test_a_kept_connection_that_is_closed_under_a_request_is_replaced_once() -> None:
    """The server closes what was idle at the moment we use it: the repeat carries the same topic."""

    def talk(server: Server, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            if number == 1 and server.request_count == 2:
                return
            connection.sendall(CREATED)

    with talking(talk) as server, engine(Limits(1, 30.0, 30.0)) as asked:
        assert isinstance(ask(asked, server.origin)[1], Answer)
        assert isinstance(ask(asked, server.origin)[1], Answer)
    assert server.connection_count == 2


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20"])
def test_a_fresh_connection_that_breaks_before_the_answer_leaves_a_doubt(said: bytes) -> None:
    def talk(server: Server, connection: socket.socket, number: int) -> None:
        del number
        server.read_request(connection)
        connection.sendall(said)

    with talking(talk) as server, engine() as asked:
        assert ask(asked, server.origin) == {1: Failure.lost}
    assert server.request_count == 1, "nothing is repeated that may have been taken"


def test_a_status_before_the_connection_breaks_counts() -> None:
    answer = only(b"HTTP/1.1 410 Gone\r\nContent-Length: 20\r\n\r\nhalf", then="close")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.keeps) == (410, False)


def silent(server: Server, connection: socket.socket, number: int) -> None:
    del number
    server.read_request(connection)
    time.sleep(LONG)


def dripping(server: Server, connection: socket.socket, number: int) -> None:
    del number
    server.read_request(connection)
    for byte in b"HTTP/1.1 201 Created\r\nX-Long: " + b"x" * 3000:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def dripping_body(server: Server, connection: socket.socket, number: int) -> None:
    del number
    server.read_request(connection)
    connection.sendall(b"HTTP/1.1 429 Slow\r\nRetry-After: 9\r\nContent-Length: 500\r\n\r\n")
    for _ in range(499):
        connection.sendall(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize("talk", [silent, dripping])
def test_an_answer_that_does_not_come_is_given_up_in_time(talk: Callable[..., None]) -> None:
    began = time.monotonic()
    with talking(talk) as server, engine(Limits(4, 30.0, 0.4)) as asked:  # to connect is not what takes long
        assert ask(asked, server.origin) == {1: Failure.timeout}
    assert 0.3 < time.monotonic() - began < LONG / 2


def test_of_an_answer_whose_body_drips_the_head_is_enough() -> None:
    with talking(dripping_body) as server, engine(Limits(1, 30.0, 1.5)) as asked:
        answer = ask(asked, server.origin)[1]
    assert isinstance(answer, Answer)
    assert (answer.status, answer.retry_after, answer.keeps) == (429, "9", False)


def test_a_server_that_reads_nothing_cannot_have_taken_the_request() -> None:
    def deaf(server: Server, connection: socket.socket, number: int) -> None:
        del server, connection, number
        time.sleep(LONG)

    large = REQUEST + b"x" * 30_000_000
    with talking(deaf) as server, engine(QUICK) as asked:
        assert ask(asked, server.origin, request=large) == {1: Failure.unreachable}


def test_nobody_there_is_found_out_and_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with engine() as asked:
        assert set(ask(asked, Origin("http", "127.0.0.1", port, is_local=True), 9).values()) == {Failure.unreachable}


def test_a_name_that_is_nobodys_is_looked_up_once_and_is_no_fault_of_a_service() -> None:
    asked_names: list[str] = []

    def resolve(host: str, port: int, **_: object) -> Sequence[tuple[object, ...]]:
        asked_names.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with engine(resolve=resolve) as asked:
        told = ask(asked, origin_from("https://nobody.push.apple.com"), 20)
    assert set(told.values()) == {Failure.nowhere}
    assert asked_names == ["nobody.push.apple.com"]


def test_a_name_server_that_is_away_is_a_service_that_cannot_be_reached() -> None:
    def resolve(host: str, port: int, **_: object) -> Sequence[tuple[object, ...]]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with engine(resolve=resolve) as asked:
        assert ask(asked, origin_from("https://web.push.apple.com")) == {1: Failure.unreachable}


def test_a_name_server_that_never_answers_holds_up_nobody_else() -> None:
    answering = threading.Event()

    def resolve(host: str, port: int, **_: object) -> Sequence[tuple[object, ...]]:
        if host == "slow.push.apple.com":
            answering.wait(LONG)
        return socket.getaddrinfo("127.0.0.1", port)

    with served(CREATED) as server, engine(Limits(4, 3.0, 30.0), resolve=resolve) as asked:
        slow = origin_from("https://slow.push.apple.com")
        asked.start(slow, 99, REQUEST)
        told: dict[int, Result] = {}
        asked.start(server.origin, 1, REQUEST)
        while asked.busy_count:
            told.update(asked.poll(1.0))
        answering.set()
    assert list(told) == [1, 99], "the other did not wait for it"
    assert isinstance(told[1], Answer)
    assert told[99] is Failure.unreachable


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fd00::1",
                "fe80::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"]
)  # fmt: skip
def test_a_push_service_is_never_sought_in_a_private_network(address: str) -> None:
    woken = threading.Event()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    book = AddressBook(woken.set, lambda host, port, **_: [(family, 1, 6, "", (address, port))])
    origin = origin_from("https://fcm.googleapis.com")
    found = book.look(origin, 0.0)
    assert woken.wait(LONG)
    assert (book.look(origin, 0.0) if found is None else found) == []
    assert book.is_nowhere(origin)
    book.close()


def test_the_next_address_is_tried_and_the_one_that_answers_is_kept() -> None:
    with socket.create_server(("127.0.0.2", 0)) as nobody:
        dead = nobody.getsockname()
    with served(CREATED) as server:
        found = [(socket.AF_INET, 1, 6, "", dead), (socket.AF_INET, 1, 6, "", ("127.0.0.1", server.port))]
        with engine(resolve=lambda *_, **__: found) as asked:
            assert isinstance(ask(asked, server.origin)[1], Answer)
            assert len(ask(asked, server.origin, 8)) == 8


def test_no_more_connections_are_open_than_allowed_and_they_are_kept() -> None:
    with served(CREATED) as server, engine(Limits(3, 30.0, 30.0)) as asked:
        for _ in range(3):
            assert len(ask(asked, server.origin, 30)) == 30
    assert 1 <= server.connection_count <= 3
    assert server.request_count == 90


def test_connections_nobody_needs_are_closed() -> None:
    with served(CREATED) as server, engine(Limits(3, 0.4, 0.4, idle_seconds=0.05)) as asked:
        ask(asked, server.origin)
        time.sleep(0.1)
        asked.tidy()
        ask(asked, server.origin)
    assert server.connection_count == 2


def test_what_is_aborted_is_told_to_nobody_and_leaves_no_connection_behind() -> None:
    with talking(silent) as server, engine(QUICK) as asked:
        for number in range(4):
            asked.start(server.origin, number, REQUEST)
        asked.poll(0.05)
        asked.abort()
        assert asked.busy_count == 0
        assert asked.poll(0) == []
        assert asked.room(server.origin) == QUICK.connections


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_over_tls_connections_are_kept_too(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with (
        served(CREATED, tls=server_tls(certificate)) as server,
        engine(Limits(3, 30.0, 30.0), tls=trusting, resolve=lambda _, port, **__: socket.getaddrinfo("127.0.0.1", port))
        as asked,
    ):  # fmt: skip
        told = [ask(asked, server.origin, 30) for _ in range(2)]
        large = ask(asked, server.origin, request=REQUEST[:-4] + b"x" * 600_000 + b"\r\n\r\nbody")
    assert all(isinstance(one, Answer) for batch in told for one in batch.values())
    assert isinstance(large[1], Answer)
    assert server.connection_count <= 3


def test_a_certificate_nobody_vouches_for_or_of_another_name_is_refused(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))

    def resolve(_: str, port: int, **__: object) -> Sequence[tuple[object, ...]]:
        return socket.getaddrinfo("127.0.0.1", port)

    with served(CREATED, tls=server_tls(certificate)) as server:
        with engine(resolve=resolve) as strict:
            assert ask(strict, server.origin) == {1: Failure.unreachable}
        with engine(resolve=resolve, tls=trusting) as other:
            elsewhere = server.origin._replace(host="fcm.googleapis.com")
            assert ask(other, elsewhere) == {1: Failure.unreachable}
    assert server.request_count == 0


def test_a_server_that_speaks_no_tls_is_unreachable(certificate: Path) -> None:
    with served(CREATED) as server, engine(QUICK) as asked:
        assert ask(asked, server.origin._replace(scheme="https", host="127.0.0.1")) == {1: Failure.unreachable}


_RESPONSES = st.sampled_from(
    [
        CREATED,
        b"HTTP/1.1 100 C\r\n\r\n" + CREATED,
        CHUNKED + b"4\r\nabcd\r\n0\r\nT: x\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 404 N\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ]
)


@given(response=_RESPONSES, cuts=st.sets(st.integers(1, 120)))
def test_an_answer_is_the_same_however_it_is_cut(response: bytes, cuts: set[int]) -> None:
    whole = ResponseReader().feed(response)
    assert whole is not None
    edges = [0, *sorted(cut for cut in cuts if cut < len(response)), len(response)]
    reader = ResponseReader()
    told = [reader.feed(response[start:end]) for start, end in itertools.pairwise(edges)]
    assert told[:-1] == [None] * (len(told) - 1)
    assert told[-1] == whole


@given(
    start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]),
    pieces=st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"0", b"a\r\n"]), max_size=30),
)
def test_whatever_comes_is_an_answer_or_garbled_or_not_whole_yet(start: bytes, pieces: list[bytes]) -> None:
    reader = ResponseReader()
    with suppress(GarbledError):
        for piece in [start, *pieces]:
            if reader.feed(piece) is not None:
                break


def test_a_head_without_end_is_given_up_before_it_fills_the_memory() -> None:
    reader = ResponseReader()
    with suppress(GarbledError):
        for count in range(LARGEST_HEAD):
            reader.feed(b"HTTP/1.1 200 OK\r\n" if count == 0 else b"A: b\r\n")
    assert count * 6 <= LARGEST_HEAD + 6


def test_an_address_is_written_as_a_host_is() -> None:
    assert origin_from("https://fcm.googleapis.com") == Origin("https", "fcm.googleapis.com", 443)
    assert origin_from("https://fcm.googleapis.com").authority == "fcm.googleapis.com"
    assert origin_from("http://127.0.0.1:9010").url == "http://127.0.0.1:9010"
