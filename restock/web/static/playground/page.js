// The playground's page: posts real intents, has real webhooks sent, and shows what arrives. No framework, no build.

const POLL_MS = 1000;
const PATIENCE_MS = 20000;
const OVERRIDE_MS = 4000; // how long a number just set is shown before the server's is believed
const MOST_MESSAGES = 40;
const MOST_LEFT = 4;
const EMAIL_SCALE = 0.8; // as in page.css: more of a letter fits
const RESTOCK_UNITS = 3;
const CHANNEL_FIELDS = { email: "email", sms: "phone", push: "push" };
const POLICIES = {
  strict: "A turn for each unit: nobody hears about goods that are already promised.",
  fair: "Three turns for each two units, in order: few come in vain, and it sells. A good default.",
  everyone: "All at once, however few units there are.",
  custom: "This shop’s own policy.",
};
const SHOPIFY = { // what is said of each misbehaviour
  webhooks: {
    twice: "Each comes twice, in any order. Nobody is told twice.",
    late: "Each comes 10 s late.",
    never: "None comes. Stock is found when it is next looked at.",
    custom: "As set through the control API.",
  },
  api: {
    throttled: "No points are left: questions wait their turn.",
    down: "Every question is answered by a 502 page.",
    custom: "As set through the control API.",
  },
  lag: {
    true: "The quantity sold online stays as it is now, whatever is counted.",
  },
};
const ADDRESSES = {
  email: { label: "E-mail address", type: "email", mode: "email", complete: "email", hint: "ada@example.com" },
  sms: { label: "Mobile number", type: "tel", mode: "tel", complete: "tel", hint: "+1 212 555 0123" },
};

const shop = document.body.dataset.shop;
const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (name, text, root = document) => { find(`[data-text="${name}"]`, root).textContent = text; };
const units = (count) => (count === 1 ? "1 unit" : `${count} units`);
const clone = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

let chosen = document.body.dataset.variant;
let state = null;
let lastMessage = 0;
let unseen = 0;
let joinedVariant = null;
let restocked = false;
const overrides = new Map(); // "variant/location" -> { count, until }
const tags = new Map(); // URL -> ETag of what is shown

// ---------------------------------------------------------------------------------------------- talking to the server

class Refused extends Error {
  constructor(body, status) {
    super(body?.error?.message ?? `The server answered ${status}.`);
    this.details = body?.error?.details ?? [];
  }
}

async function post(url, body, headers = {}) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const parsed = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(parsed, answer.status);
  return parsed;
}

async function changed(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) }); // one that hangs stops no later one
  if (!answer.ok) throw new Refused(null, answer.status);
  const tag = answer.headers.get("ETag");
  if (tag !== null && tags.get(url) === tag) return null;
  const fresh = await answer.json();
  tags.set(url, tag); // not before all of it is here: what broke off is asked for again
  return fresh;
}

const postIntent = (channel, quantity, customer) => post("/api/v1/intents.json", {
  intent: { shopify_variant_id: chosen, shopify_product_id: productOf(chosen).dataset.product, channel, quantity, source: "api" },
  customer,
}, { "X-Shopify-Shop-Domain": shop });

// ------------------------------------------------------------------------------------------------------- the store

const pillOf = (variant) => find(`.pill input[value="${variant}"]`);
const productOf = (variant) => pillOf(variant).closest(".product");
const nameOf = (variant) => find("span", pillOf(variant).parentElement).firstChild.textContent;
const variantsOf = (product) => all(".pill input", product).map((input) => input.value);
const locations = () => all(".stock thead th").slice(1).map((cell) => cell.textContent);
const known = (variant) => state?.variants[variant];

function levelsOf(variant) {
  const levels = { ...(known(variant)?.levels ?? {}) };
  for (const [key, { count, until }] of overrides) {
    const [owner, location] = key.split("/");
    if (until < Date.now()) overrides.delete(key);
    else if (owner === variant) levels[location] = count;
  }
  return levels;
}

