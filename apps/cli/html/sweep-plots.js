/* The plots of a sweep: its front, and what each variation does. `page.js` calls this, with its tools, whenever it draws. */
globalThis.drawPlots = ({ data: { axes, points, effects }, draw, ink, compact }) => {
  const whole = points.filter(([x, y]) => x !== null && y !== null).sort((a, b) => a[0] - b[0]);
  draw(
    'front',
    {
      height: 360,
      scales: {
        x: { time: false, range: (_plot, from, to) => [from - (to - from) / 30 - 1e-9, to + (to - from) / 30 + 1e-9] },
      },
      axes: [
        { values: compact, label: axes[0] },
        { values: compact, label: axes[1] },
      ],
      series: [
        { label: axes[0] },
        { label: 'run', stroke: ink(0), paths: () => null, points: { show: true, size: 6 } },
        { label: 'front', stroke: ink(1), width: 1, spanGaps: true, points: { show: true, size: 9, fill: ink(1) } },
      ],
    },
    [whole.map(([x]) => x), whole.map(([, y]) => y), whole.map(([, y, front]) => (front ? y : null))],
  );
  for (const [at, { values, least, mean, most }] of effects.entries()) {
    draw(
      `effect-${at}`,
      {
        scales: { x: { time: false, range: (_plot, from, to) => [from - 0.5, to + 0.5] } },
        axes: [
          {
            values: (_plot, places) => places.map((place) => values[place] ?? ''),
            rotate: values.length > 6 ? -45 : 0,
          },
          { values: compact },
        ],
        series: [
          { label: 'value', value: (_plot, place) => values[place] ?? '--' },
          { label: 'mean', stroke: ink(0), width: 1.5, points: { show: true, size: 6 } },
          { label: 'least', stroke: ink(2), width: 1, dash: [4, 3] },
          { label: 'most', stroke: ink(1), width: 1, dash: [4, 3] },
        ],
      },
      [values.map((_value, place) => place), mean, least, most],
    );
  }
};
