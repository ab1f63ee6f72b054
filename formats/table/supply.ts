/**
 * Where the tables of one tree come from and go to: memory from an allocator, made visible to the device, counted. The steps and
 * their order are Linux's (`__arm_lpae_alloc_pages`, `__arm_v7s_alloc_table`, `iommu_pages_start_incoherent`).
 */
import { hexText } from '../bits/index.ts';
import type { AdjustedConfig, Machine, TableStats } from './io-pgtable.ts';
import { DMA_MAPPING_ERROR, Gfp, NO_PAGES, type TableAllocator } from './ports.ts';
import { WarningCode } from './warnings.ts';

/** An allocator, and how much memory is asked of it for a table. */
export interface TableSource {
  readonly allocator: TableAllocator;
  /** No block is asked for with fewer bytes: a power of two, or 0. */
  readonly leastBlock: number;
  /** The DMA API is told of no fewer bytes. */
  readonly leastMapped: number;
  /** A bus address that differs warns, and is unmapped before the error is logged. */
  readonly warnsOfBusAddress: boolean;
}

export class TableSupply {
  /** Tables held now. */
  live = 0;

  readonly #machine: Machine;
  readonly #cookie: unknown;
  readonly #stats: TableStats;
  readonly #coherent: boolean;
  readonly #limit: number;

  /** @param limit first address at which a table is of no use, because descriptors cannot hold it. */
  constructor(config: AdjustedConfig, machine: Machine, cookie: unknown, stats: TableStats, limit: number) {
    this.#machine = machine;
    this.#cookie = cookie;
    this.#stats = stats;
    this.#coherent = config.coherentWalk;
    this.#limit = limit;
  }

  /**
   * `size` bytes of zeroed memory, visible to the device. Anything may have happened during the call: other edits, and growth of
   * the memory, so that the caller must read again what it knew.
   * @returns the physical address, or {@link NO_PAGES}.
   */
  alloc(source: TableSource, size: number, gfp: number): number {
    const block = Math.max(size, source.leastBlock);
    const pa = source.allocator.alloc(this.#cookie, block, gfp | Gfp.ZERO);
    if (pa === NO_PAGES) return NO_PAGES;
    if (pa >= this.#limit) {
      this.#machine.log?.(`page table at ${hexText(pa)} does not fit in a descriptor`);
      source.allocator.free(this.#cookie, pa, block);
      return NO_PAGES;
    }
    if (!this.#coherent && !this.#mapForDevice(source, pa, size)) {
      source.allocator.free(this.#cookie, pa, block);
      return NO_PAGES;
    }
    const stats = this.#stats;
    this.live++;
    stats.tablesAllocated++;
    stats.tableBytes += size;
    if (this.live > stats.peakTables) stats.peakTables = this.live;
    if (stats.tableBytes > stats.peakTableBytes) stats.peakTableBytes = stats.tableBytes;
    return pa;
  }

  /** Gives a table back to where it came from. */
  free(source: TableSource, pa: number, size: number): void {
    if (!this.#coherent) this.#machine.dma.unmapSingle(pa, Math.max(size, source.leastMapped));
    source.allocator.free(this.#cookie, pa, Math.max(size, source.leastBlock));
    this.live--;
    this.#stats.tablesFreed++;
    this.#stats.tableBytes -= size;
  }

  #mapForDevice(source: TableSource, pa: number, size: number): boolean {
    const { dma } = this.#machine;
    const length = Math.max(size, source.leastMapped);
    const bus = dma.mapSingle(pa, length);
    if (bus === DMA_MAPPING_ERROR) return false;
    if (bus === pa) return true;
    // The walker takes addresses from the tables as they are: a translated or truncated one would lead it astray.
    if (source.warnsOfBusAddress) {
      this.#stats.warnings++;
      this.#machine.warn(WarningCode.BUS_ADDRESS, pa, bus);
      dma.unmapSingle(bus, length);
      this.#machine.log?.(BUS_ADDRESS_DIFFERS);
    } else {
      this.#machine.log?.(BUS_ADDRESS_DIFFERS);
      dma.unmapSingle(bus, length);
    }
    return false;
  }
}

const BUS_ADDRESS_DIFFERS = 'cannot accommodate DMA translation of page tables';
