/**
 * The state of one LPAE table and the small steps that every edit is made of: taking and giving back tables, storing and syncing
 * descriptors, installing a table by compare-and-exchange. Serves all five LPAE formats; what differs is worked out once, here.
 */
import { highMask, TWO_32 } from '../bits/index.ts';
import { LPAE_TABLE, LpaeType } from '../descriptors/index.ts';
import {
  type AdjustedConfig,
  CPU_PAGE,
  freeTables,
  type Geometry,
  Gfp,
  KERNELS,
  type KernelProfile,
  type Machine,
  NO_PAGES,
  newTableStats,
  Quirk,
  type TableAllocator,
  type TableMemory,
  TableMemoryError,
  type TableSource,
  type TableStats,
  TableSupply,
  type TlbFlushOps,
  type WarningCode,
} from '../table/index.ts';
import { CONTIGUOUS_HIGH, runLengths } from './contiguous-runs.ts';
import { KnownTables, UNKNOWN_LEAVES } from './known-tables.ts';
import type { LeafEncoding } from './leaf-encoding.ts';

const DESCRIPTOR_BYTES = 8;
/** Software bit of a table entry that says it was synced, in the high half. */
const SW_SYNC_HIGH = highMask(LPAE_TABLE.fields.swSync);
const NS_TABLE_HIGH = highMask(LPAE_TABLE.fields.nsTable);

export class LpaeCore {
  readonly config: AdjustedConfig;
  readonly geometry: Geometry;
  readonly machine: Machine;
  readonly memory: TableMemory;
  readonly cookie: unknown;
  readonly encoding: LeafEncoding;
  readonly stats: TableStats = newTableStats();

  readonly coherent: boolean;
  readonly startLevel: number;
  readonly granule: number;
  /** Entries of a table of the granule's size. */
  readonly entriesPerTable: number;
  /** Entries that the memory of a table has room for, by level: of the first level that may be more or fewer than it uses. */
  readonly entriesOwned: Int32Array;
  /** Bits 1:0 of a leaf by level: 1 for a block, 3 for a page (1 again on Mali). */
  readonly leafTypes: Uint8Array;
  /** The one of the last level, and the bits of an address within a page: fields of their own for what runs for every page. */
  readonly pageType: number;
  readonly offsetMask: number;
  /** 2**-shift by level: times an iova, the index with the bits of the levels above still on it. */
  readonly inverses: Float64Array;
  readonly indexMasks: Int32Array;
  readonly blockSizes: Float64Array;
  /** 64 KiB granule: descriptor bits 15:12 are address bits 51:48. */
  readonly packsHighBits: boolean;
  /** First address beyond the input range; 0 once teardown has begun, so that every edit is out of range. */
  limit: number;
  /** Null once teardown has begun: the hardware context may be gone. */
  tlb: TlbFlushOps | null;
  /** Physical address of the first-level table. */
  readonly pgd: number;
  /** Bytes mapped by the map call that is running. */
  mapped = 0;

  /** Descriptor that the last {@link install} found in place. */
  foundLow = 0;
  foundHigh = 0;
  /** For {@link TableTree}. */
  childPa = 0;

  /** Leaves in a contiguous run by level; all 0 when the hint is off. */
  readonly runLengths: Int32Array;
  /** The contiguous hint where it is on, else 0. */
  readonly contiguousHigh: number;
  /** Tables whose place is known, by level; and those of the last level, which nearly every call is about. */
  readonly known: readonly KnownTables[];
  readonly leafTables: KnownTables;
  /** What the kernel that is followed does otherwise than others. */
  readonly kernel: KernelProfile;
  /** What it does about an unmapped gather: a field of its own, because every unmap asks. */
  readonly reportsWithoutGather: boolean;
  /** NO_WARN: nothing is said of what is mapped already, or of holes. */
  readonly quiet: boolean;

  readonly #supply: TableSupply;
  readonly #source: TableSource;
  readonly #tableHighBits: number;

