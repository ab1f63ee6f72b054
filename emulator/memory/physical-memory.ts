/**
 * Physical memory: what DRAM holds, which is what a device that does not snoop the CPU caches sees.
 *
 * Models RAM banks with holes between them; pages take host memory only once something is stored in them, and an untouched
 * page reads as zero. Does not model ECC, refresh or rows: the bus has the latency. The host must be little-endian, as every
 * JavaScript engine's is in practice.
 */

import * as v from 'valibot';
import { ConfigError, hexText, type TableMemory } from '../../formats/index.ts';
import { FRAME_SIZE, FrameStore } from './frame-store.ts';

const address = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 52));

/** One RAM bank. */
const RamBankSchema = v.strictObject({
  /** Physical address of the first byte, a multiple of 64 KiB below 2^52. */
  base: address,
  /** Bytes, a multiple of 64 KiB. */
  size: v.pipe(v.number(), v.integer(), v.minValue(FRAME_SIZE), v.maxValue(2 ** 52)),
  /** NUMA node of the bank, 0 to 63. */
  node: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(63)), 0),
});
export type RamBank = v.InferOutput<typeof RamBankSchema>;

/** The RAM of the machine. */
export const PhysicalMemorySchema = v.strictObject({
  /** Banks in any order, without overlap. Default (assumed): 2 GiB at 2 GiB and 6 GiB at 34 GiB, the Arm base memory map (DEN0001). */
  banks: v.optional(v.pipe(v.array(RamBankSchema), v.minLength(1)), [
    { base: 0x8000_0000, size: 0x8000_0000, node: 0 },
    { base: 0x8_8000_0000, size: 0x1_8000_0000, node: 0 },
  ]),
});
export type PhysicalMemoryConfig = v.InferOutput<typeof PhysicalMemorySchema>;

/** An address where no RAM is, or a word that straddles its natural alignment. Only code errors meet it: the data path asks first. */
export class BusError extends Error {
  override readonly name = 'BusError';
  /** The address that was asked for. */
  readonly pa: number;

  constructor(pa: number, reason: string) {
    super(`${reason} at physical address ${hexText(pa)}`);
    this.pa = pa;
  }
}

/** Whoever must know that DRAM changed other than by its own doing: the CPU cache. */
export interface MemoryObserver {
  /** Bytes `[pa, pa + size)` of DRAM were stored to. */
  memoryChanged(pa: number, size: number): void;
}

export class PhysicalMemory implements TableMemory {
  /** Banks by rising base. */
  readonly banks: readonly RamBank[];
  /** Told about every store that comes through this class; at most one. */
  observer: MemoryObserver | null = null;
  readonly #frames: FrameStore;

  /** @throws ConfigError when a bank is misaligned or two overlap. */
  constructor(config: PhysicalMemoryConfig) {
    this.banks = checkBanks(config.banks);
    const last = this.banks[this.banks.length - 1] as RamBank;
    this.#frames = new FrameStore(last.base + last.size);
  }

  get words(): Uint32Array {
    return this.#frames.words;
  }

  /** First address beyond the last bank. */
  get end(): number {
    const last = this.banks[this.banks.length - 1] as RamBank;
    return last.base + last.size;
  }

  /** 64 KiB frames that hold something. */
  get frameCount(): number {
    return this.#frames.frameCount;
  }

  index(pa: number): number {
    const at = this.#frames.peek(pa);
    return at >= 0 ? at : this.#create(pa);
  }

  /** Index into `words` of the word at `pa`, or -1 when nothing was ever stored near it: its RAM reads as zero, or it is a hole. */
  peek(pa: number): number {
    return this.#frames.peek(pa);
  }

  /** True when every byte of `[pa, pa + size)` is RAM. */
  contains(pa: number, size = 1): boolean {
    let from = pa;
    for (const bank of this.banks) {
      if (from < bank.base) return false;
      // Banks may touch: what sticks out of this one must begin the next.
      if (from < bank.base + bank.size) from = bank.base + bank.size;
      if (pa + size <= from && pa < from) return true;
    }
    return false;
  }

  /** Something else than this class stored bytes `[pa, pa + bytes)` through `words`. */
  written(pa: number, bytes: number): void {
    if (this.observer !== null) this.observer.memoryChanged(pa, bytes);
  }

