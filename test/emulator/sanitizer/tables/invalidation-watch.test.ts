import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXCESS_PAGES, WHOLE_SPACE_PAGES } from '../../../../emulator/index.ts';
import { ASID, BLOCK, PAGE, watchedTable } from '../watched-table.ts';

const IOVA = 0x40_0000_0000;
const PA = 0x10_0000_0000;

/** A table with a run of pages, of which the second operation unmaps some and invalidates as told. */
function unmapping(pages: number, invalidate: (rig: ReturnType<typeof watchedTable>) => void, strict = true) {
  const rig = watchedTable();
  rig.operation(() => rig.map(IOVA, PA, PAGE, 1024));
  rig.operation(() => {
    for (let done = 0; done < pages; done += rig.unmap(IOVA + done * PAGE, PAGE, pages - done) / PAGE);
    invalidate(rig);
  }, strict);
  return rig;
}

describe('an unmap', () => {
  it('that is invalidated in several pieces, in any order, is complete', () => {
    const rig = unmapping(40, ({ flush }) => {
      flush(IOVA + 32 * PAGE, IOVA + 40 * PAGE);
      flush(IOVA + 8 * PAGE, IOVA + 16 * PAGE);
      flush(IOVA, IOVA + 8 * PAGE);
      flush(IOVA + 16 * PAGE, IOVA + 32 * PAGE);
    });
    expect(rig.kinds()).toEqual([]);
  });

  it('that is not wholly invalidated is named with what is missing, in strict mode only', () => {
    const partly = (strict: boolean) => unmapping(40, ({ flush }) => flush(IOVA, IOVA + 24 * PAGE), strict);
    expect(partly(true).sanitizer.findings).toMatchObject([
      { kind: 'missing-invalidation', operation: 2, iova: IOVA + 24 * PAGE, level: 3 },
    ]);
    expect(partly(false).kinds()).toEqual([]);
  });

  it('is not invalidated by a command for another ASID, another VMID or stage 2', () => {
    for (const [stage, asid, vmid] of [
      [1, ASID + 1, 0],
      [1, ASID, 1],
      [2, -1, 0],
    ] as const) {
      const rig = unmapping(4, ({ watch }) =>
        watch.invalidation.addresses(stage, IOVA, IOVA + 4 * PAGE, asid, vmid, true),
      );
      expect(rig.kinds()).toEqual(['missing-invalidation']);
    }
  });

  it('of a stage 2 is invalidated by a command for both stages of its VMID, not by one for stage 1', () => {
    const invalidated = (stage2: boolean): string[] => {
      const rig = watchedTable({ stage: 2 });
      rig.operation(() => rig.map(IOVA, PA, PAGE, 600));
      rig.operation(() => {
        rig.unmap(IOVA, PAGE, 600);
        rig.watch.invalidation.virtualMachine(0, stage2);
      });
      return rig.kinds();
    };
    expect(invalidated(false)).toContain('missing-invalidation');
    expect(invalidated(true)).not.toContain('missing-invalidation');
  });

  it.each([
    [
      'by address for every ASID',
      (rig: ReturnType<typeof watchedTable>) =>
        rig.watch.invalidation.addresses(1, IOVA, IOVA + 600 * PAGE, -1, 0, true),
    ],
    ['by ASID', (rig: ReturnType<typeof watchedTable>) => rig.watch.invalidation.addressSpace(ASID, 0)],
    ['by VMID', (rig: ReturnType<typeof watchedTable>) => rig.watch.invalidation.virtualMachine(0, false)],
    ['with everything', (rig: ReturnType<typeof watchedTable>) => rig.watch.invalidation.everything()],
  ])('is invalidated %s', (_, invalidate) => {
    expect(unmapping(600, invalidate).kinds()).toEqual([]);
  });

  it('of a block is invalidated by one address in it, and of pages page by page', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, BLOCK));
    rig.operation(() => {
      rig.unmap(IOVA, BLOCK);
      rig.flush(IOVA, IOVA + 1);
    });
    expect(rig.kinds()).toEqual([]);
    expect(unmapping(2, ({ flush }) => flush(IOVA, IOVA + 1)).sanitizer.findings).toMatchObject([
      { kind: 'missing-invalidation', iova: IOVA + PAGE },
    ]);
  });

  it('of a table is not complete without its walk-cache entries', () => {
    const rig = watchedTable({ walkFlush: false });
    rig.operation(() => rig.map(IOVA, PA, PAGE, 512));
    rig.operation(() => {
      rig.unmap(IOVA, BLOCK);
      rig.flush(IOVA, IOVA + BLOCK, true);
    });
    expect(rig.sanitizer.findings.at(-1)).toMatchObject({ kind: 'missing-invalidation', level: 2 });
  });

  it('leaves open exactly what no invalidation covered, whatever they are', () => {
    const piece = fc.tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 1, max: 24 }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(piece, { maxLength: 8 }), (pages, pieces) => {
        const rig = unmapping(pages, ({ flush }) => {
          for (const [start, count] of pieces) flush(IOVA + start * PAGE, IOVA + (start + count) * PAGE);
        });
        const covered = (page: number): boolean =>
          pieces.some(([start, count]) => page >= start && page < start + count);
        const open = Array.from({ length: pages }, (_, page) => page).filter((page) => !covered(page));
        const reported = rig.sanitizer.findings
          .filter(({ kind }) => kind === 'missing-invalidation')
          .flatMap(({ detail }) => {
            const [, from = '', to = ''] = /\[(0x\w+), (0x\w+)\)/.exec(detail) ?? [];
            const first = (Number(from) - IOVA) / PAGE;
            return Array.from({ length: (Number(to) - Number(from)) / PAGE }, (_, i) => first + i);
          });
        expect(reported.sort((a, b) => a - b)).toEqual(open);
      }),
      { numRuns: 60 },
    );
  });
});