  constructor(config: AdjustedConfig, geometry: Geometry, encoding: LeafEncoding, machine: Machine, cookie: unknown) {
    this.config = config;
    this.geometry = geometry;
    this.encoding = encoding;
    this.machine = machine;
    this.memory = machine.memory;
    this.cookie = cookie;
    this.coherent = config.coherentWalk;
    this.startLevel = geometry.startLevel;
    this.granule = 2 ** geometry.granuleShift;
    this.entriesPerTable = 2 ** geometry.bitsPerLevel;
    this.entriesOwned = Int32Array.from(geometry.tableSizes, (size) => size / DESCRIPTOR_BYTES);
    this.entriesOwned[geometry.startLevel] = pgdMemory(config, geometry.pgdSize) / DESCRIPTOR_BYTES;
    this.leafTypes = Uint8Array.of(LpaeType.BLOCK, LpaeType.BLOCK, LpaeType.BLOCK, encoding.pageType);
    this.pageType = encoding.pageType;
    this.offsetMask = this.granule - 1;
    this.inverses = Float64Array.from(geometry.shifts, (shift) => 2 ** -shift);
    this.indexMasks = Int32Array.from(geometry.indexMasks);
    this.blockSizes = Float64Array.from(geometry.blockSizes);
    this.packsHighBits = geometry.granuleShift === 16;
    this.limit = 2 ** config.ias;
    this.tlb = config.tlb;
    this.runLengths = runLengths(geometry, config.contiguous);
    this.contiguousHigh = config.contiguous ? CONTIGUOUS_HIGH : 0;
    this.known = geometry.blockSizes.map((_, level) => new KnownTables(geometry, level, this.leafTypes[level] ?? 0));
    this.leafTables = this.known[geometry.lastLevel] as KnownTables;
    this.kernel = KERNELS[config.linux];
    this.reportsWithoutGather = this.kernel.reportsWithoutGather;
    this.quiet = (config.quirks & Quirk.NO_WARN) !== 0;
    this.#supply = new TableSupply(config, machine, cookie, this.stats, Number.POSITIVE_INFINITY);
    this.#source = tableSource(config, machine);
    this.#tableHighBits = (config.quirks & Quirk.ARM_NS) === 0 ? 0 : NS_TABLE_HIGH;
    this.pgd = this.allocTable(geometry.pgdSize, Gfp.KERNEL);
    if (this.pgd === NO_PAGES) throw new TableMemoryError(geometry.pgdSize);
  }

  warn(code: WarningCode, first: number, second: number): void {
    this.stats.warnings++;
    this.machine.warn(code, first, second);
  }

  /** A warning that the quirk NO_WARN silences. */
  warnUnlessQuiet(code: WarningCode, first: number, second: number): void {
    if (!this.quiet) this.warn(code, first, second);
  }

  /** Address of the table that an entry points to. */
  tableAddress(low: number, high: number): number {
    if (this.packsHighBits) {
      return ((high & 0xffff) + ((low >>> 12) & 0xf) * 0x10000) * TWO_32 + ((low & 0xffff0000) >>> 0);
    }
    return (high & 0xffff) * TWO_32 + ((low & 0xfffff000) >>> 0);
  }

  /**
   * How many of `count` entries from `index` on one call edits: up to the end of the table, or of the one of those joined. Linux
   * counts in 32 bits with sign, so that 2^32 pages are none.
   */
  fitting(level: number, index: number, count: number): number {
    const toEnd = this.entriesPerTable - (index & (this.entriesPerTable - 1));
    const room = Math.min(toEnd, (this.entriesOwned[level] as number) - index);
    return Math.max(0, Math.min(count | 0, room));
  }

  isLeaf(low: number, level: number): boolean {
    return (low & 3) === this.leafTypes[level];
  }

