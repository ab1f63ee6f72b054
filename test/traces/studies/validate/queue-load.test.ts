import { describe, expect, it } from 'vitest';
import { Machine, newStep, Processors } from '../../../../devices/index.ts';
import { newGather, Prng, Prot } from '../../../../formats/index.ts';
import { type CommandList, type QueuePrices, runConfig, shareQueue } from '../../../../traces/index.ts';

const PRICES: QueuePrices = {
  transfer: 75,
  reserve: 15,
  command: 5,
  doorbell: 30,
  awake: 20,
  invalidation: 30,
  sync: 120,
  seen: 90,
};
const ONE: CommandList[] = [{ commands: 1, sync: true }];

describe('a command queue that CPUs share', () => {
  it.each([1, 64, 65, 256])('takes one CPU exactly as long as the driver takes for %i TLBIs', (pages) => {
    const machine = new Machine(runConfig({ smmu: { rangeInvalidation: false } }));
    const domain = machine.createDomain();
    if (domain === null) throw new Error('no domain');
    const { driver } = machine;
    driver.map(domain, 2 ** 32, 2 ** 34, pages * 4096, Prot.READ);
    const gather = newGather();
    driver.unmap(domain, 2 ** 32, pages * 4096, gather);
    const before = driver.cycles;
    driver.now = 1e6;
    driver.iotlbSync(domain, gather);
    const { invalidation } = machine.device.mmu;
    const full = Math.ceil(pages / 64) - 1;
    const lists = [
      ...Array.from({ length: full }, () => ({ commands: 64, sync: false })),
      { commands: pages - 64 * full, sync: true },
    ];
    const prices = { ...PRICES, invalidation: invalidation.byAddress(0, 0, 0, true), sync: invalidation.sync(0) };
    const { total, attempts } = shareQueue({ cpus: 1, pause: 100, work: 0, lists }, prices);
    expect(total).toBeCloseTo(driver.cycles - before);
    expect(attempts).toBe(1);
  });

  it('makes each CPU slower the more there are, out of proportion, and their claims fail more often', () => {
    const times = [1, 16, 64].map((cpus) => shareQueue({ cpus, pause: 100, work: 1000, lists: ONE }, PRICES));
    const [alone, some, many] = times;
    if (alone === undefined || some === undefined || many === undefined) throw new Error('no times');
    expect(some.total).toBeGreaterThan(2 * alone.total);
    expect(many.total).toBeGreaterThan(4 * some.total);
    expect([alone.attempts, some.attempts > 2, many.attempts > some.attempts]).toEqual([1, true, true]);
  });

  it('costs nothing to share when lines come over at once and the SMMU keeps up', () => {
    const free = { ...PRICES, transfer: 0, invalidation: 0, sync: 0 };
    const load = { pause: 100, work: 1000, lists: ONE };
    const alone = shareQueue({ ...load, cpus: 1 }, free).total;
    // A CPU may still have to wait for the owner of its batch.
    expect(shareQueue({ ...load, cpus: 4 }, free).total).toBeLessThan(1.1 * alone);
  });

  it('is bounded by the SMMU where that is the bottleneck', () => {
    const lists = [{ commands: 64, sync: true }];
    const slow = { ...PRICES, invalidation: 100 };
    const { total } = shareQueue({ cpus: 8, pause: 0, work: 0, lists }, slow);
    expect(total / (8 * (64 * 100 + 120))).toBeGreaterThan(0.95);
    expect(total / (8 * (64 * 100 + 120))).toBeLessThan(1.1);
  });

  it('has the times that operations of a replay have on as many CPUs under the same load', () => {
    const { awake, invalidation, sync, seen, reserve, command, doorbell } = PRICES;
    const prng = new Prng(7);
    let total = 0;
    let count = 0;
    const processors = new Processors(PRICES, 2 ** 16, 1, (job) => {
      if (job.operation < 16 * 12 || job.operation >= 16 * 42 || job.kind !== 1) return;
      total += job.total;
      count++;
    });
    const after = awake + invalidation + sync;
    const step = {
      ...newStep(),
      slots: 2,
      sync: true,
      work: reserve + 2 * command + doorbell,
      after,
      waited: after + seen,
    };
    for (let at = 0; at < 16 * 52; at++) {
      for (const [kind, mean] of [100, 1000].entries()) {
        const job = processors.take();
        job.cpu = at % 16;
        job.kind = kind;
        job.operation = at;
        job.alone = mean * (0.75 + prng.unit() / 2);
        if (kind === 1) {
          job.alone += step.work + step.waited;
          job.add({ ...step, before: -1e6 });
        }
        processors.submit(job);
      }
    }
    processors.finish();
    const { total: unmap } = shareQueue({ cpus: 16, pause: 100, work: 1000, lists: ONE }, PRICES);
    expect(total / count / unmap).toBeGreaterThan(0.9);
    expect(total / count / unmap).toBeLessThan(1.1);
  });

  it('does the same every time', () => {
    const load = { cpus: 8, pause: 100, work: 1000, lists: ONE };
    expect(shareQueue(load, PRICES)).toEqual(shareQueue(load, PRICES));
  });
});
