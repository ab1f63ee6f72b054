/* Draws the plots of a report page with uPlot and sorts its tables; what it draws comes from the page's own data. */
(() => {
  const { points, sizes } = JSON.parse(document.getElementById('data').textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const compact = (_plot, values) =>
    values.map((value) => (value === null ? '' : Intl.NumberFormat('en', { notation: 'compact' }).format(value)));
  const percent = (_plot, values) => values.map((value) => `${Math.round(value * 100)} %`);
  let plots = [];

  function draw(id, options, data) {
    const place = document.getElementById(id);
    if (data[0].length === 0) {
      place.textContent = 'Nothing to show.';
      return;
    }
    const line = { stroke: style('--text'), grid: { stroke: style('--line') }, ticks: { stroke: style('--line') } };
    const axes = options.axes.map((axis) => ({
      ...line,
      size: axis.side === undefined && axis.values ? 60 : 45,
      ...axis,
    }));
    const plot = new uPlot({ width: place.clientWidth || 500, height: 240, ...options, axes }, data, place);
    plots.push(plot);
  }

  const ink = (at) => style(`--ink-${(at % 6) + 1}`);
  const bars = (size) => uPlot.paths.bars({ size: [size, 40] });

  function drawAll() {
    for (const plot of plots) plot.destroy();
    plots = [];
    const seconds = { time: false };
    draw(
      'live',
      {
        scales: { x: seconds, bytes: {} },
        axes: [
          { label: 'seconds' },
          { values: compact, label: 'mappings' },
          { scale: 'bytes', side: 1, values: compact, label: 'bytes', grid: { show: false } },
        ],
        series: [
          { label: 's' },
          { label: 'mappings', stroke: ink(0), width: 1.5, spanGaps: true },
          { label: 'bytes mapped', scale: 'bytes', stroke: ink(2), width: 1, dash: [4, 3], spanGaps: true },
          { label: 'bytes of tables', scale: 'bytes', stroke: ink(1), width: 1.5, spanGaps: true },
        ],
      },
      [points.seconds, points.liveRanges, points.liveBytes, points.tableBytes],
    );
    draw(
      'hits',
      {
        scales: { x: seconds, y: { range: [0, 1] } },
        axes: [{ label: 'seconds' }, { values: percent }],
        series: [
          { label: 's' },
          { label: 'any TLB', stroke: ink(0), width: 1.5, spanGaps: true },
          { label: 'micro-TLB', stroke: ink(1), width: 1.5, spanGaps: true },
        ],
      },
      [points.seconds, points.hitShare, points.microShare],
    );
    drawLatency();
    drawSizes();
  }

  /* Half octaves, stacked: the sum of the first levels is drawn behind those before them. */
  function drawLatency() {
    const binOf = (cycles) => Math.floor(2 * Math.log2(Math.max(cycles, 0.5)) + 0.01);
    const all = points.latencies.flatMap(({ counts }) => counts.map(([from]) => binOf(from)));
    const first = Math.min(...all);
    const bins = all.length === 0 ? [] : Array.from({ length: Math.max(...all) - first + 1 }, (_, at) => first + at);
    const below = bins.map(() => 0);
    const stacks = points.latencies.map(({ served, counts }, at) => {
      for (const [from, count] of counts) below[binOf(from) - first] += count;
      return { served, at, sums: [...below] };
    });
    stacks.reverse();
    draw(
      'latency',
      {
        scales: {
          x: { time: false, range: (_plot, from, to) => [from - 1, to + 1] },
          y: { range: (_plot, _from, to) => [0, to * 1.05] },
        },
        axes: [
          {
            values: (_plot, values) =>
              values.map((value) => (Number.isInteger(value) ? Math.round(2 ** (value / 2)) : '')),
            label: 'cycles, log scale',
          },
          { values: compact },
        ],
        legend: { live: false },
        series: [
          { label: 'cycles' },
          ...stacks.map(({ served, at }) => ({
            label: served,
            fill: ink(at),
            stroke: ink(at),
            paths: bars(0.9),
            points: { show: false },
          })),
        ],
      },
      [bins, ...stacks.map(({ sums }) => sums)],
    );
  }

  function drawSizes() {
    const froms = [...new Set(sizes.map(([, from]) => from))].sort((a, b) => a - b);
    const of = (operation) =>
      froms.map((size) => sizes.find(([name, from]) => name === operation && from === size)?.[2] ?? null);
    const units = ['B', 'K', 'M', 'G', 'T', 'P'];
    const name = (log) => (log < 0 || log % 1 !== 0 ? '' : `${2 ** (log % 10)}${units[Math.floor(log / 10)] ?? ''}`);
    draw(
      'sizes',
      {
        scales: {
          x: { time: false, range: (_plot, from, to) => [from - 1, to + 1] },
          y: { range: (_plot, _from, to) => [0, to * 1.1] },
        },
        axes: [{ values: (_plot, values) => values.map(name), label: 'bytes, from' }, { values: compact }],
        series: [
          { label: 'bytes', value: (_plot, value) => (value === null ? '--' : name(value)) },
          ...['map', 'unmap'].map((label, at) => ({
            label,
            stroke: ink(at),
            width: 1.5,
            points: { show: true, size: 7, fill: ink(at) },
            spanGaps: true,
          })),
        ],
      },
      [froms.map((from) => Math.log2(Math.max(from, 1))), of('map'), of('unmap')],
    );
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
    drawAll();
  });
  addEventListener('afterprint', () => {
    document.documentElement.classList.remove('print');
    drawAll();
  });
  let waiting = 0;
  addEventListener('resize', () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  drawAll();
})();
