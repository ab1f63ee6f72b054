import type { Metric } from '../../report/index.ts';
import type { SweepSummary } from './summary.ts';

/** What one thing that was varied does to one figure, over all values of the others. */
export interface Effect {
  readonly name: string;
  /** Key of the metric. */
  readonly metric: string;
  /** In ascending order where all are numbers, else in that of their first run. */
  readonly values: readonly string[];
  /** Of the runs with each value. */
  readonly least: readonly number[];
  readonly mean: readonly number[];
  readonly most: readonly number[];
}

/** The effects of everything varied on some figures; runs that lack a figure are left out of it. */
export function effectsOf({ varied, rows }: SweepSummary, metrics: readonly Metric[]): Effect[] {
  return varied.flatMap(({ name }) =>
    metrics.map(({ key }) => {
      const byValue = new Map<string, number[]>();
      for (const row of rows) {
        const figure = row.metrics[key];
        if (typeof figure !== 'number') continue;
        const value = row.settings[name] ?? '';
        const figures = byValue.get(value);
        if (figures === undefined) byValue.set(value, [figure]);
        else figures.push(figure);
      }
      const groups = [...byValue];
      if (groups.every(([value]) => Number.isFinite(Number(value)))) groups.sort(([a], [b]) => Number(a) - Number(b));
      return {
        name,
        metric: key,
        values: groups.map(([value]) => value),
        least: groups.map(([, figures]) => figures.reduce((least, figure) => Math.min(least, figure))),
        mean: groups.map(([, figures]) => figures.reduce((sum, figure) => sum + figure, 0) / figures.length),
        most: groups.map(([, figures]) => figures.reduce((most, figure) => Math.max(most, figure))),
      };
    }),
  );
}
