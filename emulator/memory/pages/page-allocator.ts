/**
 * The system page allocator: one buddy allocator per memory zone, as Linux has it (mm/page_alloc.c), deterministic.
 *
 * Models orders 0 to 10, splitting and merging, zones (a bank below 4 GiB is a DMA32 zone, the rest is normal), node
 * preference and fallback, watermarks, reclaim under pressure, zeroing through the CPU's view of memory, and the price of each
 * step in cycles. Does not model per-CPU page lists (their effect is inside `allocateCycles`), migration types, compaction,
 * lock contention and memory other than what the caller takes: `occupy` stands for the rest of the system.
 */

import { ConfigError, Gfp, NO_PAGES, Prng, type TableAllocator, type TableMemory } from '../../../formats/index.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import { BuddyZone, MAX_ORDER, PAGE_SIZE } from './buddy-zone.ts';
import { DEFAULT_PAGE_COSTS, type PageAllocatorConfig, zoneWatermarks } from './config.ts';

/** What a caller did wrong; the allocator refuses the operation and stays sound. */
export const PageMisuse = {
  /** Freed a block that is free already. */
  DOUBLE_FREE: 'double-free',
  /** Freed a block with a size of another order than it was allocated with. */
  WRONG_SIZE: 'wrong-size',
  /** Freed an address inside a block, or one that this allocator does not manage. */
  NOT_ALLOCATED: 'not-allocated',
} as const;
export type PageMisuse = (typeof PageMisuse)[keyof typeof PageMisuse];

/** Counters since the start. */
export interface PageAllocatorStats {
  /** Calls to allocate, bulk calls counted once. */
  calls: number;
  /** Calls that returned no memory. */
  failures: number;
  frees: number;
  /** Pages handed out, over all calls. */
  pages: number;
  splits: number;
  merges: number;
  /** Blocks and bytes that are out now, and the most that ever were. */
  live: number;
  liveBytes: number;
  peak: number;
  peakBytes: number;
  zeroedBytes: number;
  /** Direct reclaims run, and the pages they gave. */
  reclaims: number;
  reclaimedPages: number;
  /** Times a zone fell below its low watermark (Linux wakes kswapd). */
  wakeups: number;
  misuses: number;
  /** Modelled time spent in the allocator. */
  cycles: number;
}

export class PageAllocator implements TableAllocator {
  readonly zones: readonly BuddyZone[];
  readonly stats: PageAllocatorStats = {
    calls: 0,
    failures: 0,
    frees: 0,
    pages: 0,
    splits: 0,
    merges: 0,
    live: 0,
    liveBytes: 0,
    peak: 0,
    peakBytes: 0,
    zeroedBytes: 0,
    reclaims: 0,
    reclaimedPages: 0,
    wakeups: 0,
    misuses: 0,
    cycles: 0,
  };

  /** Called when an allocation that may sleep finds too little memory; frees what it can and returns the number of pages. */
  onReclaim: ((order: number, node: number) => number) | null = null;
  /** Called when a zone falls below its low watermark: the moment for a background shrinker. */
  onPressure: ((zone: BuddyZone) => void) | null = null;
  onMisuse: ((kind: PageMisuse, pa: number, size: number) => void) | null = null;

  readonly #view: TableMemory;
  readonly #config: PageAllocatorConfig;
  readonly #min: number[];
  readonly #low: number[];
  /** For each node: zone numbers in the order they are tried. */
  readonly #fallback: number[][];
  #reclaiming = false;

  /**
   * @param memory its RAM banks; pages of 4 KiB
   * @param view the memory through which pages are zeroed: the CPU's.
   * @throws ConfigError when a reserved range or watermark cannot work.
   */
  constructor(
    memory: Pick<PhysicalMemory, 'banks'>,
    view: TableMemory,
    config: PageAllocatorConfig = DEFAULT_PAGE_COSTS,
  ) {
    this.#view = view;
    this.#config = config;
    this.zones = makeZones(memory, config.reservedBytes);
    const totalPages = this.zones.reduce((sum, zone) => sum + zone.pageCount, 0);
    const marks = this.zones.map((zone) => zoneWatermarks(config, zone.pageCount, totalPages));
    this.#min = marks.map((mark) => mark.min);
    this.#low = marks.map((mark) => mark.low);
    this.#fallback = fallbackOrder(this.zones);
  }

  /** Bytes not handed out. */
  get freeBytes(): number {
    return this.zones.reduce((sum, zone) => sum + zone.freePages, 0) * PAGE_SIZE;
  }

