import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IovaStep, IovaStock } from '../../../devices/dma-iommu/iova-stock.ts';

const PAGE = 4096;
const { MAGAZINE, DEPOT, TREE } = IovaStep;

describe('IovaStock', () => {
  it('takes a new address from the tree, and one that this CPU freed in this size from its magazine', () => {
    const stock = new IovaStock(PAGE);
    expect(stock.allocate(PAGE, 0)).toBe(TREE);
    expect(stock.free(PAGE, 0)).toBe(MAGAZINE);
    expect(stock.allocate(2 * PAGE, 0)).toBe(TREE);
    expect(stock.allocate(PAGE, 1)).toBe(TREE);
    expect(stock.allocate(PAGE, 0)).toBe(MAGAZINE);
    expect(stock.allocate(PAGE, 0)).toBe(TREE);
  });

  it('keeps sizes up to 32 pages, rounded up to a power of two, and no larger ones', () => {
    const stock = new IovaStock(PAGE);
    expect(stock.free(17 * PAGE, 0)).toBe(MAGAZINE);
    expect(stock.allocate(32 * PAGE, 0)).toBe(MAGAZINE);
    expect(stock.free(33 * PAGE, 0)).toBe(TREE);
    expect(stock.allocate(33 * PAGE, 0)).toBe(TREE);
  });

  it('holds two magazines of 127 for a CPU and size, and gives full ones to the depot, for every CPU', () => {
    const stock = new IovaStock(PAGE);
    const frees = Array.from({ length: 2 * 127 }, () => stock.free(PAGE, 0));
    expect(new Set(frees)).toEqual(new Set([MAGAZINE]));
    expect(stock.free(PAGE, 0)).toBe(DEPOT);
    expect(stock.allocate(PAGE, 1)).toBe(DEPOT);
    const rest = Array.from({ length: 126 }, () => stock.allocate(PAGE, 1));
    expect(new Set(rest)).toEqual(new Set([MAGAZINE]));
    expect(stock.allocate(PAGE, 1)).toBe(TREE);
  });

  it('never gives out more from magazines than came back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ frees: fc.boolean(), cpu: fc.nat(2), pages: fc.integer({ min: 1, max: 40 }) })),
        (calls) => {
          const stock = new IovaStock(PAGE);
          let kept = 0;
          for (const { frees, cpu, pages } of calls) {
            if (frees) {
              if (stock.free(pages * PAGE, cpu) !== TREE) kept++;
            } else if (stock.allocate(pages * PAGE, cpu) !== TREE) kept--;
            expect(kept).toBeGreaterThanOrEqual(0);
          }
        },
      ),
    );
  });
});
