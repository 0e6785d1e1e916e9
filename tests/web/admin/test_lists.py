"""The list: every subscriber exactly once, whatever is asked; and the same list as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from restock.channels.values import ChannelName
from restock.reports.values.subscribers import Goods, SubscriberFilter, SubscriberLine, SubscriberStatus
from restock.shops.values import Shop
from restock.web.admin import export
from restock.web.admin.asking import read_query, write_bookmark, write_query
from tests.web.admin.conftest import House
from tests.web.admin.crowd import PRODUCTS, VARIANTS, fill

FILTERS = st.builds(
    SubscriberFilter,
    product_id=st.none() | st.sampled_from([product for product, _, _ in PRODUCTS]),
    variant_id=st.none() | st.sampled_from(VARIANTS),
    channel=st.none() | st.sampled_from(ChannelName),
    status=st.none() | st.sampled_from(SubscriberStatus),
    since=st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    until=st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    search=st.none() | st.sampled_from(["ada7@example.com", "ADA12@example.com ", "+1 201 555 0123"]),
    newest_first=st.booleans(),
)
LINE = SubscriberLine(
    7, "active", None, ChannelName.email, "ada@example.com", "Ada", Goods(2, 1, "Shirt", "Green"), "S-1", 2, 0, "en",
    "granted", datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC), None, None,
)  # fmt: skip


@given(FILTERS)
def test_an_address_says_exactly_what_was_asked(wanted: SubscriberFilter) -> None:
    read = read_query(write_query(wanted)).wanted
    product = None if wanted.variant_id is not None else wanted.product_id  # a variant is narrower
    search = wanted.search.strip() if wanted.search else None
    expected = {"product_id": product, "search": search}
    for name in SubscriberFilter.__dataclass_fields__:
        assert getattr(read, name) == expected.get(name, getattr(wanted, name)), name


@pytest.mark.parametrize(
    ("query", "faulty"),
    [
        ({"q": "ada@"}, "q"),
        ({"q": "12"}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"item": "x7"}, "item"),
        ({"item": "v" + "9" * 40}, "item"),
        ({"status": "asleep"}, "status"),
        ({"channel": "pigeon"}, "channel"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "to"),
    ],
)
def test_what_cannot_be_right_is_told_beside_its_field_and_the_page_still_opens(
    house: House, kettle: Shop, query: dict[str, str], faulty: str
) -> None:
    assert list(read_query(query).faults) == [faulty]
    asked = "&".join(f"{name}={value}".replace("\0", "%00") for name, value in query.items())
    assert f'id="{faulty}-fault"' in house.get(f"/subscribers?{asked}")


@pytest.mark.parametrize("mark", ["", "x", "1-", "-1", "9" * 30 + "-1", "999999999999999999-1", "1-" + "9" * 30])
def test_a_bookmark_that_is_none_means_the_first_page(mark: str) -> None:
    assert read_query({"after": mark}).bookmark is None


def test_a_bookmark_keeps_the_place_to_the_microsecond() -> None:
    found = read_query(write_bookmark(LINE, backward=True)).bookmark
    assert found is not None
    assert (found.queued_at, found.subscription_id, found.backward) == (LINE.queued_at, 7, True)


class TestACrowd:
    """150 people over five weeks, some at the very same moment."""

    @pytest.fixture
    def crowd(self, house: House, kettle: Shop) -> House:
        fill(house.database, kettle, 150, gap_seconds=20_000)
        with house.database.transaction() as session:  # the order within one moment is the id's
            session.execute(text("UPDATE subscriptions SET queued_at = date_trunc('day', queued_at) WHERE id % 3 = 0"))
        other = house.services.shops.add("other")
        fill(house.database, other, 40)
        return house

    def test_every_subscriber_is_on_exactly_one_page_whatever_is_asked(self, crowd: House, kettle: Shop) -> None:
        reports = crowd.services.merchant_reports

        @settings(max_examples=40)
        @given(FILTERS)
        def check(wanted: SubscriberFilter) -> None:
            pages = list(self._walk(crowd, kettle, wanted))
            ids = [line_id for page in pages for line_id in page]
            assert len(ids) == len(set(ids))
            assert set(ids) == self._expected(crowd, kettle, wanted)
            assert reports.count(kettle, wanted).number == len(ids)
            assert [line.id for line in reports.every_subscriber(kettle, wanted)] == ids

        check()

    def test_going_back_shows_the_pages_as_they_were(self, crowd: House, kettle: Shop) -> None:
        forward = list(self._walk(crowd, kettle, SubscriberFilter()))
        back = list(self._walk(crowd, kettle, SubscriberFilter(), backward=True))
        assert back == forward[::-1]

    def test_newcomers_shift_nobody(self, crowd: House, kettle: Shop) -> None:
        """Somebody who asks while the merchant reads neither repeats nor hides a line of the next page."""
        walk = self._walk(crowd, kettle, SubscriberFilter())
        first = next(walk)
        before = self._expected(crowd, kettle, SubscriberFilter())
        fill(crowd.database, kettle, 8, gap_seconds=0.001, first=500)
        rest = [line_id for page in walk for line_id in page]
        assert set(first) | set(rest) == before
        assert not set(first) & set(rest)

    def test_the_pages_lead_from_one_to_the_next(self, crowd: House) -> None:
        seen: list[str] = []
        page = crowd.get("/subscribers?status=waiting&sort=oldest")
        while True:
            seen += re.findall(r'href="/subscribers/(\d+)', page)
            link = re.search(r'rel="next" href="([^"]+)"', page)
            if link is None:
                break
            page = crowd.get(unescape(link[1]))
        assert len(seen) == len(set(seen)) > 50

    @pytest.mark.parametrize("spelling", ["ada7@example.com", "ADA7@Example.com", " ada7@example.com "])
    def test_an_address_is_found_in_any_spelling(self, crowd: House, kettle: Shop, spelling: str) -> None:
        found = crowd.services.merchant_reports.subscribers(kettle, SubscriberFilter(search=spelling))
        assert [line.address for line in found.lines] == ["ada7@example.com"]

    def test_who_was_erased_is_on_no_list(self, crowd: House, kettle: Shop) -> None:
        everybody = self._expected(crowd, kettle, SubscriberFilter())
        gone = min(everybody)
        with crowd.database.transaction() as session:
            session.execute(text("UPDATE subscriptions SET contact_id = NULL WHERE id = :id"), {"id": gone})
        lines = crowd.services.merchant_reports.every_subscriber(kettle, SubscriberFilter())
        assert {line.id for line in lines} == everybody - {gone}

    def test_the_file_has_the_same_people_as_the_list(self, crowd: House, kettle: Shop) -> None:
        whole = crowd.get("/subscribers.csv?status=active&channel=email")
        assert whole.startswith(export.BYTE_ORDER_MARK)
        header, *rows = csv.reader(io.StringIO(whole.removeprefix(export.BYTE_ORDER_MARK)))
        assert tuple(header) == export.HEADER
        wanted = SubscriberFilter(status=SubscriberStatus.active, channel=ChannelName.email)
        assert {int(row[0]) for row in rows} == self._expected(crowd, kettle, wanted)
        assert all(len(row) == len(header) for row in rows)

    @staticmethod
    def _walk(house: House, shop: Shop, wanted: SubscriberFilter, *, backward: bool = False) -> Iterator[list[int]]:
        reports = house.services.merchant_reports
        page = reports.subscribers(shop, wanted)
        if backward:
            while page.has_next:
                page = reports.subscribers(
                    shop, wanted, read_query(write_bookmark(page.lines[-1], backward=False)).bookmark
                )
        while True:
            yield [line.id for line in page.lines]
            if not (page.has_previous if backward else page.has_next):
                return
            line = page.lines[0 if backward else -1]
            page = reports.subscribers(shop, wanted, read_query(write_bookmark(line, backward=backward)).bookmark)

    @staticmethod
    def _expected(house: House, shop: Shop, wanted: SubscriberFilter) -> set[int]:
        """Ask the plainest way: everything, judged here."""
        with house.database.transaction() as session:
            rows = session.execute(
                text("""SELECT s.id, s.state, s.channel, s.variant_id, v.product_id, s.queued_at, c.address
                        FROM subscriptions s JOIN contacts c ON c.id = s.contact_id
                        JOIN variants v ON v.shop_id = s.shop_id AND v.variant_id = s.variant_id
                        WHERE s.shop_id = :shop"""),
                {"shop": shop.id},
            ).all()
        states = ("pending", "active") if wanted.status == "waiting" else (wanted.status,)
        search = {"+1 201 555 0123": "+12015550123"}.get(wanted.search or "", (wanted.search or "").strip().lower())
        return {
            row.id
            for row in rows
            if (wanted.status is None or row.state in states)
            and wanted.channel in (None, row.channel)
            and wanted.variant_id in (None, row.variant_id)
            and (wanted.variant_id is not None or wanted.product_id in (None, row.product_id))
            and (wanted.since is None or row.queued_at.date() >= wanted.since)
            and (wanted.until is None or row.queued_at.date() <= wanted.until)
            and (not search or row.address == search)
        }


@pytest.mark.parametrize("text_", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1", "|x", "%x"])
def test_no_cell_begins_a_formula(text_: str) -> None:
    assert export.safe_cell(text_) == f"'{text_}"


@given(st.text(max_size=40))
def test_whatever_somebody_calls_himself_a_spreadsheet_reads_text(name: str) -> None:
    cell = export.safe_cell(name)
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == name.replace("\0", "").removeprefix("'")


def test_a_telephone_number_is_neither_a_formula_nor_mended() -> None:
    line = replace(LINE, channel=ChannelName.sms, address="+4915112345678")
    whole = "".join(export.write_rows([line]))
    assert ",4915112345678," in whole


def test_a_file_that_breaks_off_says_so_and_does_not_end_well() -> None:
    def failing() -> Iterator[SubscriberLine]:
        yield from [LINE] * (export.ROWS_A_CHUNK + 3)
        raise ConnectionError

    got: list[str] = []
    with pytest.raises(ConnectionError):
        got.extend(export.write_rows(failing()))
    assert "".join(got).rstrip().endswith(export.BROKEN_OFF)


def test_a_file_that_fails_at_once_has_not_begun() -> None:
    def failing() -> Iterator[SubscriberLine]:
        raise ConnectionError
        yield LINE

    with pytest.raises(ConnectionError):
        next(export.write_rows(failing()))
