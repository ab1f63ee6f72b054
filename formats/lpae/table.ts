/**
 * An LPAE translation table: argument checks and the ways into map, unmap and lookup (Linux `io-pgtable-arm.c`).
 *
 * Differs from Linux only where Linux would store outside its table: a run of leaves that goes past the end of a first-level table
 * smaller than a page ends where the memory of that table ends. A page of its own (`pgdSizing: 'whole-page'`) is such memory.
 */
import { hasSize, isCount, TWO_32 } from '../address.ts';
import { ConfigError } from '../config-error.ts';
import { type Geometry, LPAE_LAST_LEVEL } from '../geometry.ts';
import type {
  AdjustedConfig,
  DirtyRecorder,
  IoPgtable,
  LeafVisitor,
  Machine,
  TableStats,
  TableVisitor,
} from '../io-pgtable.ts';
import { Errno, Prot } from '../io-pgtable.ts';
import type { IotlbGather } from '../ports.ts';
import type { Registers } from '../registers.ts';
import { Teardown } from '../teardown.ts';
import { WarningCode } from '../warnings.ts';
import { LpaeCore } from './core.ts';
import { readAndClearDirty } from './dirty.ts';
import type { LeafEncoding } from './leaf-encoding.ts';
import { leafAddress, lookup, visitLeaves, visitTables } from './lookup.ts';
import { mapEntries, mapFrom } from './map.ts';
import { unmapPartOfBlock } from './remap.ts';
import { PARTIAL_BLOCK, type PartialBlock, unmapEntries, unmapFrom } from './unmap.ts';

