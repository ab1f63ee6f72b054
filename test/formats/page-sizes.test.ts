import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageCutter } from '../../formats/index.ts';

const K4 = 0x1000;
const M2 = 0x20_0000;
const G1 = 0x4000_0000;

/** The runs of a whole mapping as [pageSize, count] pairs. */
function cut(cutter: PageCutter, iova: number, pa: number, size: number): [number, number][] {
  const runs: [number, number][] = [];
  let done = 0;
  while (done < size) {
    cutter.choose(iova + done, pa + done, size - done);
    runs.push([cutter.pageSize, cutter.count]);
    done += cutter.pageSize * cutter.count;
  }
  expect(done).toBe(size);
  return runs;
}

describe('PageCutter', () => {
  const cutter = new PageCutter(K4 + M2 + G1);

  it('takes the largest page that alignment and length allow', () => {
    expect(cut(cutter, M2, M2, M2)).toEqual([[M2, 1]]);
    expect(cut(cutter, M2, M2 + K4, M2)).toEqual([[K4, 512]]);
    expect(cut(cutter, G1, 2 * G1, 3 * G1)).toEqual([[G1, 3]]);
    expect(cut(cutter, 0, 0, 2 ** 48)).toEqual([[G1, 2 ** 18]]);
  });

  it('climbs to a larger page and down again where both addresses meet its alignment', () => {
    expect(cut(cutter, M2 - K4, 9 * M2 - K4, K4 + M2 + K4)).toEqual([
      [K4, 1],
      [M2, 1],
      [K4, 1],
    ]);
    expect(cut(cutter, G1 - M2 - K4, 4 * G1 - M2 - K4, K4 + M2 + G1 + M2 + K4)).toEqual([
      [K4, 1],
      [M2, 1],
      [G1, 1],
      [M2, 1],
      [K4, 1],
    ]);
  });

  it('does not stop for a larger page that would not fit behind the boundary', () => {
    expect(cut(cutter, M2 - K4, M2 - K4, M2)).toEqual([[K4, 512]]);
  });

  it('does not stop for a larger page that the physical address never aligns to', () => {
    expect(cut(cutter, M2 - K4, 0, K4 + M2)).toEqual([[K4, 513]]);
  });

  it('covers any aligned mapping exactly, each page aligned in both address spaces', () => {
    const page = fc.integer({ min: 0, max: 2 ** 24 });
    fc.assert(
      fc.property(page, page, fc.integer({ min: 1, max: 2 ** 20 }), (iova, pa, pages) => {
        let at = 0;
        for (const [size, count] of cut(cutter, iova * K4, pa * K4, pages * K4)) {
          expect((iova * K4 + at) % size).toBe(0);
          expect((pa * K4 + at) % size).toBe(0);
          at += size * count;
        }
      }),
    );
  });

  it('knows what the kernel refuses as misaligned', () => {
    expect(cutter.aligned(K4, 0, K4)).toBe(true);
    expect(cutter.aligned(K4 + 1, 0, K4)).toBe(false);
    expect(cutter.aligned(0, 0x800, K4)).toBe(false);
    expect(cutter.aligned(0, 0, 0x1800)).toBe(false);
    expect(new PageCutter(0x1_0000).aligned(K4, 0, 0x1_0000)).toBe(false);
  });

  it('cannot be made without a page size', () => {
    expect(() => new PageCutter(0)).toThrow(/pageSizes/);
  });
});
