/* The merchant's pages: a token with every htmx request, times in the reader's own zone. The pages work without it. */
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
    location.assign(event.detail.pathInfo?.requestPath || location.href); // a navigation brings a fresh token along
  }

  document.addEventListener("DOMContentLoaded", () => localTimes(document));
  document.addEventListener("htmx:afterSwap", () => localTimes(document));

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
  });
})();
