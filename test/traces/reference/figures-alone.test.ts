import { describe, expect, it } from 'vitest';
import { runExperiment } from '../../../traces/index.ts';
import { experimentOf, image, listOf, names, traced } from './vectors.ts';

// Those with a trace are in traces.test.ts.
describe('the MMU against gem5, every figure of every experiment with one in flight', () => {
  it.each(names.filter((one) => !traced.includes(one) && !/\.mo(16|64)\b/.test(one)))('%s', (name) => {
    const experiment = experimentOf(name);
    const result = runExperiment(experiment, image, listOf(experiment.config.list));
    expect(result.differences).toEqual([]);
  });
});
