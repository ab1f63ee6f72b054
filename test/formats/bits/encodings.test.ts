import { describe, expect, it } from 'vitest';
import {
  Errno,
  errnoName,
  GRANULE_SHIFT_TG0,
  GRANULE_SHIFT_TG1,
  GRANULE_SHIFT_TLBI,
  memoryAttributes,
  OUTPUT_SIZE_CODES,
  OUTPUT_SIZES,
  outputBitsOf,
  stage1StartLevel,
  stage2StartCode,
  stage2StartLevel,
  TG0_CODES,
  TG1_CODES,
  walkBits,
} from '../../../formats/index.ts';

describe('encodings of the manual', () => {
  it('of granules differ between TG0, TG1 and the TG of range invalidations', () => {
    expect([12, 14, 16].map((shift) => TG0_CODES[shift])).toEqual([0, 2, 1]);
    expect([12, 14, 16].map((shift) => TG1_CODES[shift])).toEqual([2, 1, 3]);
    expect([12, 14, 16].map((shift) => GRANULE_SHIFT_TLBI.indexOf(shift as 12))).toEqual([1, 2, 3]);
    for (const shift of [12, 14, 16]) {
      expect(GRANULE_SHIFT_TG0[TG0_CODES[shift] ?? -1]).toBe(shift);
      expect(GRANULE_SHIFT_TG1[TG1_CODES[shift] ?? -1]).toBe(shift);
    }
    expect(TG0_CODES[0]).toBeUndefined();
  });

  it('of output sizes go both ways, and the reserved one means all there is', () => {
    for (const bits of OUTPUT_SIZES) expect(outputBitsOf(OUTPUT_SIZE_CODES[bits] ?? -1, 52)).toBe(bits);
    expect(outputBitsOf(7, 44)).toBe(44);
    expect(outputBitsOf(5, 40)).toBe(40);
  });

  it('of first levels go both ways', () => {
    expect([0, 1, 2, 3].map((sl0) => stage2StartLevel(12, sl0))).toEqual([2, 1, 0, 3]);
    expect([0, 1, 2, 3].map((sl0) => stage2StartLevel(14, sl0))).toEqual([3, 2, 1, -1]);
    for (const shift of [12, 14, 16]) {
      for (let level = shift === 12 ? 0 : 1; level <= 3; level++) {
        expect(stage2StartLevel(shift, stage2StartCode(shift, level))).toBe(level);
      }
    }
  });

  it('let a first level resolve what the levels below it leave over', () => {
    for (const shift of [12, 14, 16]) {
      for (let bits = shift + 1; bits <= 52; bits++) {
        const level = stage1StartLevel(shift, bits);
        expect(walkBits(shift, level)).toBeGreaterThanOrEqual(bits);
        expect(walkBits(shift, level + 1)).toBeLessThan(bits);
      }
    }
  });

  it('cut MAIR into bytes, byte 0 first', () => {
    expect(memoryAttributes(0xf404ff44, 0xffffff00)).toEqual([0x44, 0xff, 0x04, 0xf4, 0, 0xff, 0xff, 0xff]);
  });

  it('of memory attributes are one byte each, byte 0 first', () => {
    expect(memoryAttributes(0x44332211, 0x88776655)).toEqual([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
  });

  it('of error numbers are those of Linux, asm-generic/errno-base.h and errno.h', () => {
    expect(Errno).toEqual({
      ...{ ENOENT: 2, EIO: 5, ENOMEM: 12, EBUSY: 16, EEXIST: 17, ENODEV: 19, EINVAL: 22, ERANGE: 34, ETIMEDOUT: 110 },
    });
    expect([0, -12, -110, -7].map(errnoName)).toEqual(['OK', 'ENOMEM', 'ETIMEDOUT', '-7']);
  });
});
