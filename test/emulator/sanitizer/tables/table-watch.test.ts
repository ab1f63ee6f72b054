import { describe, expect, it } from 'vitest';
import { watchedTables } from '../../../../emulator/index.ts';
import { BLOCK, PAGE, store, watchedTable } from '../watched-table.ts';

const IOVA = 0x40_0000_0000;
const PA = 0x10_0000_0000;
const GIB = 2 ** 30;

describe('break-before-make', () => {
  it('is kept by maps, unmaps and invalidations of pages and blocks', () => {
    const rig = watchedTable();
    for (const size of [PAGE, BLOCK, GIB]) {
      rig.operation(() => rig.map(IOVA, PA, size));
      rig.operation(() => {
        rig.unmap(IOVA, size);
        rig.flush(IOVA, IOVA + size);
      });
    }
    rig.operation(() => rig.map(IOVA, PA, PAGE, 700));
    rig.operation(() => {
      rig.unmap(IOVA, PAGE, 512);
      rig.unmap(IOVA + BLOCK, PAGE, 188);
      rig.flush(IOVA, IOVA + 700 * PAGE);
    });
    expect(rig.kinds()).toEqual([]);
  });

  it('is broken by a leaf that becomes another: level, both descriptors and the address are named', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 4));
    const pa = rig.descriptorPa(IOVA + PAGE, 3);
    const [low, high] = [rig.memory.read32(pa), rig.memory.read32(pa + 4)];
    rig.operation(() => {
      store(rig, pa, low ^ 0x0100_0000, high);
      rig.flush(IOVA + PAGE, IOVA + 2 * PAGE);
    });
    expect(rig.sanitizer.findings).toEqual([
      {
        kind: 'break-before-make',
        operation: 2,
        domain: 0,
        iova: IOVA + PAGE,
        level: 3,
        low,
        high,
        detail: 'at level 3, 0x0000001000001f47 became 0x0000001001001f47 with no invalidation in between',
      },
    ]);
  });

  it.each([
    ['permissions', 1 << 7, 0],
    ['the access flag', 1 << 10, 0],
    ['the dirty bit modifier', 0, 1 << 19],
    ['execute-never', 0, 3 << 21],
    ['software bits', 0, 0xf << 23],
  ])('lets %s change in place', (_, low, high) => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE));
    const pa = rig.descriptorPa(IOVA, 3);
    store(rig, pa, rig.memory.read32(pa) ^ low, rig.memory.read32(pa + 4) ^ high);
    expect(rig.kinds()).toEqual([]);
  });

  it.each([
    ['memory type', 1 << 2, 0],
    ['shareability', 1 << 8, 0],
    ['nG', 1 << 11, 0],
    ['upper address bits', 0, 1],
    ['the contiguous hint', 0, 1 << 20],
  ])('does not let %s change in place', (_, low, high) => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE));
    const pa = rig.descriptorPa(IOVA, 3);
    store(rig, pa, rig.memory.read32(pa) ^ low, rig.memory.read32(pa + 4) ^ high);
    expect(rig.kinds()).toEqual(['break-before-make']);
  });

  it('is broken by mapping again what was unmapped, before it was invalidated', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 8));
    rig.operation(() => rig.unmap(IOVA, PAGE, 8), false);
    rig.operation(() => rig.map(IOVA + 3 * PAGE, PA, PAGE));
    expect(rig.sanitizer.findings).toMatchObject([
      { kind: 'break-before-make', operation: 3, iova: IOVA + 3 * PAGE, level: 3 },
    ]);
    expect(rig.sanitizer.findings[0]?.detail).toContain('before what operation 2 unmapped');
  });

  it('is kept when the invalidation comes late, but before the next map', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 8));
    rig.operation(() => rig.unmap(IOVA, PAGE, 8), false);
    rig.watch.invalidation.addressSpace(7, 0);
    rig.operation(() => rig.map(IOVA, PA, PAGE, 8));
    expect(rig.kinds()).toEqual([]);
  });

  it('sees a leaf change inside a run that is stored at once', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 16));
    const pa = rig.descriptorPa(IOVA, 3);
    const at = rig.watch.index(pa);
    // Entries 3 and 9 get another address, in one store of all sixteen.
    for (const entry of [3, 9]) rig.watch.words[at + 2 * entry] = (rig.watch.words[at + 2 * entry] as number) ^ 0x8000;
    rig.watch.written(pa, 16 * 8);
    expect(rig.sanitizer.findings.map(({ iova }) => iova)).toEqual([IOVA + 3 * PAGE, IOVA + 9 * PAGE]);
  });
});

