/**
 * An LPAE translation table: argument checks and the ways into map, unmap and lookup (Linux `io-pgtable-arm.c`).
 *
 * Differs from Linux only where Linux would store outside its table: a run of leaves that goes past the end of a first-level table
 * smaller than a page ends where the memory of that table ends. A page of its own (`pgdSizing: 'whole-page'`) is such memory.
 */

import { hasSize, isCount, TWO_32, TWO_64 } from '../bits/index.ts';
import { ConfigError } from '../config/index.ts';
import { LPAE_LAST_LEVEL } from '../descriptors/index.ts';
import {
  type AdjustedConfig,
  type DirtyRecorder,
  Errno,
  freeTables,
  type Geometry,
  type IoPgtable,
  type IotlbGather,
  type LeafVisitor,
  lpaeGeometry,
  type Machine,
  Quirk,
  type Registers,
  type TableStats,
  type TableVisitor,
  TeardownQueue,
  WarningCode,
} from '../table/index.ts';
import { LpaeCore } from './core.ts';
import {
  mapEntries,
  mapFrom,
  PARTIAL_BLOCK,
  type PartialBlock,
  unmapEntries,
  unmapFrom,
  unmapPartOfBlock,
} from './edit/index.ts';
import { KnownTables } from './known-tables.ts';
import type { LeafEncoding } from './leaf-encoding.ts';
import { visitLeaves, visitTables } from './show.ts';
import { leafAddress, lookup, readAndClearDirty, reportWalk } from './walk.ts';

/** What a format brings to its tables. */
export interface LpaeFormat {
  readonly geometry: Geometry;
  readonly encoding: LeafEncoding;
  /** Bytes that the address of the first level must be a multiple of, so that the base register can hold it. */
  readonly pgdAlignment: number;
  /** The registers of a table whose first level is at `pgd`. */
  registers(pgd: number): Registers;
}

/** Of a size that no level has. */
const NO_TABLES = new KnownTables(lpaeGeometry({ ias: 48, granuleShift: 12 }), LPAE_LAST_LEVEL, 0);
/** Times an address, its upper half. */
const PER_4_GIB = 2 ** -32;

/** Stands for 2^64 - 1. */
const LAST_ADDRESS = TWO_64;
/** An address with the same index and offset bits, whatever the granule. */
const ALIAS_OF_LAST = 2 ** 52 - 1;

/** A leaf without either maps nothing. */
const READ_WRITE = 3;

export class LpaeTable implements IoPgtable {
  readonly config: AdjustedConfig;
  readonly geometry: Geometry;
  readonly registers: Registers;
  readonly #core: LpaeCore;
  readonly #pageSizes: number;
  /** Leaf size by level; 0 where the level has no leaves in the table's set of page sizes. */
  readonly #leafSizes: Float64Array;
  readonly #paLimit: number;
  readonly #remaps: boolean;
  /** The page size of the last call for one page, and what is known of the tables of its level. */
  #size: number;
  #tables: KnownTables;
  /** The iova that is the address 2^64 - 1, where the kernel that is followed is led astray by it; else -1. */
  readonly #lastAddress: number;
  /** What a lookup of it returns: all offset bits of a block of level 0. */
  readonly #offsetOfLast: number;
  readonly #partial: PartialBlock = { table: 0, level: 0, index: 0 };
  /** What is left to free goes by this queue; null while the table is in use. */
  #closing: TeardownQueue | null = null;

