import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTEXT_DESCRIPTOR,
  EventId,
  L1_CONTEXT_DESCRIPTOR,
  L1_STREAM_TABLE_DESCRIPTOR,
  STREAM_ABORTED,
  STREAM_TABLE_ENTRY,
  StreamContexts,
  smmuv3Features,
} from '../../../../devices/index.ts';
import { Bus, BusView, PhysicalMemory } from '../../../../emulator/index.ts';
import { encodeInto, type Layout } from '../../../../formats/index.ts';

const RAM = 0x8000_0000;

/** Memory to lay structures out in by hand. */
function structures(asked: Parameters<typeof smmuv3Features>[0] = {}) {
  const memory = new PhysicalMemory({ banks: [{ base: RAM, size: 0x1000_0000, node: 0 }] });
  const contexts = new StreamContexts(new Bus(memory, null).port('smmu', BusView.COHERENT), smmuv3Features(asked));
  const put = <L extends Layout>(layout: L, pa: number, fields: Partial<Record<keyof L, number>>): void => {
    // The index first: it may replace the words.
    const at = memory.index(pa);
    encodeInto(layout, memory.words, at, fields);
  };
  return { memory, contexts, put };
}

/** A context descriptor that can be told by its ASID. */
const context = (ASID: number) => ({ V: 1, AA64: 1, A: 1, R: 1, T0SZ: 16, EPD1: 1, ASID, TTB0: RAM });

const asidOf = (found: ReturnType<StreamContexts['lookUp']>): number =>
  typeof found === 'number' ? -found : found.asid;

describe('the stream table', () => {
  it('finds the entry of any StreamID in a linear table and in two levels of every split', () => {
    const streams = fc.integer({ min: 0, max: 2 ** 16 - 1 });
    fc.assert(
      fc.property(
        fc.constantFrom(0, 6, 8, 10),
        fc.uniqueArray(streams, { minLength: 1, maxLength: 20 }),
        (split, ids) => {
          const { contexts, put } = structures();
          contexts.table = { base: RAM, twoLevel: split > 0, log2Size: 16, split };
          const arrays = new Map<number, number>();
          for (const [i, id] of ids.entries()) {
            let entry = RAM + 64 * id;
            if (split > 0) {
              const upper = id >> split;
              const array = arrays.get(upper) ?? RAM + 0x10_0000 + 0x1_0000 * arrays.size;
              arrays.set(upper, array);
              put(L1_STREAM_TABLE_DESCRIPTOR, RAM + 8 * upper, { Span: split + 1, L2Ptr: array });
              entry = array + 64 * (id % 2 ** split);
            }
            const cd = RAM + 0x800_0000 + 64 * i;
            put(STREAM_TABLE_ENTRY, entry, { V: 1, Config: 5, S1ContextPtr: cd });
            put(CONTEXT_DESCRIPTOR, cd, context(i + 1));
          }
          for (const [i, id] of ids.entries()) expect(asidOf(contexts.lookUp(id, -1))).toBe(i + 1);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('ends where LOG2SIZE and the span of a level 1 descriptor say', () => {
    const { contexts, put } = structures();
    contexts.table = { base: RAM, twoLevel: true, log2Size: 10, split: 8 };
    // Span 3: four entries. Span 10 is more than a level 2 array can have.
    put(L1_STREAM_TABLE_DESCRIPTOR, RAM, { Span: 3, L2Ptr: RAM + 0x1_0000 });
    put(L1_STREAM_TABLE_DESCRIPTOR, RAM + 8, { Span: 10, L2Ptr: RAM + 0x1_0000 });
    for (let i = 0; i < 256; i++) put(STREAM_TABLE_ENTRY, RAM + 0x1_0000 + 64 * i, { V: 1, Config: 0 });
    expect(contexts.lookUp(3, -1)).toBe(STREAM_ABORTED);
    expect(contexts.lookUp(4, -1)).toBe(EventId.C_BAD_STREAMID);
    expect(contexts.lookUp(256, -1)).toBe(EventId.C_BAD_STREAMID);
    expect(contexts.lookUp(512, -1)).toBe(EventId.C_BAD_STREAMID);
    expect(contexts.lookUp(1024, -1)).toBe(EventId.C_BAD_STREAMID);
    expect(contexts.refusal).toMatch(/LOG2SIZE/);
  });
});

describe('the context descriptor table', () => {
  it('finds any substream in a linear table and in two levels with leaves of 64 and of 1024 descriptors', () => {
    const substreams = fc.uniqueArray(fc.integer({ min: 1, max: 4095 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 2), substreams, (S1Fmt, ids) => {
        const { contexts, put } = structures({ substreamBits: 12 });
        contexts.table = { base: RAM, twoLevel: false, log2Size: 1, split: 8 };
        const table = RAM + 0x10_0000;
        put(STREAM_TABLE_ENTRY, RAM, { V: 1, Config: 5, S1Fmt, S1CDMax: 12, S1ContextPtr: table, S1DSS: 2 });
        const leafBits = [0, 6, 10][S1Fmt] ?? 0;
        const leaves = new Map<number, number>();
        for (const id of ids) {
          let cd = table + 64 * id;
          if (leafBits > 0) {
            const upper = id >> leafBits;
            const leaf = leaves.get(upper) ?? RAM + 0x100_0000 + 0x1_0000 * leaves.size;
            leaves.set(upper, leaf);
            put(L1_CONTEXT_DESCRIPTOR, table + 8 * upper, { V: 1, L2Ptr: leaf });
            cd = leaf + 64 * (id % 2 ** leafBits);
          }
          put(CONTEXT_DESCRIPTOR, cd, context(id));
        }
        for (const id of ids) expect(asidOf(contexts.lookUp(0, id))).toBe(id);
      }),
      { numRuns: 40 },
    );
  });

  it('gives the same regime object as long as the words are the same, and another one when they change', () => {
    const { contexts, put } = structures();
    contexts.table = { base: RAM, twoLevel: false, log2Size: 1, split: 8 };
    put(STREAM_TABLE_ENTRY, RAM, { V: 1, Config: 5, S1ContextPtr: RAM + 0x1000 });
    put(CONTEXT_DESCRIPTOR, RAM + 0x1000, context(1));
    const first = contexts.lookUp(0, -1);
    expect(contexts.lookUp(0, -1)).toBe(first);
    put(CONTEXT_DESCRIPTOR, RAM + 0x1000, { ASID: 2 });
    expect(contexts.lookUp(0, -1)).not.toBe(first);
    expect(asidOf(contexts.lookUp(0, -1))).toBe(2);
  });
});
