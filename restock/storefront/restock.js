/*
 * Restock for storefronts.
 *
 *   await Restock.notify({ shop: "example.myshopify.com", productId: 1, variantId: 2, channel: "email", email });
 *
 * Throws Restock.Error: code, message, status, faults [{ field, code, message }], retryAfter (seconds).
 */
(() => {
  var at = new URL((document.currentScript || {}).src || location);
  var proxy = /^\/(?:a|apps|community|tools)\/.+(?=\/restock\.js$)/.exec(at.pathname) || ""; // app proxy
  var base = at.origin + proxy;

  class Failure extends Error {
    constructor(code, message, status = 0, faults = [], retryAfter = null) {
      super(message);
      Object.assign(this, { name: "RestockError", code, status, faults, retryAfter });
    }
  }

  // Denied: each post is a new customer.
  function remembered(shop, id) {
    var key = "restock.customer." + shop;
    try {
      if (id) localStorage.setItem(key, id);
      return localStorage.getItem(key) || undefined;
    } catch {
      return undefined;
    }
  }

  async function call(path, options) {
    var response, body;
    try {
      response = await fetch(base + path, { credentials: "same-origin", ...options });
      body = await response.json();
    } catch {
      throw new Failure("NETWORK_ERROR", "The shop could not be reached.");
    }
    if (response.ok && !body.errors) return body;
    var error = body.error || { code: "VALIDATION_ERROR", message: body.errors.join(" ") };
    var wait = Number(response.headers.get("Retry-After")) || null;
    throw new Failure(error.code, error.message, response.status, error.details, wait);
  }

  /** Gives { intent, customer, duplicate }. */
  async function notify(wish) {
    var { email, phone, push, name, country, channel, quantity, source, product } = wish;
    var answer = await call(proxy ? "/intents" : "/api/v1/intents.json", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Shopify-Shop-Domain": wish.shop },
      body: JSON.stringify({
        intent: {
          shopify_variant_id: wish.variantId, shopify_product_id: wish.productId,
          shopify_market_id: wish.marketId, channel, quantity, source,
        },
        customer: {
          id: remembered(wish.shop), email, phone, push, name, country, country_code: wish.countryCode,
          accepts_marketing: wish.acceptsMarketing, locale: wish.locale || document.documentElement.lang || undefined,
        },
        product,
      }),
    });
    remembered(wish.shop, answer.customer.id);
    return answer;
  }

  // Offer, texts.
  function config(shop, locale = document.documentElement.lang) {
    var query = "/config.json?" + new URLSearchParams(proxy ? { locale } : { shop, locale });
    return call(proxy ? query : "/storefront" + query);
  }

  function bytes(key) {
    return Uint8Array.from(atob(key.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  }

  /** From a click; gives the `push` of notify. `serviceWorker`: sw.js on the page's origin. */
  async function subscribe({ shop, serviceWorker = (proxy || "/apps/restock") + "/sw.js" }) {
    if (!("serviceWorker" in navigator) || !("PushManager" in window))
      throw new Failure("PUSH_UNSUPPORTED", "This browser has no notifications.");
    var key = (await config(shop)).vapid_public_key;
    if (!key) throw new Failure("CHANNEL_DISABLED", "This shop has no notifications.");
    if ((await Notification.requestPermission()) !== "granted")
      throw new Failure("PUSH_DENIED", "Notifications are blocked.");
    try {
      var { pushManager: at } = await navigator.serviceWorker.register(serviceWorker);
      var ask = () => at.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
      // Of another key: anew.
      return (await ask().catch(async () => (await (await at.getSubscription())?.unsubscribe(), ask()))).toJSON();
    } catch (cause) {
      throw new Failure("PUSH_FAILED", cause.message);
    }
  }

  function setup({ url }) {
    base = url.replace(/\/+$/, "");
    proxy = "";
  }

  window.Restock = { notify, config, setup, push: { subscribe }, Error: Failure };
})();
