import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutputQueue } from '../../../../devices/smmuv3/device/output-queue.ts';

describe('OutputQueue', () => {
  it('behaves as a bounded list through any sequence of writes and reads, across every wrap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4 }), fc.array(fc.boolean(), { maxLength: 200 }), (bits, steps) => {
        const memory = new Map<number, number>();
        const queue = new OutputQueue(
          {
            write32: () => true,
            write64: (pa, low) => {
              memory.set(pa, low);
              return true;
            },
          },
          4,
          19,
        );
        queue.setBase(0x1000, bits);
        const model: number[] = [];
        let overflown = false;
        let serial = 0;
        for (const write of steps) {
          if (write) {
            serial++;
            const fits = model.length < 2 ** bits;
            expect(queue.write(Uint32Array.of(serial, 0, 0, 0))).toBe(fits ? 'written' : 'full');
            if (fits) model.push(serial);
            else overflown = true;
          } else if (model.length > 0) {
            // What software does: read the entry, step, and acknowledge an overflow.
            const index = queue.cons & (2 ** bits - 1);
            expect(memory.get(0x1000 + 16 * index)).toBe(model.shift());
            queue.cons = ((queue.prod & 0x8000_0000) | ((queue.cons + 1) & (2 ** (bits + 1) - 1))) >>> 0;
            overflown = false;
          }
          expect(queue.empty).toBe(model.length === 0);
          expect(queue.full).toBe(model.length === 2 ** bits);
          expect(queue.overflown).toBe(overflown);
        }
      }),
    );
  });

  it('has no more entries than IDR1 offers', () => {
    const queue = new OutputQueue({ write32: () => true, write64: () => true }, 8, 3);
    queue.setBase(0x1000, 10);
    expect(queue.size).toBe(8);
  });
});
