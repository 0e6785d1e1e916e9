/*
 * The merchant's pages: a token with every htmx request, times in the reader's own zone, and Shopify's own question for
 * more permissions. The pages can be read without it.
 */
(() => {
  "use strict";

  const RETRY = "X-Shopify-Retry-Invalid-Session-Request";

  function localTimes(root) {
    const format = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
    for (const time of root.querySelectorAll("time[datetime]")) {
      if (!time.textContent.endsWith("UTC")) continue;
      time.title = time.textContent;
      time.textContent = format.format(new Date(time.dateTime));
    }
  }

  function reload(event) {
    const wasRead = event.detail.requestConfig?.verb === "get"; // what was to change something is never repeated by itself
    location.assign((wasRead && event.detail.pathInfo?.requestPath) || location.href); // a navigation brings a fresh token
  }

  function trouble(isThere) {
    const box = document.getElementById("trouble");
    if (box) box.hidden = !isThere;
  }

  document.addEventListener("DOMContentLoaded", () => localTimes(document));
  document.addEventListener("htmx:afterSwap", () => {
    localTimes(document);
    trouble(false);
    document.querySelector("[data-focus]")?.focus(); // what was pressed is gone: go on where its answer stands
  });

  // App Bridge gives the token only after a while, hence the two steps.
  let token = "";
  document.addEventListener("htmx:confirm", (event) => {
    if (!window.shopify?.idToken) return;
    event.preventDefault();
    window.shopify.idToken().then(
      (fresh) => {
        token = fresh;
        event.detail.issueRequest(true);
      },
      () => event.detail.issueRequest(true),
    );
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (token) event.detail.headers.Authorization = `Bearer ${token}`;
    for (const [name, value] of Object.entries(event.detail.parameters)) {
      if (value === "" || (name === "sort" && value === "newest")) delete event.detail.parameters[name]; // short addresses
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401 && event.detail.xhr.getResponseHeader(RETRY)) reload(event);
    else trouble(true);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => trouble(true));

  // Shopify opens its own window for this; its webhook then tells the server, which is what the page shows.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-scopes]");
    if (!button || button.disabled) return;
    trouble(false);
    button.disabled = true;
    try {
      const answer = await window.shopify.scopes.request(button.dataset.scopes.split(" "));
      if (answer?.result === "granted-all") location.assign(button.dataset.granted);
    } catch {
      trouble(true);
    }
    button.disabled = false;
  });
})();
