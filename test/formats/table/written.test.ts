import { describe, expect, it } from 'vitest';
import {
  allocIoPgtable,
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  Prng,
  Prot,
  Quirk,
  type TableMemory,
} from '../../../formats/index.ts';

const BASE = 0x8000_0000;

/** Memory that knows of a store only when it is told. */
class ToldMemory implements TableMemory {
  readonly words = new Uint32Array(1 << 18);
  readonly told = new Uint32Array(1 << 18);
  readonly live = new Map<number, number>();
  #next = BASE;

  get toldAll(): boolean {
    const bytes = this.#next - BASE;
    return Buffer.from(this.words.buffer, 0, bytes).equals(Buffer.from(this.told.buffer, 0, bytes));
  }

  index(pa: number): number {
    return (pa - BASE) / 4;
  }

  written(pa: number, bytes: number, at = this.index(pa)): void {
    expect(at).toBe(this.index(pa));
    const table = [...this.live].find(([start, size]) => start <= pa && pa + bytes <= start + size);
    if (table === undefined) expect.fail(`told of 0x${pa.toString(16)}, ${bytes} bytes, which is no table's`);
    this.told.set(this.words.subarray(at, at + bytes / 4), at);
  }

  alloc(_cookie: unknown, size: number): number {
    const pa = Math.ceil(this.#next / size) * size;
    this.#next = pa + size;
    this.live.set(pa, size);
    return pa;
  }

  free(_cookie: unknown, pa: number, size: number): void {
    expect(this.live.get(pa)).toBe(size);
    this.live.delete(pa);
    const at = this.index(pa);
    this.told.set(this.words.subarray(at, at + size / 4), at);
  }
}

const LPAE = { format: 'ARM_64_LPAE_S1', pageSizes: 0x40201000, ias: 32, oas: 40 } as const;
const SHORT = { format: 'ARM_V7S', pageSizes: 0x1111000, ias: 32, oas: 32 } as const;

const TABLES: readonly (readonly [string, Partial<IoPgtableConfig> & Pick<IoPgtableConfig, 'format'>])[] = [
  ['LPAE, coherent', { ...LPAE, coherentWalk: true }],
  ['LPAE, with syncs', { ...LPAE, coherentWalk: false }],
  ['LPAE with the contiguous hint', { ...LPAE, coherentWalk: true, contiguous: true }],
  ['LPAE stage 2', { ...LPAE, format: 'ARM_64_LPAE_S2', coherentWalk: true }],
  ['LPAE with dirty tracking', { ...LPAE, coherentWalk: true, quirks: Quirk.ARM_HD }],
  ['short descriptors, coherent', { ...SHORT, coherentWalk: true }],
  ['short descriptors, with syncs', { ...SHORT, coherentWalk: false }],
];

/** Maps and unmaps runs of all sizes here and there, with parts of blocks among them. */
function edit(table: IoPgtable, sizes: readonly number[], random: Prng): void {
  const size = sizes[random.below(sizes.length)] ?? 4096;
  const iova = Math.floor(random.below(2 ** 26) / size) * size;
  const count = 1 + random.below(size === 4096 ? 40 : 3);
  const pick = random.below(4);
  if (pick < 2)
    table.mapPages(iova, iova + 2 ** 28, size, count, Prot.READ | (pick === 0 ? Prot.WRITE : 0), Gfp.KERNEL);
  else if (pick === 2) table.unmapPages(iova, size, count, null);
  else table.readAndClearDirty(iova, size, 0, { record: () => {} });
}

describe('the coherency model', () => {
  it.each(TABLES)('is told of every store to a table, and of nothing outside: %s', (_, config) => {
    const memory = new ToldMemory();
    const dma = { mapSingle: (pa: number) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} };
    const machine = { memory, pages: memory, dma, warn: () => {} };
    const table = allocIoPgtable(config as IoPgtableConfig, machine, null);
    const random = new Prng(7);
    const sizes = config.format === 'ARM_V7S' ? [0x1000, 0x10000, 0x100000, 0x1000000] : [0x1000, 0x200000];
    for (let step = 0; step < 150; step++) {
      edit(table, sizes, random);
      expect([step, memory.toldAll]).toEqual([step, true]);
    }
    expect(memory.live.size).toBeGreaterThan(5);
  });
});
