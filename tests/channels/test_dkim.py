"""Signed e-mails, judged by mailauth (npm), which we did not write, and by hand where it is not there."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from restock.channels.email.channel import EmailChannel
from restock.channels.email.dkim import DkimKey, read_dkim_key, sign
from restock.channels.email.message import Sender, compose
from restock.channels.email.smtp_pool import SmtpPool
from restock.channels.email.smtp_server import SmtpServer
from restock.channels.values import Recipient
from tests.channels.benches import SmtpPeer, envelope_for, notice_for, turn_for

TESTS = Path(__file__).parents[1]
MAILAUTH = TESTS / "node_modules" / "mailauth"
MAILPARSER = TESTS / "node_modules" / "mailparser"
AT = 1_790_000_000
_JUDGE = """
const { authenticate } = require(process.argv[1]);
let given = '';
process.stdin.on('data', c => given += c).on('end', async () => {
  const records = JSON.parse(process.argv[2]);
  const resolver = async (name, type) => {
    if (type === 'TXT' && records[name]) return [[records[name]]];
    const error = new Error('no such name'); error.code = 'ENOTFOUND'; throw error;
  };
  for (const mail of JSON.parse(given)) {
    const said = await authenticate(Buffer.from(mail, 'latin1'), {
      ip: '192.0.2.1', helo: 'mail.example.com', sender: 'alerts@example.com', resolver,
      disableArc: true, disableBimi: true });
    console.log(JSON.stringify(said.dkim.results.map(r => ({
      result: r.status.result, domain: r.signingDomain, aligned: r.status.aligned, headers: r.signingHeaders.keys,
      dmarc: said.dmarc ? said.dmarc.status.result : "none" }))));
  }
});
"""


def pem(key: rsa.RSAPrivateKey | Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module", params=["rsa", "ed25519"])
def key(request: pytest.FixtureRequest) -> DkimKey:
    made = rsa.generate_private_key(65537, 2048) if request.param == "rsa" else Ed25519PrivateKey.generate()
    return read_dkim_key("example.com", "restock", pem(made))


def mail(locale: str = "en", shop: str | None = None) -> bytes:
    return compose(
        envelope_for(7, Recipient("ada@mail.example"), notice_for(7, locale=locale)),
        Sender("alerts@example.com", shop or ""),
    ).content


def judged(key: DkimKey, *mails: bytes) -> list[dict[str, object]]:
    """What the judge says of the one signature of each mail."""
    node = shutil.which("node")
    if node is None or not MAILAUTH.exists():
        pytest.skip("mailauth is not there: it needs node and `npm ci` in tests/")
    policy = {"_dmarc.example.com": "v=DMARC1; p=reject; adkim=s; aspf=s"}
    records = json.dumps({f"restock._domainkey.{key.domain}": key.record} | policy)
    asked = [node, "-e", _JUDGE, str(MAILAUTH), records]
    given = json.dumps([mail.decode("latin-1") for mail in mails])
    found = subprocess.run(asked, input=given.encode(), capture_output=True, check=True, timeout=60)
    said = [json.loads(line) for line in found.stdout.splitlines()]
    assert [len(results) for results in said] == [1] * len(mails)
    return [result for (result,) in said]


def test_a_judge_of_others_finds_the_signature_good(key: DkimKey) -> None:
    for said in judged(key, *(sign(mail(locale), key, AT) for locale in ("en", "ar"))):
        assert (said["result"], said["domain"]) == ("pass", "example.com")
        assert (said["aligned"], said["dmarc"]) == ("example.com", "pass"), "of the domain people see, by itself"
        assert "list-unsubscribe-post" in str(said["headers"]).lower()


def test_a_signature_of_another_domain_than_the_senders_is_good_and_not_aligned() -> None:
    """As long as it is no part of the sender's, DMARC passes by SPF alone: `restock doctor` says so beforehand."""
    private = rsa.generate_private_key(65537, 2048)
    [said] = judged(other := read_dkim_key("relay.example", "restock", pem(private)), sign(mail(), other, AT))
    assert (said["result"], said["domain"]) == ("pass", "relay.example")
    assert (said["aligned"], said["dmarc"]) == (False, "fail")


