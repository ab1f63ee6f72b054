/**
 * The CPU's data cache in front of physical memory: what makes a forgotten `dma_sync` visible.
 *
 * How it works: every 64 KiB frame that the CPU touches gets a second frame with the CPU's view of it (its index is stable, so
 * page-table editors store to `words` directly), and two bits per 64-byte line:
 *
 *     present  dirty    CPU's view                          memory
 *        0       0      equal to memory                     what devices wrote, or the CPU wrote back
 *        1       0      as it was when the line came in     may have been changed by a device that does not snoop
 *        1       1      newer than memory                   old: a device that does not snoop reads a stale descriptor
 *
 * Models: dirty lines, clean, invalidate, clean and invalidate to the point of coherency, a cache that never evicts (the worst
 * case: every missing sync stays visible) and one of sets and ways (lines leave at times of their own, as in hardware, so that
 * a missing sync shows now and then). Does not model: cache levels, timing of CPU accesses, store buffers, speculative fills,
 * and lines brought in by loads that bypass `fetched`; other traffic than page tables, which would evict more (make the
 * cache smaller to imitate it).
 */

import * as v from 'valibot';
import { ConfigError, type TableMemory } from '../../formats/index.ts';
import { CpuCacheSets } from './cpu-cache-sets.ts';
import { FRAME_SIZE, FRAME_WORDS, FrameStore } from './frame-store.ts';
import { BusError, type MemoryObserver, type PhysicalMemory } from './physical-memory.ts';

/** Bytes in a cache line (`CTR_EL0.CWG` of every current Arm core). */
const CACHE_LINE_SIZE = 64;
const LINE_WORDS = CACHE_LINE_SIZE / 4;
const LINE_SHIFT = 4;
/** Lines per bitmap word: word index to bitmap index is a shift by 4 + 5. */
const BITMAP_SHIFT = LINE_SHIFT + 5;

export const CpuCacheSchema = v.strictObject({
  /** `endless`: nothing is ever evicted. `finite`: `sets` x `ways` lines. */
  kind: v.optional(v.picklist(['endless', 'finite']), 'endless'),
  /** Sets of the finite cache, a power of two up to 2^20. Default: 1024, with 16 ways a 1 MiB cache (assumed). */
  sets: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 20)), 1024),
  /** Ways of the finite cache, 1 to 64. */
  ways: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)), 16),
  /** Which way a new line replaces. Default: random, as Arm cores mostly do (assumed). */
  replacement: v.optional(v.picklist(['lru', 'random']), 'random'),
  /** Seed of the random replacement. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
});
export type CpuCacheConfig = v.InferOutput<typeof CpuCacheSchema>;

/** Counters since the start. */
export interface CpuCacheStats {
  /** Lines that clean instructions named, dirty or not: what the instructions cost. */
  linesCleaned: number;
  linesInvalidated: number;
  /** Dirty lines written to memory because of a clean. */
  writebacks: number;
  /** Lines that left for another one (finite cache), and how many of them were dirty and were written to memory. */
  evictions: number;
  evictionWritebacks: number;
  /** Dirty lines whose contents an invalidate threw away. */
  discarded: number;
  /** Bytes written to memory, for whatever reason. */
  bytesWritten: number;
}

const Maintenance = { CLEAN: 1, INVALIDATE: 2, BOTH: 3 } as const;

export class CpuCache implements TableMemory, MemoryObserver {
  readonly memory: PhysicalMemory;
  readonly stats: CpuCacheStats = {
    linesCleaned: 0,
    linesInvalidated: 0,
    writebacks: 0,
    evictions: 0,
    evictionWritebacks: 0,
    discarded: 0,
    bytesWritten: 0,
  };
  readonly #view: FrameStore;
  readonly #sets: CpuCacheSets | null;
  #present: Uint32Array = new Uint32Array(0);
  #dirty: Uint32Array = new Uint32Array(0);

  /** Puts a cache in front of `memory` and becomes its observer. @throws ConfigError when `sets` is no power of two. */
  constructor(memory: PhysicalMemory, config: CpuCacheConfig) {
    if (2 ** Math.round(Math.log2(config.sets)) !== config.sets) {
      throw new ConfigError('cpuCache.sets', config.sets, 'a power of two');
    }
    this.memory = memory;
    this.#view = new FrameStore(memory.end);
    this.#sets =
      config.kind === 'finite' ? new CpuCacheSets(config.sets, config.ways, config.replacement, config.seed) : null;
    memory.observer = this;
  }

  /** The CPU's view. */
  get words(): Uint32Array {
    return this.#view.words;
  }

  /** Frames of which the CPU has a view. */
  get frameCount(): number {
    return this.#view.frameCount;
  }

  index(pa: number): number {
    const at = this.#view.peek(pa);
    return at >= 0 ? at : this.#create(pa);
  }

