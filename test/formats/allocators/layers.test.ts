import { describe, expect, it } from 'vitest';
import {
  type AllocatorFinding,
  type AllocatorStack,
  createAllocatorStack,
  Gfp,
  type LayerSpecInput,
  type ProtectedOwner,
} from '../../../formats/index.ts';
import { FakeSystem, FlatMemory } from './fake-system.ts';

const TABLE = 4096;
const ZEROED = Gfp.KERNEL | Gfp.ZERO;

function rig(spec: string | readonly LayerSpecInput[], protectedOwner?: ProtectedOwner, tableSize = TABLE) {
  const memory = new FlatMemory(16 << 20);
  const system = new FakeSystem(memory);
  const findings: AllocatorFinding[] = [];
  const stack = createAllocatorStack(spec, {
    system,
    memory,
    tableSize,
    onFinding: (finding) => findings.push(finding),
    ...(protectedOwner === undefined ? {} : { protectedOwner }),
  });
  return { stack, system, memory, findings };
}

function take(stack: AllocatorStack, count: number, cookie: unknown = 'a'): number[] {
  return Array.from({ length: count }, () => stack.alloc(cookie, TABLE, ZEROED));
}

function give(stack: AllocatorStack, pages: readonly number[], cookie: unknown = 'a'): void {
  for (const pa of pages) stack.free(cookie, pa, TABLE);
}

describe('page', () => {
  it('asks the system once per table and gives every table back at once', () => {
    const { stack, system } = rig('page');
    give(stack, take(stack, 5));
    expect(system.calls).toBe(5);
    expect(system.live.size).toBe(0);
    expect(stack.report().total).toMatchObject({ systemCalls: 5, bulkCalls: 0, hits: 0, peakTables: 5 });
  });

  it('spends a whole page on a table of 64 bytes, and says what that wastes', () => {
    const { stack } = rig('page');
    stack.alloc('a', 64, ZEROED);
    expect(stack.report().total).toMatchObject({ peakBytes: 64, peakFootprintBytes: 4096, peakWastedBytes: 4032 });
  });

  it('charges one system call and the zeroing of a page', () => {
    const { stack } = rig('page');
    take(stack, 1);
    expect(stack.report().total.cycles).toBe(100 + 256);
    stack.alloc('a', TABLE, Gfp.KERNEL);
    expect(stack.report().total.cycles).toBe(100 + 256 + 100);
  });
});

describe('pool', () => {
  it('serves freed tables again without the system', () => {
    const { stack, system } = rig('pool:low=0:batch=0');
    const first = take(stack, 4);
    give(stack, first);
    const calls = system.calls;
    expect(take(stack, 4).sort()).toEqual(first.sort());
    expect(system.calls).toBe(calls);
    expect(stack.report().total.hits).toBe(4);
  });

  it('refills a batch when no more than the low watermark is left', () => {
    const { stack, system } = rig('pool:low=2:high=64:batch=10');
    take(stack, 8);
    expect(system.bulkCalls).toBe(1);
    take(stack, 1);
    expect(system.bulkCalls).toBe(2);
    expect(system.live.size).toBe(20);
  });

  it('gives a batch back when more than the high watermark is kept', () => {
    const { stack, system } = rig('pool:low=0:high=6:batch=3');
    const pages = take(stack, 12);
    give(stack, pages.slice(0, 6));
    expect(system.live.size).toBe(12);
    give(stack, pages.slice(6, 7));
    expect(system.live.size).toBe(9);
  });

  it('keeps a pool per owner, or one for all', () => {
    const own = rig('pool:low=0:batch=0');
    give(own.stack, take(own.stack, 3, 'a'), 'a');
    take(own.stack, 3, 'b');
    expect(own.system.live.size).toBe(6);
    const shared = rig('pool:low=0:batch=0:scope=all');
    give(shared.stack, take(shared.stack, 3, 'a'), 'a');
    take(shared.stack, 3, 'b');
    expect(shared.system.live.size).toBe(3);
  });

  it('shrinks under memory pressure by what is asked, and no more', () => {
    const { stack, system } = rig('pool:low=0:high=99:batch=0');
    give(stack, take(stack, 10));
    expect(stack.shrink(4 * TABLE)).toBe(4 * TABLE);
    expect(system.live.size).toBe(6);
    expect(stack.shrink(99 * TABLE)).toBe(6 * TABLE);
    expect(stack.shrink(TABLE)).toBe(0);
  });

  it('lets tables of another size through', () => {
    const { stack, system } = rig('pool');
    const pa = stack.alloc('a', 4 * TABLE, ZEROED);
    expect(system.calls).toBe(1);
    stack.free('a', pa, 4 * TABLE);
    expect(system.live.size).toBe(0);
  });

  it('makes do with a batch that comes short', () => {
    const { stack, system } = rig('pool:low=2:high=64:batch=10');
    system.left = 4;
    expect(take(stack, 5).filter((pa) => pa >= 0)).toHaveLength(4);
  });
});

