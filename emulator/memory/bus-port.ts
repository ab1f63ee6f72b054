/**
 * Where one initiator meets the bus: the CPU, a table walker, a DMA master. The port decides what the initiator sees: the CPU
 * and snooping devices see the CPU caches, others see memory. Errors are results here, never exceptions.
 */

import type { CpuCache } from './cpu-cache.ts';
import type { MmioMap, MmioRange } from './mmio-map.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import type { WalkMemory } from './walk-memory.ts';

/** How an initiator relates to the CPU caches. */
export const BusView = {
  /** The CPU itself: loads and stores bring lines into the cache. */
  CPU: 'cpu',
  /** A device that snoops (I/O coherent): sees dirty lines; its writes take lines away from the CPU. */
  COHERENT: 'coherent',
  /** A device that sees memory only. */
  NON_COHERENT: 'non-coherent',
} as const;
export type BusView = (typeof BusView)[keyof typeof BusView];

/** The answer to a transaction (AXI response names). */
export const BusStatus = {
  OK: 0,
  /** Nothing is at the address (DECERR). */
  DECODE_ERROR: 1,
  /** The device there does not take an access of this size or alignment (SLVERR): registers take 4 and 8 aligned bytes. */
  DEVICE_ERROR: 2,
} as const;
export type BusStatus = (typeof BusStatus)[keyof typeof BusStatus];

/** Bytes of the largest transaction: one cache line. */
const BURST_SIZE = 64;

export class BusPort implements WalkMemory {
  readonly name: string;
  readonly view: BusView;
  /** Low and high word of the last successful {@link read}. */
  low = 0;
  high = 0;
  /** The answer to the last transaction. */
  status: BusStatus = BusStatus.OK;
  /** Whether {@link read} looks for stale data; off by default, because it costs a look into the CPU cache per read. */
  checkStale = false;
  /**
   * With `checkStale`: the last {@link read} of this port, which does not snoop, got a value that the CPU had already replaced in
   * a line still dirty in its cache. A sync is missing.
   */
  stale = false;
  /**
   * Bits of the high word that may differ without a read being stale. Default: bits 58:55 of a descriptor, which hardware ignores
   * (Arm ARM DDI 0487 D8.3, "reserved for software use"). Linux marks a table as synced there after the sync, and never cleans
   * that mark itself.
   */
  softwareBitsHigh = 0x0780_0000;
  /** Called after each successful {@link read} of RAM, with `low` and `high` set. */
  onRead: ((pa: number) => void) | null = null;
  /** Reads that were stale. */
  staleReads = 0;
  /** Called for each of them: a walk makes several reads, and `stale` tells of the last only. */
  onStaleRead: ((pa: number, bytes: number) => void) | null = null;

  /** Transactions (of at most 64 bytes each), their bytes, and those answered with an error. */
  reads = 0;
  writes = 0;
  bytesRead = 0;
  bytesWritten = 0;
  errors = 0;

  readonly #memory: PhysicalMemory;
  readonly #cache: CpuCache | null;
  /** The cache whose contents this port sees; null when it sees memory. */
  readonly #seen: CpuCache | null;
  readonly #mmio: MmioMap;

  /** Ports are made by `Bus.port`. */
  constructor(
    name: string,
    view: BusView,
    machine: {
      memory: PhysicalMemory;
      cache: CpuCache | null;
      mmio: MmioMap;
    },
  ) {
    this.name = name;
    this.view = view;
    this.#memory = machine.memory;
    this.#cache = machine.cache;
    this.#seen = view === BusView.NON_COHERENT ? null : machine.cache;
    this.#mmio = machine.mmio;
  }

