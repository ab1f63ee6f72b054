import type { StageRegime, TranslationRegime, WalkMemory } from '../../../emulator/index.ts';

/** Words of memory by address, for tests that write descriptors by hand. What was never written is a bus error. */
export class WordMemory implements WalkMemory {
  low = 0;
  high = 0;
  readonly words = new Map<number, number>();

  set(pa: number, descriptor: bigint): void {
    this.words.set(pa, Number(descriptor & 0xffff_ffffn));
    this.words.set(pa + 4, Number(descriptor >> 32n));
  }

  zero(pa: number, bytes: number): void {
    for (let at = pa; at < pa + bytes; at += 4) this.words.set(at, 0);
  }

  read(pa: number, bytes: number): boolean {
    const low = this.words.get(pa);
    if (low === undefined) return false;
    this.low = low;
    this.high = bytes === 8 ? (this.words.get(pa + 4) ?? 0) : 0;
    return true;
  }

  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    if (!this.read(pa, bytes) || this.low !== low >>> 0 || (bytes === 8 && this.high !== high >>> 0)) return false;
    this.words.set(pa, newLow);
    if (bytes === 8) this.words.set(pa + 4, newHigh);
    return true;
  }
}

const PAGE = 4096n;
export const BLOCK_BYTES = 2 ** 21;
export const PAGE_BYTES = 4096;
/** Blocks of 2 MiB that the toy tables can map. */
export const TOY_BLOCKS = 3;

const VALID = 1n;
const TABLE = 3n;
const AF = 1n << 10n;
const NOT_GLOBAL = 1n << 11n;
const CONTIGUOUS = 1n << 52n;

/** Rights in the bits of a leaf: stage 1 AP = 01 (all may read and write), stage 2 S2AP = 11. */
const RIGHTS = { 1: 1n << 6n, 2: 3n << 6n } as const;

/**
 * A three-level table (39 bits, 4K granule) over its first few blocks of 2 MiB: each is empty, a block, or a table of pages. Written by
 * hand, so that it shares nothing with the editor; what must be invalidated after a change is the caller's business.
 */
export class ToyTable {
  readonly memory: WordMemory;
  readonly base: number;
  readonly stage: 1 | 2;
  readonly global: boolean;

  constructor(memory: WordMemory, base: number, stage: 1 | 2, global = false) {
    this.memory = memory;
    this.base = base;
    this.stage = stage;
    this.global = global;
    memory.zero(base, 4096 * (2 + TOY_BLOCKS));
    memory.set(base, BigInt(base + 4096) | TABLE);
  }

  /** Bytes of table memory from `base` on. */
  static readonly BYTES = 4096 * (2 + TOY_BLOCKS);

  /** Takes a whole 2 MiB away: block or table. */
  clear(block: number): void {
    this.memory.set(this.base + 4096 + 8 * block, 0n);
    this.memory.zero(this.#pages(block), 4096);
  }

  mapBlock(block: number, pa: number): void {
    this.memory.set(this.base + 4096 + 8 * block, BigInt(pa) | this.#leaf(VALID));
  }

  /** Maps a page; the 2 MiB around it must be empty or a table. */
  mapPage(block: number, page: number, pa: number, contiguous = false): void {
    this.memory.set(this.base + 4096 + 8 * block, BigInt(this.#pages(block)) | TABLE);
    const hint = contiguous ? CONTIGUOUS : 0n;
    this.memory.set(this.#pages(block) + 8 * page, (BigInt(pa) & -PAGE) | this.#leaf(TABLE) | hint);
  }

  unmapPage(block: number, page: number): void {
    this.memory.set(this.#pages(block) + 8 * page, 0n);
  }

  regime(): StageRegime {
    return {
      stage: this.stage,
      family: 'lpae',
      root0: {
        base: this.base,
        granuleShift: 12,
        inputBits: 39,
        startLevel: 1,
        ignoreHierarchicalPermissions: false,
      },
      root1: null,
      outputBits: 48,
      accessFlagFaults: true,
      hardwareAccessFlag: false,
      hardwareDirty: false,
      memoryAttributes: [],
      tag: 0,
      writeExecuteNever: false,
    };
  }

  #pages(block: number): number {
    return this.base + 4096 * (2 + block);
  }

  #leaf(kind: bigint): bigint {
    const scope = this.stage === 1 && !this.global ? NOT_GLOBAL : 0n;
    return kind | AF | scope | RIGHTS[this.stage];
  }
}

export function toyRegime(
  stage1: ToyTable | null,
  stage2: ToyTable | null,
  asid: number,
  vmid: number,
): TranslationRegime {
  return { stage1: stage1?.regime() ?? null, stage2: stage2?.regime() ?? null, asid, vmid };
}
