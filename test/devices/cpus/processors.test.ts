import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CpuJob,
  CpuWait,
  NO_LOCK,
  newStep,
  Processors,
  type SharedQueuePrices,
  type SharedStep,
} from '../../../devices/index.ts';

const PRICES: SharedQueuePrices = { transfer: 50, reserve: 15, command: 5, doorbell: 30, awake: 20 };
const UNBOUNDED = 2 ** 16;

interface Work {
  readonly cpu: number;
  readonly arrival: number;
  readonly alone: number;
  readonly steps: readonly SharedStep[];
}

interface Done {
  readonly operation: number;
  readonly start: number;
  readonly end: number;
  readonly total: number;
  readonly contention: number;
  readonly waits: readonly number[];
}

/** So many invalidations of 60 cycles, and a CMD_SYNC of 100 that is seen 40 later. */
function list(commands: number, sync = true): SharedStep {
  const after = PRICES.awake + 60 * commands + (sync ? 100 : 0);
  const slots = commands + Number(sync);
  const work = PRICES.reserve + slots * PRICES.command + PRICES.doorbell;
  return { ...newStep(), slots, sync, work, before: -1000, after, waited: sync ? after + 40 : 0 };
}

function locked(lock: number, work: number, device: number): SharedStep {
  return { ...newStep(), lock, sync: device > 0, work, after: device, waited: device };
}

function lasts(steps: readonly SharedStep[]): number {
  return steps.reduce((sum, { work, waited }) => sum + work + waited, 0);
}

function job(cpu: number, arrival: number, own: number, ...steps: SharedStep[]): Work {
  return { cpu, arrival, alone: own + lasts(steps), steps };
}

function run(works: readonly Work[], queue = UNBOUNDED): { jobs: Done[]; processors: Processors } {
  const jobs: Done[] = [];
  const processors = new Processors(PRICES, queue, 1, (done: CpuJob) => {
    const { operation, start, end, total, waits } = done;
    const contention = waits.reduce((sum, time, why) => (why === CpuWait.LINE ? sum : sum + time), 0);
    jobs.push({ operation, start, end, total, contention, waits: [...waits] });
  });
  for (const [operation, { cpu, arrival, alone, steps }] of works.entries()) {
    const one = processors.take();
    one.cpu = cpu;
    one.arrival = arrival;
    one.alone = alone;
    one.operation = operation;
    for (const step of steps) one.add(step);
    processors.submit(one);
  }
  processors.finish();
  return { jobs: jobs.sort((a, b) => a.operation - b.operation), processors };
}

const steps = fc.array(
  fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 63 }), fc.boolean()).map(([commands, sync]) => list(commands, sync)),
    fc
      .tuple(fc.constantFrom(NO_LOCK, 0, 1), fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 300 }))
      .map(([lock, work, device]) => locked(lock, work, device)),
  ),
  { maxLength: 3 },
);

/** Jobs by the gap before each. */
function works(cpus: number, gap: number): fc.Arbitrary<Work[]> {
  const one = fc.tuple(
    fc.integer({ min: 0, max: cpus - 1 }),
    fc.integer({ min: 0, max: gap }),
    fc.integer({ min: 0, max: 500 }),
    steps,
  );
  return fc.array(one, { maxLength: 30 }).map((all) => {
    let arrival = 0;
    return all.map(([cpu, pause, own, shared]) => {
      arrival += pause;
      return job(cpu, arrival, own, ...shared);
    });
  });
}

