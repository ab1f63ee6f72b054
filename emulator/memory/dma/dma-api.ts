/**
 * The streaming DMA API of one device (Linux `dma_map_single` and friends, direct mapping as in kernel/dma/direct.c, cache
 * maintenance as in arch/arm64/mm/dma-mapping.c).
 *
 * Models: clean to the point of coherency on map and sync for the device, invalidate on unmap and sync for the CPU when the
 * device may have written, bus addresses that differ from physical ones, address limits with or without bounce buffers,
 * failing maps, forgotten syncs, and the price of it all. Does not model: scatter lists, attributes, a device behind another
 * IOMMU.
 */

import { ConfigError, DMA_MAPPING_ERROR, type DmaPort, Prng } from '../../../formats/index.ts';
import { CpuCache } from '../cpu-cache.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { AddressTable } from './address-table.ts';
import { BouncePool } from './bounce-pool.ts';
import { DEFAULT_DMA, type DmaConfig } from './config.ts';

/** Who writes during a mapping (Linux `enum dma_data_direction`). */
export const DmaDirection = {
  BIDIRECTIONAL: 0,
  /** The CPU writes, the device reads: page tables. */
  TO_DEVICE: 1,
  FROM_DEVICE: 2,
} as const;
export type DmaDirection = (typeof DmaDirection)[keyof typeof DmaDirection];

/** What a driver did wrong with a mapping (what Linux reports with CONFIG_DMA_API_DEBUG). */
export const DmaMisuse = {
  /** Unmapped a second time. */
  DOUBLE_UNMAP: 'double-unmap',
  /** Unmapped what was never mapped. */
  NOT_MAPPED: 'not-mapped',
  /** Unmapped with another size than mapped. */
  WRONG_SIZE: 'wrong-size',
  /** Mapped while it was mapped. */
  MAPPED_TWICE: 'mapped-twice',
  /** Synced without being mapped. Only looked for where somebody is told. */
  SYNC_UNMAPPED: 'sync-unmapped',
} as const;
export type DmaMisuse = (typeof DmaMisuse)[keyof typeof DmaMisuse];

/** Counters since the start. */
export interface DmaStats {
  /** Map calls that succeeded. */
  maps: number;
  mapErrors: number;
  unmaps: number;
  /** Sync calls, in either direction; dropped ones are not among them. */
  syncs: number;
  droppedSyncs: number;
  bytesSynced: number;
  /** Lines that the cache maintenance of all calls named. */
  linesCleaned: number;
  /** Mappings that went to a bounce buffer. */
  bounces: number;
  /** Mappings now live, and the bytes in them. */
  live: number;
  liveBytes: number;
  misuses: number;
  /** Modelled CPU time spent in the calls. */
  cycles: number;
}

/** Smallest and largest table that page-table code maps: 64 bytes, and 16 concatenated tables of 64 KiB. */
const LEAST_BLOCK = 64;
const LARGEST_BLOCK = 2 ** 20;

export class DmaApi implements DmaPort {
  readonly stats: DmaStats = {
    maps: 0,
    mapErrors: 0,
    unmaps: 0,
    syncs: 0,
    droppedSyncs: 0,
    bytesSynced: 0,
    linesCleaned: 0,
    bounces: 0,
    live: 0,
    liveBytes: 0,
    misuses: 0,
    cycles: 0,
  };
  onMisuse: ((kind: DmaMisuse, busAddress: number, size: number) => void) | null = null;

  readonly #config: DmaConfig;
  readonly #cache: CpuCache | null;
  readonly #bounce: BouncePool | null;
  readonly #limit: number;
  readonly #prng: Prng;
  /** Bus address to size of its mapping; negative once it was unmapped. */
  readonly #mappings: AddressTable = new AddressTable();
  #mapCalls = 0;
  /** The live mapping that the last sync was found in. */
  #heldFrom = 0;
  #heldTo = 0;

  /**
   * @param view memory as the CPU sees it: a cache in front of it, or the memory itself when no cache is modelled (then the
   * calls move nothing, and count and cost the same).
   * @throws ConfigError when the bounce pool is not RAM.
   */
  constructor(view: CpuCache | PhysicalMemory, config: DmaConfig = DEFAULT_DMA) {
    this.#config = config;
    this.#cache = view instanceof CpuCache ? view : null;
    this.#limit = 2 ** config.addressBits;
    this.#prng = new Prng(config.seed);
    const { bounce } = config;
    this.#bounce = bounce === null ? null : new BouncePool(view, bounce.base, bounce.size);
    const memory = view instanceof CpuCache ? view.memory : view;
    if (bounce !== null && !memory.contains(bounce.base, bounce.size)) {
      throw new ConfigError('dma.bounce', bounce.base, 'a range that is RAM');
    }
  }

