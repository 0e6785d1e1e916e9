"""Sign an e-mail for its domain (DKIM: RFC 6376, Ed25519: RFC 8463). Pure: the same message, the same signature.

Written for our own messages: CRLF line ends, no header twice. Headers that readers and mailbox providers act on are
signed, From twice, so that nobody adds a second one. Must never show the key.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_SIGNED = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",  # RFC 8058 asks for both of these to be signed
)
_LOWER = tuple(name.lower().encode() for name in _SIGNED)
_SMALLEST_RSA_BITS = 1024  # RFC 8301: verifiers must not take less
_BLANKS = re.compile(rb"[ \t]+")
_LABEL = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A domain's private key and the selector under which DNS has its other half."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The algorithm's name in a signature."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    @property
    def record(self) -> str:
        """The TXT record to be published at `SELECTOR._domainkey.DOMAIN`."""
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            raw, kind = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "rsa"
        else:
            raw, kind = public.public_bytes(Encoding.Raw, PublicFormat.Raw), "ed25519"
        return f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}"


def read_dkim_key(domain: str, selector: str, pem: str) -> DkimKey:
    """Read a key in PEM, in which line breaks may be written as `\\n`; raise ValueError with what it must be."""
    if not _LABEL.fullmatch(domain):
        raise ValueError("must belong to a domain such as example.com: set DKIM_DOMAIN or EMAIL_FROM")
    if not _LABEL.fullmatch(selector):
        raise ValueError("needs DKIM_SELECTOR: the name under which DNS has the other half, such as restock")
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("must be a private key in PEM without a password (openssl genrsa 2048)") from None
    if isinstance(key, RSAPrivateKey) and key.key_size < _SMALLEST_RSA_BITS:
        raise ValueError("must be an RSA key of 2048 bits; so short a one is believed by nobody")
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("must be an RSA or Ed25519 key")  # noqa: TRY004 (what is wrong is the value that was set)
    return DkimKey(domain, selector, key)


def sign(content: bytes, key: DkimKey, at: int) -> bytes:
    """Put the signature in front of a message; `at` is when it was made, in seconds since the epoch.

    The body is signed as it is (`simple`): quoted-printable has no blanks that anybody on the way would touch, and to
    look for them costs more than all the rest.
    """
    head, _, body = content.partition(b"\r\n\r\n")
    headers = _headers(head)
    present = tuple(name for name in _LOWER if name in headers)
    opening, relaxed = _opening(key.algorithm, key.domain, key.selector, present)
    closing = f" t={at}; bh={_hash(_simple_body(body))};"
    signed = b"".join([headers[name] + b"\r\n" for name in present])
    signature = base64.b64encode(_signature(key, signed + f"{relaxed}{closing} b=".encode())).decode()
    folded = "\r\n ".join(signature[place : place + 70] for place in range(0, len(signature), 70))
    return f"{opening}\r\n{closing}\r\n b={folded}\r\n".encode() + content


@lru_cache(maxsize=64)
def _opening(algorithm: str, domain: str, selector: str, present: tuple[bytes, ...]) -> tuple[str, str]:
    """Write what all signatures of a key begin with, folded and in the relaxed form."""
    names = ": ".join(["from", *(name.decode() for name in present)])
    tags = f"v=1; a={algorithm}; c=relaxed/simple; d={domain}; s={selector}; h={names};"
    lines = textwrap.wrap(f"DKIM-Signature: {tags}", 76, break_long_words=False, break_on_hyphens=False)
    return "\r\n ".join(lines), f"dkim-signature:{tags}"


def _signature(key: DkimKey, data: bytes) -> bytes:
    if isinstance(key.key, RSAPrivateKey):
        return key.key.sign(data, PKCS1v15(), SHA256())
    return key.key.sign(hashlib.sha256(data).digest())  # RFC 8463 section 3: the hash is what is signed


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Read the headers as the relaxed form has them, by lower-case name."""
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n")
    return {line.partition(b":")[0].strip().lower(): _relaxed_header(line) for line in unfolded}


def _relaxed_header(line: bytes) -> bytes:
    """Bring one header into the relaxed form of RFC 6376 section 3.4.2, without its line end."""
    name, _, value = line.replace(b"\r\n", b"").partition(b":")
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", value).strip(b" ")


def _simple_body(body: bytes) -> bytes:
    """Bring a body into the simple form of RFC 6376 section 3.4.3."""
    if not body.endswith(b"\r\n"):
        return body + b"\r\n"
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    return body


def _hash(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