const totalOf = (variant) => Object.values(levelsOf(variant)).reduce((sum, count) => sum + count, 0);

function choose(variant) {
  const product = productOf(variant);
  const before = find(".featured");
  chosen = variant;
  joinedVariant = null;
  pillOf(variant).checked = true;
  history.replaceState(null, "", `/playground?variant=${variant}`);
  const move = () => {
    if (product !== before) {
      before.classList.remove("featured");
      find(".action", before).replaceChildren();
      product.classList.add("featured");
      product.parentElement.prepend(product);
    }
    renderAction();
    pillOf(variant).focus({ preventScroll: true });
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (document.startViewTransition && product !== before && !calm) document.startViewTransition(move);
  else move();
  if (product !== before) scrollTo({ top: 0, behavior: calm ? "auto" : "smooth" });
  tags.clear();
  render();
  refreshState().catch(() => {}); // the next poll says that the server is away
}

function renderPills() {
  for (const input of all(".pill input")) {
    const soldOut = known(input.value) !== undefined && totalOf(input.value) < 1;
    input.parentElement.classList.toggle("soldout", soldOut);
    find("[data-soldout]", input.parentElement).hidden = !soldOut;
  }
}

function renderAction() {
  const action = find(".featured .action");
  const mode = known(chosen) === undefined ? "" : totalOf(chosen) > 0 ? "buy" : joinedVariant === chosen ? "joined" : "notify";
  if (action.dataset.mode === `${mode}/${chosen}`) return;
  action.dataset.mode = `${mode}/${chosen}`;
  const part = mode === "" ? document.createTextNode("Stocking the shelves…") : clone(`t-${mode}`);
  action.replaceChildren(part);
  if (mode === "notify") prepareForm(part);
}

// ------------------------------------------------------------------------------------------------ "Notify me"

function prepareForm(form) {
  say("lead", `${nameOf(chosen)} is sold out.`, form);
  form.addEventListener("change", (event) => { if (event.target.name === "channel") showChannel(form); });
  form.addEventListener("submit", (event) => { event.preventDefault(); join(form); });
}

function showChannel(form) {
  const kind = ADDRESSES[form.channel.value];
  find(".address", form).hidden = !kind;
  find(".browser", form).hidden = Boolean(kind);
  clearFault(form);
  if (!kind) return;
  say("address-label", kind.label, form);
  Object.assign(form.address, { type: kind.type, inputMode: kind.mode, autocomplete: kind.complete, placeholder: kind.hint, value: "" });
}

async function join(form) {
  const channel = form.channel.value;
  const button = find("[type=submit]", form);
  const mine = chosen;
  button.disabled = true;
  clearFault(form);
  try {
    const address = channel === "push" ? await post("/playground/browser", {}) : form.address.value.trim();
    const quantity = /^\d+$/.test(form.quantity.value) ? Number(form.quantity.value) : form.quantity.value;
    await postIntent(channel, quantity, { [CHANNEL_FIELDS[channel]]: address });
    if (channel !== "push") sessionStorage.setItem(`buyer/${mine}`, JSON.stringify({ [CHANNEL_FIELDS[channel]]: address }));
    if (mine === chosen) await showJoined(form, quantity);
  } catch (error) {
    showFault(form, error);
  } finally {
    button.disabled = false;
  }
}

async function showJoined(form, quantity) {
  joinedVariant = chosen;
  const panel = clone("t-joined");
  form.replaceWith(panel);
  find(".featured .action").dataset.mode = `joined/${chosen}`;
  panel.focus();
  await refreshState();
  const place = state?.queue.waiting.length ?? 0;
  say("joined", place ? `You’re on the list, place ${place}.` : "You’re on the list.", panel);
  say("joined-more", quantity === 1 ? "One message when it is back, no more." : `One message when all ${quantity} can be yours.`, panel);
}

function showFault(form, error) {
  const box = find(".fault", form);
  const labels = { "customer.email": "The e-mail address", "customer.phone": "The number", "intent.quantity": "The quantity" };
  const sentences = (error.details ?? []).map(({ field, message }) => {
    const label = labels[field];
    return label && /^[a-z]/.test(message) ? `${label} ${message}` : message;
  });
  box.textContent = [...new Set(sentences.length ? sentences : [error.message])].map((text) => text.replace(/[^.!?]$/, "$&.")).join(" ");
  box.hidden = false;
  const atAddress = (error.details ?? []).some(({ field }) => field.startsWith("customer."));
  form.address.setAttribute("aria-invalid", String(atAddress));
  if (atAddress) form.address.focus();
}

function clearFault(form) {
  find(".fault", form).hidden = true;
  form.address.removeAttribute("aria-invalid");
}

// ------------------------------------------------------------------------------------------------------ the counter

function renderStock() {
  const product = productOf(chosen);
  const body = find('[data-list="stock"]');
  say("product", find("h2", product).textContent);
  const wanted = variantsOf(product);
  if (all("tr", body).map((row) => row.dataset.variant).join() !== wanted.join()) {
    body.replaceChildren(...wanted.map(stockRow));
  }
  for (const row of all("tr", body)) {
    row.classList.toggle("chosen", row.dataset.variant === chosen);
    const levels = levelsOf(row.dataset.variant);
    for (const input of all("input", row)) {
      if (input !== document.activeElement) input.value = levels[input.dataset.location] ?? 0;
    }
  }
}

function stockRow(variant) {
  const row = document.createElement("tr");
  row.dataset.variant = variant;
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = nameOf(variant);
  row.append(head, ...locationIds().map((location, index) => {
    const cell = document.createElement("td");
    const stepper = clone("t-notify").querySelector(".stepper");
    const input = find("input", stepper);
    const label = `${nameOf(variant)}, ${locations()[index]}`;
    stepper.setAttribute("aria-label", label);
    input.removeAttribute("name");
    input.setAttribute("aria-label", label);
    input.dataset.location = location;
    input.addEventListener("change", () => setStock(variant, location, Number.parseInt(input.value, 10)));
    cell.append(stepper);
    return cell;
  }));
  return row;
}

const locationIds = () => all(".stock thead th[data-location]").map((cell) => cell.dataset.location);

async function setStock(variant, location, available) {
  const count = Number.isInteger(available) ? Math.max(0, Math.min(999, available)) : levelsOf(variant)[location] ?? 0;
  overrides.set(`${variant}/${location}`, { count, until: Date.now() + OVERRIDE_MS });
  render();
  try {
    const answer = await post("/playground/stock", { variant_id: variant, location_id: location, available: count });
    showAnswer(answer);
  } catch (error) {
    overrides.delete(`${variant}/${location}`);
    say("webhook", [error.message, ...(error.details ?? []).map(({ field, message }) => `${field} ${message}.`)].join(" "));
    render();
  }
}

function showAnswer({ topic, status, milliseconds }) {
  if (status === null) {
    say("webhook", `Webhook ${topic}: ${state?.shopify?.webhooks === "late" ? "on its way, 10 s late." : "lost on the way."}`);
    return;
  }
  const code = document.createElement("code");
  code.textContent = status;
  const settles = state?.settle_seconds ?? 0;
  const later = settles > 0 ? ` Stock is read once it has settled for ${settles} s.` : "";
  find('[data-text="webhook"]').replaceChildren(`Webhook ${topic}: `, code, ` in ${milliseconds.toFixed(0)} ms.${later}`);
}

const restock = () => {
  const [first] = locationIds();
  restocked = true;
  return setStock(chosen, first, (levelsOf(chosen)[first] ?? 0) + RESTOCK_UNITS);
};

const sellOut = () => Promise.all(
  locationIds().filter((location) => levelsOf(chosen)[location] > 0).map((location) => setStock(chosen, location, 0)),
);

// Whoever asked for this variant on this page buys it, so that the order can be owed to the message.
async function buy() {
  const buyer = JSON.parse(sessionStorage.getItem(`buyer/${chosen}`) ?? "{}");
  const { number } = await post("/playground/orders", { variant_id: chosen, ...buyer });
  overrides.clear();
  const sentence = `Order #${number} is placed.`;
  say("webhook", sentence);
  const box = find('[data-text="bought"]');
  if (box) box.textContent = sentence;
  await refreshState();
}

// ------------------------------------------------------------------------------------------------------- Shopify

async function turn(change) {
  state.shopify = await post(`/playground/shopify?variant=${chosen}`, change);
  tags.clear();
  render();
}

async function install() {
  const installed = !state.shopify.installed;
  say("install", installed ? "Installing…" : "");
  await turn({ installed });
  say("install", installed ? "" : "The merchant removed the app. Nobody is told anything now.");
}

function renderShopify() {
  const panel = find(".shopify");
  const now = state.shopify;
  const isTroubled = !now || !now.installed || now.webhooks !== "once" || now.api !== "answers" || now.lag;
  panel.classList.toggle("troubled", isTroubled);
  say("shopify", !now ? "away" : !now.installed ? "app removed" : isTroubled ? "misbehaving" : now.access === "granted" ? "connected" : "webhooks only");
  for (const knob of all("[data-knob]", panel)) {
    const word = String(now?.[knob.dataset.knob] ?? "");
    knob.disabled = !now;
    all("input", knob).forEach((input) => { input.checked = input.value === word; });
    say(knob.dataset.knob, SHOPIFY[knob.dataset.knob][word] ?? "", knob);
  }
  const button = find('[data-do="install"]');
  button.disabled = !now;
  button.textContent = now && !now.installed ? "Install it again" : "Uninstall the app";
}

async function addShoppers() {
  const { shoppers } = await post("/playground/shoppers", { count: 5 });
  for (const { channel, quantity, customer } of shoppers) {
    await postIntent(channel, quantity, customer);
    await refreshState();
  }
}

// -------------------------------------------------------------------------------------------------------- the queue

function renderQueue() {
  const { waiting, left } = state.queue;
  const wanted = waiting.reduce((sum, place) => sum + place.quantity, 0);
  say("queue", waiting.length ? `${waiting.length} waiting, ${units(wanted)}` : `Queue for ${nameOf(chosen)}`);
  const list = find('[data-list="queue"]');
  const items = [...left.slice(0, MOST_LEFT).reverse(), ...waiting].map(placeItem); // as they stood in line
  list.replaceChildren(...(items.length ? items : [empty("li", "Nobody waits yet. Leave an address in the store, or add five shoppers.")]));
}

function placeItem(place) {
  const item = clone("t-place");
  const told = place.position === null && place.state === "notified";
  item.classList.toggle("told", told);
  item.classList.toggle("turn", place.position !== null && place.has_turn);
  find(".position", item).textContent = place.position ?? (told ? "✓" : "–");
  find("use", item).setAttribute("href", `#i-${place.channel}`);
  find(".who span", item).textContent = place.who;
  find("b", item).textContent = `wants ${place.quantity}`;
  find(".why", item).textContent = place.reason;
  return item;
}

function empty(tag, text, icon) {
  const box = document.createElement(tag);
  box.className = "empty";
  if (icon) box.append(drawing(icon));
  box.append(text);
  return box;
}

function drawing(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// ------------------------------------------------------------------------------------------------------- the outbox

const CHANNEL_VIEWS = { email: letter, sms: bubble, push: note };

function showMessages(messages) {
  const list = find('[data-list="messages"]');
  const fresh = lastMessage > 0 || find(".message", list) !== null;
  if (messages.length) find(".empty", list)?.remove();
  for (const message of messages) {
    const item = clone("t-message");
    item.classList.toggle("fresh", fresh);
    item.dataset.message = message.id;
    find("use", item).setAttribute("href", `#i-${message.channel}`);
    find(".to", item).textContent = message.channel === "push" ? "to a browser" : `to ${message.to}`;
    const time = find("time", item);
    time.dateTime = message.received_at;
    time.textContent = message.latency_seconds === null
      ? new Date(message.received_at).toLocaleTimeString([], { timeStyle: "short" })
      : `${message.latency_seconds.toFixed(1)} s after restock`;
    item.append(CHANNEL_VIEWS[message.channel](message));
    list.prepend(item);
    lastMessage = Math.max(lastMessage, message.id);
    if (document.body.dataset.zone !== "outbox") unseen += 1;
  }
  all(".message", list).slice(MOST_MESSAGES).forEach((item) => item.remove());
  if (!list.childElementCount) list.append(empty("div", "The outbox is empty. Join a waitlist, then restock.", "tray"));
}

function letter(message) {
  const box = document.createElement("div");
  box.className = "letter";
  const subject = document.createElement("h3");
  const from = document.createElement("small");
  from.textContent = `from ${message.from}`;
  subject.append(message.subject, from);
  box.append(subject);
  if (message.has_page) box.append(...framed(message));
  else {
    const text = document.createElement("pre");
    text.append(...linked(message.text ?? ""));
    box.append(text);
  }
  return box;
}

function framed(message) {
  const frame = document.createElement("iframe");
  const unfold = document.createElement("button");
  frame.setAttribute("sandbox", "allow-same-origin allow-top-navigation-by-user-activation allow-popups"); // no scripts
  frame.title = `E-mail: ${message.subject}`;
  frame.loading = "lazy";
  const sheet = document.createElement("div");
  sheet.className = "sheet";
  sheet.append(frame);
  frame.addEventListener("load", () => {
    const inside = frame.contentDocument?.documentElement.scrollHeight ?? 500;
    const whole = Math.ceil(inside * EMAIL_SCALE);
    frame.style.setProperty("height", `${inside}px`);
    sheet.style.setProperty("--whole", `${whole}px`);
    unfold.hidden = whole <= sheet.clientHeight;
    unfold.onclick = () => {
      const open = sheet.classList.toggle("open");
      unfold.setAttribute("aria-expanded", String(open));
      unfold.textContent = open ? "Show less" : "Show the whole e-mail";
    };
  });
  frame.src = `/playground/outbox/${message.id}/email`;
  unfold.type = "button";
  unfold.className = "unfold";
  unfold.textContent = "Show the whole e-mail";
  unfold.setAttribute("aria-expanded", "false");
  return [sheet, unfold];
}

function bubble(message) {
  const box = document.createElement("p");
  box.className = "bubble";
  box.append(...linked(message.body ?? ""));
  return box;
}

function note({ payload = {}, variant_id: variant }) {
  const box = document.createElement(payload.url ? "a" : "div");
  box.className = "note";
  if (payload.url && /^https?:/.test(payload.url)) box.href = payload.url;
  const picture = document.createElement("img");
  picture.alt = "";
  const own = variant && pillOf(variant) ? find(".picture img", productOf(variant)).src : "/playground/assets/mark.svg";
  picture.src = payload.image ?? payload.icon ?? own; // browsers show pictures from https only: here it is the page's
  picture.addEventListener("error", () => { picture.src = own; }, { once: true });
  const title = document.createElement("strong");
  title.textContent = payload.title ?? "";
  const text = document.createElement("span");
  text.textContent = payload.body ?? "";
  box.append(picture, title, text);
  return box;
}

function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]+)/).map((part, index) => {
    if (index % 2 === 0) return part;
    const link = document.createElement("a");
    link.href = part;
    link.textContent = part;
    return link;
  });
}

