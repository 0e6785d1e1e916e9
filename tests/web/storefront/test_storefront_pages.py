"""What a page on the web may read: CORS, the shop's offer, the scripts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from restock.channels.tongues import LANGUAGES
from tests.web.storefront.conftest import SHOP, Storefront, post_body

SCRIPTS = Path(__file__).resolve().parents[3] / "restock" / "storefront"
ORIGIN = {"Origin": "https://kettle.example"}


def read(answer: TestResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.data)
    return found


def test_a_browser_may_ask_before_it_posts(storefront: Storefront) -> None:
    answer = storefront.client.options(
        "/api/v1/intents.json", headers=ORIGIN | {"Access-Control-Request-Method": "POST"}
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type, X-Shopify-Shop-Domain"
    assert answer.headers["Access-Control-Max-Age"] == "86400"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_any_page_may_read_the_answer_and_the_error(storefront: Storefront) -> None:
    for answer in (storefront.post(post_body(), headers=ORIGIN), storefront.post({}, headers=ORIGIN)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "X-RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
        assert "Vary" not in answer.headers


@pytest.mark.parametrize(("origin", "allowed"), [("https://kettle.example", True), ("https://evil.example", False)])
def test_a_merchant_may_list_the_pages_that_read(storefront: Storefront, origin: str, allowed: bool) -> None:
    storefront.services.shops.change_settings(SHOP, {"origins": "https://kettle.example"})
    answer = storefront.post(post_body(), headers={"Origin": origin})
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert answer.headers["Vary"] == "Origin"


def test_the_address_takes_posts_alone(storefront: Storefront) -> None:
    assert storefront.client.get("/api/v1/intents.json").status_code == 405


def test_the_shops_offer_is_told_and_never_a_stock_count(storefront: Storefront) -> None:
    answer = storefront.client.get(f"/storefront/config.json?shop={SHOP}")
    assert answer.status_code == 200
    assert set(read(answer)) == {"shop", "channels", "vapid_public_key", "sdk_version", "locale", "texts"}
    assert read(answer)["channels"] == ["email", "push", "sms"]
    assert read(answer)["vapid_public_key"] == "BPublicKey"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    known = {"If-None-Match": answer.headers["ETag"]}
    again = storefront.client.get(f"/storefront/config.json?shop={SHOP}", headers=known)
    assert (again.status_code, again.data) == (304, b"")
    storefront.services.shops.change_settings(SHOP, {"channels": "email"})
    less = read(storefront.client.get(f"/storefront/config.json?shop={SHOP}", headers=known))
    assert less["channels"] == ["email"]
    assert less["vapid_public_key"] is None, "a browser would ask its person, and the post be refused"


@pytest.mark.parametrize(
    ("wanted", "of_the_shop", "found"),
    [
        ("fr", "de", "fr"),
        ("fr-CA", "de", "fr"),
        ("FR_ca", "de", "fr"),
        ("ar-EG", "en", "ar"),
        ("el-GR", "de-AT", "de"),
        ("pt", "de-AT", "pt-BR"),
        ("zh-HK", "en", "zh-TW"),
        ("no", "en", "nb"),
        ("", "es", "es"),
        (None, "es", "es"),
        ("../en", "de", "de"),
        ("x" * 9_000, "de", "de"),
        ("el", "sk", "en"),
    ],
)
def test_a_form_speaks_the_shoppers_language_else_the_shops_else_english(
    storefront: Storefront, wanted: str | None, of_the_shop: str, found: str
) -> None:
    storefront.services.shops.change_settings(SHOP, {"locale": of_the_shop})
    query = {"shop": SHOP} | ({} if wanted is None else {"locale": wanted})
    answer = storefront.client.get("/storefront/config.json", query_string=query)
    assert answer.status_code == 200
    assert read(answer)["locale"] == found
    sentences = json.loads((SCRIPTS / "texts" / f"{found}.json").read_text())
    asked = sentences.pop("success_asked")
    assert read(answer)["texts"] == sentences
    storefront.services.shops.change_settings(SHOP, {"double_opt_in.sms": "true"})
    answer = storefront.client.get("/storefront/config.json", query_string=query)
    assert read(answer)["texts"]["success"] == asked, "whoever may be asked to confirm is told so"


def test_the_texts_of_each_language_are_an_answer_of_its_own_that_anybodys_cache_may_keep(
    storefront: Storefront,
) -> None:
    addresses = [f"/storefront/config.json?shop={SHOP}&locale={locale}" for locale in ("en", "de", "fr", "es", "ar")]
    answers = [storefront.client.get(address, headers=ORIGIN) for address in addresses]
    assert len({answer.headers["ETag"] for answer in answers}) == 5
    for address, answer in zip(addresses, answers, strict=True):
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert "Vary" not in answer.headers, "nothing but the address decides"
        other = storefront.client.get(address, headers={"Accept-Language": "es", "Origin": "https://other.example"})
        assert other.data == answer.data
        known = {"If-None-Match": answer.headers["ETag"]}
        assert [storefront.client.get(a, headers=known).status_code for a in addresses].count(304) == 1


def test_every_language_has_every_sentence() -> None:
    files = sorted((SCRIPTS / "texts").glob("*.json"))
    assert {file.stem for file in files} == set(LANGUAGES)
    languages = [json.loads(file.read_text()) for file in files]
    needed = {"button", "email_label", "phone_label", "push_label", "success", "already_joined", "error"}
    for texts in languages:
        assert set(texts) == needed | {"direction", "success_asked"}
        assert all(texts.values())


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?shop=evil.example.com", 400), ("?shop=unknown", 404)])
def test_the_offer_needs_a_shop(storefront: Storefront, query: str, status: int) -> None:
    assert storefront.client.get(f"/storefront/config.json{query}").status_code == status


@pytest.mark.parametrize("name", ["restock.js", "sw.js"])
def test_a_script_is_kept_for_ever_by_its_version_and_checked_otherwise(storefront: Storefront, name: str) -> None:
    answer = storefront.client.get(f"/storefront/{name}")
    assert answer.status_code == 200
    assert answer.mimetype == "text/javascript"
    assert answer.data == (SCRIPTS / name).read_bytes()
    assert answer.headers["Cache-Control"] == "no-cache"
    version = answer.headers["ETag"].strip('"')
    lasting = storefront.client.get(f"/storefront/{name}?v={version}")
    assert lasting.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert storefront.client.get(f"/storefront/{name}?v=other").headers["Cache-Control"] == "no-cache"
    known = {"If-None-Match": answer.headers["ETag"]}
    assert storefront.client.get(f"/storefront/{name}", headers=known).status_code == 304


def test_the_sdk_is_small_and_needs_nothing() -> None:
    source = (SCRIPTS / "restock.js").read_text()
    assert len(source.encode()) <= 4096
    assert not re.search(r"\bimport\b|\brequire\(", source)


PAGE = """
const store = new Map();
const asked = [];
globalThis.window = globalThis;
globalThis.document = { currentScript: { src: "https://restock.example/storefront/restock.js?v=1" },
                        documentElement: { lang: "de" } };
