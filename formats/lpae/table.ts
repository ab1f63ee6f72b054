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
  type Machine,
  Quirk,
  type Registers,
  type TableStats,
  type TableVisitor,
  TeardownQueue,
  WarningCode,
} from '../table/index.ts';
import { LpaeCore } from './core.ts';
import type { LeafEncoding } from './leaf-encoding.ts';
import { mapEntries, mapFrom } from './map.ts';
import { unmapPartOfBlock } from './remap.ts';
import { visitLeaves, visitTables } from './show.ts';
import { PARTIAL_BLOCK, type PartialBlock, unmapEntries, unmapFrom } from './unmap.ts';
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
    if (count === 1 && pa >= 0 && pa < this.#paLimit && (prot & READ_WRITE) !== 0) {
      const cursor = core.cursor;
      const at = pageSize === cursor.size ? cursor.entry(iova) : -1;
      const words = core.memory.words;
      if (at >= 0 && ((words[at] as number) & 3) === 0) {
        // One leaf in an empty entry: the same as mapEntries does, without its calls.
        const level = cursor.level;
        const upper = (pa / TWO_32) | 0;
        words[at] =
          (core.encoding.low[prot & 63] as number) |
          (core.leafTypes[level] as number) |
          (pa & 0xfffff000) |
          ((upper >>> 4) & 0xfffff000);
        words[at + 1] = (core.encoding.high[prot & 63] as number) | (upper & 0xffff);
        core.mapped = pageSize;
        core.leafWritten(level, cursor.table + 4 * (at - cursor.word));
        return 0;
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
    const cursor = core.cursor;
    if (level >= 0 && cursor.find(level, iova)) {
      const index = (cursor.entry(iova) - cursor.word) >>> 1;
      return mapEntries(core, cursor.table, level, index, iova, pa, count, low, high);
    }
    const result = mapFrom(core, iova, pa, pageSize, count, low, high, gfp);
    // Another map may have run inside an allocation of this one, and left its count.
    if (result !== 0) core.mapped = 0;
    return result;
  }

  unmapPages(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    const core = this.#core;
    if (count === 1) {
      const cursor = core.cursor;
      const at = pageSize === cursor.size ? cursor.entry(iova) : -1;
      const words = core.memory.words;
      const level = cursor.level;
      if (
        at >= 0 &&
        ((words[at] as number) & 3) === core.leafTypes[level] &&
        ((words[at + 1] as number) & core.contiguousHigh) === 0
      ) {
        // One leaf: the same as unmapEntries does, without its calls.
        words[at] = 0;
        words[at + 1] = 0;
        core.leafCleared(level, cursor.table + 4 * (at - cursor.word));
        const tlb = core.tlb;
        if (tlb !== null && (gather === null ? core.reportsWithoutGather : !gather.queued)) {
          tlb.addPage(gather, iova, pageSize, core.cookie);
        }
        return pageSize;
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
    const cursor = core.cursor;
    if (level >= 0 && cursor.find(level, iova)) {
      const at = cursor.entry(iova);
      if (core.memory.words[at] !== 0) {
        return unmapEntries(core, cursor.table, level, (at - cursor.word) >>> 1, iova, count, gather);
      }
    }
    const partial = this.#remaps ? this.#partial : null;
    const unmapped = unmapFrom(core, core.pgd, core.startLevel, iova, pageSize, count, gather, partial);
    return unmapped === PARTIAL_BLOCK ? unmapPartOfBlock(core, this.#partial, iova, pageSize, count) : unmapped;
  }

  iovaToPhys(iova: number): number {
    const core = this.#core;
    if (iova >= LAST_ADDRESS || iova === this.#lastAddress) {
      if (this.#closing !== null) return 0;
      // Nothing is visited, and the leaf that is then decoded is all zeroes and of level 0.
      return this.#lastAddress < 0 ? lookup(core, ALIAS_OF_LAST) : this.#offsetOfLast;
    }
    const cursor = core.cursor;
    // The cursor tells of a table of pages, or will for the next lookup near this one.
    const at = cursor.level === LPAE_LAST_LEVEL ? cursor.entry(iova) : -1;
    if (at >= 0) {
      const words = core.memory.words;
      const low = words[at] as number;
      if ((low & 3) !== core.leafTypes[LPAE_LAST_LEVEL]) return 0;
      if (core.packsHighBits) return leafAddress(core, low, words[at + 1] as number, iova, core.granule);
      const address = ((low & 0xfffff000) | (iova & (core.granule - 1))) >>> 0;
      return ((words[at + 1] as number) & 0xffff) * TWO_32 + address;
    }
    return this.#closing === null ? lookup(core, iova) : 0;
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
    this.#core.cursor.forget();
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
    core.cursor.forget();
    core.tlb?.flushAll(core.cookie);
    core.tlb = null;
  }

  visitTables(visit: TableVisitor): void {
    if (this.#closing === null) visitTables(this.#core, visit);
  }

  visitLeaves(visit: LeafVisitor): void {
    if (this.#closing === null) visitLeaves(this.#core, visit);
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
