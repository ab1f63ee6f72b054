import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCommand, encodeEvent } from '../../../devices/index.ts';
import {
  explainEntry,
  explainRegister,
  explainSmmuv3,
  registerNames,
  type SplitShape,
  splitIova,
  splitLines,
  structureLines,
} from '../../../traces/index.ts';

const S1 = { format: 'ARM_64_LPAE_S1', level: 3, granuleShift: 12 } as const;
const S2 = { ...S1, format: 'ARM_64_LPAE_S2' } as const;
const fieldsOf = (of: { readonly fields: readonly { readonly name: string; readonly value: string }[] }) =>
  Object.fromEntries(of.fields.map(({ name, value }) => [name, value]));

describe('a descriptor', () => {
  it('is drawn as bits, letters and fields with their sections', () => {
    const lines = structureLines(explainEntry(0x60000008090e4bn, S1));
    expect(lines[0]).toBe('0x60000008090e4b: VMSAv8-64 / LPAE stage 1 page at level 3');
    expect(lines[2]).toBe('  0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0');
    expect(lines[6]).toBe('  i i i i i i i i i i i i i i i i i i i i h g f f e d c b b b a a');
    expect(lines.find((line) => line.includes('outputAddress'))).toMatch(
      /\[47:12\] +outputAddress +0x8090000 .*DDI 0487/,
    );
    expect(lines.at(-1)).toBe('  Maps 4 KiB.');
  });

  it.each([
    ['bit 0 clear', 0x2n, S1, /^Invalid: bit 0 is 0.*level 3/],
    ['a block at level 3', 0x1n, S1, /^Reserved: .*level 3 has pages/],
    ['a block at level 0', 0x401n, { ...S1, level: 0 }, /^Reserved: there are no blocks at level 0/],
    ['a block at level 1 of 16 KiB', 0x401n, { ...S1, level: 1, granuleShift: 14 }, /^Reserved: .*16 KiB/],
    ['a block of 4 TiB', 0x401n, { ...S1, level: 1, granuleShift: 16 }, /FEAT_LPA/],
    ['shareability 1', 0x503n, S1, /shareability 1/],
    ['a clear access flag', 0x3n, S1, /access flag is 0/],
    ['address bits below the block', 0x40001401n | (1n << 30n), { ...S1, level: 1 }, /^Bit 12 is set.*reserved/],
    ['no rights at stage 2', 0x43fn & ~0xc0n, S2, /permits nothing/],
    ['MemAttr 4 at stage 2', 0x4d3n, S2, /MemAttr 4/],
  ] as const)('says plainly: %s', (_, value, place, says) => {
    expect(explainEntry(value, place).remarks.some((remark) => says.test(remark))).toBe(true);
  });

  it('gives every bit to at most one field, and its fields add up to the value', () => {
    const any = fc.record({
      value: fc.bigInt(0n, 2n ** 64n - 1n),
      level: fc.integer({ min: 0, max: 3 }),
      granuleShift: fc.constantFrom(12, 14, 16),
    });
    fc.assert(
      fc.property(any, ({ value, level, granuleShift }) => {
        const { fields } = explainEntry(value | 3n, { ...S1, level, granuleShift });
        let seen = 0n;
        for (const { lsb, width, value: text, name } of fields) {
          const mask = ((1n << BigInt(width)) - 1n) << BigInt(lsb);
          expect(seen & mask, name).toBe(0n);
          seen |= mask;
          const isAddress = name === 'outputAddress' || name === 'nextTable';
          expect(BigInt(text) << (isAddress ? 0n : BigInt(lsb))).toBe((value | 3n) & mask);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('an address', () => {
  const shapes: readonly SplitShape[] = [
    { format: 'ARM_64_LPAE_S1', granuleShift: 12, ias: 48 },
    { format: 'ARM_64_LPAE_S1', granuleShift: 14, ias: 47 },
    { format: 'ARM_64_LPAE_S2', granuleShift: 12, ias: 40 },
    { format: 'ARM_64_LPAE_S1', granuleShift: 16, ias: 52 },
    { format: 'ARM_V7S', granuleShift: 12, ias: 32 },
    { format: 'ARM_MALI_LPAE', granuleShift: 12, ias: 33 },
  ];
  it.each(shapes)('is the sum of its indexes and offset: $format, $granuleShift, $ias', (shape) => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** BigInt(shape.ias) - 1n), (iova) => {
        const { parts, beyond } = splitIova(iova, shape);
        expect(parts.reduce((sum, { index, lsb }) => sum + (BigInt(index) << BigInt(lsb)), 0n)).toBe(iova);
        expect(parts.reduce((sum, { width }) => sum + width, 0)).toBe(shape.ias);
        expect(beyond).toBe('');
      }),
      { numRuns: 50 },
    );
  });

  it('above the input size is said to fault', () => {
    const split = splitIova(1n << 40n, { format: 'ARM_64_LPAE_S1', granuleShift: 12, ias: 39 });
    expect(split.beyond).toBe('0x10000000000');
    expect(splitLines(split).at(-1)).toContain('translation fault');
  });

  it('of a stage 2 of 40 bits starts at level 1 with two joined tables', () => {
    const { joined, parts } = splitIova(0x80_0000_0000n, { format: 'ARM_64_LPAE_S2', granuleShift: 12, ias: 40 });
    expect([joined, parts[0]]).toEqual([
      2,
      { level: 1, lsb: 30, width: 10, index: 512, offset: 4096, covers: 2 ** 30 },
    ]);
  });
});

describe('a register', () => {
  it.each([
    ['TCR', 0x3510n, /^Lower half: 48 bits, granule 4 KiB/],
    ['VTCR_EL2', 0x80023558n, /^Input of 40 bits/],
    ['LOCKADDR', 0x40000014n, /^Locks 2 MiB from 0x40000000/],
    ['CR0', 0x20n, /^Bit 5 is set/],
    ['CR0', 1n << 32n, /^Too large/],
  ] as const)('%s = %s says what it amounts to', (name, value, says) => {
    expect(explainRegister(name, value)[0]?.remarks.some((remark) => says.test(remark))).toBe(true);
  });

  it('MAIR tells each memory type', () => {
    const texts = explainRegister('MAIR_EL1', 0xf404ff44n)[0]
      ?.fields.slice(0, 4)
      .map(({ text }) => text);
    expect(texts).toEqual([
      'normal non-cacheable',
      'normal write-back, read- and write-allocate',
      'device nGnRE',
      'normal, outer write-back, read- and write-allocate, inner non-cacheable',
    ]);
  });

  it.each([
    'TTBR0',
    'VTTBR',
    'TRANSCFG',
    'MEMATTR',
    'TRANSTAB',
    'FAULTSTATUS',
    'sCR0',
    'FSR',
    'FSYNR0',
    'sGFSR',
    'CB3_SCTLR',
    'SMMU_GBPA',
    'IMCTR',
  ])('%s is known', (name) => {
    expect(explainRegister(name, 1n)).toHaveLength(1);
  });

  it('of every declared name is explained, and an unknown one is not', () => {
    for (const name of registerNames()) expect(explainRegister(name, 0n).length, name).toBeGreaterThan(0);
    expect(explainRegister('CONSTRUCTOR', 0n)).toEqual([]);
  });
});

describe('what an SMMUv3 keeps in memory', () => {
  const doublewords = (words: Uint32Array): bigint[] =>
    Array.from(
      { length: words.length / 2 },
      (_, at) => (BigInt(words[2 * at + 1] ?? 0) << 32n) | BigInt(words[2 * at] ?? 0),
    );

  it('a command is named and its fields read back', () => {
    const words = new Uint32Array(4);
    encodeCommand('TLBI_NH_VA', { VMID: 3, ASID: 7, Leaf: 1, Address: 0x12345000 }, words, 0);
    const found = explainSmmuv3('cmd', doublewords(words));
    expect(found.title).toBe('SMMUv3 CMD_TLBI_NH_VA');
    expect(fieldsOf(found)).toMatchObject({ VMID: '0x3', ASID: '0x7', Leaf: '0x1', Address: '0x12345000' });
    expect(explainSmmuv3('cmd', [0xffn]).remarks[0]).toContain('CERROR_ILL');
  });

  it('an event record keeps all 64 bits of its address', () => {
    const words = new Uint32Array(8);
    encodeEvent('F_TRANSLATION', { StreamID: 0x210, RnW: 1, CLASS: 2 }, words, 0);
    const [first = 0n, second = 0n] = doublewords(words);
    const found = explainSmmuv3('event', [first, second, 0xffff_ffff_ffff_fff1n, 0n]);
    expect(found.title).toBe('SMMUv3 F_TRANSLATION');
    expect(fieldsOf(found)).toMatchObject({ StreamID: '0x210', InputAddress: '0xfffffffffffffff1' });
  });

  it('refused entries name their reason, good ones say what they do', () => {
    expect(explainSmmuv3('ste', [0n]).remarks).toEqual(['Refused with C_BAD_STE: V is 0.']);
    expect(explainSmmuv3('ste', [0x9n]).remarks).toEqual(['Config 4: bypass.']);
    expect(explainSmmuv3('cd', [0n]).remarks).toEqual(['Refused with C_BAD_CD: V is 0.']);
  });
});
