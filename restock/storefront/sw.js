/* Shows the shop's notifications and opens what they are about. Serve it from the storefront's own origin. */
"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

function read(data) {
  try {
    return (data && data.json()) || {};
  } catch {
    return { body: data.text() };
  }
}

self.addEventListener("push", (event) => {
  const message = read(event.data);
  const options = {
    body: message.body,
    tag: message.tag, // the same message sent twice replaces itself
    icon: message.icon,
    image: message.image,
    lang: message.lang,
    dir: message.dir,
    data: { url: message.url, decline: message.decline },
    actions: message.decline ? [{ action: "decline", title: message.decline_label || "Not now" }] : [],
  };
  event.waitUntil(self.registration.showNotification(message.title || "Back in stock", options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const links = event.notification.data || {};
  const url = event.action === "decline" ? links.decline : links.url; // a page that asks first, not the deed itself
  if (url && /^https?:/.test(new URL(url, self.location.origin).protocol)) event.waitUntil(self.clients.openWindow(url));
});
