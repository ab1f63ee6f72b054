import { describe, expect, it } from 'vitest';
import { bestOf, looksAlike, METRICS, type Metric, metricText } from '../../../traces/report/index.ts';

const metric = (unit: Metric['unit'], better: Metric['better']): Metric => {
  const found = METRICS.find((one) => one.unit === unit && one.better === better);
  if (found === undefined) throw new Error(`no figure in ${unit} of which ${better} is better`);
  return found;
};

describe('the best of a figure', () => {
  it('differs from the others in what is printed: a fraction of a cycle that nobody sees earns no star', () => {
    const cycles = metric('cycles', 'less');
    expect(bestOf(cycles, [100.04, 99.96, 100])).toEqual([]);
    expect(bestOf(cycles, [100.04, 99.94, 100])).toEqual([1]);
    expect(bestOf(cycles, [99.91, 99.94, 100])).toEqual([0, 1]);
    const share = metric('share', 'less');
    expect(bestOf(share, [0.1234, 0.1233])).toEqual([]);
    expect(bestOf(share, [0.1234, 0.1224])).toEqual([1]);
  });

  it('is of those that have a value, and of none where nothing is better', () => {
    expect(bestOf(metric('count', 'more'), [null, 3, 5])).toEqual([2]);
    expect(bestOf(metric('count', 'more'), [null, 5])).toEqual([]);
    expect(bestOf(metric('count', null), [1, 2])).toEqual([]);
  });

  it('looks alike exactly where the same text is printed', () => {
    for (const unit of ['count', 'bytes', 'cycles', 'share'] as const) {
      for (const one of [0, 0.04, 0.06, 1, 1.04, 1.06, 1e6]) {
        for (const other of [0, 0.06, 1.04, 1e6]) {
          expect(looksAlike({ unit }, one, other)).toBe(metricText({ unit }, one) === metricText({ unit }, other));
        }
      }
    }
  });
});
