import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT_DESCRIPTOR, STREAM_TABLE_ENTRY } from '../../../../../devices/index.ts';
import {
  rewriteEntry,
  type UsedBits,
  usedOfContextDescriptor,
  usedOfStreamTableEntry,
} from '../../../../../devices/smmuv3/driver/tables/entry-writer.ts';
import { encodeInto, type Layout } from '../../../../../formats/index.ts';

function entry<L extends Layout>(layout: L, fields: Partial<Record<keyof L, number>>): Uint32Array {
  const words = new Uint32Array(16);
  encodeInto(layout, words, 0, fields);
  return words;
}

const inUse = (words: Uint32Array, usedBits: UsedBits): Uint32Array => {
  const used = new Uint32Array(16);
  usedBits(words, used);
  return used;
};

/** Whether the SMMU, reading `words`, sees what it would see in `whole`. */
const seenAs = (words: Uint32Array, whole: Uint32Array, usedBits: UsedBits): boolean =>
  inUse(words, usedBits).every((mask, i) => ((words[i] as number) & mask) >>> 0 === whole[i]);

/** Rewrites `from` to `to`. @returns what the SMMU could see after each sync. */
function rewrite(from: Uint32Array, to: Uint32Array, usedBits: UsedBits): Uint32Array[] {
  const words = from.slice();
  const steps: Uint32Array[] = [];
  rewriteEntry({ words, index: () => 0, written: () => {} }, 0, to, usedBits, () => steps.push(words.slice()));
  expect(words).toEqual(to);
  return steps;
}

/** [hitless, syncs], counted as the kernel's own test counts them: a first doubleword of 0 is a hit. */
function outcome(from: Uint32Array, to: Uint32Array, usedBits: UsedBits): [boolean, number] {
  const steps = rewrite(from, to, usedBits);
  const hitless = steps.every((words) => words[0] !== 0 || words[1] !== 0);
  if (hitless) {
    for (const words of steps) expect(seenAs(words, from, usedBits) || seenAs(words, to, usedBits)).toBe(true);
  }
  return [hitless, steps.length];
}

// The entries of the kernel's KUnit test (drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-test.c), whose SMMU has stalls and SHCFG.
const stage1 = (values: Partial<Record<keyof typeof STREAM_TABLE_ENTRY, number>> = {}): Uint32Array =>
  entry(STREAM_TABLE_ENTRY, {
    ...{ V: 1, Config: 5, S1Fmt: 2, S1ContextPtr: 0xf0f0_f0f0_f0c0, S1CDMax: 31 },
    ...{ S1DSS: 2, S1CIR: 1, S1COR: 1, S1CSH: 3, S1STALLD: 1, EATS: 1, ...values },
  });
const stage2 = (values: Partial<Record<keyof typeof STREAM_TABLE_ENTRY, number>> = {}): Uint32Array =>
  entry(STREAM_TABLE_ENTRY, {
    ...{ V: 1, Config: 6, EATS: 1, SHCFG: 1, S2T0SZ: 4, S2SL0: 3, S2IR0: 2, S2OR0: 1, S2SH0: 3, S2TG: 2, S2PS: 1 },
    ...{ S2AA64: 1, S2PTW: 1, S2R: 1, S2TTB: 0xbeef_dead_bee0, ...values },
  });
const ENTRIES = {
  abort: entry(STREAM_TABLE_ENTRY, { V: 1 }),
  bypass: entry(STREAM_TABLE_ENTRY, { V: 1, Config: 4, SHCFG: 1 }),
  s1: stage1(),
  's1, S1DSS bypass': stage1({ S1DSS: 1, SHCFG: 1 }),
  's1, S1DSS bypass, other table': stage1({ S1DSS: 1, SHCFG: 1, S1ContextPtr: 0x4b_4b4b_4b40 }),
  's1, stalls': stage1({ S1STALLD: 0, EATS: 0 }),
  s2: stage2(),
  's2, stalls': stage2({ EATS: 0, S2S: 1 }),
} as const;

