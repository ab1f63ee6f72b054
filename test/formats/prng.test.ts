import { describe, expect, it } from 'vitest';
import { Prng } from '../../formats/index.ts';

const draw = (seed: number, count: number): number[] => {
  const prng = new Prng(seed);
  return Array.from({ length: count }, () => prng.next32());
};

describe('the seeded generator', () => {
  it('gives the same numbers for the same seed, others for its neighbours', () => {
    expect(draw(1, 50)).toEqual(draw(1, 50));
    const all = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 52].flatMap((seed) => draw(seed, 50));
    expect(new Set(all).size).toBe(all.length);
  });

  it('never changes between versions, or recorded results would', () => {
    expect(draw(42, 4)).toMatchInlineSnapshot(`
      [
        660444221,
        3652823732,
        77678286,
        922035873,
      ]
    `);
  });

  it('spreads over the range: every bit is set about half the time', () => {
    const counts = new Array<number>(32).fill(0);
    for (const value of draw(7, 20_000)) {
      for (let bit = 0; bit < 32; bit++) if ((value >>> bit) & 1) counts[bit] = (counts[bit] as number) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it('stays below the limit, also above 2^32, and reaches both ends of a small one', () => {
    const prng = new Prng(3);
    const seen = new Set(Array.from({ length: 500 }, () => prng.below(5)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
    const large = Array.from({ length: 500 }, () => prng.below(2 ** 48));
    expect(large.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 48)).toBe(true);
    expect(Math.max(...large)).toBeGreaterThan(2 ** 47);
  });

  it('draws nothing for certain and impossible chances, so that switching one off disturbs no other', () => {
    const [plain, asked] = [new Prng(9), new Prng(9)];
    expect(asked.chance(0)).toBe(false);
    expect(asked.chance(1)).toBe(true);
    expect(asked.next32()).toBe(plain.next32());
    const hits = Array.from({ length: 10_000 }, () => plain.chance(0.25)).filter(Boolean).length;
    expect(Math.abs(hits - 2500)).toBeLessThan(200);
  });
});
