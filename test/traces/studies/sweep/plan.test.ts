import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  METRICS,
  type ParetoAxes,
  paretoFront,
  parsePoints,
  parseSampling,
  pointsOf,
  runsOf,
  type Sampling,
  SWEEP_SCHEMA,
  type SweepPlan,
  type Variation,
} from '../../../../traces/index.ts';

const names = { fieldOf: () => null, options: [] };
const NOTHING = { varied: [], points: [] };

function planOf(
  variations: readonly Variation[],
  base: Record<string, unknown> = {},
  sampling: Sampling | null = null,
): SweepPlan {
  return {
    schema: SWEEP_SCHEMA,
    version: '0',
    captures: ['capture'],
    sizes: [1],
    directory: '/',
    reading: {},
    base,
    table: pointsOf(NOTHING, variations, sampling),
    sampling,
  };
}

const seeds = (values: readonly string[]): Variation => ({ name: 'seed', field: 'seed', values });
const ways: Variation = { name: 'walks', field: 'mmu.walkSlots', values: ['1', '2', '4'] };

describe('the points of a sweep', () => {
  it('are all combinations, the last variation fastest, behind each point of a file', () => {
    const listed = parsePoints('points.csv', 'clockMHz,preset\n800,gem5\r\n"1000","ideal"\n\n', names);
    expect(pointsOf(listed, [seeds(['1', '2'])], null)).toEqual({
      varied: [
        { name: 'clockMHz', field: 'clockMHz' },
        { name: 'preset', field: 'preset' },
        { name: 'seed', field: 'seed' },
      ],
      points: [
        ['800', 'gem5', '1'],
        ['800', 'gem5', '2'],
        ['1000', 'ideal', '1'],
        ['1000', 'ideal', '2'],
      ],
    });
  });

  it('of a Latin hypercube have exactly one in each nth of every variation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 1000 }), (n, seed) => {
        const many = Array.from({ length: 10 * n }, (_, at) => String(at));
        const variations = ['seed', 'clockMHz'].map((field) => ({ name: field, field, values: many }));
        const { points } = pointsOf(NOTHING, variations, { kind: 'lhs', points: n, seed });
        for (const which of [0, 1]) {
          const strata = points.map((values) => Math.floor(Number(values[which]) / 10));
          expect(strata.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, at) => at));
        }
      }),
      { numRuns: 30 },
    );
  });

  it('of a sample follow from its seed', () => {
    const variations = [seeds(Array.from({ length: 1000 }, (_, at) => String(at)))];
    const sample = (seed: number) => pointsOf(NOTHING, variations, { kind: 'random', points: 20, seed }).points;
    expect(sample(7)).toEqual(sample(7));
    expect(sample(7)).not.toEqual(sample(8));
  });

  it('are refused with their place: quotes, cells, names, twice the same field, too many', () => {
    const read = (text: string) => () => parsePoints('points.csv', text, names);
    expect(read('seed\n"1\n')).toThrow('points.csv: line 2: found a quote that nothing closes');
    expect(read('seed,clockMHz\n1\n')).toThrow('points.csv: line 2: found 1 values, allowed: 2');
    expect(read('seed\n')).toThrow('points.csv: found no points');
    expect(read('sead\n1\n')).toThrow('--vary: found "sead"');
    expect(() => pointsOf(NOTHING, [seeds(['1']), seeds(['2'])], null)).toThrow('each field once');
    expect(() => pointsOf(NOTHING, [], null)).toThrow('--vary: found "nothing"');
    const many = Array.from({ length: 2000 }, (_, at) => String(at));
    expect(() => pointsOf(NOTHING, [seeds(many), { ...ways, values: many }], null)).toThrow('at most 1000000');
    for (const text of ['lhs', 'lhs:0', 'grid:4', 'random:1e3'])
      expect(() => parseSampling(text, 1)).toThrow('--sample');
  });
});

describe('the runs of a plan', () => {
  it('are named by their configuration alone, whatever was varied and in which order', async () => {
    const both = await runsOf(planOf([seeds(['1', '2']), ways]));
    const turned = await runsOf(planOf([ways, seeds(['2', '1'])]));
    const alone = await runsOf(planOf([ways], { seed: 2 }));
    const ids = both.map(({ id }) => id);
    expect(new Set(ids).size).toBe(6);
    expect(turned.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(alone.map(({ id }) => id)).toEqual(ids.slice(3));
    expect(ids.every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(true);
  });

  it('are one where two points come to the same machine', async () => {
    const runs = await runsOf(planOf([seeds(['1', '1.0', '2'])]));
    expect(runs.map(({ settings }) => settings[0])).toEqual(['1', '2']);
  });

  it('keep combinations that make no machine, with the reason; a value that never makes one is a slip', async () => {
    const drop: Variation = { name: 'drop', field: 'plantedBugs.dropSync', values: ['0', '0.5'] };
    const walk: Variation = { name: 'walk', field: 'table.walk', values: ['coherent', 'non-coherent'] };
    const runs = await runsOf(planOf([drop, walk]));
    expect(runs.map(({ config }) => config !== null)).toEqual([true, true, false, true]);
    expect(runs[2]?.refusal).toContain('plantedBugs.dropSync');
    await expect(runsOf(planOf([seeds(['1', 'x'])]))).rejects.toThrow('seed: found "x"');
  });
});

describe('a Pareto front', () => {
  const metric = (key: string) => METRICS.find((one) => one.key === key) as ParetoAxes[0];
  const axes: ParetoAxes = [metric('softwareCycles'), metric('hits')];

  it('holds exactly the points that no other beats, least of the first and most of the second', () => {
    const value = fc.option(fc.integer({ min: 0, max: 6 }), { freq: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { maxLength: 30 }), (points) => {
        const beats = (a: readonly (number | null)[], b: readonly (number | null)[]): boolean => {
          const [ax, ay, bx, by] = [a[0], a[1], b[0], b[1]];
          if (ax == null || ay == null || bx == null || by == null) return false;
          return ax <= bx && ay >= by && (ax < bx || ay > by);
        };
        const expected = points.flatMap((point, at) =>
          point.includes(null) || points.some((other) => beats(other, point)) ? [] : [at],
        );
        expect([...paretoFront(axes, points)].sort((a, b) => a - b)).toEqual(expected);
      }),
    );
  });
});
