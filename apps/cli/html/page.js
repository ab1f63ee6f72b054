/* What every page does: draws its plots with uPlot (`drawPlots` says which, from the page's own data) and sorts its tables. */
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  /* So many digits that neighbours differ: 13.01M, 13.02M. */
  const compact = (_plot, values) => {
    for (let digits = 2; ; digits++) {
      const format = Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: digits });
      const texts = values.map((value) => (value === null ? '' : format.format(value)));
      const shown = texts.filter((text) => text !== '');
      if (digits > 8 || new Set(shown).size === shown.length) return texts;
    }
  };
  const percent = (_plot, values) => values.map((value) => `${Math.round(value * 100)} %`);
  let plots = [];

  function draw(id, options, columns) {
    const place = document.getElementById(id);
    if (columns[0].length === 0) {
      place.textContent = 'Nothing to show.';
      return;
    }
    const line = { stroke: style('--text'), grid: { stroke: style('--line') }, ticks: { stroke: style('--line') } };
    const axes = options.axes.map((axis) => ({
      ...line,
      size: axis.side === undefined && axis.values ? 60 : 45,
      ...axis,
    }));
    const plot = new uPlot(
      { width: onPaper ? PAPER_WIDTH : place.clientWidth || 500, height: onPaper ? 200 : 240, ...options, axes },
      columns,
      place,
    );
    plots.push(plot);
  }

  const ink = (at) => style(`--ink-${(at % 6) + 1}`);
  const bars = (size) => uPlot.paths.bars({ size: [size, 40] });

  /* On paper two plots stand side by side; the layout of paper is not known yet when they are drawn for it. */
  const PAPER_WIDTH = 340;
  let onPaper = false;

  function drawAll() {
    for (const plot of plots) plot.destroy();
    plots = [];
    globalThis.drawPlots({ data, draw, ink, compact, percent, bars, style });
  }

  for (const button of document.querySelectorAll('th button')) {
    button.addEventListener('click', () => {
      const head = button.parentElement;
      const at = [...head.parentElement.children].indexOf(head);
      const down = head.getAttribute('aria-sort') !== 'descending';
      for (const other of head.parentElement.children) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = head.closest('table').tBodies[0];
      const key = (row) => row.cells[at].dataset.value ?? row.cells[at].textContent;
      const rows = [...body.rows].sort((a, b) => key(a).localeCompare(key(b), 'en', { numeric: true }) || 0);
      if (rows.every((row) => row.cells[at].dataset.value !== undefined))
        rows.sort((a, b) => Number(key(a)) - Number(key(b)));
      body.append(...(down ? rows.reverse() : rows));
    });
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  addEventListener('beforeprint', () => {
    document.documentElement.classList.add('print');
    onPaper = true;
    drawAll();
  });
  addEventListener('afterprint', () => {
    document.documentElement.classList.remove('print');
    onPaper = false;
    drawAll();
  });
  let waiting = 0;
  addEventListener('resize', () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  drawAll();
})();
