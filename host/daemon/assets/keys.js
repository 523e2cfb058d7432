// The keyboard, and the choice between dark and light.

const PLACES = { o: "overview", j: "jobs", t: "tasks", q: "queues", s: "schedules", w: "workers", d: "dead", n: "tenants", a: "audit" };

const themes = ["", "dark", "light"];
const turn = () => {
  const root = document.documentElement;
  const next = themes[(themes.indexOf(root.dataset.theme ?? "") + 1) % themes.length];
  if (next) root.dataset.theme = next; else delete root.dataset.theme;
  document.cookie = `lovage_theme=${next}; Path=/; SameSite=Strict; Max-Age=${next ? 31_536_000 : 0}`;
  name();
};
const name = () => {
  const button = document.getElementById("theme");
  if (button) button.querySelector("span").textContent = document.documentElement.dataset.theme || "auto";
};
document.getElementById("theme")?.addEventListener("click", turn);
name();

const rows = () => [...document.querySelectorAll("tr[data-row]")];
const move = (by) => {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => "at" in row.dataset);
  const next = all[Math.max(0, Math.min(all.length - 1, now < 0 ? 0 : now + by))];
  for (const row of all) delete row.dataset.at;
  next.dataset.at = "";
  next.scrollIntoView({ block: "nearest" });
};

let going = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (going) {
    going = false;
    const place = document.querySelector(`nav.side a[data-place="${PLACES[event.key] ?? ""}"]`);
    if (place) { event.preventDefault(); place.click(); }
    return;
  }
  const at = document.querySelector("tr[data-at]");
  const acts = {
    g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
    "/": () => document.querySelector("[data-search]")?.focus(),
    "?": () => document.getElementById("help")?.showModal(),
    j: () => move(1),
    k: () => move(-1),
    Enter: () => at?.querySelector("a")?.click(),
    x: () => at?.querySelector("input[name=id]")?.click(),
    u: () => document.querySelector(".drop input[type=file]")?.focus(),
    c: turn,
  };
  const act = acts[event.key];
  if (!act || (event.key === "Enter" && event.target.matches("a, button, summary"))) return;
  if (event.key !== "Enter" || at) event.preventDefault();
  act();
});
