// What happens to a job while its page is open: its progress, its log, and reasons to look again. Everything that comes is
// put in as text, never as markup.

const bar = document.getElementById("progress");
const told = (event) => {
  try { return JSON.parse(event.data); } catch { return {}; }
};
const show = ({ fraction, message }) => {
  if (!bar) return;
  bar.classList.remove("hidden");
  bar.querySelector(".name").textContent = message ?? "";
  const meter = bar.querySelector("progress");
  if (typeof fraction === "number") meter.value = fraction; else meter.removeAttribute("value");
};
const append = ({ line }) => {
  const view = document.querySelector("[data-tail]");
  if (!view || typeof line !== "string") return soon();
  const stay = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
  view.textContent += `${line}\n`;
  if (stay) view.scrollTop = view.scrollHeight;
};

let due = null;
// what events tell is a reason to ask, not the truth itself
const soon = () => { due ??= setTimeout(() => { due = null; refresh(); }, 250); };

for (const part of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(part.dataset.events);
  source.addEventListener("log", (event) => append(told(event)));
  source.addEventListener("progress", (event) => show(told(event)));
  for (const kind of ["started", "retrying", "waiting", "released"]) source.addEventListener(kind, soon);
  source.addEventListener("finished", () => {
    bar?.classList.add("hidden");
    source.close();
    soon();
  });
  addEventListener("pagehide", () => source.close());
}