// ------------------------------------------------------------------------------------------------------ the whole page

function render() {
  renderPills();
  renderStock();
  renderAction();
  if (state?.queue.variant_id !== chosen) return;
  renderQueue();
  renderSteps();
  const policy = find(`[name="policy"][value="${state.policy}"]`);
  if (policy) policy.checked = true;
  say("policy", POLICIES[state.policy] ?? "");
  renderShopify();
  showCount("waiting", state.queue.waiting.length);
  showCount("unseen", unseen);
  find('[data-do="sellout"]').disabled = totalOf(chosen) < 1;
}

function renderSteps() {
  const done = {
    ask: state.queue.waiting.length + state.queue.left.length > 0,
    restock: restocked || lastMessage > 0,
    arrive: lastMessage > 0,
  };
  const steps = all("[data-step]");
  const next = steps.find((step) => !done[step.dataset.step]);
  for (const step of steps) {
    step.classList.toggle("done", done[step.dataset.step]);
    step.classList.toggle("now", step === next);
  }
}

function showCount(name, count) {
  const badge = find(`[data-count="${name}"]`);
  badge.hidden = count === 0;
  badge.textContent = count > 99 ? "99+" : count;
}

// One after the other: whoever waits for a refresh sees a state that is at least as new as the moment of asking.
let refreshing = Promise.resolve();
const refreshState = () => {
  refreshing = refreshing.catch(() => {}).then(readState);
  return refreshing;
};

