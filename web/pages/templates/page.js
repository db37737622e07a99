// Fetches this page again and puts what has changed in its place; all words are the server's.
(() => {
  "use strict";
  const SPOKEN_MS = 15000; // a screen reader is not to be talked over
  const HIDDEN = 5; // a tab that nobody looks at asks less often
  const main = document.getElementById("main");
  const address = location.href;
  // Chrome for Android takes notifications from service workers only.
  const canNotify = "Notification" in window && !/Android/.test(navigator.userAgent);
  const key = `notify ${location.pathname}`;
  let etag = "", spokenAt = Date.now(), misses = 0;

  // What only a script can do. The guest's own clock says when: without it, and for what is due, the server's words do.
  const enliven = (root) => {
    if (navigator.clipboard) for (const each of root.querySelectorAll("[data-copy]")) each.hidden = false;
    for (const each of root.querySelectorAll("[data-notify]")) {
      each.hidden = !canNotify || Notification.permission === "denied";
      each.querySelector("button").setAttribute("aria-pressed", wanted);
    }
    for (const each of root.querySelectorAll("time")) {
      const moment = new Date(each.dateTime);
      if (moment - Date.now() < 30000) continue;
      each.textContent = moment.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
    }
  };

  // As long as this tab lives, over reloads too; a browser that keeps nothing forgets it then.
  let wanted = false;
  const want = (value) => {
    wanted = value;
    try {
      if (value) sessionStorage.setItem(key, "1");
      else sessionStorage.removeItem(key);
    } catch { /* it holds until the next reload */ }
  };
  try {
    wanted = canNotify && Notification.permission === "granted" && sessionStorage.getItem(key) === "1";
  } catch { /* nothing is kept */ }

  const toggleNotice = async () => {
    want(!wanted && (await Notification.requestPermission()) === "granted");
    enliven(main);
  };

  const notify = (words) => {
    want(false);
    const notice = new Notification(document.title, { body: words, tag: key });
    notice.onclick = () => {
      window.focus();
      notice.close();
    };
  };

  const copyNames = async (button) => {
    const names = [...document.querySelectorAll("#failures li")].map((each) => {
      const album = each.closest("div").querySelector("h4");
      return album ? `${album.textContent}/${each.textContent}` : each.textContent;
    });
    await navigator.clipboard.writeText(names.join("\n"));
    const label = button.textContent;
    document.getElementById("spoken").textContent = button.textContent = button.dataset.copy;
    setTimeout(() => { button.textContent = label; }, 3000);
  };

  const replace = (old, fresh) => {
    const bar = old.querySelector("progress"), next = fresh.querySelector("progress");
    if (bar && next) { // the same bar moves on: it neither blinks nor loses a reader's place
      for (const { name } of [...bar.attributes]) if (!next.hasAttribute(name)) bar.removeAttribute(name);
      for (const { name, value } of next.attributes) bar.setAttribute(name, value);
      document.getElementById("numbers").replaceChildren(...fresh.querySelector("#numbers").childNodes);
    } else if (fresh.dataset.key ? old.dataset.key !== fresh.dataset.key : old.innerHTML !== fresh.innerHTML) {
      const focused = old.contains(document.activeElement); // who is about to press does not lose the place
      old.replaceChildren(...fresh.childNodes);
      if (focused) old.querySelector("summary, button, a")?.focus();
    }
    old.dataset.key = fresh.dataset.key || "";
  };

  const show = (page) => {
    const fresh = page.getElementById("main");
    if (!fresh) return;
    enliven(fresh);
    const ended = fresh.dataset.every === "0";
    document.title = page.title;
    main.dataset.every = fresh.dataset.every;
    main.dataset.state = fresh.dataset.state;
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const old = document.getElementById(part.id); // a part within a part may be of another kind just now
      if (old) replace(old, part);
    }
    const spoken = document.getElementById("spoken"), words = page.getElementById("spoken").textContent;
    if (spoken.textContent !== words && (ended || Date.now() - spokenAt >= SPOKEN_MS)) {
      spoken.textContent = words;
      spokenAt = Date.now();
    }
    if (ended && wanted) notify(words);
  };

  const refresh = async () => {
    const headers = { Accept: "text/html" };
    if (etag) headers["If-None-Match"] = etag;
    try {
      const answer = await fetch(address, { headers, cache: "no-store" });
      if (answer.ok) {
        etag = answer.headers.get("ETag") || "";
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
      misses = answer.ok || answer.status === 304 ? 0 : misses + 1;
    } catch {
      misses += 1;
    }
    plan();
  };

  const plan = () => {
    const every = Number(main.dataset.every);
    if (!every) return;
    setTimeout(refresh, every * 1000 * (document.hidden ? HIDDEN : 1) * Math.min(2 ** misses, 16));
  };

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.matches("[data-copy]")) copyNames(button);
    if (button?.closest("[data-notify]")) toggleNotice();
  });

  // What was just pressed is no part of what a guest bookmarks or shares.
  const lang = new URLSearchParams(location.search).get("lang");
  history.replaceState(null, "", lang ? `?lang=${encodeURIComponent(lang)}` : location.pathname);
  enliven(main);
  plan();
})();