  /** @returns bus address, or {@link DMA_MAPPING_ERROR}: injected, or beyond the device's mask without a bounce buffer. */
  mapSingle(pa: number, size: number, direction: DmaDirection = DmaDirection.TO_DEVICE): number {
    const { stats } = this;
    stats.cycles += this.#config.mapCycles;
    this.#mapCalls++;
    const target = this.#injectedError() ? DMA_MAPPING_ERROR : this.#reachable(pa, size);
    if (target === DMA_MAPPING_ERROR) {
      stats.mapErrors++;
      return DMA_MAPPING_ERROR;
    }
    if (target !== pa) {
      stats.bounces++;
      if (direction !== DmaDirection.FROM_DEVICE) this.#bounce?.copy(target, size, true);
    }
    this.#clean(target, size);
    const busAddress = target + this.#config.busOffset;
    if (this.#mappings.get(busAddress) > 0) this.#misuse(DmaMisuse.MAPPED_TWICE, busAddress, size);
    else {
      stats.live++;
      stats.liveBytes += size;
      this.#mappings.set(busAddress, size);
    }
    stats.maps++;
    return busAddress;
  }

  unmapSingle(busAddress: number, size: number, direction: DmaDirection = DmaDirection.TO_DEVICE): void {
    const { stats } = this;
    stats.cycles += this.#config.unmapCycles;
    this.#heldTo = 0;
    const mapped = this.#mappings.get(busAddress);
    if (mapped <= 0) {
      this.#misuse(mapped < 0 ? DmaMisuse.DOUBLE_UNMAP : DmaMisuse.NOT_MAPPED, busAddress, size);
      return;
    }
    if (mapped !== size) this.#misuse(DmaMisuse.WRONG_SIZE, busAddress, size);
    const pa = busAddress - this.#config.busOffset;
    if (direction !== DmaDirection.TO_DEVICE) this.#receive(pa, mapped);
    if (this.#bounce?.holds(pa)) this.#bounce.give(pa);
    this.#mappings.set(busAddress, -mapped);
    stats.live--;
    stats.liveBytes -= mapped;
    stats.unmaps++;
  }

  /** The CPU has written: the device sees it from here on. */
  syncSingleForDevice(busAddress: number, size: number, direction: DmaDirection = DmaDirection.TO_DEVICE): void {
    if (this.#prng.chance(this.#config.dropSyncFraction)) {
      this.stats.droppedSyncs++;
      return;
    }
    const pa = busAddress - this.#config.busOffset;
    this.#countSync(size);
    if (this.onMisuse !== null && !this.#isMapped(busAddress, size)) {
      this.#misuse(DmaMisuse.SYNC_UNMAPPED, busAddress, size);
    }
    if (direction !== DmaDirection.FROM_DEVICE && this.#bounce?.holds(pa)) this.#bounce.copy(pa, size, true);
    this.#clean(pa, size);
  }

  /** The device has written: the CPU sees it from here on. Nothing to do when the device only reads. */
  syncSingleForCpu(busAddress: number, size: number, direction: DmaDirection = DmaDirection.FROM_DEVICE): void {
    this.#countSync(size);
    if (direction !== DmaDirection.TO_DEVICE) this.#receive(busAddress - this.#config.busOffset, size);
  }

  /** Calls `visit` for every mapping that is still live, by rising bus address: the leaks, at the end of a run. */
  forEachLive(visit: (busAddress: number, size: number) => void): void {
    this.#mappings.forEach((busAddress, size) => {
      if (size > 0) visit(busAddress, size);
    });
  }

  /** Whether a live mapping holds the range. Mappings are aligned as blocks are: to a power of two that is at least their size. */
  #isMapped(busAddress: number, size: number): boolean {
    const end = busAddress + size;
    if (busAddress >= this.#heldFrom && end <= this.#heldTo) return true;
    for (let block = LEAST_BLOCK; block <= LARGEST_BLOCK; block *= 2) {
      const base = busAddress - (busAddress % block);
      const mapped = this.#mappings.get(base);
      if (mapped <= 0 || base + mapped < end) continue;
      this.#heldFrom = base;
      this.#heldTo = base + mapped;
      return true;
    }
    return false;
  }

  #countSync(size: number): void {
    this.stats.syncs++;
    this.stats.bytesSynced += size;
    if (!this.#config.coherent) this.stats.cycles += this.#config.syncCycles;
  }

  #injectedError(): boolean {
    const { mapErrorAt, mapErrorFraction } = this.#config;
    return (mapErrorAt.length > 0 && mapErrorAt.includes(this.#mapCalls)) || this.#prng.chance(mapErrorFraction);
  }

  /** `pa`, or the bounce buffer that stands for it when the device cannot address it. */
  #reachable(pa: number, size: number): number {
    if (this.#fits(pa, size)) return pa;
    if (this.#bounce === null) return DMA_MAPPING_ERROR;
    const slot = this.#bounce.take(pa, size);
    if (slot < 0) return DMA_MAPPING_ERROR;
    if (this.#fits(slot, size)) return slot;
    this.#bounce.give(slot);
    return DMA_MAPPING_ERROR;
  }

  #fits(pa: number, size: number): boolean {
    const busAddress = pa + this.#config.busOffset;
    return busAddress >= 0 && busAddress + size <= this.#limit;
  }

  #clean(pa: number, size: number): void {
    if (this.#config.coherent) return;
    this.#maintained(this.#cache === null ? linesIn(pa, size) : this.#cache.clean(pa, size));
  }

  #receive(pa: number, size: number): void {
    if (!this.#config.coherent) {
      this.#maintained(this.#cache === null ? linesIn(pa, size) : this.#cache.invalidate(pa, size));
    }
    if (this.#bounce?.holds(pa)) this.#bounce.copy(pa, size, false);
  }

  #maintained(lines: number): void {
    if (lines === 0) return;
    this.stats.linesCleaned += lines;
    this.stats.cycles += lines * this.#config.lineCycles + this.#config.barrierCycles;
  }

  #misuse(kind: DmaMisuse, busAddress: number, size: number): void {
    this.stats.misuses++;
    if (this.onMisuse !== null) this.onMisuse(kind, busAddress, size);
  }
}

function linesIn(pa: number, size: number): number {
  return size <= 0 ? 0 : Math.floor((pa + size - 1) / 64) - Math.floor(pa / 64) + 1;
}