  /**
   * A table, zeroed and visible to the device. Anything may have happened during the call: other edits, and growth of the
   * memory, so that the caller must read again what it knew.
   * @returns its physical address, or {@link NO_PAGES}.
   */
  allocTable(size: number, gfp: number): number {
    return this.#supply.alloc(this.#source, size, gfp);
  }

  freeTable(pa: number, size: number): void {
    this.forgetTables();
    this.#supply.free(this.#source, pa, size);
  }

  forgetTables(): void {
    for (const tables of this.known) tables.forget();
  }

  /**
   * Leaves in the table of a slot of {@link leafTables}; counts them where nobody has. Less than 0 where that does not help: the
   * table holds what is no leaf, or is a first level, whose memory goes on behind its entries.
   */
  leavesIn(slot: number): number {
    const { leaves } = this.leafTables;
    const known = leaves[slot] as number;
    if (known >= 0 || this.startLevel === this.geometry.lastLevel) return known;
    const { words } = this.memory;
    const type = this.leafTypes[this.geometry.lastLevel] as number;
    const start = this.leafTables.words[slot] as number;
    const end = start + 2 * this.entriesPerTable;
    let count = 0;
    for (let at = start; at < end; at += 2) {
      const low = words[at] as number;
      if ((low & 3) === type) count++;
      else if (low !== 0 || words[at + 1] !== 0) return UNKNOWN_LEAVES;
    }
    leaves[slot] = count;
    return count;
  }

  /** Gives a table back (see {@link TableTree}). */
  release(pa: number, level: number): void {
    this.freeTable(pa, level === this.startLevel ? this.geometry.pgdSize : this.granule);
  }

  get liveTables(): number {
    return this.#supply.live;
  }

  nextChild(pa: number, level: number, from: number): number {
    if (level >= this.geometry.lastLevel) return -1;
    const entries = (this.indexMasks[level] as number) + 1;
    const base = this.memory.index(pa);
    const words = this.memory.words;
    for (let index = from; index < entries; index++) {
      const low = words[base + 2 * index] as number;
      if ((low & 3) === LpaeType.TABLE_OR_PAGE) {
        this.childPa = this.tableAddress(low, words[base + 2 * index + 1] as number);
        return index;
      }
    }
    return -1;
  }

  /** Frees the table at `pa`, which is one of `level`, with everything below it. */
  freeSubtree(pa: number, level: number): void {
    freeTables(this, pa, level);
  }

  /** Makes `bytes` bytes of descriptors from `pa` on visible to a walker that does not see the CPU caches. */
  sync(pa: number, bytes: number): void {
    this.stats.syncs++;
    this.stats.bytesSynced += bytes;
    this.machine.dma.syncSingleForDevice(pa, bytes);
  }

  /** Tells of one leaf of `level` that a map call stored at `entryPa`, whose index in memory is `at`. */
  leafWritten(level: number, entryPa: number, at: number): void {
    const stats = this.stats;
    this.memory.written(entryPa, DESCRIPTOR_BYTES, at);
    if (!this.coherent) this.sync(entryPa, DESCRIPTOR_BYTES);
    stats.descriptorsWritten++;
    stats.leavesMapped[level] = (stats.leavesMapped[level] as number) + 1;
  }

  /** Tells of one leaf of `level` that an unmap call cleared at `entryPa`, whose index in memory is `at`. */
  leafCleared(level: number, entryPa: number, at: number): void {
    const stats = this.stats;
    this.memory.written(entryPa, DESCRIPTOR_BYTES, at);
    if (!this.coherent) this.sync(entryPa, DESCRIPTOR_BYTES);
    stats.descriptorsCleared++;
    stats.leavesUnmapped[level] = (stats.leavesUnmapped[level] as number) + 1;
  }