  /** Index into `words` of the word at `pa`, or -1 when the CPU never touched its frame: its view is what memory holds. */
  peek(pa: number): number {
    return this.#view.peek(pa);
  }

  written(pa: number, bytes: number, known = -1): void {
    if (known < 0 || bytes !== 8 || (known & 1) !== 0 || this.#sets !== null) {
      this.#wrote(pa, bytes, known);
      return;
    }
    // One descriptor, which is aligned and so in one line. What is dirty is present.
    const word = known >>> BITMAP_SHIFT;
    const bit = 1 << ((known >>> LINE_SHIFT) & 31);
    if (((this.#dirty[word] as number) & bit) !== 0) return;
    this.#present[word] = (this.#present[word] as number) | bit;
    this.#dirty[word] = (this.#dirty[word] as number) | bit;
  }

  /** The same for any number of bytes. */
  #wrote(pa: number, bytes: number, known: number): void {
    const at = known >= 0 ? known : this.#view.peek(pa);
    // Bytes of one frame are a run of words, and so of lines; a finite cache must place each line on its own.
    const words = Math.ceil(((pa & 3) + bytes) / 4);
    if (at < 0 || bytes <= 0 || this.#sets !== null || (at & (FRAME_WORDS - 1)) + words > FRAME_WORDS) {
      this.#hold(pa, bytes, true);
      return;
    }
    const first = at >>> LINE_SHIFT;
    const last = (at + words - 1) >>> LINE_SHIFT;
    for (let word = first >>> 5; word <= last >>> 5; word++) {
      const from = word === first >>> 5 ? -1 << (first & 31) : -1;
      const to = word === last >>> 5 ? -1 >>> (31 - (last & 31)) : -1;
      this.#present[word] = (this.#present[word] as number) | (from & to);
      this.#dirty[word] = (this.#dirty[word] as number) | (from & to);
    }
  }

  /** The CPU loaded bytes `[pa, pa + bytes)`: their lines are in the cache now and hide later writes of devices that do not snoop. */
  fetched(pa: number, bytes: number): void {
    this.#hold(pa, bytes, false);
  }

  /** True when the CPU's copy of the line at `pa` is newer than memory. */
  isDirty(pa: number): boolean {
    const at = this.#view.peek(pa);
    return at >= 0 && ((this.#dirty[at >>> BITMAP_SHIFT] as number) & (1 << ((at >>> LINE_SHIFT) & 31))) !== 0;
  }

  /** True when the line at `pa` is in the cache. */
  isPresent(pa: number): boolean {
    const at = this.#view.peek(pa);
    return at >= 0 && ((this.#present[at >>> BITMAP_SHIFT] as number) & (1 << ((at >>> LINE_SHIFT) & 31))) !== 0;
  }

  /** Lines that are dirty now. Looks at every line ever touched: for reports, not for the data path. */
  countDirty(): number {
    let count = 0;
    for (let bits of this.#dirty) for (; bits !== 0; bits &= bits - 1) count++;
    return count;
  }

  /** `DC CVAC` over the range: dirty lines go to memory and stay. Returns the number of lines named. */
  clean(pa: number, size: number): number {
    const lines = this.#maintain(pa, size, Maintenance.CLEAN);
    this.stats.linesCleaned += lines;
    return lines;
  }

  /**
   * `DC IVAC` over the range: lines leave, dirty contents are lost. A line that the range covers in part is cleaned first, as
   * arm64 does (`dcache_inval_poc`). Returns the number of lines named.
   */
  invalidate(pa: number, size: number): number {
    if (size <= 0) return 0;
    const start = Math.ceil(pa / CACHE_LINE_SIZE) * CACHE_LINE_SIZE;
    const end = Math.floor((pa + size) / CACHE_LINE_SIZE) * CACHE_LINE_SIZE;
    let lines = 0;
    if (pa < start) lines += this.#maintain(pa, 1, Maintenance.BOTH);
    if (end > start) lines += this.#maintain(start, end - start, Maintenance.INVALIDATE);
    if (pa + size > end && end >= start) lines += this.#maintain(end, 1, Maintenance.BOTH);
    this.stats.linesInvalidated += lines;
    return lines;
  }

  /** `DC CIVAC` over the range: dirty lines go to memory, all leave. Returns the number of lines named. */
  cleanInvalidate(pa: number, size: number): number {
    const lines = this.#maintain(pa, size, Maintenance.BOTH);
    this.stats.linesCleaned += lines;
    this.stats.linesInvalidated += lines;
    return lines;
  }

  /** A snooping device is about to write the range: the lines are written back and leave, without any instruction of the CPU. */
  giveUp(pa: number, size: number): void {
    this.#maintain(pa, size, Maintenance.BOTH);
  }

  memoryChanged(pa: number, size: number): void {
    const end = pa + size;
    for (let line = pa - (pa % CACHE_LINE_SIZE); line < end; ) {
      const at = this.#view.peek(line);
      if (at < 0) line = nextFrame(line);
      else {
        if (!this.#bit(this.#present, at)) this.#refill(at, line);
        line += CACHE_LINE_SIZE;
      }
    }
  }

  #create(pa: number): number {
    if (!this.memory.contains(pa)) throw new BusError(pa, 'no RAM');
    const at = this.#view.create(pa);
    const bitmaps = this.#view.words.length >>> BITMAP_SHIFT;
    if (bitmaps > this.#present.length) {
      this.#present = grown(this.#present, bitmaps);
      this.#dirty = grown(this.#dirty, bitmaps);
    }
    const frame = pa - (pa % FRAME_SIZE);
    const source = this.memory.peek(frame);
    if (source >= 0) {
      this.words.set(this.memory.words.subarray(source, source + FRAME_SIZE / 4), this.#view.peek(frame));
    }
    return at;
  }

  #hold(pa: number, bytes: number, dirty: boolean): void {
    const end = pa + bytes;
    for (let line = pa - (pa % CACHE_LINE_SIZE); line < end; line += CACHE_LINE_SIZE) {
      const at = this.index(line);
      const word = at >>> BITMAP_SHIFT;
      const bit = 1 << ((at >>> LINE_SHIFT) & 31);
      this.#present[word] = (this.#present[word] as number) | bit;
      if (dirty) this.#dirty[word] = (this.#dirty[word] as number) | bit;
      if (this.#sets !== null) {
        const evicted = this.#sets.touch(line, at >>> LINE_SHIFT);
        if (evicted >= 0) this.#evict(evicted * LINE_WORDS);
      }
    }
  }

  #evict(at: number): void {
    const pa = this.#view.addressOf(at);
    this.stats.evictions++;
    if (this.#bit(this.#dirty, at)) {
      this.#writeBack(at, pa);
      this.stats.evictionWritebacks++;
    }
    this.#clear(this.#present, at);
    this.#refill(at, pa);
  }

  #maintain(pa: number, size: number, operation: number): number {
    if (size <= 0) return 0;
    const first = pa - (pa % CACHE_LINE_SIZE);
    const end = pa + size;
    for (let line = first; line < end; ) {
      const at = this.#view.peek(line);
      // A frame that the CPU never touched has no lines in the cache: the instructions find nothing.
      if (at < 0) line = nextFrame(line);
      else {
        this.#maintainLine(at, line, operation);
        line += CACHE_LINE_SIZE;
      }
    }
    return Math.ceil((end - first) / CACHE_LINE_SIZE);
  }

  #maintainLine(at: number, pa: number, operation: number): void {
    if (this.#bit(this.#dirty, at)) {
      if ((operation & Maintenance.CLEAN) !== 0) {
        this.#writeBack(at, pa);
        this.stats.writebacks++;
      } else {
        this.#clear(this.#dirty, at);
        this.stats.discarded++;
      }
    }
    if ((operation & Maintenance.INVALIDATE) !== 0 && this.#bit(this.#present, at)) {
      this.#clear(this.#present, at);
      this.#refill(at, pa);
      if (this.#sets !== null) this.#sets.drop(pa, at >>> LINE_SHIFT);
    }
  }

  /** Copies the CPU's line to memory, past the observer: the view is the source. */
  #writeBack(at: number, pa: number): void {
    const to = this.memory.index(pa);
    const target = this.memory.words;
    const source = this.words;
    for (let i = 0; i < LINE_WORDS; i++) target[to + i] = source[at + i] as number;
    this.#clear(this.#dirty, at);
    this.stats.bytesWritten += CACHE_LINE_SIZE;
  }

  /** Makes the CPU's view of a line that is not in the cache what memory holds. */
  #refill(at: number, pa: number): void {
    const from = this.memory.peek(pa);
    const source = this.memory.words;
    const target = this.words;
    for (let i = 0; i < LINE_WORDS; i++) target[at + i] = from < 0 ? 0 : (source[from + i] as number);
  }

  #bit(bitmap: Uint32Array, at: number): boolean {
    return ((bitmap[at >>> BITMAP_SHIFT] as number) & (1 << ((at >>> LINE_SHIFT) & 31))) !== 0;
  }

  #clear(bitmap: Uint32Array, at: number): void {
    const word = at >>> BITMAP_SHIFT;
    bitmap[word] = (bitmap[word] as number) & ~(1 << ((at >>> LINE_SHIFT) & 31));
  }
}

function nextFrame(pa: number): number {
  return pa - (pa % FRAME_SIZE) + FRAME_SIZE;
}

function grown(bitmap: Uint32Array, length: number): Uint32Array {
  const larger = new Uint32Array(length);
  larger.set(bitmap);
  return larger;
}
