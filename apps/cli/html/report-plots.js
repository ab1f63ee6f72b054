/* The plots of a report: over time, translation times, CPU time by size. `page.js` calls this, with its tools, whenever it draws. */
globalThis.drawPlots = ({ data: { points, sizes }, draw, ink, compact, percent, bars }) => {
  /* What stands in the legend beside a name: the value under the cursor, and nothing without one. */
  const under = (format) => (_plot, value) => (value === null || value === undefined ? '' : format(value));
  const number = under((value) => Math.round(value).toLocaleString('en'));
  const part = under((value) => `${(100 * value).toFixed(1)} %`);
  const time = { label: 'time', value: under((value) => `${value.toFixed(3)} s`) };
  const curve = (label, at, value, more = {}) => ({
    label,
    stroke: ink(at),
    width: 1.5,
    spanGaps: true,
    value,
    points: { show: false },
    ...more,
  });
  const fromZero = { range: (_plot, _from, to) => [0, (to || 1) * 1.05] };

  function drawTimes() {
    const x = { time: false };
    draw(
      'live',
      {
        scales: { x, y: fromZero, bytes: fromZero },
        axes: [
          { label: 'seconds' },
          { values: compact, label: 'mappings' },
          { scale: 'bytes', side: 1, values: compact, label: 'bytes', grid: { show: false } },
        ],
        series: [
          time,
          curve('mappings', 0, number),
          curve('bytes mapped', 2, number, { scale: 'bytes', width: 1, dash: [4, 3] }),
        ],
      },
      [points.seconds, points.liveRanges, points.liveBytes],
    );
    draw(
      'tables',
      {
        scales: { x, y: fromZero },
        axes: [{ label: 'seconds' }, { values: compact }],
        series: [time, curve('bytes of tables', 1, number)],
      },
      [points.seconds, points.tableBytes],
    );
    draw(
      'hits',
      {
        scales: { x, y: { range: [0, 1] } },
        axes: [{ label: 'seconds' }, { values: percent }],
        series: [time, curve('any TLB', 0, part), curve('micro-TLB', 1, part)],
      },
      [points.hits.seconds, points.hits.any, points.hits.micro],
    );
  }

  /* Half octaves, stacked: the sum of the first parts is drawn behind those before them. */
  function drawStacks(id, parts) {
    const binOf = (cycles) => Math.floor(2 * Math.log2(Math.max(cycles, 0.5)) + 0.01);
    const all = parts.flatMap(({ counts }) => counts.map(([from]) => binOf(from)));
    const first = Math.min(...all);
    const bins = all.length === 0 ? [] : Array.from({ length: Math.max(...all) - first + 1 }, (_, at) => first + at);
    const below = bins.map(() => 0);
    const stacks = parts.map(({ name, counts }, at) => {
      for (const [from, count] of counts) below[binOf(from) - first] += count;
      return { name, at, sums: below.map((sum) => (sum === 0 ? null : sum)) };
    });
    stacks.reverse();
    const short = Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 2 });
    draw(
      id,
      {
        scales: { x: { time: false, range: (_plot, from, to) => [from - 1, to + 1] }, y: fromZero },
        axes: [
          {
            values: (_plot, values) =>
              values.map((value) => {
                const cycles = Math.round(2 ** (value / 2));
                return cycles < 1000 ? `${cycles}` : short.format(cycles);
              }),
            incrs: [2, 4, 6, 8, 10, 20],
            label: 'cycles, log scale',
          },
          { values: compact },
        ],
        legend: { live: false },
        series: [
          { label: 'cycles' },
          ...stacks.map(({ name, at }) => ({
            label: name,
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
          { label: 'bytes', value: under(name) },
          ...['map', 'unmap'].map((label, at) =>
            curve(label, at, number, { points: { show: true, size: 7, fill: ink(at) } }),
          ),
        ],
      },
      [froms.map((from) => Math.log2(Math.max(from, 1))), of('map'), of('unmap')],
    );
  }

  drawTimes();
  drawStacks(
    'windows',
    [
      { name: 'an access came to it', counts: points.windows.used },
      { name: 'none did', counts: points.windows.untouched },
    ].filter(({ counts }) => counts.length > 0),
  );
  drawStacks(
    'latency',
    points.latencies.map(({ served, counts }) => ({ name: served, counts })),
  );
  drawSizes();
};
