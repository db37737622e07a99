// Fetches this page again and puts what has changed in its place; all words are the server's.
(() => {
  "use strict";
  const SPOKEN_MS = 15000; // a screen reader is not to be talked over
  const HIDDEN = 5; // a tab that nobody looks at asks less often
  const main = document.getElementById("main");
  let etag = "", spokenAt = Date.now(), misses = 0;

  // What only a script can do. The guest's own clock says when: without it, and for what is due, the server's words do.
  const enliven = (root) => {
    if (navigator.clipboard) for (const each of root.querySelectorAll("[data-copy]")) each.hidden = false;
    for (const each of root.querySelectorAll("time")) {
      const moment = new Date(each.dateTime);
      if (moment - Date.now() < 30000) continue;
      each.textContent = moment.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
    }
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
  };

  const refresh = async () => {
    const headers = { Accept: "text/html" };
    if (etag) headers["If-None-Match"] = etag;
    try {
      const answer = await fetch(location.href, { headers, cache: "no-store" });
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
    const button = target.closest("[data-copy]");
    if (button) copyNames(button);
  });

  enliven(main);
  plan();
})();
