"use strict";
// Sorts the tables, and replaces the content of the page periodically. The page works without it.

/** Compare two texts of cells, as numbers if both are numbers. An unknown value ("-", "?") is last. */
function compare(first, second, sign) {
  const unknown = (text) => text === "-" || text === "?" || text === "";
  if (unknown(first) || unknown(second)) return unknown(first) - unknown(second);
  const difference = Number(first) - Number(second);
  return sign * (Number.isNaN(difference) ? first.localeCompare(second) : difference);
}

/** Return the order after a click on a column: `first` (1 or -1), the reverse, that of the exporter. */
function nextOrder(order, column, first) {
  if (!order || order.column !== column) return { column, sign: first };
  return order.sign === first ? { column, sign: -first } : null;
}

/** Return the rows in a sort order; null as order is the order of the exporter. */
function sorted(rows, order) {
  if (!order) return rows;
  const text = (row) => row.cells[order.column].dataset.order ?? row.cells[order.column].textContent;
  return [...rows].sort((first, second) => compare(text(first), text(second), order.sign));
}

function start() {
  const orders = {}; // by the id of a table
  const original = {}; // rows in the order of the exporter, by the id of a table
  let timer = 0;

  function show(table) {
    const order = orders[table.id];
    table.tBodies[0].append(...sorted(original[table.id], order));
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (order && order.column === column) head.ariaSort = order.sign < 0 ? "descending" : "ascending";
      else head.removeAttribute("aria-sort");
    });
  }

  function prepare() {
    for (const table of document.querySelectorAll("table.sortable")) {
      original[table.id] = [...table.tBodies[0].rows];
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.id = `${table.id}-${column}`;
        button.append(...head.childNodes);
        button.addEventListener("click", () => {
          orders[table.id] = nextOrder(orders[table.id], column, head.classList.contains("number") ? -1 : 1);
          show(table);
        });
        head.append(button);
      });
      if (orders[table.id]) show(table);
    }
  }

  function replace(page) {
    const focused = document.activeElement?.id;
    const [left, top] = [scrollX, scrollY];
    document.title = page.title;
    document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
    prepare();
    scrollTo({ left, top, behavior: "instant" });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  async function refresh() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.pathname, { cache: "no-cache" });
        if (!answer.ok) throw new Error(answer.statusText);
        replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
        document.getElementById("lost").hidden = true;
      } catch {
        document.getElementById("lost").hidden = false;
      }
    }
    later();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(refresh, 1000 * document.querySelector("main").dataset.refresh);
  }

  prepare();
  later();
  document.addEventListener("visibilitychange", refresh);
}

if (typeof document === "undefined") module.exports = { compare, nextOrder, sorted };
else start();
