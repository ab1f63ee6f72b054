import { describe, expect, it } from 'vitest';
import { WalkCheck, watchedOthers } from '../../../emulator/index.ts';
import { BLOCK, PAGE, watchedTable } from './watched-table.ts';

const IOVA = 0x40_0000_0000;
const PA = 0x10_0000_0000;

function walked() {
  const rig = watchedTable();
  const read = { low: 0x8000_0f47, high: 0x60_0000 };
  const walks = new WalkCheck(rig.watch.tables, rig.sanitizer, read);
  walks.space = rig.space;
  rig.operation(() => rig.map(IOVA, PA, PAGE, 512));
  return { rig, walks };
}

describe('a walk', () => {
  it('through the tables of its own address space is fine, at every level', () => {
    const { rig, walks } = walked();
    for (const iova of [IOVA, IOVA + 100 * PAGE, IOVA + BLOCK - PAGE]) {
      rig.sanitizer.accessIova = iova;
      for (let level = 0; level <= 3; level++) walks.check(rig.descriptorPa(iova, level));
    }
    walks.check(0x8300_0000);
    expect(rig.kinds()).toEqual([]);
  });

  it('into a freed table is named: address, level, descriptor, and who freed it', () => {
    const { rig, walks } = walked();
    const stale = rig.descriptorPa(IOVA + 9 * PAGE, 3);
    rig.operation(() => rig.unmap(IOVA, BLOCK));
    rig.sanitizer.accessIova = IOVA + 9 * PAGE;
    walks.check(stale);
    expect(rig.sanitizer.findings).toEqual([
      {
        kind: 'use-after-free-walk',
        operation: 2,
        domain: 0,
        iova: IOVA + 9 * PAGE,
        level: 3,
        low: 0x8000_0f47,
        high: 0x60_0000,
        detail: `the walker read descriptor 0x0060000080000f47 at 0x${stale.toString(16)}, level 3, in a table that was freed by operation 2`,
      },
    ]);
  });

  it('into a table that serves other addresses by now is found, whichever level the walker thought it at', () => {
    const { rig, walks } = walked();
    const stale = rig.descriptorPa(IOVA + 9 * PAGE, 3);
    rig.operation(() => rig.unmap(IOVA, BLOCK));
    // The page is the last that was freed, so the next table gets it.
    rig.operation(() => rig.map(IOVA + 7 * BLOCK, PA, PAGE));
    expect(rig.descriptorPa(IOVA + 7 * BLOCK + 9 * PAGE, 3)).toBe(stale);
    rig.sanitizer.accessIova = IOVA + 9 * PAGE;
    walks.check(stale);
    expect(rig.sanitizer.findings).toMatchObject([{ kind: 'use-after-free-walk', level: 3, iova: IOVA + 9 * PAGE }]);
    expect(rig.sanitizer.findings[0]?.detail).toContain(`covers 0x${(IOVA + 7 * BLOCK).toString(16)} on now`);
  });

  it('into a table of another address space is found', () => {
    const { rig, walks } = walked();
    const other = rig.watch.addSpace(1, 8, 0, rig.table.geometry, 0x8380_0000, PAGE);
    walks.space = other;
    rig.sanitizer.accessIova = IOVA;
    walks.check(rig.descriptorPa(IOVA, 3));
    expect(rig.kinds()).toEqual(['use-after-free-walk']);
  });

  it('through a first-level table that shares its page with another says nothing, as nothing is known of either', () => {
    const { rig, walks } = walked();
    const [first, second] = [0x8380_0000, 0x8380_0200].map((root) => {
      rig.watch.allocated(root, 512);
      return rig.watch.addSpace(1, root % 1000, 0, rig.table.geometry, root, 512);
    });
    expect([first?.followed, second?.followed]).toEqual([false, false]);
    rig.sanitizer.accessIova = IOVA;
    for (const space of [first, second]) {
      walks.space = space ?? null;
      walks.check(rig.descriptorPa(IOVA, 3));
    }
    expect(rig.kinds()).toEqual([]);
  });

  it('to memory that was a table and is something else now says nothing', () => {
    const { rig, walks } = walked();
    const stale = rig.descriptorPa(IOVA, 3);
    rig.operation(() => rig.unmap(IOVA, BLOCK));
    watchedOthers(rig.watch, { alloc: () => stale, free: () => {} }).alloc(null, PAGE, 0);
    walks.check(stale);
    expect(rig.kinds()).toEqual([]);
  });
});