def test_a_message_changed_on_the_way_is_found_out(key: DkimKey) -> None:
    signed = sign(mail(), key, AT)
    changes = {
        b"Subject: ": b"Subject: Not ",
        b"View": b"Vieew",
        b"To: ada": b"To: eva",
        b"From: ": b"From: Eve <e@x.example>\r\nFrom: ",
    }
    changed = [
        signed.replace(found, put, 1) if found in signed else signed.replace(b"back", b"bakk")
        for found, put in changes.items()
    ]
    assert signed not in changed
    for said, found in zip(judged(key, *changed), changes, strict=True):
        assert said["result"] != "pass", found


def test_the_same_message_is_signed_the_same_way_twice(key: DkimKey) -> None:
    assert sign(mail(), key, AT) == sign(mail(), key, AT)


def test_the_message_itself_stays_as_it_was(key: DkimKey) -> None:
    signed = sign(mail(), key, AT)
    assert signed.endswith(mail())
    header = signed[: -len(mail())]
    assert header.startswith(b"DKIM-Signature: v=1; ")
    assert max(len(line) for line in header.split(b"\r\n")) <= 78
    body = mail().partition(b"\r\n\r\n")[2]
    bh = email.message_from_bytes(signed)["DKIM-Signature"].replace("\r\n ", "").partition("bh=")[2].partition(";")[0]
    assert bh.replace(" ", "") == base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_readers_see_the_same_message_whoever_parses_it(key: DkimKey) -> None:
    """Judge: mailparser, npm."""
    node = shutil.which("node")
    if node is None or not MAILPARSER.exists():
        pytest.skip("mailparser is not there: it needs node and `npm ci` in tests/")
    script = (
        "const {simpleParser}=require(process.argv[1]);simpleParser(process.stdin).then(m=>console.log(JSON.stringify("
        "{subject:m.subject,from:m.from.value[0],to:m.to.text,id:m.messageId,text:m.text,html:m.html})))"
    )
    content = sign(mail("ar"), key, AT)
    found = subprocess.run(
        [node, "-e", script, str(MAILPARSER)], input=content, capture_output=True, check=True, timeout=60
    )
    said = json.loads(found.stdout)
    ours = email.message_from_bytes(content, policy=email.policy.default)
    text, html = (ours.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert said["subject"] == ours["Subject"]
    assert (said["from"]["address"], said["to"], said["id"]) == (
        "alerts@example.com",
        "ada@mail.example",
        ours["Message-ID"],
    )
    assert said["text"].split() == text.get_content().split()
    assert said["html"].split() == html.get_content().split()


@pytest.mark.parametrize(
    ("domain", "selector", "text", "must"),
    [
        ("example.com", "restock", "not a key", "must be a private key in PEM"),
        ("localhost@", "restock", "x", "must belong to a domain"),
        ("example.com", "", "x", "needs DKIM_SELECTOR"),
        ("example.com", "restock", pem(ec.generate_private_key(ec.SECP256R1())), "must be an RSA or Ed25519 key"),
    ],
)
def test_a_key_that_cannot_sign_says_what_it_must_be(domain: str, selector: str, text: str, must: str) -> None:
    with pytest.raises(ValueError, match=must):
        read_dkim_key(domain, selector, text)


def test_a_key_may_be_written_on_one_line_and_is_never_shown() -> None:
    text = pem(Ed25519PrivateKey.generate())
    key = read_dkim_key("example.com", "restock", text.replace("\n", "\\n"))
    assert key.algorithm == "ed25519-sha256"
    assert "PrivateKey" not in repr(key)


def test_each_mail_of_a_batch_is_signed_for_itself_as_it_arrives(key: DkimKey) -> None:
    peer = SmtpPeer()
    pool = SmtpPool(SmtpServer("127.0.0.1", peer.port, connections=1), "mail.example", "alerts@example.com")
    channel = EmailChannel(pool, Sender("alerts@example.com", "Restock"), key=key)
    people = [envelope_for(number, Recipient(f"a{number}@mail.example"), turn_for(number)) for number in range(6)]
    assert len(list(channel.send(people))) == len(people)
    channel.close()
    peer.stop()
    signatures = {str(message["DKIM-Signature"]) for message in peer.messages()}
    assert len(signatures) == len(people)
    arrived = [content for _, content in peer.mails[-2:]]  # from the skeleton
    for said in judged(key, *arrived):
        assert (said["result"], said["domain"]) == ("pass", "example.com")
    changed = [content.replace(b"/c/=\r\nclick-00000", b"/c/=\r\nclick-10000") for content in arrived]
    assert not set(changed) & set(arrived)
    assert "pass" not in {said["result"] for said in judged(key, *changed)}