describe('batch', () => {
  it('asks the system once for N tables', () => {
    const { stack, system } = rig('batch:tables=8');
    take(stack, 17);
    expect(system.calls).toBe(3);
    expect(stack.report().total).toMatchObject({ systemCalls: 3, bulkCalls: 3, hits: 14, systemAllocations: 24 });
  });

  it('keeps nothing that is freed', () => {
    const { stack, system } = rig('batch:tables=8');
    give(stack, take(stack, 8));
    expect(system.live.size).toBe(0);
  });

  it('costs less per table than single calls', () => {
    const batch = rig('batch:tables=32');
    const page = rig('page');
    take(batch.stack, 32);
    take(page.stack, 32);
    expect(batch.stack.report().total.cycles).toBeLessThan(page.stack.report().total.cycles);
  });
});

describe('generic-cache', () => {
  it('serves one owner with what another freed, of every size', () => {
    const { stack, system } = rig('generic-cache');
    const pgd = stack.alloc('a', 2 * TABLE, ZEROED);
    give(stack, take(stack, 3, 'a'), 'a');
    stack.free('a', pgd, 2 * TABLE);
    take(stack, 3, 'b');
    expect(stack.alloc('b', 2 * TABLE, ZEROED)).toBe(pgd);
    expect(system.calls).toBe(4);
  });

  it('keeps no more than its limit', () => {
    const { stack, system } = rig('generic-cache:limitBytes=16K');
    give(stack, take(stack, 10));
    expect(system.live.size).toBe(4);
  });
});

describe('accounting', () => {
  it('counts now, peak and total per owner', () => {
    const { stack } = rig('accounting/pool');
    const pages = take(stack, 3, 'a');
    take(stack, 1, 'b');
    give(stack, pages.slice(0, 2), 'a');
    take(stack, 1, 'a');
    expect(stack.accounts()).toEqual([
      {
        owner: 'a',
        tables: 2,
        bytes: 8192,
        peakTables: 3,
        peakBytes: 12288,
        totalTables: 4,
        totalBytes: 16384,
        refused: 0,
      },
      {
        owner: 'b',
        tables: 1,
        bytes: 4096,
        peakTables: 1,
        peakBytes: 4096,
        totalTables: 1,
        totalBytes: 4096,
        refused: 0,
      },
    ]);
  });

  it('refuses what goes over the limit without asking below, and says so', () => {
    const { stack, system, findings } = rig('accounting:limitBytes=8K');
    take(stack, 2, 'a');
    stack.context.operation = 3;
    expect(take(stack, 1, 'a')).toEqual([-1]);
    expect(system.calls).toBe(2);
    expect(findings).toMatchObject([{ kind: 'over-limit', operation: 3, size: TABLE }]);
    expect(take(stack, 1, 'b')[0]).toBeGreaterThan(0);
  });
});

describe('reserve under memory pressure', () => {
  it('asks one by one for what a bulk request leaves open', () => {
    const { stack, system } = rig('reserve/page');
    const bulk = system.allocBulk.bind(system);
    system.allocBulk = (size, count, gfp, out, at) => bulk(size, Math.min(count, 2), gfp, out, at);
    const reservation = stack.reserver?.reserve('a', 5, 1);
    expect(reservation?.tables.count).toBe(5);
    expect([system.bulkCalls, system.calls, system.live.size]).toEqual([1, 4, 5]);
    system.left = 3;
    expect(stack.reserver?.reserve('a', 4, 2)).toBeNull();
    expect([system.live.size, system.left]).toEqual([5, 3]);
  });
});

