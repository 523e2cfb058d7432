// Keeps what changes on a page up to date: the page is fetched again and its parts with `data-live` are put in place.
// A part that somebody works in is left alone.

const shown = document.getElementById("live-state");
const period = () => Math.min(...[...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live) || 5));

const say = (state, words) => {
  if (shown) {
    shown.dataset.state = state;
    shown.textContent = words;
  }
};

const inUse = (part) =>
  part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button")
  || part.querySelector("input[name=id]:checked, dialog[open], details[data-keep][open]")
  || (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));

let asking = false;
const refresh = async () => {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Lovage-Live": "1" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (!fresh || inUse(part)) continue;
      if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
      if (fresh.dataset.live) part.dataset.live = fresh.dataset.live;
    }
    document.dispatchEvent(new Event("lovage:fresh"));
    say("live", "live");
  } catch {
    say("lost", "no answer");
  } finally {
    asking = false;
  }
};

if (document.querySelector("[data-live]")) {
  say("live", "live");
  const again = async () => {
    await refresh();
    setTimeout(again, period() * 1000);
  };
  setTimeout(again, period() * 1000);
  document.addEventListener("visibilitychange", refresh);
}