  /** @param size bytes, rounded up to a power-of-two number of pages, at most 4 MiB. */
  alloc(_cookie: unknown, size: number, gfp: number): number {
    return this.allocOrder(orderOf(size), gfp, this.#config.node);
  }

  free(_cookie: unknown, pa: number, size: number): void {
    this.freeOrder(pa, orderOf(size), size);
  }

  /** One block of `2^order` pages, naturally aligned, from `node` if it can be; its address, or {@link NO_PAGES}. */
  allocOrder(order: number, gfp: number, node = this.#config.node): number {
    const { stats } = this;
    const costs = this.#config;
    stats.calls++;
    stats.cycles += costs.allocateCycles + costs.perOrderCycles * order;
    const pa = order > MAX_ORDER ? NO_PAGES : this.#take(order, gfp, node);
    if (pa === NO_PAGES) {
      stats.failures++;
      return NO_PAGES;
    }
    this.#handOut(pa, order, gfp);
    return pa;
  }

  /**
   * Up to `count` single pages in one call, as `alloc_pages_bulk` does: cheaper per page, may give fewer; only the first may
   * reclaim or go below the low watermark.
   * @returns how many addresses were stored to `into`.
   */
  allocBulk(count: number, gfp: number, into: Float64Array, node = this.#config.node): number {
    const { stats } = this;
    stats.calls++;
    stats.cycles += this.#config.allocateCycles;
    let got = 0;
    while (got < count) {
      const pa = got === 0 ? this.#take(0, gfp, node) : this.#takeAbove(this.#low, this.#zonesOf(node), 1, 0, gfp);
      if (pa === NO_PAGES) break;
      if (got > 0) stats.cycles += this.#config.bulkPageCycles;
      this.#handOut(pa, 0, gfp);
      into[got++] = pa;
    }
    if (got === 0 && count > 0) stats.failures++;
    return got;
  }

  /** Gives back a block of {@link allocOrder}. */
  freeOrder(pa: number, order: number, size = PAGE_SIZE * 2 ** order): void {
    const { stats } = this;
    const zone = this.#zoneOf(pa);
    const misuse = freeMisuse(zone, pa, order);
    if (zone === null || misuse !== null) {
      stats.misuses++;
      if (misuse !== null && this.onMisuse !== null) this.onMisuse(misuse, pa, size);
      return;
    }
    const page = (pa - zone.base) / PAGE_SIZE;
    stats.frees++;
    stats.live--;
    stats.liveBytes -= PAGE_SIZE * 2 ** order;
    stats.merges += zone.give(page, order);
    stats.cycles += this.#config.freeCycles;
  }

  /**
   * Memory that the rest of the system holds: takes `share` (0 to 1) of what is free as single pages, and gives `returned`
   * (0 to 1) of those back at random places, which leaves the rest fragmented. What stays taken is never returned, and counts
   * in no statistics.
   */
  occupy(share: number, returned: number, seed: number): void {
    const prng = new Prng(seed);
    for (const zone of this.zones) {
      const taken: number[] = [];
      for (let left = Math.floor(zone.freePages * share); left > 0; left--) taken.push(zone.take(0));
      for (const page of taken) if (prng.chance(returned)) zone.give(page, 0);
    }
  }

  #take(order: number, gfp: number, node: number): number {
    const pages = 2 ** order;
    const zones = this.#zonesOf(node);
    let pa = this.#takeAbove(this.#low, zones, pages, order, gfp);
    if (pa !== NO_PAGES) return pa;
    this.#wake(zones, pages);
    // Atomic callers may dip into half of the reserve (ALLOC_MIN_RESERVE of mm/page_alloc.c).
    pa = this.#takeAbove(this.#min, zones, pages, order, gfp, (gfp & Gfp.ATOMIC) !== 0 ? 0.5 : 1);
    if (pa !== NO_PAGES || (gfp & Gfp.ATOMIC) !== 0) return pa;
    if (this.onReclaim === null || this.#reclaiming) return NO_PAGES;
    this.#reclaiming = true;
    this.stats.reclaims++;
    this.stats.cycles += this.#config.reclaimCycles;
    const freed = this.onReclaim(order, node);
    this.#reclaiming = false;
    this.stats.reclaimedPages += freed;
    return freed > 0 ? this.#takeAbove(this.#min, zones, pages, order, gfp) : NO_PAGES;
  }

  /** Zones in the order they are tried for `node`; a node without memory is treated as node 0. */
  #zonesOf(node: number): number[] {
    return this.#fallback[node] ?? (this.#fallback[0] as number[]);
  }

