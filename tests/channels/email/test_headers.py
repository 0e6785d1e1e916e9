"""Nobody adds a header, a recipient or a message by what they are called: every value that a header takes."""

from __future__ import annotations

import base64
import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import replace
from email.utils import getaddresses

import pytest

from restock.channels.email.message import Mail, Sender, compose
from restock.channels.email.skeleton import Press
from restock.channels.port import ChannelError
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.texts.written import ShopTexts, Speaker
from restock.channels.values import Blame, ChannelName, Envelope, Letter, Recipient
from tests.channels.benches import PRODUCT, SHOP, envelope_for, turn_for

SENDER = Sender("alerts@mail.example", "Restock")
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("MIME-Version", "Content-Type"),
]
BCC = "Bcc: eve@evil.example"
TRICKS = {
    "CR": f"a\r{BCC}",
    "LF": f"a\n{BCC}",
    "CRLF": f"a\r\n{BCC}",
    "CRLF and a fold": f"a\r\n {BCC}",
    "an empty line": "a\r\n\r\n<b>body</b>",
    "the end of a text": "a\r\n.\r\nMAIL FROM:<eve@evil.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n",
    "U+2028": f"a\u2028{BCC}",
    "U+0085": f"a\x85{BCC}",
    "vertical tab": f"a\x0b{BCC}",
    "NUL": f"a\x00{BCC}",
    "a hidden direction mark": f"a\u202e{BCC}",
    "half a surrogate": f"a\ud800{BCC}",
    "two addresses": "a@x.example, b@x.example",
    "a name and an address": "Eve <eve@evil.example>",
    "a route": "<@evil.example:a@x.example>",
    "a quoted local part": '"a@evil.example> "@x.example',
    "a comment": "a@x.example (eve@evil.example)",
    "an encoded word": "=?utf-8?q?eve=40evil.example=2C?=@x.example",
    "an encoded line break": f"=?utf-8?b?{base64.b64encode(f'a{chr(13)}{chr(10)}{BCC}'.encode()).decode()}?=@x.example",
    "quoted-printable": "a=0D=0ABcc: eve@evil.example",
    "a format": "%s{}%%{0}@x.example, ",
    "a boundary": "--=_restock--\r\n--=_restock",
}

Writer = Callable[[Envelope], Mail]


def alone(envelope: Envelope) -> Mail:
    """Write it by itself."""
    return compose(envelope, SENDER)


def among_others(envelope: Envelope) -> Mail:
    """Write it after others who are told the same, so that a skeleton is there to be filled."""
    press = Press(SENDER)
    for number in range(3):
        other = turn_for(number)
        links = replace(
            other.links, unsubscribe=f"{envelope.notice.links.unsubscribe.rpartition('/')[0]}/{number:06d}.sig"
        )
        try:
            press.write(envelope_for(number, Recipient("b@x.example"), replace(envelope.notice, links=links)))
        except ChannelError:
            return press.write(envelope)
    assert press.kept_bytes or type(envelope.notice.words) is dict
    return press.write(envelope)


def checked(mail: Mail, recipient: str = "ada@example.com") -> email.message.EmailMessage:
    """Find our headers in a mail, each once and no other, one sender, one recipient, two parts and no more."""
    head, _, body = mail.content.partition(b"\r\n\r\n")
    assert mail.recipient == recipient
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", mail.content)
    assert b"\r\n." not in mail.content
    assert [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] != b" "] == HEADERS
    assert body.count(b"--=_restock\r\n") == 2
    assert body.endswith(b"--=_restock--\r\n")
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert [address for _, address in getaddresses([str(message["To"])])] == [recipient]
    assert [one.addr_spec for one in message["From"].addresses] == [SENDER.address]
    assert not message.defects
    return message


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("write", [alone, among_others])
def test_an_address_is_one_address_or_condemns_itself(write: Writer, trick: str) -> None:
    with pytest.raises(ChannelError) as caught:
        write(envelope_for(7, Recipient(TRICKS[trick]), turn_for(7)))
    assert (caught.value.reason, caught.value.permanent, caught.value.blame) == ("invalid_address", True, Blame.address)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("write", [alone, among_others])