  /** One sync per descriptor, `count` of them: what Linux does where it writes them one by one. */
  syncEach(pa: number, count: number): void {
    for (let i = 0; i < count; i++) this.sync(pa + i * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
  }

  isSynced(high: number): boolean {
    return (high & SW_SYNC_HIGH) !== 0;
  }

  /**
   * Puts a table into the entry at `entryPa` if that still holds what is expected (a compare-and-exchange). What was found there
   * is left in {@link foundLow} and {@link foundHigh}.
   * @returns true when the table is in.
   */
  install(entryPa: number, expectLow: number, expectHigh: number, table: number): boolean {
    this.machine.interleave?.('before-exchange');
    const at = this.memory.index(entryPa);
    const words = this.memory.words;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    this.foundLow = low;
    this.foundHigh = high;
    const won = low === expectLow && high === expectHigh;
    const tableHigh = Math.floor(table / TWO_32);
    const newLow = ((table & 0xfffff000) | ((tableHigh >>> 4) & 0xfffff000) | LpaeType.TABLE_OR_PAGE) >>> 0;
    const newHigh = ((tableHigh & 0xffff) | this.#tableHighBits) >>> 0;
    if (won) {
      words[at] = newLow;
      words[at + 1] = newHigh;
      this.memory.written(entryPa, DESCRIPTOR_BYTES);
      this.stats.descriptorsWritten++;
    } else {
      this.stats.racesLost++;
    }
    if (this.coherent || this.isSynced(high)) return won;
    if (won) this.machine.interleave?.('before-sync');
    // Also when the entry is somebody else's: their sync may not have happened yet.
    this.sync(entryPa, DESCRIPTOR_BYTES);
    if (won) {
      // The whole descriptor, as Linux stores it, whatever may have happened to the entry since.
      this.memory.words[at] = newLow;
      this.memory.words[at + 1] = newHigh | SW_SYNC_HIGH;
      this.memory.written(entryPa, DESCRIPTOR_BYTES);
    }
    return won;
  }
}

/** Hooks that make up a whole allocator, or null for the built-in one. */
function hooksOf(config: AdjustedConfig): TableAllocator | null {
  const hooks = config.allocator;
  return hooks?.alloc !== undefined && hooks.free !== undefined ? (hooks as TableAllocator) : null;
}

/** Bytes of memory behind a pgd of `size` bytes. */
function pgdMemory(config: AdjustedConfig, size: number): number {
  return hooksOf(config) === null && config.pgdSizing === 'whole-page' ? Math.max(size, CPU_PAGE) : size;
}

/** Where the tables of a configuration come from. Sizes are powers of two, so that rounding concerns only what is less than a page. */
function tableSource(config: AdjustedConfig, machine: Machine): TableSource {
  const { leastTableBytes: least, dmaLength, warnsOfBusAddress } = KERNELS[config.linux];
  const hooks = hooksOf(config);
  if (hooks !== null) return { allocator: hooks, leastBlock: least, leastMapped: least, warnsOfBusAddress: false };
  if (config.pgdSizing === 'whole-page') {
    const leastMapped = dmaLength === 'of the allocation' ? CPU_PAGE : 0;
    return { allocator: machine.pages, leastBlock: CPU_PAGE, leastMapped, warnsOfBusAddress };
  }
  const { pages, slabs } = machine;
  const allocator = config.pgdSizing === 'slab' && slabs !== undefined ? new SmallFromSlabs(pages, slabs) : pages;
  return { allocator, leastBlock: least, leastMapped: least, warnsOfBusAddress };
}

/** Pages for what fills one, small objects for what does not. */
class SmallFromSlabs implements TableAllocator {
  readonly #pages: TableAllocator;
  readonly #slabs: TableAllocator;

  constructor(pages: TableAllocator, slabs: TableAllocator) {
    this.#pages = pages;
    this.#slabs = slabs;
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    return (size < CPU_PAGE ? this.#slabs : this.#pages).alloc(cookie, size, gfp);
  }

  free(cookie: unknown, pa: number, size: number): void {
    (size < CPU_PAGE ? this.#slabs : this.#pages).free(cookie, pa, size);
  }
}
