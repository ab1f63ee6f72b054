import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressField,
  bitField,
  decodeAll,
  decodeField,
  encodeField,
  encodeInto,
  explainFields,
  getField,
  highMask,
  type Layout,
  lowMask,
  setField,
} from '../../../formats/index.ts';

/** A field of a structure of 512 bits, within one word or one doubleword, with as many random bits as it has. */
const place = fc
  .record({
    lsb: fc.nat(511),
    width: fc.integer({ min: 1, max: 52 }),
    value: fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }),
  })
  .filter(({ lsb, width }) => (lsb & 63) + width <= 64)
  .map(({ lsb, width, value }) => ({ lsb, width, value: Number(BigInt.asUintN(width, value)) }));

/** The structure as one large number. */
function whole(words: Uint32Array): bigint {
  return words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

describe('fields of up to 512 bits', () => {
  it('are read and written where the manual counts them, and touch no other bit', () => {
    fc.assert(
      fc.property(place, fc.bigInt({ min: 0n, max: 2n ** 512n - 1n }), ({ lsb, width, value }, around) => {
        const words = Uint32Array.from({ length: 16 }, (_, i) => Number((around >> BigInt(32 * i)) & 0xffff_ffffn));
        const field = bitField(lsb, width, 'some bits');
        expect(getField(words, 0, field)).toBe(Number((around >> BigInt(lsb)) & (2n ** BigInt(width) - 1n)));
        setField(words, 0, field, value);
        const mask = (2n ** BigInt(width) - 1n) << BigInt(lsb);
        expect(whole(words)).toBe((around & ~mask) | (BigInt(value) << BigInt(lsb)));
        expect(getField(words, 0, field)).toBe(value);
      }),
      { seed: 11 },
    );
  });

  it('that are addresses give and take the address, and drop what lies below the field', () => {
    const pointer = addressField(64 + 6, 46, 'S1ContextPtr[51:6]');
    const words = new Uint32Array(4);
    setField(words, 0, pointer, 0xf_1234_5678_9abf);
    expect(getField(words, 0, pointer)).toBe(0xf_1234_5678_9a80);
    expect([...words]).toEqual([0, 0, 0x5678_9a80, 0xf_1234]);
  });

  it('of a doubleword are the same taken from two halves', () => {
    fc.assert(
      fc.property(
        place.filter(({ lsb, width }) => lsb + width <= 64),
        ({ lsb, width, value }) => {
          const field = bitField(lsb, width, 'some bits');
          const { low, high } = encodeField(field, value);
          expect((BigInt(high) << 32n) | BigInt(low)).toBe(BigInt(value) << BigInt(lsb));
          expect(decodeField(field, low, high)).toBe(value);
          const mask = (BigInt(highMask(field)) << 32n) | BigInt(lowMask(field));
          expect(mask).toBe((2n ** BigInt(width) - 1n) << BigInt(lsb));
        },
      ),
      { seed: 12 },
    );
  });

  it('are written, read and explained by name', () => {
    const fields = {
      V: bitField(0, 1, 'valid'),
      S2TTB: addressField(196, 48, 'table, bits [51:4]'),
      SHCFG: { ...bitField(108, 2, 'shareability'), values: { 2: 'outer' }, source: 'IHI 0070 5.2' },
    } satisfies Layout;
    const words = new Uint32Array(20);
    encodeInto(fields, words, 4, { V: 1, S2TTB: 0x8_0000_0010, SHCFG: 2 });
    expect(decodeAll(fields, words, 4)).toEqual({ V: 1, S2TTB: 0x8_0000_0010, SHCFG: 2 });
    encodeInto(fields, words, 4, { V: 0 });
    expect(explainFields(fields, words, 4).map(({ name, value, text }) => [name, value, text])).toEqual([
      ['V', 0, ''],
      ['SHCFG', 2, 'outer'],
      ['S2TTB', 0x8_0000_0010, ''],
    ]);
  });
});
