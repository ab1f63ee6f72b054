/** Descriptor layouts: one table per format, read by encoder, decoder and explainer alike. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bitField,
  type DescriptorLayout,
  decode,
  decodeField,
  encode,
  encodeField,
  explainDescriptor,
  highMask,
  LPAE_STAGE1_LEAF,
  LPAE_STAGE2_LEAF,
  LPAE_TABLE,
  lowMask,
  lpaeLayout,
  MALI_LEAF,
  MALI_TABLE,
  type PlacedField,
} from '../../formats/index.ts';

const LAYOUTS: readonly DescriptorLayout[] = [
  LPAE_STAGE1_LEAF,
  LPAE_STAGE2_LEAF,
  LPAE_TABLE,
  MALI_LEAF,
  MALI_TABLE,
  ...[12, 14, 16].flatMap((granule) =>
    [1, 2, 3].flatMap((level) => [
      lpaeLayout(1, level, level === 3 ? 3 : 1, granule),
      lpaeLayout(2, level, 3, granule),
    ]),
  ),
];

describe('descriptor fields', () => {
  it('never overlap, and stay inside the descriptor', () => {
    for (const { title, fields, bits } of LAYOUTS) {
      let taken = 0n;
      for (const [name, { lsb, width }] of Object.entries(fields)) {
        const mask = ((1n << BigInt(width)) - 1n) << BigInt(lsb);
        expect([title, name, taken & mask]).toEqual([title, name, 0n]);
        expect(lsb + width).toBeLessThanOrEqual(bits);
        taken |= mask;
      }
    }
  });

  it('say what they mean and where that is written', () => {
    for (const { fields } of LAYOUTS) {
      for (const { meaning, source, values, width } of Object.values(fields) as PlacedField[]) {
        expect(meaning.length).toBeGreaterThan(3);
        expect((source ?? '').length).toBeGreaterThan(3);
        for (const value of Object.keys(values ?? {})) expect(Number(value)).toBeLessThan(2 ** width);
      }
    }
  });

  it('come back from a descriptor as they went in, wherever they lie', () => {
    const field = fc
      .record({ lsb: fc.nat(63), width: fc.integer({ min: 1, max: 52 }) })
      .filter(({ lsb, width }) => lsb + width <= 64);
    fc.assert(
      fc.property(field, fc.maxSafeInteger(), ({ lsb, width }, random) => {
        const bits = bitField(lsb, width, '');
        const value = Math.abs(random) % 2 ** width;
        const { low, high } = encodeField(bits, value);
        expect(decodeField(bits, low, high)).toBe(value);
        expect([(low & ~lowMask(bits)) >>> 0, (high & ~highMask(bits)) >>> 0]).toEqual([0, 0]);
      }),
      { seed: 3 },
    );
  });

  it('are encoded and decoded by name', () => {
    const { low, high } = encode(LPAE_STAGE1_LEAF, { type: 3, af: 1, sh: 3, uxn: 1, pxn: 1, nonGlobal: 1 });
    expect([high, low]).toEqual([0x0060_0000, 0xf03]);
    expect(decode(LPAE_STAGE1_LEAF, low, high)).toMatchObject({
      type: 3,
      af: 1,
      sh: 3,
      uxn: 1,
      dbm: 0,
      outputAddress: 0,
    });
  });
});

describe('explainDescriptor', () => {
  /** Named values of a descriptor. */
  function named(...args: Parameters<typeof explainDescriptor>): Record<string, number> {
    return Object.fromEntries(explainDescriptor(...args).fields.map(({ name, value }) => [name, value]));
  }

  it('names the output address of a page with each granule', () => {
    expect(named('ARM_64_LPAE_S1', 3, 0x1234_5f43, 0x0060_0008, 0, 12)).toMatchObject({
      outputAddress: 0x8_1234_5000,
      uxn: 1,
    });
    expect(named('ARM_64_LPAE_S1', 3, 0x1234_4f43, 8, 0, 14)).toMatchObject({ outputAddress: 0x8_1234_4000 });
    expect(named('ARM_64_LPAE_S1', 3, 0x1234_af43, 8, 0, 16)).toMatchObject({
      outputAddress: 0x8_1234_0000,
      outputAddressHigh: 0xa,
    });
  });

  it('tells a block from a table by type, and a page from a block by level', () => {
    expect(explainDescriptor('ARM_64_LPAE_S1', 2, 0x4000_0f41, 0).title).toContain('stage 1 block');
    expect(explainDescriptor('ARM_64_LPAE_S1', 2, 0x4000_0003, 0).title).toContain('table');
    expect(explainDescriptor('ARM_64_LPAE_S2', 3, 0x4000_0f43, 0).title).toContain('stage 2 page');
    expect(explainDescriptor('ARM_64_LPAE_S1', 3, 0x4000_0f41, 0).title).toBe('invalid');
    expect(explainDescriptor('ARM_MALI_LPAE', 3, 0x4000_0f41, 0).title).toContain('Mali');
    expect(explainDescriptor('ARM_V7S', 1, 0x4000_0001, 0).title).toContain('short');
    expect(explainDescriptor('ARM_V7S', 1, 0, 0).title).toBe('invalid');
  });

  it('puts values into words', () => {
    const { fields } = explainDescriptor('ARM_64_LPAE_S1', 3, 0x8000_0fc7, 0);
    expect(fields.find(({ name }) => name === 'apReadOnly')?.text).toBe('read only');
    expect(fields.find(({ name }) => name === 'sh')?.text).toBe('inner shareable');
    expect(fields.map(({ lsb }) => lsb)).toEqual(fields.map(({ lsb }) => lsb).toSorted((a, b) => a - b));
  });
});