describe('a stream table entry is rewritten as the kernel does', () => {
  it.each<[keyof typeof ENTRIES, keyof typeof ENTRIES, boolean, number]>([
    ['bypass', 'abort', true, 2],
    ['abort', 'bypass', true, 2],
    ['s1', 'abort', true, 2],
    ['abort', 's1', true, 2],
    ['s1', 'bypass', true, 3],
    ['bypass', 's1', true, 3],
    ['s1', 's1, S1DSS bypass', true, 1],
    ['s1, S1DSS bypass', 's1', true, 1],
    ['s1, S1DSS bypass', 'bypass', true, 2],
    ['bypass', 's1, S1DSS bypass', true, 2],
    ['s2', 'abort', true, 2],
    ['abort', 's2', true, 2],
    ['s2', 'bypass', true, 2],
    ['bypass', 's2', true, 2],
    ['s1', 's2', true, 3],
    ['s2', 's1', true, 3],
    ['s1, stalls', 's2, stalls', true, 3],
    ['s2, stalls', 's1, stalls', true, 3],
    ['s1', 's1, S1DSS bypass, other table', false, 3],
    ['s1', 's1', true, 0],
  ])('%s to %s: hitless %s, syncs %i', (from, to, hitless, syncs) => {
    expect(outcome(ENTRIES[from], ENTRIES[to], usedOfStreamTableEntry)).toEqual([hitless, syncs]);
  });
});

describe('a context descriptor is rewritten as the kernel does', () => {
  const lower = (ASID: number): Uint32Array =>
    entry(CONTEXT_DESCRIPTOR, {
      ...{ V: 1, T0SZ: 4, TG0: 2, IR0: 2, OR0: 1, SH0: 3, EPD1: 1, IPS: 1, AA64: 1, R: 1, A: 1, ASET: 1 },
      ...{ ASID, TTB0: 0xbeef_dead_bee0, MAIR0: 0x1234_5678, MAIR1: 0xabc_def0 },
    });
  const upper = entry(CONTEXT_DESCRIPTOR, {
    ...{ V: 1, T1SZ: 16, TG1: 2, IR1: 1, OR1: 1, SH1: 3, EPD0: 1, IPS: 1, AA64: 1, R: 1, A: 1, ASET: 1 },
    ...{ ASID: 778, TTB1: 0x8000_1000, MAIR0: 0x1234_5678, MAIR1: 0xabc_def0 },
  });
  // A process's address space, and what is left of it after exit: both walks off, the ASID stays.
  const released = entry(CONTEXT_DESCRIPTOR, {
    ...{ V: 1, EPD0: 1, EPD1: 1, IPS: 1, AA64: 1, R: 1, A: 1, ASET: 1 },
    ...{ ASID: 778, MAIR0: 0x1234_5678, MAIR1: 0xabc_def0 },
  });
  const none = new Uint32Array(16);

  it.each<[string, Uint32Array, Uint32Array, boolean, number]>([
    ['none to valid', none, lower(1997), false, 2],
    ['valid to none', lower(1997), none, false, 2],
    ['another ASID', lower(778), lower(1997), true, 1],
    ['both walks off', lower(778), released, true, 2],
    ['one walk on', released, lower(778), true, 2],
    ['the lower half for the upper', lower(778), upper, true, 3],
  ])('%s', (_, from, to, hitless, syncs) => {
    expect(outcome(from, to, usedOfContextDescriptor)).toEqual([hitless, syncs]);
  });
});

describe('between any two entries', () => {
  it('the SMMU sees the old one, an invalid one or the new one, never a mixture', () => {
    const any = fc.constantFrom(...(Object.keys(ENTRIES) as (keyof typeof ENTRIES)[]));
    fc.assert(
      fc.property(any, any, fc.nat(0xffff), fc.nat(0xffff), (a, b, first, second) => {
        const vmid = (name: keyof typeof ENTRIES, S2VMID: number): Uint32Array => {
          const words = ENTRIES[name].slice();
          if (name.startsWith('s')) encodeInto(STREAM_TABLE_ENTRY, words, 0, { S2VMID });
          return words;
        };
        const [from, to] = [vmid(a, first), vmid(b, second)];
        for (const words of rewrite(from, to, usedOfStreamTableEntry)) {
          const invalid = ((words[0] as number) & 1) === 0;
          expect(
            invalid || seenAs(words, from, usedOfStreamTableEntry) || seenAs(words, to, usedOfStreamTableEntry),
          ).toBe(true);
        }
      }),
    );
  });
});
