/*
 * Restock for headless storefronts.
 *
 *   await Restock.notify({ shop: "example.myshopify.com", productId: 1, variantId: 2, channel: "email", email });
 *
 * Throws Restock.Error: code, message, status, faults [{ field, code, message }], retryAfter (seconds).
 */
(() => {
  var script = document.currentScript;
  var state = { url: new URL((script && script.src) || location.href).origin };

  class RestockError extends Error {
    constructor(code, message, status = 0, faults = [], retryAfter = null) {
      super(message);
      Object.assign(this, { name: "RestockError", code, status, faults, retryAfter });
    }
  }

  // With storage denied, each post is a new customer.
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
      response = await fetch(state.url + path, { credentials: "omit", ...options });
      body = await response.json();
    } catch {
      throw new RestockError("NETWORK_ERROR", "The shop could not be reached.");
    }
    if (response.ok && !body.errors) return body;
    var error = body.error || { code: "VALIDATION_ERROR", message: body.errors.join(" ") };
    var wait = Number(response.headers.get("Retry-After")) || null;
    throw new RestockError(error.code, error.message, response.status, error.details, wait);
  }

  /** Gives the API's answer { intent, customer, duplicate }. */
  async function notify(wish) {
    var { email, phone, push, name, country, channel, quantity, source, product } = wish;
    var answer = await call("/api/v1/intents.json", {
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

  /** Offer and texts. */
  function config(shop, locale = document.documentElement.lang) {
    return call("/storefront/config.json?" + new URLSearchParams({ shop, locale }));
  }

  function bytes(key) {
    return Uint8Array.from(atob(key.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  }

  /**
   * Subscribe this browser, from a click; gives what notify({ channel: "push", push }) needs.
   * `serviceWorker`: the path of sw.js on the page's own origin.
   */
  async function subscribe({ shop, serviceWorker = "/apps/restock/sw.js" }) {
    if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
      throw new RestockError("PUSH_UNSUPPORTED", "This browser has no notifications.");
    }
    var key = (await config(shop)).vapid_public_key;
    if (!key) throw new RestockError("CHANNEL_DISABLED", "This shop has no notifications.");
    if ((await Notification.requestPermission()) !== "granted") {
      throw new RestockError("PUSH_DENIED", "Notifications are blocked.");
    }
    try {
      var worker = await navigator.serviceWorker.register(serviceWorker);
      var wanted = { userVisibleOnly: true, applicationServerKey: bytes(key) };
      return ((await worker.pushManager.getSubscription()) || (await worker.pushManager.subscribe(wanted))).toJSON();
    } catch (cause) {
      throw new RestockError("PUSH_FAILED", "Subscribing failed: " + cause.message);
    }
  }

  /** Use another address of the API. */
  function setup({ url }) {
    state.url = url.replace(/\/+$/, "");
  }

  window.Restock = { notify, config, setup, push: { subscribe }, Error: RestockError };
})();
