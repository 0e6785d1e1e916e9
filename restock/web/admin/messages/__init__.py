"""The pages of a shop's own texts: all of them, and one with its parts, what they may say, and how it would look.

Whatever is shown of a text is written by the code that writes what is sent; an e-mail is shown in a frame without any
rights. Nobody is written to but by the test, which goes to somebody who has signed up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from restock.channels.alerts.values import AlertKind
from restock.channels.alerts.variables import EXAMPLES
from restock.channels.texts.checking import read_key
from restock.channels.texts.parts import stages_of
from restock.channels.texts.values import Source, Stage, TextKey
from restock.channels.texts.variables import KINDS
from restock.channels.values import ChannelName
from restock.deliveries.values import Sample
from restock.errors import Fault, NotFoundError, ValidationError
from restock.shops.values import Shop
from restock.web.admin.entry import visitor
from restock.web.admin.messages.desk import Desk, by_stage, language, languages, read_form
from restock.web.admin.pages import Pages

if TYPE_CHECKING:
    from restock.bootstrap import Services

_PATH = "/messages"


def add_messages(blueprint: Blueprint, services: Services, pages: Pages) -> None:
    """Add `/messages` and its pages to the merchant's."""
    acts = _acts(services, pages)

    @blueprint.get(_PATH)
    def messages() -> Response:
        return _list(services, pages, {})

    @blueprint.get(f"{_PATH}/open")
    def open_message() -> AnyResponse:
        words = (request.args.get(name, "") for name in ("channel", "stage", "locale"))
        try:
            return pages.go(_address(read_key(*words)))
        except ValidationError as refused:
            return _list(services, pages, {fault.field: fault for fault in refused.faults})

    @blueprint.get(f"{_PATH}/<channel>/<stage>/<locale>")
    def message(channel: str, stage: str, locale: str) -> Response:
        key = _known(channel, stage, locale)
        saved = services.texts.find(visitor().shop, key)
        return _edit(services, pages, key, saved.parts if saved else {}, done=request.args.get("done", ""))

    @blueprint.post(f"{_PATH}/<channel>/<stage>/<locale>")
    def change_message(channel: str, stage: str, locale: str) -> AnyResponse:
        key = _known(channel, stage, locale)
        act = acts.get(request.form.get("do", ""), acts["preview"])
        return act(key, read_form(key, request.form))


def _acts(services: Services, pages: Pages) -> Mapping[str, Callable[[TextKey, dict[str, str]], AnyResponse]]:
    """What the buttons of a text's page do."""

    def save(key: TextKey, typed: dict[str, str]) -> AnyResponse:
        try:
            services.texts.save(visitor().shop, key, typed)
        except ValidationError as refused:
            return _edit(services, pages, key, typed, refused=refused.faults)
        return pages.go(_address(key), done="saved")

    def drop(key: TextKey, _typed: dict[str, str]) -> AnyResponse:
        services.texts.drop(visitor().shop, key)
        return pages.go(_PATH)

    def preview(key: TextKey, typed: dict[str, str]) -> AnyResponse:
        return _edit(services, pages, key, typed)

    def test(key: TextKey, _typed: dict[str, str]) -> AnyResponse:
        shop = visitor().shop
        if key.stage is Stage.merchant_alert:
            return pages.go(_address(key), done=_alert_tested(services, shop, key))
        contact_id = services.previews.contact_of(shop, key.channel, request.form.get("to", ""))
        if contact_id is None:
            return pages.go(_address(key), done="nobrowser" if key.channel is ChannelName.push else "nobody")
        sample = Sample(KINDS[key.stage], key.locale, services.previews.goods_shown(shop))
        queued = services.deliveries.queue_test(shop.id, contact_id, key.channel, sample)
        return pages.go(_address(key), done="tested" if queued else "wait")

    return {"save": save, "drop": drop, "preview": preview, "test": test}


def _list(services: Services, pages: Pages, faults: Mapping[str, Fault]) -> Response:
    shop = pages.as_saved()
    own = shop.settings
    return pages.show(
        "messages.html",
        asks_first={channel: own.double_opt_in.of(channel) for channel in ChannelName},
        reminder_count=own.policy.reminder_count,
        is_alerted=bool(own.alerts.to),
        channels=list(ChannelName),
        stages_of=stages_of,
        table=by_stage(services.texts.list(shop)),
        languages=languages(shop.locale),
        language=language,
        shop_locale=shop.locale,
        asked=request.args,
        faults=faults,
    )


def _edit(  # noqa: PLR0917 (one page's facts)
    services: Services,
    pages: Pages,
    key: TextKey,
    typed: Mapping[str, str],
    refused: tuple[Fault, ...] = (),
    done: str = "",
) -> Response:
    shop = visitor().shop
    checked = services.texts.check(key, typed) if typed else None
    faults = refused or (checked.faults if checked else ())
    shown = services.previews.show(shop, key, checked.source if checked else Source({}), faults=faults)
    return pages.show(
        "message_text.html",
        inline_styles=True,
        desk=Desk.of(key, typed, services.texts.find(shop, key), shown, done),
        language=language,
    )


def _alert_tested(services: Services, shop: Shop, key: TextKey) -> str:
    facts = services.previews.last_week(shop) or EXAMPLES[AlertKind.digest]
    queued = services.shop_alerts.queue_test(shop, key.locale, facts)
    return "unaddressed" if queued is None else "tested" if queued else "wait"


def _known(channel: str, stage: str, locale: str) -> TextKey:
    try:
        return read_key(channel, stage, locale)
    except ValidationError:
        raise NotFoundError("There is no such message.") from None


def _address(key: TextKey) -> str:
    return f"{_PATH}/{key.channel}/{key.stage}/{key.locale}"
