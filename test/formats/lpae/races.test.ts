/** Two CPUs at one entry: what the loser of a compare-and-exchange does. The other CPU runs in the interleaving hook. */
import { describe, expect, it } from 'vitest';
import { Errno, Gfp, type InterleavePoint, type IoPgtable, Prot } from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const BLOCK = 2 ** 21;
const PROT = Prot.READ | Prot.WRITE;

function make(coherentWalk: boolean): { rig: LpaeRig; table: IoPgtable } {
  const rig = new LpaeRig();
  const pageSizes = PAGE + BLOCK + 2 ** 30;
  return { rig, table: rig.table({ format: 'ARM_64_LPAE_S1', pageSizes, ias: 39, oas: 40, coherentWalk }) };
}

/** Runs `other` once: at the next compare-and-exchange, or between the next one that is won and its sync. */
function meanwhile(rig: LpaeRig, other: () => void, at: InterleavePoint = 'before-exchange'): void {
  rig.interleave = (point) => {
    if (point !== at) return;
    rig.interleave = () => {};
    other();
  };
}

/** Nothing leaked, nothing lost: every table that is out is in the tree. */
function expectWhole(rig: LpaeRig, table: IoPgtable): void {
  const reachable = new Set<number>();
  table.visitTables((pa) => reachable.add(pa));
  expect([...reachable].toSorted()).toEqual([...rig.live.keys()].toSorted());
  if (!table.config.coherentWalk) expect(rig.staleDescriptor()).toBe(null);
}

for (const coherentWalk of [true, false]) {
  const walk = coherentWalk ? 'a coherent walk' : 'a walk that is not coherent';

  describe(`a lost race with ${walk}`, () => {
    it('for a table: ours is freed, theirs is used, and both pages are mapped', () => {
      const { rig, table } = make(coherentWalk);
      meanwhile(rig, () => expect(table.mapPages(PAGE, 7 * PAGE, PAGE, 1, PROT, Gfp.ATOMIC)).toBe(0));
      expect(table.mapPages(0, 3 * PAGE, PAGE, 1, PROT, Gfp.KERNEL)).toBe(0);
      expect(table.mapped).toBe(PAGE);
      expect([table.iovaToPhys(0), table.iovaToPhys(PAGE)]).toEqual([3 * PAGE, 7 * PAGE]);
      expect([table.stats.racesLost, table.liveTables]).toEqual([1, 3]);
      expectWhole(rig, table);
    });

    it('for a table against a block: the mapping fails, and says so', () => {
      const { rig, table } = make(coherentWalk);
      table.mapPages(2 ** 30 - PAGE, 0, PAGE, 1, PROT, Gfp.KERNEL);
      meanwhile(rig, () => expect(table.mapPages(0, 4 * BLOCK, BLOCK, 1, PROT, Gfp.ATOMIC)).toBe(0));
      expect(table.mapPages(PAGE, 0, PAGE, 1, PROT, Gfp.KERNEL)).toBe(-Errno.EEXIST);
      expect(table.mapped).toBe(0);
      expect(table.iovaToPhys(PAGE)).toBe(4 * BLOCK + PAGE);
      expectWhole(rig, table);
    });

    it('for a split against another split: ours is freed, and our page leaves their table', () => {
      const { rig, table } = make(coherentWalk);
      table.mapPages(0, 4 * BLOCK, BLOCK, 1, PROT, Gfp.KERNEL);
      meanwhile(rig, () => expect(table.unmapPages(PAGE, PAGE, 1, null)).toBe(PAGE));
      expect(table.unmapPages(5 * PAGE, PAGE, 1, null)).toBe(PAGE);
      expect([0, 1, 2, 5, 6].map((page) => table.iovaToPhys(page * PAGE) !== 0)).toEqual([
        true,
        false,
        true,
        false,
        true,
      ]);
      expect([table.stats.racesLost, table.stats.blockSplits]).toEqual([1, 1]);
      expectWhole(rig, table);
    });

    it('for a split against an unmap of the whole block: nothing is left to unmap', () => {
      const { rig, table } = make(coherentWalk);
      table.mapPages(0, 4 * BLOCK, BLOCK, 1, PROT, Gfp.KERNEL);
      meanwhile(rig, () => expect(table.unmapPages(0, BLOCK, 1, null)).toBe(BLOCK));
      expect(table.unmapPages(5 * PAGE, PAGE, 1, null)).toBe(0);
      expect(table.iovaToPhys(0)).toBe(0);
      expectWhole(rig, table);
    });
  });
}

