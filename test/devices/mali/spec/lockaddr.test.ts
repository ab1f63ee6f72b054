import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeLockAddress, lockShift, lockStart } from '../../../../devices/mali/spec/index.ts';

const out = new Uint32Array(2);

function encode(start: bigint, size: bigint): bigint {
  encodeLockAddress(out, Number(start), Number(size));
  return (BigInt(out[1] as number) << 32n) | BigInt(out[0] as number);
}

describe('AS_LOCKADDR', () => {
  it.each([
    ['the smallest region', 0x0n, 1n, 0xen],
    ['a page whose address bit 14 survives', 0x4000n, 0x1000n, 0x400en],
    ['all addresses', 0n, 0xffff_ffff_ffff_ffffn, 0x3fn],
    ['the upper half', 1n << 63n, 1n << 63n, 0x8000_0000_0000_003en],
    ['a range that wraps', 0xffff_ffff_ffff_f000n, 0x2000n, 0x8000_0000_0000_003fn],
    ['a range across 4 GiB', 0xffff_f000n, 0x2000n, 0x20n],
  ])('encodes %s', (_what, start, size, wanted) => {
    expect(encode(start, size)).toBe(wanted);
  });

  it('stands for the smallest aligned power of two of at least 32 KiB that holds the range', () => {
    const address = fc.maxSafeNat().map((value) => value % 2 ** 47);
    fc.assert(
      fc.property(
        address,
        fc.integer({ min: 0, max: 46 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (start, log, part) => {
          const size = Math.max(1, Math.floor(part * 2 ** log));
          encode(BigInt(start), BigInt(size));
          const [low, high] = out as unknown as [number, number];
          const region = 2 ** lockShift(low);
          const from = lockStart(low, high);
          expect(from % region).toBe(0);
          expect(from).toBeLessThanOrEqual(start);
          expect(from + region).toBeGreaterThanOrEqual(start + size);
          const half = region / 2;
          const smaller = half >= 2 ** 15 && Math.floor(start / half) === Math.floor((start + size - 1) / half);
          expect(smaller).toBe(false);
        },
      ),
    );
  });
});