describe('the contiguous hint', () => {
  for (const breakLevel of [0, 2] as const) {
    it(`comes with the leaves, so that nothing is to be invalidated: BBML ${breakLevel}`, () => {
      const rig = watchedTable({ contiguous: true, breakLevel });
      rig.operation(() => rig.map(0, 2 ** 33, PAGE, 64));
      rig.operation(() => rig.map(BLOCK, 2 ** 33, BLOCK, 32));
      expect(rig.kinds()).toEqual([]);
      rig.operation(() => {
        rig.unmap(0, PAGE, 64);
        rig.flush(0, 64 * PAGE);
      });
      expect(rig.kinds()).toEqual([]);
    });
  }

  it('goes from a run of which a part is unmapped: the part is to be invalidated, the rest is not', () => {
    const rig = watchedTable({ contiguous: true, breakLevel: 2 });
    rig.operation(() => rig.map(0, 2 ** 33, PAGE, 16));
    rig.operation(() => {
      rig.unmap(3 * PAGE, PAGE);
      rig.flush(3 * PAGE, 4 * PAGE);
    });
    expect(rig.kinds()).toEqual([]);
  });

  it('taken from a live run breaks the rule below BBML 2', () => {
    const rig = watchedTable({ contiguous: true, breakLevel: 1 });
    rig.operation(() => rig.map(0, 2 ** 33, PAGE, 16));
    rig.operation(() => {
      rig.unmap(3 * PAGE, PAGE);
      rig.flush(3 * PAGE, 4 * PAGE);
    });
    expect(rig.kinds()).toEqual(['break-before-make']);
  });
});

describe('a block that is split in place', () => {
  const split = (breakLevel: 0 | 1 | 2) => {
    const rig = watchedTable({ breakLevel });
    rig.operation(() => rig.map(IOVA, PA, BLOCK));
    const pa = rig.descriptorPa(IOVA, 2);
    const block = { low: rig.memory.read32(pa), high: rig.memory.read32(pa + 4) };
    rig.operation(() => {
      rig.unmap(IOVA + 5 * PAGE, PAGE, 3);
      rig.flush(IOVA + 5 * PAGE, IOVA + 8 * PAGE);
    });
    return { rig, block, pa };
  };

  it.each([0, 1] as const)(
    'breaks the rule on hardware of BBML %d: the block and the table are named',
    (breakLevel) => {
      const { rig, block, pa } = split(breakLevel);
      expect(rig.sanitizer.findings).toMatchObject([
        { kind: 'break-before-make', operation: 2, iova: IOVA, level: 2, ...block },
      ]);
      expect(rig.sanitizer.findings[0]?.detail).toContain(
        `(a block) became the table 0x${rig.memory.read64(pa).toString(16).padStart(16, '0')}`,
      );
    },
  );

  it('is allowed by BBML 2', () => {
    expect(split(2).rig.kinds()).toEqual([]);
  });

  it('is not allowed even by BBML 2 when the pages translate otherwise than the block did', () => {
    const rig = watchedTable({ breakLevel: 2 });
    rig.operation(() => {
      rig.map(IOVA, PA, BLOCK);
      rig.map(IOVA + BLOCK, PA + 64 * BLOCK, PAGE, 512);
    });
    const [from, to] = [rig.descriptorPa(IOVA + BLOCK, 2), rig.descriptorPa(IOVA, 2)];
    // The other table, which maps elsewhere, takes the block's place.
    store(rig, to, rig.memory.read32(from), rig.memory.read32(from + 4));
    expect(rig.kinds()).toEqual(['break-before-make']);
  });

  it('has to have the pages that are gone invalidated, which the block mapped', () => {
    const rig = watchedTable({ breakLevel: 2 });
    rig.operation(() => rig.map(IOVA, PA, BLOCK));
    const pa = rig.descriptorPa(IOVA, 2);
    const block = { low: rig.memory.read32(pa), high: rig.memory.read32(pa + 4) };
    rig.operation(() => rig.unmap(IOVA + 5 * PAGE, PAGE, 3));
    expect(rig.sanitizer.findings).toMatchObject([
      { kind: 'missing-invalidation', iova: IOVA + 5 * PAGE, level: 2, ...block },
    ]);
    expect(rig.sanitizer.findings[0]?.detail).toContain(
      `[0x${(IOVA + 5 * PAGE).toString(16)}, 0x${(IOVA + 8 * PAGE).toString(16)})`,
    );
  });

  it('splits twice from 1 GiB, and the pages that stay are known at their new level', () => {
    const rig = watchedTable({ breakLevel: 2 });
    rig.operation(() => rig.map(IOVA, PA, GIB));
    rig.operation(() => {
      rig.unmap(IOVA + BLOCK + PAGE, PAGE);
      rig.flush(IOVA + BLOCK + PAGE, IOVA + BLOCK + 2 * PAGE);
    });
    expect(rig.kinds()).toEqual([]);
    rig.operation(() => rig.unmap(IOVA + BLOCK + 2 * PAGE, PAGE));
    expect(rig.sanitizer.findings).toMatchObject([
      { kind: 'missing-invalidation', iova: IOVA + BLOCK + 2 * PAGE, level: 3 },
    ]);
  });

  it('keeps the rule when the block goes first and what stays is mapped again', () => {
    const rig = watchedTable({ split: 'unmap-and-remap' });
    rig.operation(() => rig.map(IOVA, PA, BLOCK));
    rig.operation(() => rig.unmap(IOVA + 5 * PAGE, PAGE, 3));
    expect(rig.kinds()).toEqual([]);
  });

  it('breaks the rule when what stays is mapped again before the block is invalidated', () => {
    const rig = watchedTable({ split: 'unmap-and-remap', walkFlush: false });
    rig.operation(() => rig.map(IOVA, PA, BLOCK));
    rig.operation(() => rig.unmap(IOVA + 5 * PAGE, PAGE, 3));
    expect(rig.kinds()).toContain('break-before-make');
  });
});

