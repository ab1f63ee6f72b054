/**
 * Where the tables of one tree come from and go to: memory from an allocator, made visible to the device, counted. The steps and
 * their order are Linux's (`__arm_lpae_alloc_pages`, `__arm_v7s_alloc_table`).
 */
import type { AdjustedConfig, Machine, TableStats } from './io-pgtable.ts';
import { DMA_MAPPING_ERROR, Gfp, NO_PAGES, type TableAllocator } from './ports.ts';

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
  alloc(source: TableAllocator, size: number, gfp: number): number {
    const pa = source.alloc(this.#cookie, size, gfp | Gfp.ZERO);
    if (pa === NO_PAGES) return NO_PAGES;
    if (pa >= this.#limit) {
      this.#machine.log?.(`page table at 0x${pa.toString(16)} does not fit in a descriptor`);
      source.free(this.#cookie, pa, size);
      return NO_PAGES;
    }
    if (!this.#coherent && !this.#mapForDevice(pa, size)) {
      source.free(this.#cookie, pa, size);
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
  free(source: TableAllocator, pa: number, size: number): void {
    if (!this.#coherent) this.#machine.dma.unmapSingle(pa, size);
    source.free(this.#cookie, pa, size);
    this.live--;
    this.#stats.tablesFreed++;
    this.#stats.tableBytes -= size;
  }

  #mapForDevice(pa: number, size: number): boolean {
    const { dma } = this.#machine;
    const bus = dma.mapSingle(pa, size);
    if (bus === DMA_MAPPING_ERROR) return false;
    if (bus === pa) return true;
    // The walker takes addresses from the tables as they are: a translated or truncated one would lead it astray.
    this.#machine.log?.('cannot accommodate DMA translation of page tables');
    dma.unmapSingle(bus, size);
    return false;
  }
}
