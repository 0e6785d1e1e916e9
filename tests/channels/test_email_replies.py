"""What a mail server's reply means; only a dead mailbox condemns an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.channels.email.replies import Stage, judge
from restock.channels.values import Blame, Verdict

REFUSED, DEFERRED = Verdict.refused, Verdict.deferred
MESSAGE, ADDRESS, PROVIDER = Blame.message, Blame.address, Blame.provider


@pytest.mark.parametrize(
    ("stage", "code", "text", "verdict", "reason", "blame"),
    [
        (Stage.recipient, 550, b"5.1.1 unknown", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.recipient, 550, b" 5.1.1 unknown", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.content, 550, b"5.1.1 unknown", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.recipient, 550, b"5.1.2 no domain", REFUSED, "domain_unknown", ADDRESS),
        (Stage.recipient, 553, b"5.1.3 bad", REFUSED, "address_malformed", ADDRESS),
        (Stage.recipient, 551, b"5.1.6 moved", REFUSED, "mailbox_moved", ADDRESS),
        (Stage.recipient, 556, b"5.1.10 null MX", REFUSED, "null_mx", ADDRESS),
        (Stage.recipient, 550, b"5.2.1 disabled", REFUSED, "mailbox_disabled", ADDRESS),
        (Stage.recipient, 552, b"5.2.2 full", REFUSED, "mailbox_full", MESSAGE),
        (Stage.content, 552, b"5.3.4 too big", REFUSED, "too_large", MESSAGE),
        (Stage.sender, 552, b"5.3.4 too big", REFUSED, "too_large", MESSAGE),
        (Stage.recipient, 554, b"5.7.1 relay denied", REFUSED, "policy_rejected", MESSAGE),
        (Stage.content, 550, b"5.7.26 unauthenticated", REFUSED, "policy_rejected", MESSAGE),
        (Stage.content, 554, b"looks like spam", REFUSED, "rejected", MESSAGE),
        (Stage.recipient, 550, b"no such user", REFUSED, "mailbox_unknown", ADDRESS),
        (Stage.recipient, 554, b"no", REFUSED, "rejected", MESSAGE),
        (Stage.recipient, 550, b"5.99.99 new", REFUSED, "rejected", MESSAGE),
        (Stage.sender, 550, b"5.7.1 not yours", DEFERRED, "sender_refused", PROVIDER),
        (Stage.sender, 530, b"5.7.0 log in", DEFERRED, "login_required", PROVIDER),
        (Stage.recipient, 535, b"5.7.8 bad", DEFERRED, "login_required", PROVIDER),
        (Stage.recipient, 450, b"4.2.1 busy", DEFERRED, "mailbox_busy", MESSAGE),
        (Stage.recipient, 452, b"4.2.2 full", DEFERRED, "mailbox_full", MESSAGE),
        (Stage.recipient, 451, b"greylisted", DEFERRED, "temporarily_refused", MESSAGE),
        (Stage.content, 421, b"4.7.28 rate", DEFERRED, "rate_limited", MESSAGE),
        (Stage.data, 421, b"bye", DEFERRED, "rate_limited", MESSAGE),
        (Stage.data, 200, b"what", DEFERRED, "unexpected_reply", MESSAGE),
        (Stage.data, -1, b"", DEFERRED, "unexpected_reply", MESSAGE),
    ],
)
def test_a_reply_means(*, stage: Stage, code: int, text: bytes, verdict: Verdict, reason: str, blame: Blame) -> None:
    assert judge(stage, code, text) == (verdict, reason, blame)


@given(stage=st.sampled_from(Stage), code=st.integers(-1, 999), text=st.binary(max_size=60))
def test_any_reply_has_a_meaning_and_no_4xx_is_ever_final(stage: Stage, code: int, text: bytes) -> None:
    ruling = judge(stage, code, text)
    assert ruling.verdict in (Verdict.refused, Verdict.deferred)
    if 400 <= code < 500:
        assert ruling.verdict is Verdict.deferred
    if ruling.blame is Blame.address:
        assert 500 <= code < 600