/** What a format brings to its tables. */
export interface LpaeFormat {
  readonly geometry: Geometry;
  readonly encoding: LeafEncoding;
  /** Bytes that the address of the first level must be a multiple of, so that the base register can hold it. */
  readonly pgdAlignment: number;
  /** The registers of a table whose first level is at `pgd`. */
  registers(pgd: number): Registers;
}

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
  readonly #partial: PartialBlock = { table: 0, level: 0, index: 0 };
  #teardown: Teardown | null = null;

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
    core.mapped = 0;
    const level = pageSize === core.granule ? LPAE_LAST_LEVEL : this.#levelOf(pageSize);
    if ((level < 0 && !this.#accepts(pageSize)) || (count !== 1 && !isCount(count))) {
      core.warn(WarningCode.MAP_PAGE_SIZE, pageSize, iova);
      return -Errno.EINVAL;
    }
    if (!(iova >= 0 && iova < core.limit && pa >= 0 && pa < this.#paLimit)) {
      core.warn(WarningCode.MAP_RANGE, iova, pa);
      return -Errno.ERANGE;
    }
    if ((prot & (Prot.READ | Prot.WRITE)) === 0) return -Errno.EINVAL;
    const low = core.encoding.low[prot & 63] as number;
    const high = core.encoding.high[prot & 63] as number;
    if (level >= 0) {
      const cursor = core.cursor;
      const offset = iova - (cursor.starts[level] as number);
      if (offset >= 0 && offset < (cursor.spans[level] as number)) {
        const index = (offset * (core.inverses[level] as number)) | 0;
        const table = cursor.tables[level] as number;
        const at = (cursor.words[level] as number) + 2 * index;
        const words = core.memory.words;
        if (count !== 1 || ((words[at] as number) & 3) !== 0) {
          return mapEntries(core, table, level, index, iova, pa, count, low, high);
        }
        // One leaf in an empty entry: the same as writeLeaves does, without its calls.
        const upper = Math.floor(pa / TWO_32);
        words[at] = low | (core.leafTypes[level] as number) | (pa & 0xfffff000) | ((upper >>> 4) & 0xfffff000);
        words[at + 1] = high | (upper & 0xffff);
        core.memory.written(table + 8 * index, 8);
        if (!core.coherent) core.sync(table + 8 * index, 8);
        const stats = core.stats;
        stats.descriptorsWritten++;
        stats.leavesMapped[level] = (stats.leavesMapped[level] as number) + 1;
        core.mapped = pageSize;
        return 0;
      }
    }
    const result = mapFrom(core, iova, pa, pageSize, count, low, high, gfp);
    // Another map may have run inside an allocation of this one, and left its count.
    if (result !== 0) core.mapped = 0;
    return result;
  }

  unmapPages(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    const core = this.#core;
    const level = pageSize === core.granule ? LPAE_LAST_LEVEL : this.#levelOf(pageSize);
    if ((level < 0 && !this.#accepts(pageSize)) || count === 0 || (count !== 1 && !isCount(count))) {
      core.warn(WarningCode.UNMAP_PAGE_SIZE, pageSize, count);
      return 0;
    }
    if (!(iova >= 0 && iova < core.limit)) {
      core.warn(WarningCode.UNMAP_RANGE, iova, pageSize);
      return 0;
    }
    if (level >= 0) {
      const cursor = core.cursor;
      const offset = iova - (cursor.starts[level] as number);
      if (offset >= 0 && offset < (cursor.spans[level] as number)) {
        const index = (offset * (core.inverses[level] as number)) | 0;
        const table = cursor.tables[level] as number;
        const at = (cursor.words[level] as number) + 2 * index;
        const words = core.memory.words;
        const low = words[at] as number;
        if (
          count !== 1 ||
          (low & 3) !== core.leafTypes[level] ||
          ((words[at + 1] as number) & core.contiguousHigh) !== 0
        ) {
          if (low !== 0) return unmapEntries(core, table, level, index, iova, count, gather);
        } else {
          // One leaf: the same as unmapEntries does, without its calls.
          words[at] = 0;
          words[at + 1] = 0;
          core.memory.written(table + 8 * index, 8);
          if (!core.coherent) core.sync(table + 8 * index, 8);
          const stats = core.stats;
          stats.descriptorsCleared++;
          stats.leavesUnmapped[level] = (stats.leavesUnmapped[level] as number) + 1;
          if (core.tlb !== null && (gather === null ? core.reportsWithoutGather : !gather.queued)) {
            core.tlb.addPage(gather, iova, pageSize, core.cookie);
          }
          return pageSize;
        }
      }
    }
    const partial = this.#remaps ? this.#partial : null;
    const unmapped = unmapFrom(core, core.pgd, core.startLevel, iova, pageSize, count, gather, partial);
    return unmapped === PARTIAL_BLOCK ? unmapPartOfBlock(core, this.#partial, iova, pageSize, count) : unmapped;
  }

  iovaToPhys(iova: number): number {
    const core = this.#core;
    const offset = iova - (core.cursor.starts[LPAE_LAST_LEVEL] as number);
    if (offset >= 0 && offset < (core.cursor.spans[LPAE_LAST_LEVEL] as number)) {
      const at =
        (core.cursor.words[LPAE_LAST_LEVEL] as number) +
        2 * ((offset * (core.inverses[LPAE_LAST_LEVEL] as number)) | 0);
      const words = core.memory.words;
      const low = words[at] as number;
      const high = words[at + 1] as number;
      if (!core.isLeaf(low, LPAE_LAST_LEVEL)) return 0;
      if (core.packsHighBits) return leafAddress(core, low, high, iova, core.granule);
      return (high & 0xffff) * TWO_32 + (((low & 0xfffff000) | (iova & (core.granule - 1))) >>> 0);
    }
    return this.#teardown === null ? lookup(core, iova) : 0;
  }

  readAndClearDirty(iova: number, size: number, flags: number, recorder: DirtyRecorder): number {
    return readAndClearDirty(this.#core, iova, size, flags, recorder);
  }

  free(): void {
    this.teardown(Number.POSITIVE_INFINITY);
  }

  teardown(pageBudget: number): boolean {
    const core = this.#core;
    if (this.#teardown === null) {
      this.#teardown = new Teardown(core, core.pgd, core.startLevel);
      core.limit = 0;
      core.cursor.forget();
      core.tlb?.flushAll(core.cookie);
      core.tlb = null;
    }
    this.#teardown.step(pageBudget);
    return this.#teardown.done;
  }

  visitTables(visit: TableVisitor): void {
    if (this.#teardown === null) visitTables(this.#core, visit);
  }

  visitLeaves(visit: LeafVisitor): void {
    if (this.#teardown === null) visitLeaves(this.#core, visit);
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