@pytest.mark.parametrize("place", ["shop", "title", "variant", "price", "locale", "identity"])
def test_a_name_is_a_name_whatever_it_says(write: Writer, place: str, trick: str) -> None:
    said, notice, identity = TRICKS[trick], turn_for(7), "offer-7-0"
    match place:
        case "shop":
            notice = replace(notice, shop=replace(SHOP, name=said))
        case "title":
            notice = replace(notice, product=replace(PRODUCT, title=said))
        case "variant":
            notice = replace(notice, product=replace(PRODUCT, variant_title=said))
        case "price":
            notice = replace(notice, product=replace(PRODUCT, price=said))
        case "locale":
            notice = replace(notice, locale=said)
        case _:
            identity = said
    envelope = replace(envelope_for(7, Recipient("ada@example.com"), notice), identity=identity)
    message = checked(write(envelope))
    assert re.fullmatch(r"<[A-Za-z0-9-]+@mail\.example>", str(message["Message-ID"]))


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("write", [alone, among_others])
def test_the_shops_own_words_stay_within_the_subject(write: Writer, trick: str) -> None:
    text = Source({"subject": TRICKS[trick].replace("%s{}%%{0}", "x") + " {{ product.title }}", "lead": TRICKS[trick]})
    speaker = Speaker(ShopTexts({TextKey(ChannelName.email, Stage.restock, "en"): text}))
    said = [speaker.say(turn_for(number), ChannelName.email) for number in (5, 6, 7)][-1]
    checked(write(envelope_for(7, Recipient("ada@example.com"), said)))


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("write", [alone, among_others])
@pytest.mark.parametrize("place", ["before the last part", "in the last part"])
def test_a_link_stays_within_its_header_or_is_not_written(write: Writer, place: str, trick: str) -> None:
    notice = turn_for(7)
    link = f"https://a.example/{TRICKS[trick]}/000007.sig" if place == "before the last part" else f"x/{TRICKS[trick]}"
    notice = replace(notice, links=replace(notice.links, unsubscribe=link))
    try:
        mail = write(envelope_for(7, Recipient("ada@example.com"), notice))
    except ChannelError:
        return
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] != b" "] == HEADERS
    assert not re.search(rb"^bcc", head, re.IGNORECASE | re.MULTILINE)


@pytest.mark.parametrize("trick", TRICKS)
def test_a_letter_to_a_shop_has_one_subject_and_one_sender(trick: str) -> None:
    envelope = replace(
        envelope_for(7, Recipient("ada@example.com"), turn_for(7)), letter=Letter(TRICKS[trick], "text", "<p>html</p>")
    )
    mail = compose(envelope, Sender("alerts@mail.example", "Restock"))
    assert Press(SENDER).write(envelope) == mail
    head = mail.content.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] != b" "]
    assert names == [name for name in HEADERS if not name.startswith("List-")]


def test_what_looks_like_an_encoded_word_is_read_as_it_was_typed() -> None:
    title = "=?utf-8?q?=66ree?="
    mail = alone(
        envelope_for(7, Recipient("ada@example.com"), replace(turn_for(7), product=replace(PRODUCT, title=title)))
    )
    assert title in str(email.message_from_bytes(mail.content, policy=email.policy.default)["Subject"])


@pytest.mark.parametrize(
    "address", ["ada@example.com", "ada+x.y_z@sub.example.com", "o'hara!#$%&*@example.com", "a=b@x.example"]
)
def test_ordinary_addresses_are_written_as_they_are(address: str) -> None:
    for write in (alone, among_others):
        checked(write(envelope_for(7, Recipient(address), turn_for(7))), address)
