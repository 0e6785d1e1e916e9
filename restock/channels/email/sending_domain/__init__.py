"""What DNS says of the domains mail is sent with: SPF, DKIM, DMARC and alignment, as mailbox providers will judge it.

The judgements are pure: DNS is a function that is handed in. DNS cannot say what a relay adds or writes anew: what is
merely absent is said, never called broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from restock.channels.email.sending_domain.alignment import Author, judge_alignment
from restock.channels.email.sending_domain.dmarc import judge_dmarc
from restock.channels.email.sending_domain.records import Record, Standing, Texts, look_up, silent, tags
from restock.channels.email.sending_domain.spf import judge_spf

__all__ = ["Record", "SendingDomain", "Standing", "Texts", "judge_domain", "look_up"]


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """What mail is sent with: From's domain, the return path's, and our key's. Lower case.

    `envelope` None: a provider chooses it. `dkim` names our key's record and what it should hold; None: nothing is
    signed here.
    """

    domain: str
    envelope: str | None = None
    dkim: tuple[str, str] | None = None

    @property
    def signer(self) -> str | None:
        """The domain our signatures name (d=); None: nothing is signed here."""
        return None if self.dkim is None else self.dkim[0].partition("._domainkey.")[2]


def judge_domain(sending: SendingDomain, ask: Callable[[str], Texts]) -> list[Record]:
    """Judge what mail is sent with; each name is asked about once.

    SPF is asked of the return path's domain, as receivers ask (RFC 7208, section 2.4), and where that is not known of
    From's. Alignment is judged where somebody asks for it: where there is a policy.
    """
    ask = lru_cache(maxsize=None)(ask)
    found = [judge_spf(sending.envelope or sending.domain, ask)]
    if sending.dkim is not None:
        found.append(_dkim(*sending.dkim, ask(sending.dkim[0])))
    record, policy = judge_dmarc(sending.domain, ask)
    found.append(record)
    if policy is not None and sending.envelope is not None:
        found.append(judge_alignment(Author(sending.domain, policy), sending.signer, sending.envelope, ask))
    return found


def _dkim(name: str, wanted: str, texts: Texts) -> Record:
    if texts is None:
        return silent("DKIM", name)
    keys = [found["p"] for text in texts if "p" in (found := tags(text))]
    if not keys:
        return Record("DKIM", Standing.absent, f"publish this TXT record at {name}: {wanted}")
    if tags(wanted)["p"] not in keys:
        return Record("DKIM", Standing.wrong, f"{name} holds another key than DKIM_PRIVATE_KEY; it should be: {wanted}")
    return Record("DKIM", Standing.good, f"{name} holds the other half of our key")