describe('a table that is freed', () => {
  it('is freed in order when its entry is cleared, walk caches are flushed, and then it goes', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 512));
    rig.operation(() => rig.unmap(IOVA, BLOCK));
    expect(rig.table.stats.tablesFreed).toBe(1);
    expect(rig.kinds()).toEqual([]);
  });

  it('is freed too early without the walk flush: its level, its address and its first iova are named', () => {
    const rig = watchedTable({ walkFlush: false });
    rig.operation(() => rig.map(IOVA, PA, PAGE, 512));
    const table = rig.descriptorPa(IOVA, 3);
    rig.operation(() => rig.unmap(IOVA, BLOCK));
    expect(rig.sanitizer.findings[0]).toMatchObject({ kind: 'early-table-free', operation: 2, iova: IOVA, level: 3 });
    expect(rig.sanitizer.findings[0]?.detail).toBe(
      `the level 3 table at 0x${table.toString(16)} was freed while the walker may still reach it: ` +
        'its entry, cleared by operation 2, was not invalidated',
    );
    // And the SMMU was not told at all.
    expect(rig.sanitizer.findings[1]).toMatchObject({ kind: 'missing-invalidation', iova: IOVA, level: 2 });
  });

  it('is freed too early while its entry is valid', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE));
    const guard = watchedTables(rig.watch, { alloc: () => -1, free: () => {} });
    rig.operation(() => guard.free(null, rig.descriptorPa(IOVA, 3), PAGE));
    expect(rig.sanitizer.findings).toMatchObject([{ kind: 'early-table-free', level: 3 }]);
    expect(rig.sanitizer.findings[0]?.detail).toContain('its entry is still valid');
  });

  it('may be freed before the flush where the driver flushes afterwards, if the flush comes before the operation ends', () => {
    for (const [flushes, kinds] of [
      [true, []],
      [false, ['early-table-free']],
    ] as const) {
      const rig = watchedTable({ walkFlush: false });
      rig.watch.invalidation.flushesAfterFree = true;
      rig.operation(() => rig.map(BLOCK, 2 ** 33 + PAGE, PAGE, 512));
      rig.operation(() => {
        rig.unmap(BLOCK, BLOCK);
        if (flushes) rig.flush(BLOCK, 2 * BLOCK, false);
      }, false);
      expect(rig.kinds()).toEqual(kinds);
    }
  });

  it('may go in any order once its space is taken down', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 2000));
    rig.watch.retire(rig.space);
    rig.table.free();
    expect(rig.table.liveTables).toBe(0);
    expect(rig.kinds()).toEqual([]);
  });

  it('is known by what it covered and who allocated it, until its page is used again', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 512));
    const table = rig.descriptorPa(IOVA, 3);
    rig.operation(() => rig.unmap(IOVA, BLOCK));
    expect(rig.watch.tableAt(table)).toMatchObject({ level: 3, iova: IOVA, allocatedBy: 1 });
    rig.operation(() => rig.map(IOVA + GIB, PA, PAGE));
    expect(rig.watch.tableAt(rig.descriptorPa(IOVA + GIB, 3))).toMatchObject({
      level: 3,
      iova: IOVA + GIB,
      allocatedBy: 3,
    });
  });
});
