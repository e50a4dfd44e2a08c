"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const query = document.getElementById("query");
  const shown = document.getElementById("shown");
  const boxes = [...form.querySelectorAll("input[name=state]")];
  const text = (node) => node.textContent.toLowerCase();
  const rows = [...document.querySelectorAll("#table tbody tr")].map((node) => ({ node, text: text(node) }));
  const groups = [...document.querySelectorAll("details.group")].map((node) => ({
    node,
    name: text(node.querySelector(".name")),
    items: [...node.querySelectorAll("li.finding")].map((item) => ({ node: item, text: text(item) })),
  }));
  const total = groups.reduce((sum, group) => sum + group.items.length, 0);
  const opened = new Map(groups.map((group) => [group, group.node.open]));
  const count = (some, all, one) =>
    `${some.toLocaleString("en")} of ${all.toLocaleString("en")} ${one}${all === 1 ? "" : "s"}`;

  const apply = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const known = new Set(boxes.map((box) => box.value));
    const wanted = (state) => states.has(state) || !known.has(state);
    const holds = (said) => words.every((word) => said.includes(word));
    let packages = 0;
    let findings = 0;
    for (const row of rows) {
      const show = wanted(row.node.dataset.state) && holds(row.text);
      row.node.hidden = !show;
      packages += show;
    }
    for (const group of groups) {
      let left = 0;
      for (const item of group.items) {
        const show = wanted(group.node.dataset.state) && holds(`${group.name} ${item.text}`);
        item.node.hidden = !show;
        left += show;
      }
      group.node.hidden = left === 0;
      group.node.open = words.length > 0 ? left > 0 : opened.get(group);
      findings += left;
    }
    const parts = rows.length ? [count(packages, rows.length, "package")] : [];
    if (total) parts.push(count(findings, total, "finding"));
    shown.textContent = `${parts.join(" and ")} shown`;
  };

  const numbers = new Set(["count", "files", "bytes"]);
  const value = (row, key, column) => {
    if (key === "bytes" || key === "files") return Number(row.dataset[key]);
    const said = row.cells[column].textContent.trim();
    return key === "count" ? Number(said.replace(/,/g, "")) : said;
  };
  const sort = (head, column) => {
    const key = head.dataset.key;
    const first = numbers.has(key) ? "descending" : "ascending";
    const second = first === "descending" ? "ascending" : "descending";
    const next = head.getAttribute("aria-sort") === first ? second : first;
    const sign = next === "descending" ? -1 : 1;
    const body = document.querySelector("#table tbody");
    const order = [...body.rows].sort((a, b) => {
      const [one, other] = [value(a, key, column), value(b, key, column)];
      return sign * (typeof one === "number" ? one - other : one.localeCompare(other, "en"));
    });
    body.append(...order);
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", next);
  };
  [...document.querySelectorAll("#table thead th")].forEach((head, column) => {
    if (!head.dataset.key) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, column));
    head.replaceChildren(button);
  });

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const group = target && target.closest("details.group");
    if (!group) return;
    if (group.hidden) {
      query.value = "";
      boxes.forEach((box) => { box.checked = true; });
      apply();
    }
    group.open = true;
    group.querySelector("summary").focus();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  for (const group of groups) {
    group.node.addEventListener("toggle", () => {
      if (!query.value.trim()) opened.set(group, group.node.open);
    });
  }
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => groups.forEach((group) => { group.node.open = true; }));
  form.hidden = false;
  apply();
  if (location.hash) reveal();
})();
