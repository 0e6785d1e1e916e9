"""Which languages we speak, and which of them is nearest to the one a person asked for.

Pure, standard library only. Messages, the pages behind their links and the storefront's form ask here, so that nobody
is written to in one language and answered in another.
"""

from __future__ import annotations

from functools import lru_cache

FALLBACK = "en"
LANGUAGES = (
    "ar", "cs", "da", "de", "en", "es", "fi", "fr", "he", "hu", "it", "ja",
    "ko", "nb", "nl", "pl", "pt-BR", "pt-PT", "ro", "sv", "tr", "uk", "zh-CN", "zh-TW",
)  # fmt: skip
_OTHER_NAMES = {"iw": "he", "nn": "nb", "no": "nb", "mo": "ro"}  # old names, and who reads what
_BRAZILIAN = frozenset({"", "br"})
_TRADITIONAL = frozenset({"tw", "hk", "mo"})
_LONGEST_TAG = 35  # RFC 5646 section 4.4.1


def nearest(locale: str) -> str | None:
    """Find the language we speak that is nearest to a tag: `fr-CA` to fr, `zh-Hant` to zh-TW; None: there is none.

    A script decides before a country does, and Portuguese outside Brazil is Portugal's.
    """
    return _nearest(locale[:_LONGEST_TAG])


@lru_cache(maxsize=1024)
def _nearest(tag: str) -> str | None:
    language, *parts = tag.replace("_", "-").lower().split("-")
    language = _OTHER_NAMES.get(language, language)
    if language == "zh":
        language = "zh-TW" if _is_traditional(parts) else "zh-CN"
    if language == "pt":
        language = "pt-BR" if _country(parts) in _BRAZILIAN else "pt-PT"
    return language if language in LANGUAGES else None


def nearest_of(*wanted: str | None) -> str:
    """Find the language of the first tag that has one; English where none has."""
    found = (nearest(locale) for locale in wanted if locale)
    return next((language for language in found if language is not None), FALLBACK)


def _is_traditional(parts: list[str]) -> bool:
    if "hant" in parts or "hans" in parts:
        return "hant" in parts
    return _country(parts) in _TRADITIONAL


def _country(parts: list[str]) -> str:
    return next((part for part in parts if len(part) == 2), "")
