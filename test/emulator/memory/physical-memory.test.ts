import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError, PhysicalMemory } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';

const FRAME = 0x10000;
const LOW = 0x8000_0000;
const HIGH = 2 ** 52 - 4 * FRAME;
const memoryOf = (...banks: [base: number, size: number][]): PhysicalMemory =>
  new PhysicalMemory({ banks: banks.map(([base, size]) => ({ base, size, node: 0 })) });
const standard = (): PhysicalMemory => memoryOf([LOW, 8 * FRAME], [0xffff_0000, 2 * FRAME], [HIGH, 4 * FRAME]);

describe('address decode', () => {
  it.each([
    ['below RAM', LOW - 4],
    ['between banks', LOW + 8 * FRAME],
    ['at zero', 0],
    ['negative', -4],
    ['beyond 2^52', 2 ** 52],
    ['not a number', Number.NaN],
  ])('throws a bus error %s, and creates nothing', (_, pa) => {
    const memory = standard();
    expect(() => memory.index(pa)).toThrow(BusError);
    expect(memory.peek(pa)).toBe(-1);
    expect(memory.frameCount).toBe(0);
  });

  it('tells the frames above and below 4 GiB, and at the top of 52 bits, apart', () => {
    const memory = standard();
    const places = [LOW, 0xffff_fffc, 2 ** 32, HIGH, 2 ** 52 - 4];
    for (const [i, pa] of places.entries()) memory.write32(pa, i + 1);
    expect(places.map((pa) => memory.read32(pa))).toEqual([1, 2, 3, 4, 5]);
  });

  it('holds a range only when all of it is RAM, across banks that touch as well', () => {
    const memory = memoryOf([LOW, FRAME], [LOW + FRAME, FRAME], [LOW + 4 * FRAME, FRAME]);
    expect(memory.contains(LOW, 2 * FRAME)).toBe(true);
    expect(memory.contains(LOW, 2 * FRAME + 1)).toBe(false);
    expect(memory.contains(LOW + 2 * FRAME)).toBe(false);
    expect(memory.contains(LOW + 3 * FRAME, 2 * FRAME)).toBe(false);
    expect(memory.contains(LOW + 4 * FRAME, FRAME)).toBe(true);
  });
});

describe('laziness', () => {
  it('reads zero from untouched RAM and creates nothing for it', () => {
    const memory = standard();
    expect(memory.read32(LOW)).toBe(0);
    expect(memory.read64(HIGH)).toBe(0n);
    expect(memory.frameCount).toBe(0);
  });

  it('creates one frame per 64 KiB touched', () => {
    const memory = standard();
    memory.write8(LOW, 1);
    memory.write8(LOW + FRAME - 1, 1);
    expect(memory.frameCount).toBe(1);
    memory.write8(LOW + FRAME, 1);
    expect(memory.frameCount).toBe(2);
  });

  it('keeps contents and indexes when the arena grows', () => {
    const memory = memoryOf([0, 200 * FRAME]);
    const first = memory.index(0x1234 * 4);
    memory.words[first] = 77;
    for (let frame = 1; frame < 200; frame++) memory.write32(frame * FRAME, frame);
    expect(memory.index(0x1234 * 4)).toBe(first);
    expect(memory.words[first]).toBe(77);
    for (let frame = 1; frame < 200; frame++) expect(memory.read32(frame * FRAME)).toBe(frame);
  });

  it('keeps a frame contiguous', () => {
    const memory = standard();
    expect(memory.index(LOW + FRAME - 4) - memory.index(LOW)).toBe(FRAME / 4 - 1);
  });
});

describe('values', () => {
  it('is little-endian and equal to a plain byte array under any mix of accesses', () => {
    const access = fc.record({
      width: fc.constantFrom(1, 2, 4, 8),
      at: fc.nat(2 * FRAME - 8),
      low: fc.nat(0xffff_ffff),
      high: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const memory = memoryOf([0xffff_0000, 2 * FRAME]);
        const model = new DataView(new ArrayBuffer(2 * FRAME));
        for (const { width, at, low, high } of accesses) {
          const offset = at - (at % width);
          const pa = 0xffff_0000 + offset;
          if (width === 1) {
            memory.write8(pa, low);
            model.setUint8(offset, low);
          } else if (width === 2) {
            memory.write16(pa, low);
            model.setUint16(offset, low, true);
          } else if (width === 4) {
            memory.write32(pa, low);
            model.setUint32(offset, low, true);
          } else {
            memory.write64(pa, low, high);
            model.setUint32(offset, low, true);
            model.setUint32(offset + 4, high, true);
          }
          const aligned = offset - (offset % 8);
          const base = 0xffff_0000 + aligned;
          expect(memory.read64(base)).toBe(model.getBigUint64(aligned, true));
          expect(memory.read32(base + 4)).toBe(model.getUint32(aligned + 4, true));
          expect(memory.read16(base + 2)).toBe(model.getUint16(aligned + 2, true));
          expect(memory.read8(base + 5)).toBe(model.getUint8(aligned + 5));
        }
      }),
    );
  });

  it.each([
    ['read16', (memory: PhysicalMemory) => memory.read16(LOW + 1)],
    ['read32', (memory: PhysicalMemory) => memory.read32(LOW + 2)],
    ['read64', (memory: PhysicalMemory) => memory.read64(LOW + 4)],
    ['write16', (memory: PhysicalMemory) => memory.write16(LOW + 3, 0)],
    ['write32', (memory: PhysicalMemory) => memory.write32(LOW + 2, 0)],
    ['write64', (memory: PhysicalMemory) => memory.write64(LOW + 4, 0, 0)],
  ])('refuses an unaligned %s', (_, act) => expect(() => act(standard())).toThrow(BusError));
});

describe('images', () => {
  it('loads and copies at any alignment, across frames', () => {
    fc.assert(
      fc.property(fc.nat(FRAME), fc.uint8Array({ maxLength: 300 }), (offset, bytes) => {
        const memory = standard();
        const pa = LOW + FRAME - 150 + (offset % 300);
        memory.load(pa, bytes);
        const back = new Uint8Array(bytes.length).fill(0xee);
        memory.copy(pa, back);
        expect(back).toEqual(bytes);
      }),
    );
  });

  it('creates no frame for zeros, but overwrites what is there with them', () => {
    const memory = standard();
    memory.write32(LOW, 5);
    memory.load(LOW, new Uint8Array(4 * FRAME));
    expect(memory.frameCount).toBe(1);
    expect(memory.read32(LOW)).toBe(0);
  });

  it('refuses an image that sticks out of RAM, and stores none of it', () => {
    const memory = standard();
    expect(() => memory.load(LOW + 8 * FRAME - 2, Uint8Array.of(1, 2, 3))).toThrow(BusError);
    expect(memory.frameCount).toBe(0);
  });
});

describe('configuration', () => {
  it.each<[string, [number, number][]]>([
    ['a base off a frame', [[0x1000, FRAME]]],
    ['a size off a frame', [[0, 0x1000 + FRAME]]],
    [
      'banks that overlap',
      [
        [0, 2 * FRAME],
        [FRAME, FRAME],
      ],
    ],
    ['a bank beyond 2^52', [[2 ** 52 - FRAME, 2 * FRAME]]],
    ['no bank', []],
  ])('refuses %s', (_, banks) => expect(() => memoryOf(...banks)).toThrow(ConfigError));
});
