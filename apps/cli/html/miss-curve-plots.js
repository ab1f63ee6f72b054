/* Hit rates by entries, the entries on a log scale. `page.js` calls this, with its tools, whenever it draws. */
globalThis.drawPlots = ({ data: { plots }, draw, ink, percent }) => {
  const exact = (_plot, values) => values.map((value) => (value === null ? '' : value.toLocaleString('en')));
  for (const { id, labels, columns } of plots) {
    draw(
      id,
      {
        height: id === 'all' ? 360 : 260,
        scales: { x: { time: false, distr: 3, log: 2 }, y: { range: [0, 1] } },
        axes: [{ label: 'entries', values: exact }, { values: percent }],
        series: [
          { label: 'entries' },
          ...labels.map((label, at) => ({
            label,
            stroke: ink(at),
            width: 1.5,
            dash: at < 6 ? [] : [4, 3],
            spanGaps: true,
            points: { show: columns[0].length <= 40, size: 5 },
            value: (_plot, share) => (share === null ? '--' : `${(100 * share).toFixed(2)} %`),
          })),
        ],
      },
      columns,
    );
  }
};