globalThis.localStorage = { getItem: (key) => store.get(key) ?? null, setItem: (key, value) => store.set(key, value) };
const answers = ANSWERS;
globalThis.fetch = async (url, options) => {
  asked.push({ url, body: options.body && JSON.parse(options.body), headers: options.headers });
  const { status, body, headers } = answers.shift();
  return { status, ok: status < 400, json: async () => body, headers: new Headers(headers) };
};
SOURCE
const said = [];
for (let turn = answers.length; turn > 0; turn -= 1) {
  try {
    said.push(await Restock.notify({ shop: "kettle.myshopify.com", variantId: 1, productId: 2, channel: "email",
                                     email: "ada@example.com", quantity: 2 }));
  } catch (error) {
    said.push({ typed: error instanceof Restock.Error, code: error.code, status: error.status, faults: error.faults,
                retryAfter: error.retryAfter });
  }
}
console.log(JSON.stringify({ asked, said }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_sdk_remembers_the_customer_and_rejects_with_typed_errors() -> None:
    taken = {"intent": {"id": "i"}, "customer": {"id": "c-1"}}
    fault = {"field": "customer.email", "code": "INVALID_EMAIL", "message": "…"}
    invalid = {"error": {"code": "VALIDATION_ERROR", "message": "x", "details": [fault]}, "errors": ["x"]}
    limited = {"error": {"code": "RATE_LIMITED", "message": "x"}, "errors": ["x"]}
    answers = [
        {"status": 201, "body": taken},
        {"status": 400, "body": invalid},
        {"status": 429, "body": limited, "headers": {"Retry-After": "7"}},
        {"status": 200, "body": {"errors": ["customer.email: …"]}},
    ]
    page = PAGE.replace("ANSWERS", json.dumps(answers)).replace("SOURCE", (SCRIPTS / "restock.js").read_text())
    command = ["node", "--input-type=module", "-e", page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["said"] == [
        taken,
        {"typed": True, "code": "VALIDATION_ERROR", "status": 400, "faults": [fault], "retryAfter": None},
        {"typed": True, "code": "RATE_LIMITED", "status": 429, "faults": [], "retryAfter": 7},
        {"typed": True, "code": "VALIDATION_ERROR", "status": 200, "faults": [], "retryAfter": None},
    ]
    first, second = found["asked"][:2]
    assert first["url"] == "https://restock.example/api/v1/intents.json"
    assert first["headers"]["X-Shopify-Shop-Domain"] == SHOP
    assert first["body"]["customer"] == {"email": "ada@example.com", "locale": "de"}
    assert first["body"]["intent"]["shopify_variant_id"] == 1
    assert second["body"]["customer"]["id"] == "c-1"


BROWSER = """
globalThis.window = globalThis;
window.PushManager = class {};
globalThis.document = { currentScript: { src: "https://restock.example/storefront/restock.js" }, documentElement: {} };
globalThis.fetch = async () => ({ ok: true, json: async () => ({ vapid_public_key: "AQID" }) });
globalThis.Notification = { requestPermission: async () => "granted" };
let kept = KEPT, left = 0;
const pushManager = {
  getSubscription: async () => kept && { unsubscribe: async () => { kept = null; left += 1; } },
  subscribe: async ({ applicationServerKey }) => {  // as the Push API has it
    const key = String(applicationServerKey);
    if (kept && kept !== key) throw new DOMException("another key", "InvalidStateError");
    kept = key;
    return { toJSON: () => ({ made_with: key }) };
  },
};
const serviceWorker = { register: async () => ({ pushManager }) };
Object.defineProperty(globalThis, "navigator", { value: { serviceWorker } });
SOURCE
console.log(JSON.stringify({ ...(await Restock.push.subscribe({ shop: "kettle" })), left }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(("kept", "left"), [("null", 0), ('"1,2,3"', 0), ('"9,9,9"', 1)])
def test_a_browser_subscribed_with_another_key_is_subscribed_anew(kept: str, left: int) -> None:
    """A subscription is bound to its key for life: with another one nothing could ever be sent to it."""
    page = BROWSER.replace("KEPT", kept).replace("SOURCE", (SCRIPTS / "restock.js").read_text())
    command = ["node", "--input-type=module", "-e", page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"made_with": "1,2,3", "left": left}
