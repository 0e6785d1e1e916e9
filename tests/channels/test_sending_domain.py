"""What DNS says of the domains mail is sent with: tables of records, the standing of each, and what to do about it.

DNS is a table; a name that is not in it has no records, and None is a server that keeps silent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from restock.channels.email.sending_domain import Record, SendingDomain, judge_domain
from restock.channels.registry import dkim_key
from restock.commands.doctor import _mail_domain
from restock.config import Settings

Zone = Mapping[str, Sequence[str] | None]
OURS, OTHERS = "v=DKIM1; k=ed25519; p=AAAA", "v=DKIM1; k=ed25519; p=BBBB"
REJECT = "v=DMARC1; p=reject"
STRICT = "v=DMARC1; p=reject; adkim=s; aspf=s"


def resolver(zone: Zone, asked: list[str] | None = None) -> Callable[[str], Sequence[str] | None]:
    def ask(name: str) -> Sequence[str] | None:
        if asked is not None:
            asked.append(name)
        return zone.get(name, ())

    return ask


def judged(zone: Zone, domain: str = "shop.com", back: str | None = None, signer: str = "") -> dict[str, Record]:
    """Judge mail from a domain that comes back to another, signed for a third or not at all."""
    dkim = (f"k._domainkey.{signer}", OURS) if signer else None
    return {one.name: one for one in judge_domain(SendingDomain(domain, back or domain, dkim), resolver(zone))}


@pytest.mark.parametrize(
    ("record", "standing", "said"),
    [
        ("v=spf1 ip4:192.0.2.1 -all", "good", ""),
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a mx/24 a:x.example/24 ~all", "good", ""),
        ("V=SPF1 MX ~ALL", "good", ""),
        ("v=spf1 -all exp=why.example", "good", ""),
        ("v=spf1 -all ip4:192.0.2.1", "good", ""),
        ("v=spf1 redirect=_spf.esp.net", "good", ""),
        ("v=spf1 include:_spf.esp.net ~all", "good", ""),
        ("v=spf1 include:%{i}._spf.esp.net ~all", "good", ""),
        ("v=spf1 all", "wrong", "lets everybody send"),
        ("v=spf1 +all", "wrong", "lets everybody send"),
        ("v=spf1 +ALL exp=why.example", "wrong", "lets everybody send"),
        ("v=spf1 ip4:1.2.3.4 +all -all", "wrong", "lets everybody send"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "wrong", "lets everybody send"),
        ("v=spf1 include:all.esp.net -all", "wrong", "lets everybody send"),
        ("v=spf1 redirect=all.esp.net", "wrong", "lets everybody send"),
        ("v=spf1 ?all", "wrong", "leaves open"),
        ("v=spf1 mx", "wrong", "leaves open"),
        ("v=spf1 include:gone.esp.net -all", "wrong", "gone.esp.net, which has no SPF record"),
        ("v=spf1 include:two.esp.net -all", "wrong", "2 SPF records"),
        ("v=spf1 include:self.esp.net -all", "wrong", "more than 10 look-ups"),
        ("v=spf1 ipv4:192.0.2.1 -all", "wrong", "'ipv4:192.0.2.1', which is not SPF"),
        ("v=spf1 ip4:192.0.2.300 -all", "wrong", "no address"),
        ("v=spf1 include:mute.esp.net -all", "unknown", "mute.esp.net could not be looked up"),
        ("v=spf10 -all", "absent", "publish the SPF record"),
    ],
)
def test_an_spf_record_is_read_as_receivers_do(record: str, standing: str, said: str) -> None:
    zone: Zone = {
        "shop.com": ["a text", record],
        "_spf.esp.net": ["v=spf1 ip4:192.0.2.1 -all"],
        "all.esp.net": ["v=spf1 +all"],
        "two.esp.net": ["v=spf1 -all", "v=spf1 ~all"],
        "self.esp.net": ["v=spf1 include:self.esp.net -all"],
        "mute.esp.net": None,
    }
    found = judged(zone)["SPF"]
    assert found.standing == standing, found
    assert said in found.sentence


@given(st.integers(0, 14), st.integers(0, 14), st.booleans())
def test_ten_look_ups_are_taken_and_eleven_are_too_many_wherever_they_stand(own: int, deep: int, ends: bool) -> None:
    """What comes after `all` is never looked up."""
    inner = " ".join(f"a:h{number}.example" for number in range(deep))
    late = "mx mx mx" if ends else ""
    outer = " ".join(f"exists:e{number}.example" for number in range(own))
    zone = {"shop.com": [f"v=spf1 {outer} include:esp.net -all {late}"], "esp.net": [f"v=spf1 {inner} -all"]}
    assert (judged(zone)["SPF"].standing == "good") is (own + deep + 1 <= 10)


def test_spf_is_asked_of_the_domain_mail_comes_back_to() -> None:
    zone = {"shop.com": ["v=spf1 -all"]}
    assert judged(zone)["SPF"].standing == "good"
    found = judged(zone, back="bounces.esp.net")["SPF"]
    assert (found.standing, "bounces.esp.net" in found.sentence) == ("absent", True)


@pytest.mark.parametrize(
    ("domain", "zone", "standing", "said"),
    [
        ("shop.com", {}, "absent", "publish at _dmarc.shop.com"),
        ("shop.com", {"_dmarc.shop.com": [REJECT]}, "good", "policy reject"),
        ("a.mail.shop.com", {"_dmarc.shop.com": [REJECT]}, "good", "policy reject, that of shop.com"),
        ("a.shop.com", {"_dmarc.shop.com": [REJECT + "; sp=none"]}, "good", "policy none, that of shop.com"),
        ("a.b.shop.com", {"_dmarc.b.shop.com": ["v=DMARC1; p=none"], "_dmarc.shop.com": [REJECT]}, "good", "reject"),
        ("shop.com", {"_dmarc.shop.com": [REJECT, "v=DMARC1; p=none"]}, "wrong", "2 DMARC records"),
        ("a.shop.com", {"_dmarc.shop.com": [REJECT, REJECT]}, "wrong", "_dmarc.shop.com has 2"),
        ("shop.com", {"_dmarc.shop.com": ["v=DMARC1; rua=mailto:x@shop.com"]}, "wrong", "add p=none"),
        ("shop.com", {"_dmarc.shop.com": ["p=reject; v=DMARC1"]}, "absent", "publish"),
        ("shop.com", {"_dmarc.shop.com": ["a text", "V=dmarc1", REJECT]}, "good", "policy reject"),
        ("shop.com", {"_dmarc.shop.com": None}, "unknown", "try again"),
        ("mail.shop.com", {"_dmarc.shop.com": None}, "unknown", "_dmarc.shop.com could not be looked up"),
        ("a.b.c.d.e.f.g.h.shop.com", {"_dmarc.shop.com": [REJECT]}, "good", "policy reject"),
    ],
)
def test_a_policy_is_its_own_or_that_of_the_organization(domain: str, zone: Zone, standing: str, said: str) -> None:
    found = judged(zone, domain)["DMARC"]
    assert found.standing == standing, found
    assert said in found.sentence


def test_a_long_name_costs_at_most_eight_look_ups_and_none_twice() -> None:
    asked: list[str] = []
    domain = ".".join("abcdefghijkl") + ".shop.com"
    judge_domain(SendingDomain(domain, domain), resolver({}, asked))
    assert len([name for name in asked if name.startswith("_dmarc.")]) == 8
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("record", "signer", "back", "standing"),
    [
        (REJECT, "shop.com", "bounces.esp.net", "good"),
        (REJECT, "mail.shop.com", "bounces.esp.net", "good"),
        (STRICT, "mail.shop.com", "bounces.esp.net", "wrong"),
        (STRICT, "shop.com", "bounces.esp.net", "good"),
        ("v=DMARC1; p=reject; adkim=s", "mail.shop.com", "bounces.shop.com", "absent"),
        (STRICT, "mail.shop.com", "bounces.shop.com", "wrong"),
        (STRICT, "esp.net", "bounces.esp.net", "wrong"),
        (REJECT, "esp.net", "bounces.esp.net", "wrong"),
        ("v=DMARC1; p=none", "esp.net", "bounces.esp.net", "wrong"),
        (REJECT, "esp.net", "bounces.shop.com", "absent"),
        (REJECT, "notshop.com", "notshop.com", "wrong"),
        (REJECT, "mute.net", "bounces.esp.net", "unknown"),
        (REJECT, "esp.net", "mute.net", "unknown"),
        (REJECT, "", "shop.com", "good"),
        (REJECT, "", "bounces.shop.com", "good"),
        (STRICT, "", "bounces.shop.com", "unknown"),
        (REJECT, "", "bounces.esp.net", "unknown"),
    ],
)
def test_mail_is_its_senders_own_by_its_signature_or_by_where_it_comes_back_to(
    record: str, signer: str, back: str, standing: str
) -> None:
    zone: Zone = {"_dmarc.shop.com": [record], "_dmarc.mute.net": None}
    found = judged(zone, back=back, signer=signer)["alignment"]
    assert found.standing == standing, found
    if standing == "wrong":
        assert "set DKIM_DOMAIN=shop.com" in found.sentence
        assert ("ask for the very same domain" in found.sentence) is ("=s" in record)


@pytest.mark.parametrize(("tag", "standing"), [("; psd=y", "wrong"), ("; psd=n", "good"), ("", "good")])
def test_neighbours_under_a_public_suffix_are_no_organization(tag: str, standing: str) -> None:
    zone = {"_dmarc.shops.example": [REJECT + tag], "_dmarc.a.shops.example": [REJECT]}
    found = judged(zone, "a.shops.example", "b.shops.example", "b.shops.example")["alignment"]
    assert found.standing == standing


def test_without_a_policy_nobody_asks_for_alignment() -> None:
    assert set(judged({}, back="bounces.esp.net", signer="esp.net")) == {"SPF", "DKIM", "DMARC"}
    assert set(judged({})) == {"SPF", "DMARC"}, "a domain whose server signs is not asked for our key"


@pytest.mark.parametrize(
    ("texts", "standing"),
    [((), "absent"), ([OURS], "good"), ([OTHERS, OURS], "good"), ([OTHERS], "wrong"), (None, "unknown")],
)
def test_our_keys_record_is_told_with_what_it_should_be(texts: Sequence[str] | None, standing: str) -> None:
    found = judged({"k._domainkey.shop.com": texts}, signer="shop.com")["DKIM"]
    assert found.standing == standing
    assert (OURS in found.sentence) is (standing in ("absent", "wrong"))


@pytest.mark.parametrize("record", [REJECT, STRICT, "v=DMARC1; p=none", None])
def test_each_finding_is_one_sentence(record: str | None) -> None:
    zone: Zone = {"_dmarc.shop.com": None if record is None else [record], "shop.com": ["v=spf1 ?all"]}
    for signer in ("", "shop.com", "esp.net"):
        for found in judged(zone, back="bounces.esp.net", signer=signer).values():
            assert "\n" not in found.sentence
            assert not found.sentence.endswith(".")
            assert found.standing == "good" or ":" in found.sentence, "what is not well says how to mend it"


def test_the_doctor_compares_what_is_set_with_what_dns_says() -> None:
    """From shop.com, signed for a provider, coming back to the provider: each record is well, and all is refused."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings = Settings.model_construct(
        secret_key=(SecretStr("a-signing-secret-for-tests-00001"),),
        smtp_url=SecretStr("smtp://relay.esp.net:587"),
        email_from="Shop <alerts@Shop.com>",
        email_bounce_address="back@bounces.esp.net",
        dkim_private_key=SecretStr(key),
        dkim_domain="esp.net",
    )
    ours = dkim_key(settings)
    assert ours is not None
    zone = {
        "bounces.esp.net": ["v=spf1 ip4:192.0.2.1 -all"],
        "restock._domainkey.esp.net": [ours.record],
        "_dmarc.shop.com": [STRICT],
    }
    found = {one.part: (one.state.name, one.sentence) for one in _mail_domain(settings, resolver(zone))}
    assert [state for state, _ in found.values()] == ["well", "well", "well", "amiss"]
    assert "mailboxes refuse this mail" in found["alignment"][1]
    own = settings.model_copy(update={"email_bounce_address": "", "dkim_domain": "shop.com"})
    assert [one.state.name for one in _mail_domain(own, resolver(zone))] == ["off", "off", "well", "well"]
