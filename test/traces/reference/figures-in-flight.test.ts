import { describe, expect, it } from 'vitest';
import { runExperiment } from '../../../traces/index.ts';
import { experimentOf, image, listOf, names } from './vectors.ts';

describe('the MMU against gem5, every figure of every experiment with many in flight', () => {
  it.each(names.filter((one) => /\.mo(16|64)\b/.test(one)))('%s', (name) => {
    const experiment = experimentOf(name);
    const result = runExperiment(experiment, image, listOf(experiment.config.list));
    expect(result.differences).toEqual([]);
  });
});
