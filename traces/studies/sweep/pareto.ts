import type { Metric } from '../../report/index.ts';

/** The two figures that a front weighs against each other. */
export type ParetoAxes = readonly [Metric, Metric];

/**
 * Which points no other beats: none is at least as good in both figures and better in one. In the order of the first figure, best first.
 * Points that lack a figure are left out; of equal ones all are in.
 * @param values both figures of each point
 */
export function paretoFront(axes: ParetoAxes, values: readonly (readonly [number | null, number | null])[]): number[] {
  const [first, second] = axes.map(({ better }) => (better === 'more' ? -1 : 1)) as [number, number];
  const points = values.flatMap(([x, y], at) =>
    x === null || y === null ? [] : [{ at, x: first * x, y: second * y }],
  );
  points.sort((a, b) => a.x - b.x || a.y - b.y || a.at - b.at);
  const front: number[] = [];
  let bestBefore = Number.POSITIVE_INFINITY;
  let best = Number.POSITIVE_INFINITY;
  let x = Number.NaN;
  for (const point of points) {
    if (point.x !== x) {
      x = point.x;
      bestBefore = best;
    }
    if (point.y < bestBefore && point.y <= best) {
      front.push(point.at);
      best = point.y;
    }
  }
  return front;
}
