import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignmentOf, PageRun } from '../../../../devices/mali/driver/page-runs.ts';

const PAGE = 2 ** 12;
const pages = (bits: number) => fc.nat().map((value) => (value % 2 ** bits) * PAGE);

describe('runs of pages', () => {
  it('tile the range, aligned, without crossing what one table covers', () => {
    const run = new PageRun();
    fc.assert(
      fc.property(pages(28), pages(20), (start, length) => {
        const end = start + length;
        for (let at = start; at < end; ) {
          run.first(at, end - at);
          expect(run.count).toBeGreaterThan(0);
          expect(at % run.pageSize).toBe(0);
          expect(at + run.size).toBeLessThanOrEqual(end);
          const span = run.pageSize * 512;
          expect(Math.floor(at / span)).toBe(Math.floor((at + run.size - 1) / span));
          at += run.size;
        }
      }),
    );
  });

  it('use 2 MiB pages where both addresses allow', () => {
    const run = new PageRun().first(alignmentOf(0x20_0000, 0x1_0040_0000), 0x40_0000);
    expect([run.pageSize, run.count]).toEqual([0x20_0000, 2]);
  });

  it('become shorter than need be where the addresses are misaligned to each other, as the real ones do', () => {
    const run = new PageRun().first(alignmentOf(0x9_0000, 0x6_0000), 0x20_0000);
    expect([run.pageSize, run.count]).toEqual([PAGE, 0x11_0000 / PAGE]);
  });
});