  read8(pa: number): number {
    return (this.#readWord(pa - (pa % 4)) >>> ((pa % 4) * 8)) & 0xff;
  }

  /** @throws BusError when `pa` is odd. */
  read16(pa: number): number {
    if (pa % 2 !== 0) throw new BusError(pa, 'unaligned 16-bit access');
    return (this.#readWord(pa - (pa % 4)) >>> ((pa % 4) * 8)) & 0xffff;
  }

  /** @throws BusError when `pa` is not a multiple of 4. A 64-bit value is two of these, low word first. */
  read32(pa: number): number {
    if (pa % 4 !== 0) throw new BusError(pa, 'unaligned 32-bit access');
    return this.#readWord(pa);
  }

  /** A 64-bit little-endian value as a bigint, for the edge of the project: inspection and tests. */
  read64(pa: number): bigint {
    if (pa % 8 !== 0) throw new BusError(pa, 'unaligned 64-bit access');
    return BigInt(this.#readWord(pa)) | (BigInt(this.#readWord(pa + 4)) << 32n);
  }

  write8(pa: number, value: number): void {
    this.#merge(pa, 1, value & 0xff, 0xff);
  }

  write16(pa: number, value: number): void {
    if (pa % 2 !== 0) throw new BusError(pa, 'unaligned 16-bit access');
    this.#merge(pa, 2, value & 0xffff, 0xffff);
  }

  write32(pa: number, value: number): void {
    if (pa % 4 !== 0) throw new BusError(pa, 'unaligned 32-bit access');
    // The index first: it may create a frame, which may replace `words`.
    const at = this.index(pa);
    this.words[at] = value;
    this.written(pa, 4);
  }

  write64(pa: number, low: number, high: number): void {
    if (pa % 8 !== 0) throw new BusError(pa, 'unaligned 64-bit access');
    const at = this.index(pa);
    this.words[at] = low;
    this.words[at + 1] = high;
    this.written(pa, 8);
  }

  /**
   * Stores a run of bytes at any alignment, for memory images. Runs of zero do not create frames, so that a sparse image of
   * many gigabytes costs what it holds.
   */
  load(pa: number, bytes: Uint8Array): void {
    if (bytes.length > 0 && !this.contains(pa, bytes.length))
      throw new BusError(pa, `no RAM for ${bytes.length} bytes`);
    for (let done = 0; done < bytes.length; ) {
      const target = pa + done;
      const room = FRAME_SIZE - (target % FRAME_SIZE);
      const part = bytes.subarray(done, done + room);
      if (this.peek(target) >= 0 || !isZero(part)) {
        const start = this.index(target) * 4 + (target % 4);
        new Uint8Array(this.words.buffer).set(part, start);
      }
      done += part.length;
    }
    if (bytes.length > 0) this.written(pa, bytes.length);
  }

  /** Copies `[pa, pa + into.length)` at any alignment; RAM that was never written gives zeros. */
  copy(pa: number, into: Uint8Array): void {
    if (into.length > 0 && !this.contains(pa, into.length)) throw new BusError(pa, `no RAM for ${into.length} bytes`);
    for (let done = 0; done < into.length; ) {
      const source = pa + done;
      const part = into.subarray(done, done + FRAME_SIZE - (source % FRAME_SIZE));
      const at = this.peek(source);
      if (at < 0) part.fill(0);
      else part.set(new Uint8Array(this.words.buffer, at * 4 + (source % 4), part.length));
      done += part.length;
    }
  }

  #create(pa: number): number {
    if (!this.contains(pa)) throw new BusError(pa, 'no RAM');
    return this.#frames.create(pa);
  }

  #readWord(pa: number): number {
    const at = this.peek(pa);
    if (at >= 0) return this.words[at] as number;
    if (!this.contains(pa)) throw new BusError(pa, 'no RAM');
    return 0;
  }

  #merge(pa: number, bytes: number, value: number, mask: number): void {
    const shift = (pa % 4) * 8;
    const at = this.index(pa);
    this.words[at] = ((this.words[at] as number) & ~(mask << shift)) | (value << shift);
    this.written(pa, bytes);
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

function checkBanks(banks: readonly RamBank[]): RamBank[] {
  const sorted = [...banks].sort((a, b) => a.base - b.base);
  let end = 0;
  for (const bank of sorted) {
    if (bank.base % FRAME_SIZE !== 0) throw new ConfigError('memory.banks.base', bank.base, 'a multiple of 64 KiB');
    if (bank.size % FRAME_SIZE !== 0) throw new ConfigError('memory.banks.size', bank.size, 'a multiple of 64 KiB');
    if (bank.base < end) throw new ConfigError('memory.banks.base', bank.base, 'banks that do not overlap');
    end = bank.base + bank.size;
    if (end > 2 ** 52) throw new ConfigError('memory.banks.size', bank.size, 'a bank that ends at or below 2^52');
  }
  if (sorted.length === 0) throw new ConfigError('memory.banks', banks, 'at least one bank');
  return sorted;
}