describe('carve-out', () => {
  const spec = 'carve-out:base=0x201000:size=64K';

  it('stays inside its region and ends with it', () => {
    const { stack, system } = rig(spec);
    const pages = take(stack, 17);
    expect(pages.slice(0, 16).every((pa) => pa >= 0x201000 && pa < 0x211000)).toBe(true);
    expect(new Set(pages).size).toBe(17);
    expect(pages[16]).toBe(-1);
    expect(system.calls).toBe(0);
  });

  it('aligns a large block by its address, not by its place in the region', () => {
    const { stack } = rig(spec);
    expect(stack.alloc('a', 4 * TABLE, ZEROED)).toBe(0x204000);
  });

  it('tells the protected owner of every page that changes hands, zeroed before', () => {
    const seen: [string, number, number][] = [];
    const { stack, memory } = rig(spec, {
      assign: (pa, size) => {
        expect(memory.isZero(pa, size)).toBe(true);
        seen.push(['assign', pa, size]);
        return true;
      },
      takeBack: (pa, size) => seen.push(['take back', pa, size]),
    });
    const [pa = 0] = take(stack, 1);
    give(stack, [pa]);
    expect(seen).toEqual([
      ['assign', pa, TABLE],
      ['take back', pa, TABLE],
    ]);
  });

  it('costs a hypervisor call each way', () => {
    const { stack } = rig(spec);
    give(stack, take(stack, 1));
    expect(stack.report().total.cycles).toBeCloseTo(2000 + 2000 + 256 + 10.8);
  });

  it('fails when the owner refuses, and keeps the page', () => {
    let refuse = true;
    const { stack } = rig(spec, { assign: () => !refuse, takeBack: () => {} });
    expect(take(stack, 1)).toEqual([-1]);
    refuse = false;
    expect(take(stack, 16).every((pa) => pa >= 0)).toBe(true);
  });
});

describe('failing', () => {
  it('fails the allocation of the given number only', () => {
    const { stack } = rig('failing:nth=3');
    expect(take(stack, 5).map((pa) => pa >= 0)).toEqual([true, true, false, true, true]);
  });

  it('fails the given share, by the seed', () => {
    const outcome = (seed: number) =>
      take(rig(`failing:fraction=0.25:seed=${seed}`).stack, 400)
        .map((pa) => (pa < 0 ? 'x' : '.'))
        .join('');
    expect(outcome(1)).toBe(outcome(1));
    expect(outcome(1)).not.toBe(outcome(2));
    const failed = outcome(1).split('x').length - 1;
    expect(failed).toBeGreaterThan(70);
    expect(failed).toBeLessThan(130);
  });
});

describe('sizing a first-level table of 512 bytes with a granule of 64 KiB', () => {
  const waste = (policy: string, domains: number) => {
    const { stack } = rig(`sizing:policy=${policy}`, undefined, 65536);
    const tables = Array.from({ length: domains }, () => stack.alloc('a', 512, ZEROED));
    const { total } = stack.report();
    for (const pa of tables) stack.free('a', pa, 512);
    expect(stack.close()).toBe(0);
    return total;
  };

  it('wastes 63.5 KiB with a whole page, 3.5 KiB with exact size, and nothing in full slabs', () => {
    expect(waste('whole-page', 8)).toMatchObject({ peakWastedBytes: 8 * 65024, peakFootprintBytes: 8 * 65536 });
    expect(waste('exact', 8)).toMatchObject({ peakWastedBytes: 8 * 3584, peakFootprintBytes: 8 * 4096 });
    const slab = waste('slab', 8);
    expect(slab.peakFootprintBytes).toBe(4096);
    expect(slab.peakWastedBytes).toBe(4096 - 512);
    expect(slab.systemCalls).toBe(1);
  });

  it('costs least in slabs and most with whole pages', () => {
    const cycles = ['slab', 'exact', 'whole-page'].map((policy) => waste(policy, 8).cycles);
    expect(cycles).toEqual([...cycles].sort((a, b) => a - b));
    expect(new Set(cycles).size).toBe(3);
  });
});

