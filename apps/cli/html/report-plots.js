/* The plots of a report: over time, translation times, CPU time by size. `page.js` calls this, with its tools, whenever it draws. */
globalThis.drawPlots = ({ data: { points, sizes }, draw, ink, compact, percent, bars }) => {
  function drawTimes() {
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

  drawTimes();
  drawLatency();
  drawSizes();
};
