import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { samples, scrub, seek, source } from '../store.ts';

const HEIGHT = 88;

/** One figure over the events of the capture. A click opens that moment. */
export function Plot({
  title,
  values,
  text,
}: {
  title: string;
  values: readonly (number | null)[];
  text: (value: number) => string;
}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = place.current;
    const points = samples.value;
    if (box === null || points === null) return;
    const style = getComputedStyle(box);
    const line = style.getPropertyValue('--l1').trim();
    const plot = new uPlot(
      {
        width: Math.max(120, box.clientWidth),
        height: HEIGHT,
        padding: [4, 0, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        scales: { x: { time: false } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: line, width: 1, spanGaps: true, points: { show: false } }],
      },
      [points.event, values as (number | null)[]],
      box,
    );
    const click = (): void => {
      const index = plot.cursor.idx ?? null;
      const event = index === null ? undefined : points.event[index];
      if (event !== undefined) seek(event);
    };
    plot.over.addEventListener('click', click);
    const watcher = new ResizeObserver(() => {
      if (box.clientWidth > 0) plot.setSize({ width: box.clientWidth, height: HEIGHT });
    });
    watcher.observe(box);
    return () => {
      watcher.disconnect();
      plot.destroy();
    };
  }, [values]);
  return (
    <figure class="plot">
      <figcaption>
        <span class="note">{title}</span> <Here values={values} text={text} />
      </figcaption>
      <div class="plot-box" ref={place} role="img" aria-label={`${title} over the events of the capture`}>
        <Cursor />
      </div>
    </figure>
  );
}

/** The value at the place that is looked at. */
function Here({ values, text }: { values: readonly (number | null)[]; text: (value: number) => string }) {
  const events = samples.value?.event ?? [];
  let at = events.findIndex((event) => event >= scrub.value);
  if (at < 0) at = events.length - 1;
  const value = values[at] ?? null;
  return <b class="mono">{value === null ? '–' : text(value)}</b>;
}

/** A line through the plot where the capture stands: it only moves, nothing is drawn anew. */
function Cursor() {
  const events = source.value?.events ?? 1;
  return <i class="cursor" style={{ left: `${(100 * scrub.value) / Math.max(1, events)}%` }} />;
}
