import { describe, expect, it } from 'vitest';
import { soak } from './soak.ts';
import { TARGETS } from './targets/index.ts';

/** Where the first seeds of a target lie: `npm run soak -- TARGET --seed` goes on from there. */
const SEED = 1;

describe('a slice of every soak target finds nothing', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))('%s', async (_, target) => {
    const { tried, findings } = await soak(target, SEED, (sofar) => sofar < target.slice);
    expect(findings.map(({ seed, what }) => `seed ${seed}: ${what}`)).toEqual([]);
    expect(tried).toBe(target.slice);
  });
});
