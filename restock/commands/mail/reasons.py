"""What a provider said of a test, in words. Pure."""

from __future__ import annotations

_WORDS = {
    "": "taken: look into that mailbox now.",
    "account_rejected": "the account, or what it may do, is not ready: see the provider's own pages.",
    "channel_off": "e-mail is off on this instance: set SMTP_URL.",
    "connection_lost": "the provider hung up: try again.",
    "invalid_address": "the provider takes this for no address.",
    "key_lost": "the key cannot be opened any more: enter it again.",
    "login_rejected": "the key is wrong.",
    "login_required": "the key is wrong.",
    "mail_server_unreachable": "the provider cannot be reached.",
    "no_answer": "the provider did not answer in time; the sample may arrive all the same.",
    "provider_error": "the provider had a fault of its own; the sample may arrive all the same.",
    "provider_unavailable": "the provider takes nothing now: try again later.",
    "provider_unreachable": "the provider cannot be reached.",
    "quota_used_up": "the account has used up what it may send.",
    "rate_limited": "the provider asks for a pause: try again in a minute.",
    "sender_refused": "the sender is not verified: confirm the address, or its domain, with the provider.",
    "suppressed_by_provider": "the provider writes to this address no more: it bounced or complained there before.",
    "tls_failed": "the connection could not be secured.",
    "too_large": "the message is too large for the provider.",
}


def in_words(reason: str) -> str:
    """Say a stable word as a sentence; one that has none is shown as it is."""
    return _WORDS.get(reason, f"the provider refused it ({reason}).")
