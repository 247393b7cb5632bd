// The cohort page in motion: tables sort by their headers, the table of slides also filters.
// Without this script the page is whole, in the order of the cohort.
"use strict";
(() => {
  const NARROW = matchMedia("(max-width: 76rem)"); // where style.css turns rows into blocks
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const normal = (text) => text.normalize("NFKC").toLowerCase();
  const number = new Intl.NumberFormat("en");

  /** Columns that can be sorted: {key, kind: "text" | "number", index, head}. */
  const columnsOf = (table) =>
    [...table.tHead.rows[0].cells]
      .map((head, index) => ({ key: head.dataset.key, kind: head.dataset.sort, index, head }))
      .filter((column) => column.kind);

  /** What a cell stands for: its data-value, else its text; "" where there is nothing. */
  const valueOf = (row, column) => {
    const cell = row.cells[column.index];
    return cell.dataset.value ?? cell.textContent.trim();
  };

  /** Rows by a column, ties in their first order; rows without a value come last either way. */
  const sorted = (rows, column, descending) => {
    const sign = descending ? -1 : 1;
    const of = (row) => {
      const value = valueOf(row, column);
      if (value === "") return null;
      return column.kind === "number" ? Number(value) : value;
    };
    const compare = column.kind === "number" ? (a, b) => a - b : collator.compare;
    return rows
      .map((row) => ({ row, value: of(row) }))
      .sort((a, b) => {
        if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
        return sign * compare(a.value, b.value);
      })
      .map(({ row }) => row);
  };

  /** Gives the headers of a table buttons. Returns show(key, descending); null: first order. */
  const makeSortable = (table) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const columns = columnsOf(table);
    const show = (key, descending) => {
      const chosen = columns.find((column) => column.key === key);
      for (const { head } of columns) head.removeAttribute("aria-sort");
      if (chosen) chosen.head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      body.replaceChildren(...(chosen ? sorted(rows, chosen, descending) : rows));
      table.dispatchEvent(new CustomEvent("sorted", { detail: { key, descending } }));
    };
    const buttons = columns.map((column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...column.head.childNodes);
      button.addEventListener("click", () => {
        const now = column.head.getAttribute("aria-sort");
        show(column.key, now ? now === "ascending" : column.kind === "number");
      });
      column.head.append(button);
      return button;
    });
    if (table.classList.contains("stack")) {
      // Their headers are off screen on a phone, where a menu stands in for them.
      const follow = () => buttons.forEach((button) => (button.tabIndex = NARROW.matches ? -1 : 0));
      NARROW.addEventListener("change", follow);
      follow();
    }
    return show;
  };

  const addOption = (select, value, text) => {
    const option = new Option(text, value);
    option.dir = "auto";
    select.append(option);
  };

  /** Fills the menu of orders and keeps it in step with the headers. */
  const makeMenu = (select, table, show) => {
    addOption(select, "", "cohort order");
    for (const { key, kind, head } of columnsOf(table)) {
      const words = kind === "number" ? ["lowest first", "highest first"] : ["A to Z", "Z to A"];
      const name = head.textContent.trim().replace(/\s+/g, " ");
      words.forEach((word, down) => addOption(select, `${key} ${down}`, `${name}, ${word}`));
    }
    select.addEventListener("change", () => {
      const [key, down] = select.value.split(" ");
      show(key || null, down === "1");
    });
    table.addEventListener("sorted", ({ detail: { key, descending } }) => {
      select.value = key ? `${key} ${Number(descending)}` : "";
    });
  };

  /** Fills a menu with the values of its column; one value is no choice, and hides it. */
  const fillChoices = (select, values) => {
    const found = [...new Set(values)].sort(collator.compare);
    addOption(select, "all", "all");
    for (const value of found) addOption(select, `=${value}`, value === "" ? "none" : value);
    select.closest("label").hidden = found.length < 2;
  };

  /** Keeps the form's state in the history, so that it is there on the way back from a slide. */
  const remember = (form) => {
    history.replaceState({ ...history.state, [form.id]: [...new FormData(form)] }, "");
  };
  const recall = (form) => {
    for (const [name, value] of history.state?.[form.id] ?? []) {
      const field = form.elements[name];
      if (field?.type === "checkbox") field.checked = true;
      else if (field) field.value = value;
    }
  };

  /** Lets the form say which rows show. Returns apply(). */
  const makeFilter = (form, table) => {
    const columns = Object.fromEntries(columnsOf(table).map((column) => [column.key, column]));
    const searched = form.dataset.search.split(" ").filter((key) => columns[key]);
    const menus = [...form.querySelectorAll("select[data-filter]")];
    const entries = [...table.tBodies[0].rows].map((row) => ({
      row,
      words: normal(searched.map((key) => valueOf(row, columns[key])).join("\n")),
      values: menus.map((menu) => valueOf(row, columns[menu.dataset.filter])),
      isWrong: row.dataset.wrong === "1",
    }));
    menus.forEach((menu, i) => fillChoices(menu, entries.map(({ values }) => values[i])));
    form.wrong.closest("label").hidden = !entries.some(({ isWrong }) => isWrong);
    const apply = () => {
      const words = normal(form.words.value).split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { row, words: text, values, isWrong } of entries) {
        const fits =
          words.every((word) => text.includes(word)) &&
          menus.every((menu, i) => menu.value === "all" || menu.value === `=${values[i]}`) &&
          (isWrong || !form.wrong.checked);
        if (row.hidden === fits) row.hidden = !fits;
        shown += fits;
      }
      form.count.value = `${number.format(shown)} of ${number.format(entries.length)} ${form.dataset.unit}`;
      form.all.hidden = shown === entries.length;
    };
    for (const kind of ["input", "change"]) form.addEventListener(kind, apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.all.addEventListener("click", () => {
      form.words.value = "";
      form.wrong.checked = false;
      for (const menu of menus) menu.value = "all";
      apply();
      remember(form);
      form.words.focus();
    });
    return apply;
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const show = makeSortable(table);
    const form = document.querySelector(`form[data-table="${table.id}"]`);
    if (table.id && form) {
      makeMenu(form.order, table, show);
      const apply = makeFilter(form, table);
      recall(form);
      form.order.dispatchEvent(new Event("change"));
      apply();
      table.addEventListener("sorted", () => remember(form));
      form.addEventListener("change", () => remember(form));
      form.hidden = false;
    }
  }
})();