describe('a lost race with a CPU that has not synced its entry yet', () => {
  it('syncs the entry, because the mapping below it must be seen at once', () => {
    const { rig, table } = make(false);
    const root = table.registers.kind === 'stage-1' ? table.registers.ttbr : 0;
    meanwhile(rig, () => {
      const theirs = rig.alloc(null, PAGE);
      rig.mapSingle(theirs, PAGE);
      const at = rig.memory.index(root);
      rig.memory.words[at] = theirs + 3;
      expect(rig.staleDescriptor()).toBe(root);
    });
    expect(table.mapPages(0, 3 * PAGE, PAGE, 1, PROT, Gfp.KERNEL)).toBe(0);
    expect(rig.staleDescriptor()).toBe(null);
    // The bit that says so is theirs to set: until then every walk through the entry syncs it again.
    const before = table.stats.syncs;
    table.mapPages(PAGE, 3 * PAGE, PAGE, 1, PROT, Gfp.KERNEL);
    expect(table.stats.syncs - before).toBe(2);
  });
});

describe('a table that is in its entry, but not synced yet', () => {
  const map = (table: IoPgtable, iova: number, size: number): number =>
    table.mapPages(iova, 8 * BLOCK, size, 1, PROT, Gfp.ATOMIC);
  /** Syncs that `call` makes. */
  function syncs(table: IoPgtable, call: () => unknown): number {
    const before = table.stats.syncs;
    call();
    return table.stats.syncs - before;
  }
  /** Does `other` while the first entry of the first level is in and not synced. */
  function early(rig: LpaeRig, table: IoPgtable, other: () => void): void {
    let ran = false;
    meanwhile(
      rig,
      () => {
        ran = true;
        other();
      },
      'before-sync',
    );
    expect(map(table, 0, PAGE)).toBe(0);
    expect(ran).toBe(true);
  }

  it('is synced by each map that walks through it, until the CPU that put it there has done so', () => {
    const { rig, table } = make(false);
    early(rig, table, () => {
      // The entry, the leaf's table in its own entry, the leaf; then nothing but the entry and the leaf, also on the second time.
      expect(syncs(table, () => map(table, PAGE, PAGE))).toBe(3);
      expect(rig.staleDescriptor()).toBe(null);
      expect(syncs(table, () => map(table, 2 * PAGE, PAGE))).toBe(2);
      expect(syncs(table, () => map(table, 3 * PAGE, PAGE))).toBe(2);
    });
    map(table, 4 * PAGE, PAGE);
    expect(syncs(table, () => map(table, 5 * PAGE, PAGE))).toBe(1);
    expectWhole(rig, table);
  });

  it('is not remembered by an unmap or a lookup either', () => {
    const { rig, table } = make(false);
    early(rig, table, () => {
      map(table, PAGE, PAGE);
      map(table, 2 * PAGE, PAGE);
      table.unmapPages(2 * PAGE, PAGE, 1, null);
      expect(syncs(table, () => map(table, 2 * PAGE, PAGE))).toBe(2);
      expect(table.iovaToPhys(PAGE)).toBe(8 * BLOCK);
      expect(syncs(table, () => map(table, 3 * PAGE, PAGE))).toBe(2);
    });
  });

  it('is not remembered by the unmap in a table of a split that another CPU won', () => {
    const { rig, table } = make(false);
    early(rig, table, () => {
      map(table, BLOCK, BLOCK);
      meanwhile(rig, () => expect(table.unmapPages(BLOCK + PAGE, PAGE, 1, null)).toBe(PAGE));
      expect(table.unmapPages(BLOCK + 5 * PAGE, PAGE, 1, null)).toBe(PAGE);
      expect(table.stats.racesLost).toBe(1);
      expect(syncs(table, () => map(table, BLOCK + PAGE, PAGE))).toBe(2);
    });
  });

  it('is stored again whole after its sync', () => {
    const { rig, table } = make(false);
    const root = table.registers.kind === 'stage-1' ? table.registers.ttbr : 0;
    let word = 0;
    early(rig, table, () => {
      const at = rig.memory.index(root);
      word = rig.memory.words[at] ?? 0;
      rig.memory.words[at] = 0;
    });
    expect(rig.memory.words[rig.memory.index(root)]).toBe(word);
  });

  it('is never seen so where walks are coherent', () => {
    const { rig, table } = make(true);
    meanwhile(rig, () => expect.unreachable(), 'before-sync');
    expect(map(table, 0, PAGE)).toBe(0);
  });
});
