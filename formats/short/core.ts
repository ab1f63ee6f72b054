/**
 * The state of one short-descriptor table and the small steps that every edit is made of: taking and giving back tables, storing
 * and syncing descriptors, installing a level 2 table by compare-and-exchange, filling in addresses.
 */
import { encode } from '../bits/index.ts';
import {
  SHORT_LARGE_PAGE,
  SHORT_SECTION,
  SHORT_SMALL_PAGE,
  SHORT_SUPERSECTION,
  SHORT_TABLE,
  ShortType,
} from '../descriptors/index.ts';
import {
  type AdjustedConfig,
  CPU_PAGE,
  freeTables,
  type Geometry,
  Gfp,
  type IotlbGather,
  type Machine,
  NO_PAGES,
  newTableStats,
  Quirk,
  type TableAllocator,
  type TableMemory,
  TableMemoryError,
  type TableSource,
  TableSupply,
  TeardownQueue,
  type TlbFlushOps,
  type WarningCode,
} from '../table/index.ts';
import { DESCRIPTOR_BYTES, PAGE_TABLE_SIZE, SECTION_SHIFT, v7sGeometry } from './config.ts';
import { fieldMask, leafAttributes, mediatekBits, mediatekHigh, SMALL_PAGE_BIT, SUPERSECTION_BIT } from './leaf.ts';

const TABLE_BASE = fieldMask(SHORT_TABLE.fields.base);
export const SECTION_BASE = fieldMask(SHORT_SECTION.fields.base);
const SUPERSECTION_BASE = fieldMask(SHORT_SUPERSECTION.fields.base);
export const PAGE_BASE = fieldMask(SHORT_SMALL_PAGE.fields.base);
const LARGE_PAGE_BASE = fieldMask(SHORT_LARGE_PAGE.fields.base);

/** An index that no entry has: the cursor is empty. */
const NOWHERE = -1;

/** The type bits; 0 is an invalid descriptor. */
const TYPE = 3;

export function isTable(word: number): boolean {
  return (word & TYPE) === ShortType.TABLE;
}

export function isValid(word: number): boolean {
  return (word & TYPE) !== 0;
}

/** A leaf at level 1 that stands in sixteen entries. The word must not be a table. */
export function isSupersection(word: number): boolean {
  return (word & SUPERSECTION_BIT) !== 0;
}

/** A valid leaf at level 2 that stands in sixteen entries. */
export function isLargePage(word: number): boolean {
  return (word & SMALL_PAGE_BIT) === 0;
}

export class V7sCore {
  readonly config: AdjustedConfig;
  readonly geometry: Geometry;
  readonly machine: Machine;
  readonly memory: TableMemory;
  readonly cookie: unknown;
  readonly stats = newTableStats();
  readonly supply: TableSupply;
  readonly coherent: boolean;
  /** True with ARM_MTK_EXT: descriptors hold address bits 34:32. */
  readonly mediatek: boolean;
  /** Attribute bits by kind of leaf and protection (see leaf.ts). */
  readonly attributes: Uint32Array;
  /** Entries of the level 1 table, less one. */
  readonly indexMask: number;
  /** 1 / section size: times an iova, the index with the bits above still on it. */
  readonly #inverse = 2 ** -SECTION_SHIFT;
  /** Physical address of the level 1 table. */
  readonly pgd: number;
  /** Index of the level 1 table's first word in the memory. */
  readonly pgdAt: number;
  /** First address beyond the output range. */
  readonly paLimit: number;
  /** First address beyond the input range; 0 once teardown has begun, so that every edit is out of range. */
  limit: number;
  /** Null once teardown has begun: the hardware context may be gone. */
  tlb: TlbFlushOps | null;
  /** For {@link TableTree}. */
  childPa = 0;

  /**
   * The cursor remembers the level 2 table that was used last, by its index in level 1, so that the next call near it need not look
   * there. It cannot go stale: a table leaves level 1 only to be freed, and {@link freePageTable} empties the cursor.
   */
  cursorIndex = NOWHERE;
  cursorTable = 0;
  /** Index of that table's first word in the memory. */
  cursorAt = 0;

