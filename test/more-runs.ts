import type { IProperty, Parameters } from 'fast-check';
import { vi } from 'vitest';

/** How many times the usual number of runs every property gets in `npm run soak:properties`. */
const FACTOR = 50;

// Properties say how many runs are enough for every day, and some fix their seed; soaking is for what those never met.
vi.mock('fast-check', async (load) => {
  const real = await load<typeof import('fast-check')>();
  const assert = ((property: IProperty<unknown>, parameters: Parameters<unknown> = {}) => {
    const { seed: _, ...others } = parameters;
    return real.assert(property, { ...others, numRuns: (parameters.numRuns ?? 100) * FACTOR });
  }) as typeof real.assert;
  return { ...real, assert, default: { ...real.default, assert } };
});
