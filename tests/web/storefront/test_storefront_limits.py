"""How many posts a minute, in one process and in several, with Valkey and without."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest
import redis

from restock.web.storefront.limits import Allowance, IntentLimits, RateLimiter, ValkeyTally, network_of
from tests.web.storefront.conftest import Storefront, post_body


class HandClock:
    """A clock turned by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0  # the start of a minute

    def __call__(self) -> float:
        return self.now


def _taken(limiter: RateLimiter, count: int, *wanted: tuple[str, int]) -> list[bool]:
    return [limiter.take(wanted).allowed for _ in range(count)]


def test_a_minute_takes_as_many_as_the_limit_says_and_the_next_one_again() -> None:
    clock = HandClock()
    limiter = RateLimiter(clock=clock)
    assert _taken(limiter, 4, ("a", 3)) == [True, True, True, False]
    clock.now += 59.9
    assert _taken(limiter, 1, ("a", 3)) == [False]
    clock.now += 0.2
    assert _taken(limiter, 1, ("a", 3)) == [True]


def test_the_tightest_limit_is_told() -> None:
    clock = HandClock()
    clock.now += 20.5
    limiter = RateLimiter(clock=clock)
    allowance = limiter.take([("a", 10), ("b", 3)])
    assert allowance == Allowance(True, 3, 2, 1_800_000_060_000)
    assert allowance.retry_after_seconds(clock.now) == 40
    assert limiter.take([("a", 10)]).remaining == 8


def test_a_refused_request_uses_up_nothing() -> None:
    limiter = RateLimiter(clock=HandClock())
    _taken(limiter, 2, ("a", 2))
    assert _taken(limiter, 5, ("a", 2), ("b", 3)) == [False] * 5
    assert limiter.take([("b", 3)]).remaining == 2


def test_memory_is_bounded_and_the_limit_still_holds() -> None:
    limiter = RateLimiter(clock=HandClock(), most_keys=50)
    for number in range(20_000):
        limiter.take([(f"stranger-{number}", 1_000_000)])
    assert limiter.key_count <= 50 + 4096
    assert _taken(limiter, 3, ("known", 2))[-1] is False


def test_two_processes_hold_the_limit_together(redis_url: str) -> None:
    key_of = lambda name: name.encode()[::-1]  # noqa: E731
    one, two = (RateLimiter(ValkeyTally(redis_url, key_of), start_sharing=False) for _ in range(2))
    assert sum(_taken(one, 30, ("a", 60))) == 30
    assert sum(_taken(two, 30, ("a", 60))) == 30
    one.share()
    two.share()
    assert sum(_taken(two, 10, ("a", 60))) == 0


@pytest.fixture
def quiet_redis_url(redis_url: str) -> str:
    """A database of the Valkey server that no thread of an earlier test still writes to."""
    url = redis_url.replace("db=0", "db=9")
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


def test_who_came_once_is_told_to_the_others_only_when_they_come_again(quiet_redis_url: str) -> None:
    limiter = RateLimiter(ValkeyTally(quiet_redis_url, str.encode), start_sharing=False)
    limiter.take([("once", 60)])
    _taken(limiter, 2, ("twice", 60))
    limiter.take([("rare", 2)])
    limiter.share()
    with redis.Redis.from_url(quiet_redis_url) as client:
        told = {key.rsplit(b":", 1)[1]: int(client.get(key) or 0) for key in client.keys("restock:limit:*")}
    assert told == {b"twice".hex().encode(): 2, b"rare".hex().encode(): 1}