  constructor(config: AdjustedConfig, format: LpaeFormat, machine: Machine, cookie: unknown) {
    this.config = config;
    this.geometry = format.geometry;
    this.#core = new LpaeCore(config, format.geometry, format.encoding, machine, cookie);
    const { pgd } = this.#core;
    if (pgd % format.pgdAlignment !== 0) {
      this.#core.release(pgd, format.geometry.startLevel);
      const field = config.allocator?.alloc === undefined ? 'pgdSizing' : 'allocator';
      throw new ConfigError(field, pgd, `a first-level table aligned to ${format.pgdAlignment} bytes`);
    }
    this.registers = format.registers(pgd);
    this.#pageSizes = config.pageSizes;
    this.#leafSizes = Float64Array.from(format.geometry.blockSizes, (size, level) =>
      level >= format.geometry.startLevel && hasSize(config.pageSizes, size) ? size : 0,
    );
    this.#paLimit = 2 ** config.oas;
    this.#remaps = config.split === 'unmap-and-remap';
    this.#size = this.#core.granule;
    this.#tables = this.#core.leafTables;
    const upperHalf = (config.quirks & Quirk.ARM_TTBR1) !== 0;
    this.#lastAddress = !this.#core.kernel.lastAddressWraps ? -1 : upperHalf ? this.#core.limit - 1 : LAST_ADDRESS;
    this.#offsetOfLast = (format.geometry.blockSizes[0] ?? 1) - 1;
  }

  get stats(): Readonly<TableStats> {
    return this.#core.stats;
  }

  get mapped(): number {
    return this.#core.mapped;
  }

  get liveTables(): number {
    return this.#core.liveTables;
  }

  mapPages(iova: number, pa: number, pageSize: number, count: number, prot: number, gfp: number): number {
    const core = this.#core;
    const inRange = iova >= 0 && iova < core.limit && pa >= 0 && pa < this.#paLimit;
    if (count === 1 && inRange && (prot & READ_WRITE) !== 0) {
      const tables = pageSize === this.#size ? this.#tables : this.#select(pageSize);
      const slot = tables.find(iova);
      if (slot >= 0) {
        const index = tables.entryOf(iova);
        const at = (tables.words[slot] as number) + 2 * index;
        const words = core.memory.words;
        if (((words[at] as number) & 3) === 0) {
          // One leaf in an empty entry: the same as mapEntries does, without its calls.
          const upper = (pa * PER_4_GIB) | 0;
          words[at] =
            (core.encoding.low[prot & 63] as number) |
            tables.leafType |
            (pa & 0xfffff000) |
            ((upper >>> 4) & 0xfffff000);
          words[at + 1] = (core.encoding.high[prot & 63] as number) | (upper & 0xffff);
          tables.leaves[slot] = (tables.leaves[slot] as number) + 1;
          core.mapped = pageSize;
          core.leafWritten(tables.level, (tables.tables[slot] as number) + 8 * index, at);
          return 0;
        }
      }
    }
    return this.#map(iova, pa, pageSize, count, prot, gfp);
  }

  #map(iova: number, pa: number, pageSize: number, count: number, prot: number, gfp: number): number {
    const core = this.#core;
    core.mapped = 0;
    const level = pageSize === core.granule ? LPAE_LAST_LEVEL : this.#levelOf(pageSize);
    if ((level < 0 && !this.#accepts(pageSize)) || !isCount(count)) {
      core.warn(WarningCode.MAP_PAGE_SIZE, pageSize, iova);
      return -Errno.EINVAL;
    }
    if (!(iova >= 0 && iova < core.limit && pa >= 0 && pa < this.#paLimit)) {
      core.warn(WarningCode.MAP_RANGE, iova, pa);
      return -Errno.ERANGE;
    }
    if ((prot & READ_WRITE) === 0) return -Errno.EINVAL;
    const low = core.encoding.low[prot & 63] as number;
    const high = core.encoding.high[prot & 63] as number;
    const tables = level < 0 ? null : (core.known[level] as KnownTables);
    const slot = tables === null ? -1 : tables.find(iova);
    if (tables !== null && slot >= 0) {
      const table = tables.tables[slot] as number;
      return mapEntries(core, table, level, tables.entryOf(iova), iova, pa, count, low, high);
    }
    const result = mapFrom(core, iova, pa, pageSize, count, low, high, gfp);
    // Another map may have run inside an allocation of this one, and left its count.
    if (result !== 0) core.mapped = 0;
    return result;
  }

  unmapPages(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    const core = this.#core;
    if (count === 1 && iova >= 0 && iova < core.limit) {
      const tables = pageSize === this.#size ? this.#tables : this.#select(pageSize);
      const slot = tables.find(iova);
      if (slot >= 0) {
        const index = tables.entryOf(iova);
        const at = (tables.words[slot] as number) + 2 * index;
        const words = core.memory.words;
        const isLeaf = ((words[at] as number) & 3) === tables.leafType;
        if (isLeaf && ((words[at + 1] as number) & core.contiguousHigh) === 0) {
          // One leaf: the same as unmapEntries does, without its calls.
          words[at] = 0;
          words[at + 1] = 0;
          tables.leaves[slot] = (tables.leaves[slot] as number) - 1;
          core.leafCleared(tables.level, (tables.tables[slot] as number) + 8 * index, at);
          const tlb = core.tlb;
          if (tlb !== null && (gather === null ? core.reportsWithoutGather : !gather.queued)) {
            tlb.addPage(gather, iova, pageSize, core.cookie);
          }
          return pageSize;
        }
      }
    }
    return this.#unmap(iova, pageSize, count, gather);
  }

  #unmap(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    const core = this.#core;
    const level = pageSize === core.granule ? LPAE_LAST_LEVEL : this.#levelOf(pageSize);
    if ((level < 0 && !this.#accepts(pageSize)) || count === 0 || !isCount(count)) {
      core.warn(WarningCode.UNMAP_PAGE_SIZE, pageSize, count);
      return 0;
    }
    if (!(iova >= 0 && iova < core.limit)) {
      core.warn(WarningCode.UNMAP_RANGE, iova, pageSize);
      return 0;
    }
    const tables = level < 0 ? null : (core.known[level] as KnownTables);
    const slot = tables === null ? -1 : tables.find(iova);
    if (tables !== null && slot >= 0) {
      const index = tables.entryOf(iova);
      if (core.memory.words[(tables.words[slot] as number) + 2 * index] !== 0) {
        return unmapEntries(core, tables.tables[slot] as number, level, index, iova, count, gather);
      }
    }
    const partial = this.#remaps ? this.#partial : null;
    const unmapped = unmapFrom(core, core.pgd, core.startLevel, iova, pageSize, count, gather, partial);
    return unmapped === PARTIAL_BLOCK ? unmapPartOfBlock(core, this.#partial, iova, pageSize, count) : unmapped;
  }

  iovaToPhys(iova: number): number {
    const core = this.#core;
    const tables = core.leafTables;
    // Once teardown has begun the limit is 0.
    const slot = iova >= 0 && iova < core.limit && iova !== this.#lastAddress ? tables.find(iova) : -1;
    if (slot < 0) return this.#closing === null ? this.#lookUp(iova) : 0;
    const at = (tables.words[slot] as number) + 2 * tables.entryOf(iova);
    const words = core.memory.words;
    const low = words[at] as number;
    if ((low & 3) !== core.pageType) return 0;
    const high = words[at + 1] as number;
    if (core.packsHighBits) return leafAddress(core, low, high, iova, core.granule);
    return (high & 0xffff) * TWO_32 + (((low & 0xfffff000) | (iova & core.offsetMask)) >>> 0);
  }

  #lookUp(iova: number): number {
    if (iova < LAST_ADDRESS && iova !== this.#lastAddress) return lookup(this.#core, iova);
    // Where the range of a lookup of the last address wraps, nothing is visited, and the leaf that is then decoded is all zeroes
    // and of level 0.
    return this.#lastAddress < 0 ? lookup(this.#core, ALIAS_OF_LAST) : this.#offsetOfLast;
  }

  pgtableWalk(iova: number, descriptors: Uint32Array): number {
    const core = this.#core;
    if (this.#closing !== null) return -Errno.EINVAL;
    if (iova >= LAST_ADDRESS || iova === this.#lastAddress) return 0;
    return reportWalk(core, iova, descriptors);
  }

  readAndClearDirty(iova: number, size: number, flags: number, recorder: DirtyRecorder): number {
    return readAndClearDirty(this.#core, iova, size, flags, recorder);
  }

  entriesChanged(): void {
    this.#core.forgetTables();
  }

  free(): void {
    if (this.#closing !== null) while (this.liveTables > 0) this.#closing.step(1);
    else {
      this.#close(new TeardownQueue());
      freeTables(this.#core, this.#core.pgd, this.#core.startLevel);
    }
  }

  teardown(pageBudget: number): boolean {
    if (this.#closing === null) {
      const queue = new TeardownQueue();
      this.#close(queue);
      queue.add(this.#core, this.#core.pgd, this.#core.startLevel);
    }
    this.#closing?.step(pageBudget);
    return this.liveTables === 0;
  }

  teardownInto(queue: TeardownQueue): void {
    if (this.#closing !== null) return;
    this.#close(queue);
    queue.free(this.#core, this.#core.pgd, this.#core.startLevel);
  }

  /** No edit, no lookup and no TLB callback from here on. */
  #close(queue: TeardownQueue): void {
    const core = this.#core;
    this.#closing = queue;
    core.limit = 0;
    core.forgetTables();
    core.tlb?.flushAll(core.cookie);
    core.tlb = null;
  }

  visitTables(visit: TableVisitor): void {
    if (this.#closing === null) visitTables(this.#core, visit);
  }

  visitLeaves(visit: LeafVisitor): void {
    if (this.#closing === null) visitLeaves(this.#core, visit);
  }

  /** What is known of the tables whose leaves have this size: nothing where no level has. Calls of one size come in a row. */
  #select(pageSize: number): KnownTables {
    const core = this.#core;
    const level = pageSize === core.granule ? LPAE_LAST_LEVEL : this.#levelOf(pageSize);
    const tables = level < 0 ? NO_TABLES : (core.known[level] as KnownTables);
    this.#size = pageSize;
    this.#tables = tables;
    return tables;
  }

  /** Level whose leaves have this size, or -1: the size is no leaf's of this table, or not in its set. */
  #levelOf(pageSize: number): number {
    if (pageSize === 0) return -1;
    for (let level = LPAE_LAST_LEVEL - 1; level >= 0; level--) {
      if (pageSize === this.#leafSizes[level]) return level;
    }
    return -1;
  }

  /** True when every size in `pageSize` is one of the table's. Linux does not check that it is only one. */
  #accepts(pageSize: number): boolean {
    if (!(pageSize > 0)) return false;
    for (let rest = pageSize, size = 1; rest > 0; size *= 2) {
      if (!hasSize(rest, size)) continue;
      if (!hasSize(this.#pageSizes, size)) return false;
      rest -= size;
    }
    return true;
  }
}