  readonly #pgdSource: TableSource;
  /** Linux cuts level 2 tables from a slab cache. */
  readonly #pageTableSource: TableSource;
  readonly #zone: number;
  readonly #tableBits: number;
  /** MTK_TTBR_EXT: level 2 tables may be above 4 GiB as well. */
  readonly #highTables: boolean;
  /** What is left to free goes by this queue; null while the table is in use. */
  #closing: TeardownQueue | null = null;

  /** @throws TableMemoryError when there is no memory for level 1. */
  constructor(config: AdjustedConfig, machine: Machine, cookie: unknown) {
    this.config = config;
    this.geometry = v7sGeometry(config.ias);
    this.machine = machine;
    this.memory = machine.memory;
    this.cookie = cookie;
    this.coherent = config.coherentWalk;
    this.mediatek = (config.quirks & Quirk.ARM_MTK_EXT) !== 0;
    this.attributes = leafAttributes(config.quirks);
    this.indexMask = 2 ** this.geometry.pgdBits - 1;
    this.paLimit = 2 ** config.oas;
    this.limit = 2 ** config.ias;
    this.tlb = config.tlb;
    const slabs = machine.slabs ?? machine.pages;
    this.#pageTableSource = source(slabs, 0);
    this.#highTables = (config.quirks & Quirk.ARM_MTK_TTBR_EXT) !== 0;
    this.#zone = this.#highTables ? 0 : Gfp.DMA32;
    this.#tableBits = encode(SHORT_TABLE, {
      type: ShortType.TABLE,
      ns: (config.quirks & Quirk.ARM_NS) === 0 ? 0 : 1,
    }).low;
    this.supply = new TableSupply(config, machine, cookie, this.stats, 2 ** (this.#highTables ? config.oas : 32));

    const { pgdSize } = this.geometry;
    const pages = config.pgdSizing === 'slab' && pgdSize < CPU_PAGE ? slabs : machine.pages;
    this.#pgdSource = source(pages, config.pgdSizing === 'whole-page' ? CPU_PAGE : 0);
    // Linux asks for DMA32 memory with no other flag, and for ordinary kernel memory where any address will do.
    this.pgd = this.supply.alloc(this.#pgdSource, pgdSize, this.#highTables ? Gfp.KERNEL : Gfp.DMA32);
    if (this.pgd === NO_PAGES) throw new TableMemoryError(pgdSize);
    this.pgdAt = this.memory.index(this.pgd);
  }

  warn(code: WarningCode, first: number, second: number): void {
    this.stats.warnings++;
    this.machine.warn(code, first, second);
  }

  /** Index of `iova` in level 1. Address bits above the input size are ignored. */
  indexOf(iova: number): number {
    return (iova * this.#inverse) & this.indexMask;
  }

  /** A level 2 table, or {@link NO_PAGES}. */
  allocPageTable(gfp: number): number {
    return this.supply.alloc(this.#pageTableSource, PAGE_TABLE_SIZE, gfp | this.#zone);
  }

  forgetCursor(): void {
    this.cursorIndex = NOWHERE;
  }

  freePageTable(pa: number): void {
    this.forgetCursor();
    this.supply.free(this.#pageTableSource, pa, PAGE_TABLE_SIZE);
  }

  /** Makes `count` descriptors from `pa` on visible to a walker that does not see the CPU caches. */
  sync(pa: number, count: number): void {
    if (this.coherent) return;
    this.stats.syncs++;
    this.stats.bytesSynced += count * DESCRIPTOR_BYTES;
    this.machine.dma.syncSingleForDevice(pa, count * DESCRIPTOR_BYTES);
  }

  /** Stores `word` in `count` entries from `pa` on and syncs them. */
  store(pa: number, word: number, count: number): void {
    const at = this.memory.index(pa);
    const { words } = this.memory;
    for (let i = at; i < at + count; i++) words[i] = word;
    if (word === 0) this.stats.descriptorsCleared += count;
    else this.stats.descriptorsWritten += count;
    this.memory.written(pa, count * DESCRIPTOR_BYTES);
    this.sync(pa, count);
  }

  /**
   * Address bits of a leaf at `pa`. `mask` is {@link SECTION_BASE} or {@link PAGE_BASE}: sixteen-fold leaves are encoded like single
   * ones and so keep address bits that their kind has not, if the caller gives a misaligned address.
   */
  addressBits(pa: number, mask: number): number {
    // The bitwise operator takes the address modulo 2^32, which is all that a descriptor has room for without MediaTek's bits.
    return this.mediatek ? (pa & mask) | mediatekBits(pa) : pa & mask;
  }

  #address(word: number, mask: number): number {
    const low = (word & mask) >>> 0;
    return this.mediatek ? low + mediatekHigh(word) : low;
  }

  tableAddress(word: number): number {
    return this.#address(word, TABLE_BASE);
  }

  /** Address of the table that `word`, the level 1 entry at `index`, points to; the cursor remembers it. */
  enterTable(index: number, word: number): number {
    const table = this.tableAddress(word);
    this.cursorIndex = index;
    this.cursorTable = table;
    this.cursorAt = this.memory.index(table);
    return table;
  }

  /** Output address of a section or supersection. */
  sectionAddress(word: number): number {
    return this.#address(word, isSupersection(word) ? SUPERSECTION_BASE : SECTION_BASE);
  }

  /** Output address of a page or large page. */
  pageAddress(word: number): number {
    return this.#address(word, isLargePage(word) ? LARGE_PAGE_BASE : PAGE_BASE);
  }

  /**
   * Puts a level 2 table into the level 1 entry at `entryPa` if that still holds `expected` (a compare-and-exchange).
   * @returns what was found there: `expected` when the table is in.
   */
  install(entryPa: number, table: number, expected: number): number {
    this.machine.interleave?.('before-exchange');
    const at = this.memory.index(entryPa);
    const { words } = this.memory;
    const found = words[at] as number;
    if (found === expected) {
      const high = this.#highTables ? mediatekBits(table) : 0;
      words[at] = (table & TABLE_BASE) | this.#tableBits | high;
      this.stats.descriptorsWritten++;
      this.memory.written(entryPa, DESCRIPTOR_BYTES);
      if (!this.coherent) this.machine.interleave?.('before-sync');
    } else {
      this.stats.racesLost++;
    }
    // Also when the entry is somebody else's: their sync may not have happened yet.
    this.sync(entryPa, 1);
    return found;
  }

  /** Reports `count` cleared entries of `size` bytes. */
  reportPages(gather: IotlbGather | null, iova: number, size: number, count: number): void {
    const { tlb, cookie } = this;
    if (tlb === null) return;
    if (tlb.addPages !== undefined) {
      tlb.addPages(gather, iova, size, count, cookie);
      return;
    }
    for (let i = 0; i < count; i++) tlb.addPage(gather, iova + i * size, size, cookie);
  }

  /** Frees everything at once. */
  free(): void {
    if (this.#closing !== null) while (this.supply.live > 0) this.#closing.step(1);
    else {
      this.#close(new TeardownQueue());
      freeTables(this, this.pgd, 1);
    }
  }

  /** Frees at most `budget` tables; the first step flushes the TLB. @returns true when nothing is left. */
  teardown(budget: number): boolean {
    if (this.#closing === null) {
      const queue = new TeardownQueue();
      this.#close(queue);
      queue.add(this, this.pgd, 1);
    }
    this.#closing?.step(budget);
    return this.supply.live === 0;
  }

  /** Frees the first level now; the second-level tables go by the steps of `queue`. */
  teardownInto(queue: TeardownQueue): void {
    if (this.#closing !== null) return;
    this.#close(queue);
    queue.free(this, this.pgd, 1);
  }

  #close(queue: TeardownQueue): void {
    this.#closing = queue;
    this.tlb?.flushAll(this.cookie);
    this.tlb = null;
    this.limit = 0;
  }

  /** True once freeing has begun. */
  get closing(): boolean {
    return this.#closing !== null;
  }

  nextChild(pa: number, level: number, from: number): number {
    if (level !== 1) return -1;
    const base = this.memory.index(pa);
    const { words } = this.memory;
    for (let index = from; index <= this.indexMask; index++) {
      const word = words[base + index] as number;
      if (isTable(word)) {
        this.childPa = this.tableAddress(word);
        return index;
      }
    }
    return -1;
  }

  release(pa: number, level: number): void {
    if (level === 1) this.supply.free(this.#pgdSource, pa, this.geometry.pgdSize);
    else this.freePageTable(pa);
  }
}

/** Every kernel tells the DMA API of the table's own length. */
function source(allocator: TableAllocator, leastBlock: number): TableSource {
  return { allocator, leastBlock, leastMapped: 0, warnsOfBusAddress: false };
}