describe('jobs on CPUs at once', () => {
  it('take one CPU as long as alone, one after the other, where each waits for what it tells the device', () => {
    fc.assert(
      fc.property(works(1, 2000), (all) => {
        const waiting = all.filter(({ steps }) => steps.every(({ slots, sync }) => slots === 0 || sync));
        const { jobs } = run(waiting);
        let free = 0;
        for (const [at, { arrival, alone }] of waiting.entries()) {
          const { start, end, waits } = jobs[at] as Done;
          expect(start).toBeCloseTo(Math.max(arrival, free), 6);
          expect(end - start).toBeCloseTo(alone, 6);
          expect(Math.max(...waits)).toBe(0);
          free = end;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('wait for nothing when none arrives before the one before it is over, only cache lines come over', () => {
    fc.assert(
      fc.property(works(4, 500), (all) => {
        const sparse = all.map((work, at) => ({ ...work, arrival: at * 100_000, steps: work.steps.slice(0, 1) }));
        const whole = sparse.map((work) => ({ ...work, alone: 700 + lasts(work.steps) }));
        for (const { contention, total, waits, operation } of run(whole).jobs) {
          expect(contention).toBe(0);
          expect(total).toBeCloseTo((whole[operation]?.alone ?? 0) + (waits[CpuWait.LINE] ?? 0), 6);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('take exactly what they take alone, less what was spared, and what they waited; each CPU does one at a time', () => {
    fc.assert(
      fc.property(works(5, 300), (all) => {
        const { jobs, processors } = run(all);
        expect(jobs).toHaveLength(all.length);
        const ends = new Map<number, number>();
        for (const [at, { start, end, total }] of jobs.entries()) {
          const { cpu = 0, arrival = 0 } = all[at] ?? {};
          expect(end - start).toBeCloseTo(total, 1);
          expect(start).toBeGreaterThanOrEqual(Math.max(arrival, ends.get(cpu) ?? 0));
          ends.set(cpu, end);
        }
        const { cpu, device, both } = processors.activity;
        const last = Math.max(0, ...jobs.map(({ end }) => end));
        expect(both).toBeLessThanOrEqual(Math.min(cpu, device) + 1e-6);
        expect(cpu).toBeLessThanOrEqual(last);
      }),
      { numRuns: 100 },
    );
  });

  it('that hammer the queue are slower than alone, and together faster than one after the other', () => {
    const hammer = (cpus: number): number => {
      const all = Array.from({ length: 200 }, (_, at) => job(at % cpus, 0, 400, list(1)));
      return Math.max(...run(all).jobs.map(({ end }) => end));
    };
    const [one, two, four] = [hammer(1), hammer(2), hammer(4)];
    expect(two).toBeGreaterThan(1.1 * (one / 2));
    expect(two).toBeLessThan(0.9 * one);
    expect(four).toBeLessThan(two);
  });

  it('wait for the device where it is the bottleneck, and keep it busy all the time', () => {
    const all = Array.from({ length: 80 }, (_, at) => job(at % 4, 0, 10, list(63)));
    const { jobs, processors } = run(all);
    const last = Math.max(...jobs.map(({ end }) => end));
    expect(processors.activity.device).toBeGreaterThan(0.98 * last);
    expect(jobs.reduce((sum, { waits }) => sum + (waits[CpuWait.DEVICE] ?? 0), 0)).toBeGreaterThan(last);
  });

  it('wait for room in a queue that is full', () => {
    const all = Array.from({ length: 40 }, (_, at) => job(at % 8, 0, 10, list(31)));
    const waited = (queue: number): number =>
      run(all, queue).jobs.reduce((sum, { waits }) => sum + (waits[CpuWait.SPACE] ?? 0), 0);
    expect([waited(UNBOUNDED), waited(64) > 1000]).toEqual([0, true]);
  });

  it('get a lock in the order in which they ask, and wait only for its own', () => {
    const all = [0, 1, 2, 3].map((cpu) => job(cpu, 0, 100 + cpu, locked(cpu % 2, 50, 0)));
    const waits = run(all).jobs.map(({ waits }) => waits[CpuWait.LOCK]);
    expect(waits).toEqual([0, 0, 48, 48]);
  });

  it('let accesses go on beside them, those of a stream one after the other', () => {
    const processors = new Processors(PRICES, UNBOUNDED, 1, () => {});
    for (const arrival of [0, 100]) {
      const one = processors.take();
      one.cpu = 0;
      one.arrival = arrival;
      one.alone = 100;
      processors.submit(one);
      one.access(7, 150);
    }
    processors.finish();
    // From 100 to 250, and from 250 to 400; the second job from 100 to 200.
    expect({ ...processors.activity }).toMatchObject({ cpu: 200, device: 300, both: 100 });
  });

  it('let accesses of several streams go on at once, whichever order they are told in', () => {
    const processors = new Processors(PRICES, UNBOUNDED, 1, () => {});
    const one = processors.take();
    one.cpu = 0;
    one.arrival = 0;
    one.alone = 100;
    processors.submit(one);
    for (const [stream, cycles] of [[7, 10] as const, [8, 20] as const, [7, 30] as const, [8, 40] as const]) {
      one.access(stream, cycles);
    }
    processors.finish();
    expect({ ...processors.activity }).toMatchObject({ cpu: 100, device: 60, both: 0 });
  });

  it('do the same every time', () => {
    const all = Array.from({ length: 60 }, (_, at) => job(at % 6, at * 20, 100, list(1 + (at % 5))));
    expect(run(all).jobs).toEqual(run(all).jobs);
  });
});
