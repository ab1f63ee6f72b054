/** What the vectors of Xen's driver do not show: its tables, how they go in chunks, and what happens at the edges. */
import { describe, expect, it } from 'vitest';
import { IPMMU_GENERATIONS, type RegisterPort, XenIpmmuDriver, XenTablePool } from '../../../../devices/index.ts';
import { Gfp, Prot } from '../../../../formats/index.ts';
import { LpaeRig } from '../../../formats/lpae-rig.ts';

const MIB = 2 ** 20;
const SPANS = 40;
/** First level, one second level, and a last level for each span. */
const TABLES = 2 + SPANS;

/** Registers that keep what is written, and end a flush at once. */
class QuietPort implements RegisterPort {
  readonly values = new Map<number, number>();
  accesses = 0;

  read32(offset: number): number {
    this.accesses++;
    return this.values.get(offset) ?? 0;
  }

  write32(offset: number, value: number): void {
    this.accesses++;
    this.values.set(offset, (value & ~2) >>> 0);
  }

  read64(): never {
    throw new RangeError('the IPMMU has no 64-bit register');
  }

  write64(): never {
    throw new RangeError('the IPMMU has no 64-bit register');
  }

  delay(): void {}
}

function newRig() {
  const memory = new LpaeRig();
  const pool = new XenTablePool(memory);
  const port = new QuietPort();
  const generation = IPMMU_GENERATIONS.gen3;
  const driver = new XenIpmmuDriver({ port, generation, leafBases: [0x100_0000], tables: pool });
  driver.reset();
  const newGuest = () => {
    const domain = driver.createDomain();
    const tables = domain?.tables?.table ?? null;
    if (domain === null || tables === null) throw new RangeError('no context');
    for (let i = 0; i < SPANS; i++) tables.mapPages(i * 2 * MIB, 0x8000_0000, 4096, 1, Prot.READ, Gfp.KERNEL);
    return { domain, tables };
  };
  return { memory, pool, port, driver, newGuest };
}

describe("the end of a guest under Xen's IPMMU driver", () => {
  it('frees the first level with the guest, and the rest in chunks from outside', () => {
    const { memory, pool, driver, newGuest } = newRig();
    const { domain, tables } = newGuest();
    expect(memory.live.size).toBe(TABLES);
    driver.destroyDomain(domain);
    expect(memory.live.size).toBe(TABLES - 1);
    const left: number[] = [];
    while (pool.step(16)) left.push(pool.left);
    expect(left).toEqual([TABLES - 17, TABLES - 33]);
    expect([pool.left, memory.live.size, tables.liveTables]).toEqual([0, 0, 0]);
  });

  it('lets two guests share the list: level by level, first come, first served', () => {
    const { pool, driver, newGuest } = newRig();
    const guests = [newGuest(), newGuest()];
    for (const { domain } of guests) driver.destroyDomain(domain);
    const left = (): number[] => guests.map(({ tables }) => tables.liveTables);
    pool.step(2);
    expect(left()).toEqual([SPANS, SPANS]);
    pool.step(SPANS);
    expect(left()).toEqual([0, SPANS]);
    expect(pool.left).toBe(SPANS);
    expect(pool.step(SPANS)).toBe(false);
  });

  it('touches no register once the context is gone, not even with the flush that freeing begins with', () => {
    const { pool, port, driver, newGuest } = newRig();
    const { domain } = newGuest();
    driver.destroyDomain(domain);
    port.accesses = 0;
    while (pool.step(1));
    driver.flushAll(domain);
    driver.flushAll(null);
    driver.destroyDomain(domain);
    expect(port.accesses).toBe(0);
  });

  it('gives the context to the next guest while the tables of the last one still wait', () => {
    const { pool, driver, newGuest } = newRig();
    const { domain } = newGuest();
    const { context } = domain;
    driver.destroyDomain(domain);
    const next = newGuest();
    expect(next.domain.context).toBe(context);
    while (pool.step(5));
    expect(next.tables.liveTables).toBe(TABLES);
  });

  it('frees what an unmap takes out at once, also while others wait', () => {
    const { pool, driver, newGuest } = newRig();
    driver.destroyDomain(newGuest().domain);
    const { tables } = newGuest();
    // A block in the place of a table of pages.
    tables.unmapPages(0, 4096, 1, null);
    tables.mapPages(0, 0, 2 * MIB, 1, Prot.READ, Gfp.KERNEL);
    expect(tables.liveTables).toBe(TABLES - 1);
    expect(pool.left).toBe(TABLES - 1);
  });

  it('flushes through the tables as long as there is a context', () => {
    const { driver, newGuest } = newRig();
    const { tables } = newGuest();
    const before = driver.flushes;
    tables.unmapPages(0, 4096, 1, null);
    tables.mapPages(0, 0, 2 * MIB, 1, Prot.READ, Gfp.KERNEL);
    expect(driver.flushes).toBe(before + 1);
  });
});

describe("Xen's IPMMU driver", () => {
  it('lets the root walk stage 2 descriptors where the tables are those of the guest, and turns off caches where asked', () => {
    const port = new QuietPort();
    const generation = IPMMU_GENERATIONS.gen3;
    const driver = new XenIpmmuDriver({ port, generation, leafBases: [0x100_0000], tables: null, leafCachesOff: true });
    driver.reset();
    driver.probe();
    expect(port.values.get(0x504)).toBe(8);
    expect(port.values.get(0x100_0500)).toBe(0xe000_0000);
  });

  it('frees the tables of a guest for which no context is left', () => {
    const { pool, memory, driver } = newRig();
    for (let i = 0; i < IPMMU_GENERATIONS.gen3.contexts; i++) driver.createDomain();
    const live = memory.live.size;
    expect(driver.createDomain()).toBe(null);
    expect([memory.live.size, pool.left]).toEqual([live, 0]);
  });
});