async function readState() {
  const asked = chosen;
  const fresh = await changed(`/playground/state?variant=${asked}`);
  if (fresh && asked === chosen) {
    state = fresh;
    render();
  }
}

async function refreshOutbox() {
  const fresh = await changed(`/playground/outbox?after=${lastMessage}`);
  if (fresh) showMessages(fresh.messages);
  if (fresh && state) render();
}

async function poll() {
  if (!document.hidden) {
    const results = await Promise.allSettled([refreshState(), refreshOutbox()]);
    const away = results.some(({ status }) => status === "rejected");
    const live = find("[data-live]");
    live.classList.toggle("off", away);
    live.textContent = away ? "reconnecting" : "live";
    if (overrides.size) render();
  }
  setTimeout(poll, POLL_MS);
}

const DEEDS = {
  restock,
  buy,
  install,
  sellout: sellOut,
  shoppers: addShoppers,
  again: async () => { joinedVariant = null; renderAction(); find(".notify [name=address]")?.focus(); },
};

document.addEventListener("click", async (event) => {
  const step = event.target.closest("[data-step-by]");
  const button = event.target.closest("[data-do]");
  const tab = event.target.closest("[data-go]");
  if (step) {
    const input = find("input", step.parentElement);
    const least = input.dataset.location ? 0 : 1;
    input.value = Math.max(least, (Number.parseInt(input.value, 10) || 0) + Number(step.dataset.stepBy));
    if (input.dataset.location) input.dispatchEvent(new Event("change"));
  } else if (button) {
    button.disabled = true;
    try {
      await DEEDS[button.dataset.do]();
    } catch (error) {
      say("webhook", error.message);
    } finally {
      button.disabled = false;
      render();
    }
  } else if (tab) {
    document.body.dataset.zone = tab.dataset.go;
    all("[data-go]").forEach((other) => other.setAttribute("aria-pressed", String(other === tab)));
    if (tab.dataset.go === "outbox") unseen = 0;
    showCount("unseen", unseen);
    scrollTo(0, 0);
  }
});

document.addEventListener("change", (event) => {
  if (event.target.name === "variant") choose(event.target.value);
  if (event.target.name === "policy") {
    post("/playground/policy", { policy: event.target.value }).catch((error) => say("policy", error.message));
    say("policy", POLICIES[event.target.value]);
  }
  const knob = event.target.closest("[data-knob]");
  if (knob) {
    const { name, value } = event.target;
    turn({ [name]: name === "lag" ? value === "true" : value }).catch((error) => say(name, error.message, knob));
  }
});

poll();