  #takeAbove(marks: number[], zones: number[], pages: number, order: number, gfp: number, share = 1): number {
    for (let i = 0; i < zones.length; i++) {
      const number = zones[i] as number;
      const zone = this.zones[number] as BuddyZone;
      if ((gfp & Gfp.DMA32) !== 0 && !zone.dma32) continue;
      if (zone.freePages - pages < (marks[number] as number) * share) continue;
      const page = zone.take(order);
      if (page >= 0) {
        this.stats.splits += zone.lastSplits;
        return zone.base + page * PAGE_SIZE;
      }
    }
    return NO_PAGES;
  }

  #wake(zones: readonly number[], pages: number): void {
    this.stats.wakeups++;
    if (this.onPressure === null || this.#reclaiming) return;
    this.#reclaiming = true;
    for (const number of zones) {
      const zone = this.zones[number] as BuddyZone;
      if (zone.freePages - pages < (this.#low[number] as number)) this.onPressure(zone);
    }
    this.#reclaiming = false;
  }

  #handOut(pa: number, order: number, gfp: number): void {
    const { stats } = this;
    const size = PAGE_SIZE * 2 ** order;
    stats.pages += 2 ** order;
    stats.live++;
    stats.liveBytes += size;
    if (stats.live > stats.peak) stats.peak = stats.live;
    if (stats.liveBytes > stats.peakBytes) stats.peakBytes = stats.liveBytes;
    if ((gfp & Gfp.ZERO) !== 0) {
      zeroThrough(this.#view, pa, size);
      stats.zeroedBytes += size;
      stats.cycles += this.#config.zeroPageCycles * 2 ** order;
    }
  }

  #zoneOf(pa: number): BuddyZone | null {
    for (const zone of this.zones) if (pa >= zone.base && pa < zone.base + zone.pageCount * PAGE_SIZE) return zone;
    return null;
  }
}

/** What is wrong with giving back a block of `order` at `pa` to `zone`, or null. */
function freeMisuse(zone: BuddyZone | null, pa: number, order: number): PageMisuse | null {
  if (zone === null || (pa - zone.base) % PAGE_SIZE !== 0) return PageMisuse.NOT_ALLOCATED;
  const page = (pa - zone.base) / PAGE_SIZE;
  const held = zone.allocatedOrder(page);
  if (held === order) return null;
  if (held >= 0) return PageMisuse.WRONG_SIZE;
  return zone.isFree(page) ? PageMisuse.DOUBLE_FREE : PageMisuse.NOT_ALLOCATED;
}

/** Order of the smallest block that holds `size` bytes (Linux `get_order`). */
export function orderOf(size: number): number {
  let order = 0;
  for (let block = PAGE_SIZE; block < size; block *= 2) order++;
  return order;
}

/** Stores zeros to `[pa, pa + size)` as the CPU, frame by frame. `pa` and `size` are multiples of 4. */
function zeroThrough(view: TableMemory, pa: number, size: number): void {
  const frame = 0x10000;
  for (let from = pa; from < pa + size; ) {
    const part = Math.min(pa + size - from, frame - (from % frame));
    const at = view.index(from);
    view.words.fill(0, at, at + part / 4);
    view.written(from, part);
    from += part;
  }
}

function makeZones(memory: Pick<PhysicalMemory, 'banks'>, reserved: number): BuddyZone[] {
  const zones: BuddyZone[] = [];
  const boundary = 2 ** 32;
  let skip = reserved;
  for (const bank of memory.banks) {
    const start = bank.base + Math.min(skip, bank.size);
    skip -= start - bank.base;
    const end = bank.base + bank.size;
    const cut = Math.min(Math.max(boundary, start), end);
    if (cut > start) zones.push(new BuddyZone(start, (cut - start) / PAGE_SIZE, bank.node, true));
    if (end > cut) zones.push(new BuddyZone(cut, (end - cut) / PAGE_SIZE, bank.node, false));
  }
  if (zones.length === 0) throw new ConfigError('pageAllocator.reservedBytes', reserved, 'less than the RAM there is');
  return zones;
}

/** Own node first, normal zones before DMA32 ones, then the other nodes by distance in number. */
function fallbackOrder(zones: readonly BuddyZone[]): number[][] {
  const nodes = Math.max(...zones.map((zone) => zone.node)) + 1;
  return Array.from({ length: nodes }, (_, node) =>
    zones
      .map((_zone, number) => number)
      .sort((a, b) => {
        const [first, second] = [zones[a] as BuddyZone, zones[b] as BuddyZone];
        return (
          Math.abs(first.node - node) - Math.abs(second.node - node) ||
          Number(first.dma32) - Number(second.dma32) ||
          first.base - second.base
        );
      }),
  );
}
