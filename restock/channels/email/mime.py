"""Write an e-mail as bytes: headers, a text part and an HTML part (RFC 5322, 2045 to 2047).

Pure, and some fifteen times cheaper than `email.message`, against which a property test holds it. No value may bring a
line break: what is not one printable line is refused here, whatever was checked before.
"""

from __future__ import annotations

import binascii
import re
import textwrap
from collections.abc import Sequence

_WORD_BYTES = 42  # of text in one encoded word: =?utf-8?b?…?= stays within 75 characters (RFC 2047 section 2)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def assemble(headers: Sequence[tuple[str, str]], text: str, html: str, boundary: str) -> bytes:
    """Return the message with CRLF line ends; raise ValueError for a header with a control character.

    `boundary` must begin with `=_`, which never occurs in quoted-printable (RFC 2045 section 5.1).
    """
    lines = [_header(name, value) for name, value in headers]
    lines += ["MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{boundary}"', "", ""]
    head = "\r\n".join(lines).encode()
    return b"".join(
        (head, _part("plain", text, boundary), _part("html", html, boundary), f"--{boundary}--\r\n".encode())
    )


def unstructured(text: str) -> str:
    """Write a subject: plain and folded where it is ASCII, encoded words otherwise."""
    if text.isascii() and "=?" not in text:
        return "\r\n ".join(textwrap.wrap(text, 66, break_long_words=False, break_on_hyphens=False))
    return _encoded_words(text)


def mailbox(name: str, address: str) -> str:
    """Write a display name and an address, as in From."""
    if not name:
        return address
    if name.isascii() and "=?" not in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{_encoded_words(name)}\r\n <{address}>"


def _encoded_words(text: str) -> str:
    words, current = [], b""
    for letter in text:
        raw = letter.encode("utf-8", "replace")
        if len(current) + len(raw) > _WORD_BYTES:
            words.append(current)
            current = b""
        current += raw
    words.append(current)
    return "\r\n ".join(f"=?utf-8?b?{binascii.b2a_base64(word, newline=False).decode()}?=" for word in words)


def _header(name: str, value: str) -> str:
    if _CONTROL.search(value.replace("\r\n ", "")):
        raise ValueError(f"a control character in the header {name}")
    return f"{name}: {value}"


def _part(subtype: str, content: str, boundary: str) -> bytes:
    head = (
        f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    unix = content.replace("\r\n", "\n").replace("\r", "\n")
    # One CRLF at least: from it b2a_qp learns how to break lines. The last one belongs to the boundary.
    lines = unix.removesuffix("\n").replace("\n", "\r\n") + "\r\n"
    return head.encode() + binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True)