describe('reserve', () => {
  function reserveRig(spec: string) {
    const made = rig(spec);
    const reserver = made.stack.reserver;
    if (reserver === null) throw new Error('no reserve layer');
    return { ...made, reserver };
  }

  it('serves a running operation from its reservation only, and never from the system', () => {
    const { stack, system, reserver } = reserveRig('reserve/page');
    const reservation = reserver.reserve('a', 3, 1);
    if (reservation === null) throw new Error('refused');
    const calls = system.calls;
    system.left = 0;
    reserver.begin(reservation);
    expect(take(stack, 3).every((pa) => pa >= 0)).toBe(true);
    expect(system.calls).toBe(calls);
    expect(reservation.used).toBe(3);
  });

  it('refuses and reports a table beyond the reservation, though others have some', () => {
    const { stack, reserver, findings } = reserveRig('reserve/page');
    const mine = reserver.reserve('a', 1, 8);
    const other = reserver.reserve('a', 5, 9);
    if (mine === null || other === null) throw new Error('refused');
    stack.context.operation = 8;
    reserver.begin(mine);
    expect(take(stack, 2).map((pa) => pa >= 0)).toEqual([true, false]);
    expect(findings).toMatchObject([{ kind: 'reservation-exhausted', operation: 8 }]);
    expect(other.used).toBe(0);
  });

  it('returns what is left to the pool, where the next reservation finds it', () => {
    const { system, reserver } = reserveRig('reserve/pool:low=0:batch=0');
    const first = reserver.reserve('a', 6, 1);
    if (first === null) throw new Error('refused');
    expect(reserver.release(first)).toBe(6);
    expect(reserver.release(first)).toBe(0);
    const calls = system.calls;
    expect(reserver.reserve('a', 6, 2)).not.toBeNull();
    expect(system.calls).toBe(calls);
  });

  it('has tables in flight until their reservation is released, used ones too', () => {
    const { stack, reserver } = reserveRig('reserve/page');
    const first = reserver.reserve('a', 6, 1);
    const second = reserver.reserve('a', 2, 2);
    if (first === null || second === null) throw new Error('refused');
    reserver.begin(first);
    take(stack, 4);
    reserver.end();
    expect(reserver.inFlight).toBe(8);
    expect(reserver.release(first)).toBe(2);
    expect(reserver.inFlight).toBe(2);
    reserver.release(second);
    expect([reserver.inFlight, reserver.peakInFlight]).toEqual([0, 8]);
  });

  it('takes nothing when it cannot take all', () => {
    const { system, reserver, stack } = reserveRig('reserve/page');
    system.left = 4;
    expect(reserver.reserve('a', 5, 1)).toBeNull();
    expect(system.live.size).toBe(0);
    expect(reserver.inFlight).toBe(0);
    expect(reserver.reserve('a', 4, 2)).not.toBeNull();
    expect(stack.close()).toBe(0);
  });

  it('gives none of its tables up under memory pressure', () => {
    const { stack, system, reserver } = reserveRig('reserve/pool:low=0:batch=0');
    reserver.reserve('a', 6, 1);
    expect(stack.shrink(99 * TABLE)).toBe(0);
    expect(system.live.size).toBe(6);
  });

  it('passes requests outside any operation through', () => {
    const { stack, system } = reserveRig('reserve/page');
    expect(stack.alloc('a', 4 * TABLE, ZEROED)).toBeGreaterThan(0);
    expect(system.calls).toBe(1);
  });

  it('zeroes only what is used, or all when told to do it ahead', () => {
    for (const [mode, zeroed] of [
      ['run', 2],
      ['prepare', 5],
    ] as const) {
      const { stack, memory } = reserveRig(`reserve:zero=${mode}/page`);
      expect(stack.beginOperation(1, 5, 'a')).toBe(true);
      expect(take(stack, 2).every((pa) => memory.isZero(pa, TABLE))).toBe(true);
      stack.endOperation();
      expect(stack.report().total.zeroedBytes).toBe(zeroed * TABLE);
      expect(stack.report().total).toMatchObject({ reserved: 5, overReserved: 3, unusedShare: 0.6 });
    }
  });

  it('fails the start of an operation, not its course, when memory is out', () => {
    const { stack, system } = reserveRig('reserve');
    system.left = 2;
    expect(stack.beginOperation(1, 3, 'a')).toBe(false);
    expect(stack.beginOperation(2, 2, 'a')).toBe(true);
    expect(take(stack, 2).every((pa) => pa >= 0)).toBe(true);
    stack.endOperation();
  });
});