def test_processes_meet_by_themselves_within_moments(redis_url: str) -> None:
    one, two = (RateLimiter(ValkeyTally(redis_url, str.encode)) for _ in range(2))
    _taken(one, 40, ("a", 60))
    deadline = time.monotonic() + 60
    while not redis.Redis.from_url(redis_url).keys("restock:limit:*"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    two.take([("a", 60)])
    while two.take([("a", 60)]).remaining > 20:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_shared_counters_name_nobody_and_go_by_themselves(quiet_redis_url: str, storefront: Storefront) -> None:
    limits = IntentLimits(RateLimiter(ValkeyTally(quiet_redis_url, storefront.services.vault.keyed_hash)), 9, 9, 9)
    limits.count_post("203.0.113.7", "kettle.myshopify.com")
    limits.count_address(b"\x01" * 32)
    limits.limiter.share()
    with redis.Redis.from_url(quiet_redis_url) as client:
        keys = client.keys("*")
        assert len(keys) == 3
        assert not any(word in key for key in keys for word in (b"203.0", b"kettle", b"0101"))
        assert all(0 < client.ttl(key) <= 120 for key in keys)


def test_without_valkey_each_process_decides_alone_and_nobody_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # whoever asks it waits half a second
        tally = ValkeyTally(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", str.encode)
        limiter = RateLimiter(tally, clock=HandClock())
        started = time.perf_counter()
        assert _taken(limiter, 61, ("a", 60)) == [True] * 60 + [False]
        assert time.perf_counter() - started < 15, "61 times half a second are 30"
        with pytest.raises(redis.RedisError):
            limiter.share()
    assert limiter.take([("a", 60)]).allowed is False


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_the_addresses_one_subscriber_has_count_as_one(client: str, network: str) -> None:
    assert network_of(client) == network


def test_a_shop_is_one_however_it_is_spelled() -> None:
    limits = IntentLimits(RateLimiter(clock=HandClock()), 1000, 1000, 3)
    spelled = (
        "demo.myshopify.com",
        "https://demo.myshopify.com/",
        "demo",
        "demo.myshopify.com/x",
        "DEMO.myshopify.com",
    )
    taken = [limits.count_post(f"192.0.2.{number}", text).allowed for number, text in enumerate(spelled)]
    assert taken == [True, True, True, False, False]


def test_what_names_no_shop_counts_for_its_client_alone() -> None:
    limits = IntentLimits(RateLimiter(clock=HandClock()), 2, 1000, 1)
    assert [limits.count_post("192.0.2.1", text).allowed for text in ("a.example", None, "[")] == [True, True, False]


def test_many_threads_together_are_counted_exactly() -> None:
    limiter = RateLimiter(clock=HandClock())
    allowed: list[bool] = []
    threads = [threading.Thread(target=lambda: allowed.extend(_taken(limiter, 500, ("a", 1500)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1500


@pytest.mark.usefixtures("within_one_minute")
@pytest.mark.parametrize("setting", ["intent_limit_client", "intent_limit_address", "intent_limit_shop"])
def test_a_post_too_many_is_told_when_to_come_back(make_storefront: Callable[..., Storefront], setting: str) -> None:
    storefront = make_storefront(**{setting: 2})
    first = storefront.post(post_body())
    assert first.status_code == 201
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("2", "1")
    assert int(first.headers["X-RateLimit-Reset"]) > time.time() * 1000
    storefront.post(post_body())
    refused = storefront.post(post_body())
    assert refused.status_code == 429
    assert refused.json["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.usefixtures("within_one_minute")
def test_faulty_posts_count_for_the_client_and_not_for_the_address(make_storefront: Callable[..., Storefront]) -> None:
    storefront = make_storefront(intent_limit_address=1, intent_limit_client=4)
    for _ in range(2):
        assert storefront.post(post_body(intent__quantity=0)).status_code == 400
    assert [storefront.post(post_body()).status_code for _ in range(3)] == [201, 429, 429]
    refused = storefront.post(post_body())
    assert refused.headers["X-RateLimit-Limit"] == "4"


@pytest.mark.usefixtures("within_one_minute")
def test_with_valkey_away_posts_are_taken_and_still_limited(make_storefront: Callable[..., Storefront]) -> None:
    storefront = make_storefront(redis_url="redis://127.0.0.1:1/0", intent_limit_client=3)
    assert [storefront.post(post_body()).status_code for _ in range(4)] == [201, 201, 201, 429]
