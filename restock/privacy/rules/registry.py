"""Every column of every table: whom it tells of, how that person is found, how it is erased, who is shown it. Pure.

A test compares this page with the tables and fails on a column that is not here: decide first, then add the column.
The order of the tables is the order in which a shop's rows are erased: children before parents.
"""

from __future__ import annotations

from collections.abc import Mapping

from restock.privacy.rules.tables import Erased, Found, Paging, TableRule

__all__ = ["REGISTRY", "Erased", "Found", "Paging", "TableRule"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _all(how: Erased, columns: str) -> dict[str, Erased]:
    return dict.fromkeys(columns.split(), how)


_SOURCE_TIMES = " source_updated_at source_triggered_at updated_at"

REGISTRY: Mapping[str, TableRule] = {
    "deliveries": TableRule(
        Paging.bigint,
        _words(
            "id shop_id lane_id kind channel subscription_id offer_id event_id state reason attempt doubts next_at"
            " lease_until token click_count clicked_at created_at claimed_at sent_at finished_at"
        ),
        _all(Erased.null, "contact_id provider_message_id") | _all(Erased.blank, "dedupe_key"),
        found=Found.subscription,
        exported=_listed(
            "id kind channel state reason created_at sent_at finished_at click_count clicked_at provider_message_id"
        ),
    ),
    "offers": TableRule(
        Paging.bigint,
        _words(
            "id shop_id event_id wave_id subscription_id units state reason kept_until accepted_at ends_at created_at"
            " remind_at reminded_count"
        ),
        found=Found.subscription,
        exported=_listed("id subscription_id units state reason accepted_at ends_at created_at"),
    ),
    "subscription_events": TableRule(
        Paging.bigint,
        _words("id shop_id subscription_id kind reason event_id offer_id units free_units said_by at"),
        found=Found.subscription,
        exported=_listed("subscription_id kind reason units said_by at"),
    ),
    "intents": TableRule(
        Paging.uuid,
        _words("shop_id variant_id product_id market_id"),
        _all(
            Erased.row,
            "id customer_id subscription_id contact_id channel quantity source product closed_at created_at updated_at",
        ),
        found=Found.subscription,
        exported=_listed(
            "id customer_id channel variant_id product_id market_id quantity source product created_at updated_at"
            " closed_at"
        ),
    ),
    "subscriptions": TableRule(
        Paging.bigint,
        _words(
            "id shop_id channel variant_id product_id market_id quantity state end_reason open_offer_id priority"
            " paused_at paused_until queued_at expires_at notified_at ended_at created_at updated_at"
        ),
        _all(Erased.null, "contact_id opener_customer_id locale"),
        found=Found.contact,
        exported=_listed(
            "id channel variant_id product_id market_id quantity locale state end_reason paused_at"
            " paused_until queued_at expires_at notified_at ended_at created_at"
        ),
    ),
    "consents": TableRule(
        Paging.bigint,
        _words("shop_id"),
        _all(
            Erased.row,
            "id contact_id customer_id purpose action effective variant_id source page_url ip_hash user_agent locale"
            " said_at",
        ),
        found=Found.contact,
        exported=_listed("purpose action effective variant_id source page_url ip_hash user_agent locale said_at"),
    ),
    "marketing_writes": TableRule(
        Paging.bigint,
        _words("shop_id"),
        _all(Erased.row, "id contact_id said_at state reason attempts next_at created_at finished_at"),
        found=Found.contact,
        exported=_listed("said_at state reason created_at finished_at"),
    ),
    "purchases": TableRule(
        Paging.bigint,
        _words(
            "id shop_id variant_id quantity revenue_cents currency subscription_id offer_id event_id to_close close_at"
            " ordered_at created_at"
        ),
        _all(Erased.blank, "order_id line_id"),
        found=Found.subscription,
        exported=_listed("order_id variant_id quantity revenue_cents currency ordered_at"),
    ),
    "contacts": TableRule(
        Paging.bigint,
        _words("shop_id"),
        _all(
            Erased.row,
            "id channel address address_hash push_keys locale marketing suppression confirmed_at confirm_requested_at"
            " confirmation_asked_at created_at updated_at",
        ),
        found=Found.address,
        exported=_listed(
            "id channel address push_keys locale marketing suppression confirmed_at confirmation_asked_at created_at"
            " updated_at"
        ),
    ),
    "customers": TableRule(
        Paging.uuid,
        _words("shop_id"),
        _all(Erased.row, "id name locale shopify_customer_id verified_customer_id created_at updated_at"),
        found=Found.handle,
        exported=_listed("id name locale shopify_customer_id verified_customer_id created_at updated_at"),
    ),
    "suppressions": TableRule(
        Paging.shop_first,
        _words("shop_id channel reason created_at"),
        _all(Erased.kept_hash, "address_hash"),
        found=Found.address,
        exported=("channel", "reason", "created_at"),
    ),
    "redactions": TableRule(
        Paging.shop_first, _words("shop_id redacted_at"), _all(Erased.keyed_hash, "keyed_hash"), found=Found.request
    ),
    "waves": TableRule(
        Paging.bigint,
        _words(
            "id shop_id event_id number units capacity free_units queue_order offered_count offered_units"
            " passed_over_count planned_at"
        ),
    ),
    "event_latency": TableRule(
        Paging.shop_first,
        _words(
            "shop_id event_id changed_at decided_seconds first_sent_seconds sent_count sent_p50 sent_p95 sent_p99"
            " delivered_count delivered_p50 delivered_p95 delivered_p99 measured_at"
        ),
    ),
    "restock_events": TableRule(
        Paging.bigint,
        _words(
            "id shop_id variant_id units_at_open wave_count cursor_priority cursor_queued_at cursor_id walk_again"
            " look_at rest_until not_before settle_at plan_at planned_at stock_changed_at opened_at closed_at"
            " close_reason"
        ),
    ),
    "delivery_lanes": TableRule(
        Paging.bigint, _words("id shop_id channel event_id next_at served_at first_at first_id")
    ),
    "provider_states": TableRule(
        Paging.bigint,
        _words(
            "id shop_id channel provider state reason failure_count opened_at last_failure_at next_probe_at closed_at"
        ),
    ),
    "send_paces": TableRule(Paging.bigint, _words("id shop_id channel sender free_at granted_count")),
    "text_days": TableRule(Paging.shop_first, _words("shop_id day segment_count message_count filtered_count")),
    "text_blocks": TableRule(Paging.shop_first, _words("shop_id day block message_count")),
    "inbox_messages": TableRule(
        Paging.domain,
        _words(
            "id shop_domain webhook_id topic event_id api_version triggered_at state reason attempts next_at"
            " received_at finished_at"
        ),
        _all(Erased.blank, "body"),
        found=Found.body,
    ),
    "stock_checks": TableRule(Paging.shop_first, _words("shop_id variant_id due_at version attempts told_at")),
    "stock_readings": TableRule(
        Paging.shop_first, _words("shop_id variant_id sellable units source read_at basis held_from lagging_since")
    ),
    "inventory_levels": TableRule(
        Paging.shop_first, _words("shop_id inventory_item_id location_id available" + _SOURCE_TIMES)
    ),
    "inventory_items": TableRule(
        Paging.shop_first, _words("shop_id inventory_item_id tracked deleted_at" + _SOURCE_TIMES)
    ),
    "variants": TableRule(
        Paging.shop_first,
        _words(
            "shop_id variant_id product_id title sku price_cents inventory_item_id inventory_policy tracked"
            " inventory_quantity image_url deleted_at goods_asked_at" + _SOURCE_TIMES
        ),
    ),
    "products": TableRule(
        Paging.shop_first,
        _words(
            "shop_id product_id title handle vendor status published image_url variant_count deleted_at" + _SOURCE_TIMES
        ),
    ),
    "market_views": TableRule(
        Paging.shop_first, _words("shop_id variant_id country published price_cents currency read_at")
    ),
    "shop_alerts": TableRule(
        Paging.bigint,
        _words(
            "id shop_id kind dedupe_key facts state reason attempt doubts next_at token created_at sent_at finished_at"
        ),
        merchant=_words("address"),
    ),
    "shop_alert_states": TableRule(
        Paging.shop_first,
        _words("shop_id counted_until looked_until next_new_at digest_from next_digest_at rhythm"),
    ),
    "shop_alert_crossings": TableRule(Paging.shop_first, _words("shop_id variant_id crossed_at")),
    "shop_texts": TableRule(
        Paging.shop_first,
        _words("shop_id channel stage locale version broken_at broken_reason updated_at"),
        merchant=_words("parts html"),
    ),
    "shop_mailings": TableRule(
        Paging.shop_first,
        _words("shop_id provider options version tested_at test_reason updated_at"),
        merchant=_words("from_address from_name secret_sealed hook_secret_sealed"),
    ),
    "priority_lists": TableRule(Paging.shop_first, _words("shop_id tag next_at known_at customer_count reason")),
    "reconcile_state": TableRule(
        Paging.shop_first,
        _words(
            "shop_id cursor_variant_id last_finished_at last_started_at last_variant_count next_at seen_count"
            " started_at"
        ),
    ),
    "shop_tokens": TableRule(
        Paging.shop_first,
        _words(
            "shop_id access_expires_at failure_count generation lease lease_until needs_reauth_at reason refresh_at"
            " refresh_expires_at stored_at try_at used_at"
        ),
        merchant=_words("access_sealed refresh_sealed"),
    ),
    "privacy_requests": TableRule(
        Paging.domain,
        _words(
            "id shop_domain kind shopify_request_id state reason progress row_count attempts next_at received_at"
            " finished_at"
        ),
        _all(Erased.sealed_then_null, "identity_sealed export_sealed"),
        found=Found.request,
    ),
    "shops": TableRule(
        Paging.once,
        _words(
            "id state locale currency access scopes asked_at profile_at installed_at uninstalled_at"
            " created_at updated_at texts_version"
        ),
        merchant=_words("domain name profile settings"),
    ),
}