  /** Reads a descriptor, or any aligned 4 or 8 bytes, to `low` and `high`. */
  read(pa: number, bytes: number): boolean {
    this.reads++;
    this.bytesRead += bytes;
    this.stale = false;
    const seen = this.#seen;
    let at = seen === null ? -1 : seen.peek(pa);
    let words: Uint32Array;
    if (seen !== null && at >= 0) words = seen.words;
    else {
      at = this.#memory.peek(pa);
      if (at < 0) return this.#readElsewhere(pa, bytes);
      words = this.#memory.words;
    }
    this.status = BusStatus.OK;
    this.low = words[at] as number;
    this.high = bytes === 8 ? (words[at + 1] as number) : 0;
    if (this.checkStale) this.#lookForStale(pa, bytes);
    if (this.onRead !== null) this.onRead(pa);
    return true;
  }

  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    this.writes++;
    this.bytesWritten += bytes;
    if (!this.#memory.contains(pa, bytes)) return this.#refuse(BusStatus.DECODE_ERROR);
    this.status = BusStatus.OK;
    if (this.#seen !== null) this.#seen.giveUp(pa, bytes);
    const at = this.#memory.index(pa);
    const { words } = this.#memory;
    if (((words[at] as number) ^ low) !== 0) return false;
    if (bytes === 8 && ((words[at + 1] as number) ^ high) !== 0) return false;
    words[at] = newLow;
    if (bytes === 8) words[at + 1] = newHigh;
    this.#memory.written(pa, bytes);
    return true;
  }

  /** Writes aligned 4 bytes; false on a bus error. */
  write32(pa: number, value: number): boolean {
    return this.#write(pa, 4, value, 0);
  }

  /** Writes aligned 8 bytes in one piece; false on a bus error. */
  write64(pa: number, low: number, high: number): boolean {
    return this.#write(pa, 8, low, high);
  }

  /** Reads `into.length` bytes at any alignment from RAM, or 4 or 8 aligned bytes from registers. On an error nothing is stored. */
  readBytes(pa: number, into: Uint8Array): BusStatus {
    const size = into.length;
    const bursts = burstsIn(pa, size);
    this.reads += bursts;
    this.bytesRead += size;
    if (!this.#memory.contains(pa, size)) {
      if (!this.#readElsewhere(pa, size)) return this.status;
      for (let i = 0; i < size; i++) into[i] = (i < 4 ? this.low : this.high) >>> (8 * (i & 3));
      return this.status;
    }
    this.status = BusStatus.OK;
    if (this.view === BusView.CPU && this.#cache !== null) this.#cache.fetched(pa, size);
    for (let i = 0; i < size; ) {
      const offset = (pa + i) % 4;
      const word = this.#seenWord(pa + i - offset);
      for (let byte = offset; byte < 4 && i < size; byte++) into[i++] = word >>> (8 * byte);
    }
    return BusStatus.OK;
  }

  /** Writes `from.length` bytes at any alignment to RAM, or 4 or 8 aligned bytes to registers. On an error nothing is stored. */
  writeBytes(pa: number, from: Uint8Array): BusStatus {
    const size = from.length;
    const bursts = burstsIn(pa, size);
    this.writes += bursts;
    this.bytesWritten += size;
    if (!this.#memory.contains(pa, size)) {
      this.#writeElsewhere(pa, size, wordOf(from, 0), wordOf(from, 4));
      return this.status;
    }
    this.status = BusStatus.OK;
    const cpu = this.view === BusView.CPU ? this.#cache : null;
    if (cpu === null && this.#seen !== null) this.#seen.giveUp(pa, size);
    const target = cpu ?? this.#memory;
    for (let i = 0; i < size; ) {
      const offset = (pa + i) % 4;
      const at = target.index(pa + i - offset);
      let word = target.words[at] as number;
      for (let byte = offset; byte < 4 && i < size; byte++) {
        word = (word & ~(0xff << (8 * byte))) | ((from[i++] as number) << (8 * byte));
      }
      target.words[at] = word;
    }
    target.written(pa, size);
    return BusStatus.OK;
  }

  #write(pa: number, bytes: number, low: number, high: number): boolean {
    this.writes++;
    this.bytesWritten += bytes;
    if (pa % bytes !== 0) return this.#refuse(BusStatus.DEVICE_ERROR);
    if (!this.#memory.contains(pa, bytes)) return this.#writeElsewhere(pa, bytes, low, high);
    this.status = BusStatus.OK;
    const cpu = this.view === BusView.CPU ? this.#cache : null;
    if (cpu === null && this.#seen !== null) this.#seen.giveUp(pa, bytes);
    const target = cpu ?? this.#memory;
    const at = target.index(pa);
    const { words } = target;
    words[at] = low;
    if (bytes === 8) words[at + 1] = high;
    target.written(pa, bytes);
    return true;
  }

  /** A read that found nothing stored: untouched RAM, registers, or a hole. */
  #readElsewhere(pa: number, bytes: number): boolean {
    this.status = BusStatus.OK;
    if (this.#memory.contains(pa, bytes)) {
      this.low = 0;
      this.high = 0;
      // A table that was never synced at all: its frame does not exist in memory yet.
      if (this.checkStale) this.#lookForStale(pa, bytes);
      if (this.onRead !== null) this.onRead(pa);
      return true;
    }
    const range = this.#mmio.find(pa, bytes);
    if (range === null) return this.#refuse(BusStatus.DECODE_ERROR);
    if (!takesAccess(range, pa, bytes)) return this.#refuse(BusStatus.DEVICE_ERROR);
    const offset = pa - range.base;
    this.low = range.device.read32(offset) >>> 0;
    this.high = bytes === 8 ? range.device.read32(offset + 4) >>> 0 : 0;
    return true;
  }

  #writeElsewhere(pa: number, bytes: number, low: number, high: number): boolean {
    const range = this.#mmio.find(pa, bytes);
    if (range === null) return this.#refuse(BusStatus.DECODE_ERROR);
    if (!takesAccess(range, pa, bytes)) return this.#refuse(BusStatus.DEVICE_ERROR);
    this.status = BusStatus.OK;
    const offset = pa - range.base;
    const { device } = range;
    if (bytes === 4) device.write32(offset, low >>> 0);
    else if (device.write64 !== undefined) device.write64(offset, low >>> 0, high >>> 0);
    else {
      device.write32(offset, low >>> 0);
      device.write32(offset + 4, high >>> 0);
    }
    return true;
  }

  #seenWord(pa: number): number {
    if (this.#seen !== null) {
      const at = this.#seen.peek(pa);
      if (at >= 0) return this.#seen.words[at] as number;
    }
    const at = this.#memory.peek(pa);
    return at < 0 ? 0 : (this.#memory.words[at] as number);
  }

  #lookForStale(pa: number, bytes: number): void {
    const cache = this.#cache;
    if (cache === null || this.#seen !== null || !cache.isDirty(pa)) return;
    const at = cache.peek(pa);
    const highDiffers = (((cache.words[at + 1] as number) ^ this.high) & ~this.softwareBitsHigh) !== 0;
    this.stale = cache.words[at] !== this.low || (bytes === 8 && highDiffers);
    if (!this.stale) return;
    this.staleReads++;
    if (this.onStaleRead !== null) this.onStaleRead(pa, bytes);
  }

  #refuse(status: BusStatus): boolean {
    this.status = status;
    this.errors++;
    return false;
  }
}

function takesAccess(range: MmioRange, pa: number, bytes: number): boolean {
  return (bytes === 4 || bytes === 8) && (pa - range.base) % bytes === 0;
}

function burstsIn(pa: number, size: number): number {
  return size === 0 ? 0 : Math.floor((pa + size - 1) / BURST_SIZE) - Math.floor(pa / BURST_SIZE) + 1;
}

function wordOf(bytes: Uint8Array, at: number): number {
  let word = 0;
  for (let i = 3; i >= 0; i--) word = (word << 8) | (bytes[at + i] ?? 0);
  return word >>> 0;
}