describe('an invalidation wider than needed', () => {
  const wide = (rig: ReturnType<typeof watchedTable>) =>
    rig.sanitizer.findings.map(({ kind, detail }) => [kind, detail]);

  it('is a whole address space where a range would do', () => {
    expect(wide(unmapping(3, ({ watch }) => watch.invalidation.addressSpace(ASID, 0)))).toEqual([
      ['wide-invalidation', 'a whole address space was invalidated for 12288 bytes'],
    ]);
    expect(wide(unmapping(WHOLE_SPACE_PAGES, ({ watch }) => watch.invalidation.addressSpace(ASID, 0)))).toHaveLength(1);
  });

  it('is no fault for more pages than one would invalidate one by one', () => {
    expect(unmapping(WHOLE_SPACE_PAGES + 1, ({ watch }) => watch.invalidation.addressSpace(ASID, 0)).kinds()).toEqual(
      [],
    );
  });

  it('is a flush of walk caches where no table went away', () => {
    const rig = unmapping(3, ({ flush }) => flush(IOVA, IOVA + 3 * PAGE, false));
    expect(wide(rig)[0]?.[1]).toContain('where no table went away');
  });

  it('is a range of more than twice what was unmapped, small ones not counted', () => {
    const most = 2 * 100 + EXCESS_PAGES;
    expect(unmapping(100, ({ flush }) => flush(IOVA, IOVA + most * PAGE)).kinds()).toEqual([]);
    expect(wide(unmapping(100, ({ flush }) => flush(IOVA, IOVA + (most + 1) * PAGE)))).toEqual([
      ['wide-invalidation', `${(most - 99) * PAGE} bytes were invalidated beyond the ${100 * PAGE} that were unmapped`],
    ]);
  });

  it('is not what Linux does for a table: walk caches by range, then its leaves once more', () => {
    const rig = watchedTable();
    rig.operation(() => rig.map(IOVA, PA, PAGE, 512));
    rig.operation(() => {
      rig.unmap(IOVA, BLOCK);
      rig.flush(IOVA, IOVA + BLOCK);
    });
    expect(rig.kinds()).toEqual([]);
  });

  it('outside of an operation is the flush queue or a teardown, and no fault', () => {
    const rig = unmapping(3, () => {}, false);
    rig.watch.invalidation.addressSpace(ASID, 0);
    expect(rig.kinds()).toEqual([]);
  });
});
