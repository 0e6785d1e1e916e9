"""What a mail server's reply means for the message, the address and us.

Pure. The enhanced code (RFC 3463) says more than the three digits, and the words more than a code that says little: a
bare 550 means a dead mailbox with one server, and a closed relay or a listed address of ours with the next. Only a code
or words that speak of a dead mailbox condemn an address, and none that stand beside words about policy, spam or relays.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from restock.channels.values import Blame, Verdict


class Stage(StrEnum):
    """Which command was refused."""

    sender = "sender"  # MAIL FROM
    recipient = "recipient"  # RCPT TO
    data = "data"  # DATA, before the text
    content = "content"  # after the text and its final dot


class Ruling(NamedTuple):
    """What to make of a reply."""

    verdict: Verdict
    reason: str
    blame: Blame = Blame.message


# At the beginning, or where a server plainly quotes one: `550 5.1.1`, `550-5.1.1`, `(#5.1.1)`. An IP address is none.
_ENHANCED = re.compile(r"(?:\A\s*|(?<![\d.])[245]\d\d[ -]#?|#)([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_ADDRESSES = re.compile(r"<[^<>\s]*@[^<>\s]*>|[^\s<>():;,]+@[^\s<>():;,]+")

_DEAD_MAILBOX = {
    "1.1": "mailbox_unknown",
    "1.2": "domain_unknown",
    "1.3": "address_malformed",
    "1.6": "mailbox_moved",
    "1.10": "null_mx",
    "2.1": "mailbox_disabled",
}
_PERMANENT = {"2.2": "mailbox_full", "3.4": "too_large"}
_TRANSIENT = {"2.1": "mailbox_busy", "2.2": "mailbox_full", "7.0": "rate_limited", "7.28": "rate_limited"}
_NEEDS_LOGIN = frozenset({530, 534, 535, 538})
_MOST_READ = 2000
_VAGUE = frozenset({"", "1.0", "2.0", "3.0", "5.0"})  # codes that leave it to the words, as does any 5.0.x

_WHO = r"(?:user|mailbox|recipient|rcpt|address|addressee|account|customer|inbox|alias)"
_DEAD_WORDS = re.compile(
    rf"""unknown[ ](?:local[ -]?part|(?:local|virtual)[ ]{_WHO}|{_WHO})
    | {_WHO}(?:[ ]\S+)?[ ](?:is[ ])?unknown\b
    | no[ ]such[ ](?:(?:local|virtual|domain|smtp|e-?mail)[ ])?(?:{_WHO}|person|recipients|users)
    | no[ ]{_WHO}[ ](?:here|by|with|found|of)\b
    | \b{_WHO}\b[^.;\n]{{0,80}}\b(?:does[ ]not|doesn.?t|do[ ]not|did[ ]not|not)[ ]exist
    | \b{_WHO}s?\b(?:[ ]\S+)?[ ](?:was[ ]|is[ ]|could[ ]|can)?not[ ](?:be[ ])?(?:found|known)\b
    | \b{_WHO}\b[^.;\n]{{0,40}}\bno[ ]longer[ ](?:valid|active|exists?|in[ ]use)
    | \bnot[ ]a[ ](?:valid|known)[ ]{_WHO}
    | \binvalid[ ](?:{_WHO}|mailbox[ ]name)\b
    | \buser[ ]doesn.?t[ ]have[ ]an?[ ]\S+[ ]account
    | \bnot[ ]listed[ ]in[ ](?:\S+[ ])?directory
    | \brecipientnotfound\b""",
    re.VERBOSE,
)
_DISABLED_WORDS = re.compile(
    r"\b(?:user|mailbox|account)\b[^.;\n]{0,40}\b(?:is|has been|was) (?:\w+ )?(?:disabled|deactivated|deleted|closed)"
)
_FULL_WORDS = re.compile(
    r"\b(?:mail)?box (?:is )?(?:full|over)|over ?quota|quota (?:is )?exceeded|exceeded (?:\w+ )*quota"
    r"|out of storage|insufficient storage|\bno (?:more )?(?:disk )?space"
)
# Said of a sender, its address, its server or its text, with whatever code: of no mailbox.
_POLICY_WORDS = re.compile(
    r"""\brelay(?:ed|ing)?\b(?![ ]recipient) | rcpthosts
    | block | black ?list | deny ?list | banned | \b(?:dns)?[rbd]bl\b | dnsbl | (?<!not[ ])\blisted\b
    | spam | junk | unsolicited | bulk | phish | virus | malware | \burls?\b
    | \bspf\b | dkim | dmarc | sender[ -]?id | authenti | not[ ]authori[sz]ed | unauthori[sz]ed
    | polic(?:y|ies) | prohibit | reputation | restrict | permission | access[ ]denied | not[ ](?:permitted|allowed)
    | (?:sender|return[ ]path|mail[ ]from|from)[ ](?:address[ ])?(?:verif|reject|denied|domain|invalid|must)
    | verif(?:y|ication)[ ](?:failed|error) | call-?(?:out|back)
    | reverse[ ]dns | \br?dns\b | \bptr\b | \bhelo\b | \behlo\b | client[ ]host
    | your[ ](?:ip|host|server|domain|e?mail)
    | \brate\b | too[ ](?:many|fast|quickly|much) | throttl | gr[ea]ylist | suspicious | \bcontent\b""",
    re.VERBOSE,
)


def judge(stage: Stage, code: int, text: bytes) -> Ruling:
    """Judge a refusal: reply code and text as the server sent them."""
    if code in _NEEDS_LOGIN:
        return Ruling(Verdict.deferred, "login_required", Blame.provider)
    said = _ADDRESSES.sub("<>", text[:_MOST_READ].decode("ascii", "replace").replace("\n", " ").lower())
    match = _ENHANCED.search(said)
    subject = f"{int(match[2])}.{int(match[3])}" if match else ""
    if code == 421 or 400 <= code < 500:
        return Ruling(
            Verdict.deferred, _TRANSIENT.get(subject, "rate_limited" if code == 421 else "temporarily_refused")
        )
    if not 500 <= code < 600:
        return Ruling(Verdict.deferred, "unexpected_reply")
    if stage is Stage.sender:
        return _sender_refused(code, subject)
    return _permanent(subject, said)


def _sender_refused(code: int, subject: str) -> Ruling:
    """Our own address or the message's size, never the recipient's fault."""
    if subject == "3.4" or code == 552:
        return Ruling(Verdict.refused, "too_large")
    return Ruling(Verdict.deferred, "sender_refused", Blame.provider)


def _permanent(subject: str, said: str) -> Ruling:
    """Judge by the code where it says enough; but no code condemns an address with words about a sender or a text."""
    if subject in _PERMANENT:
        return Ruling(Verdict.refused, _PERMANENT[subject])
    if subject.startswith("7.") or _POLICY_WORDS.search(said):
        return Ruling(Verdict.refused, "policy_rejected")
    if subject in _DEAD_MAILBOX:
        return Ruling(Verdict.refused, _DEAD_MAILBOX[subject], Blame.address)
    return _by_words(said) if subject in _VAGUE or subject.startswith("0.") else Ruling(Verdict.refused, "rejected")


def _by_words(said: str) -> Ruling:
    if _FULL_WORDS.search(said):
        return Ruling(Verdict.refused, "mailbox_full")
    if _DEAD_WORDS.search(said):
        return Ruling(Verdict.refused, "mailbox_unknown", Blame.address)
    if _DISABLED_WORDS.search(said):
        return Ruling(Verdict.refused, "mailbox_disabled", Blame.address)
    return Ruling(Verdict.refused, "rejected")
