/**
 * Short-descriptor tables (ARM_V7S), as Linux 6.12 `io-pgtable-arm-v7s.c` edits them; 6.1 does the same. Its users are 32-bit parts:
 * MediaTek's M4U, MSM's old IOMMU, and SMMUv1/v2 contexts without LPAE.
 *
 * Tables: one of level 1, 16 KiB for 32 address bits (4 bytes for each MiB), and 1 KiB for each level 2.
 *
 * In the counters a leaf is one entry: a supersection or a large page counts as sixteen.
 *
 * Known fault, kept: unmapping a part of a 1 MiB section with the default `split: 'in-place'` loses the section's address; what
 * stays mapped then maps from physical address 0 on. Linux 6.13 refuses such unmaps (`split: 'refuse'`).
 *
 * Differs from Linux only where Linux would store outside its table: page sizes and addresses that make a run of entries leave the
 * table are refused (EINVAL, or 0 bytes unmapped) with a warning.
 *
 * Not modelled: domains other than 0, PXN, and the access permission model without AFE, none of which Linux uses.
 */

import { isCount, TWO_64 } from '../bits/index.ts';
import {
  type AdjustedConfig,
  type DirtyRecorder,
  Errno,
  type FormatEntry,
  type Geometry,
  type IoPgtable,
  type IotlbGather,
  type LeafVisitor,
  type Machine,
  Prot,
  type ShortRegisters,
  type TableStats,
  type TableVisitor,
  type TeardownQueue,
  WarningCode,
} from '../table/index.ts';
import {
  checkV7s,
  DESCRIPTOR_BYTES,
  PAGE_ENTRIES,
  PAGE_SHIFT,
  PAGE_TABLE_SIZE,
  RUN_ENTRIES,
  SECTION_SIZE,
  SMALL_PAGE_SIZE,
  v7sRegisters,
} from './config.ts';
import { isLargePage, isSupersection, isTable, isValid, PAGE_BASE, V7sCore } from './core.ts';
import { attributeIndex, LeafKind } from './leaf.ts';
import { mapRun } from './map.ts';
import { unmapRun } from './unmap.ts';

/** An address with the same index and offset bits as the last one of all, 2^64 - 1, which 2**64 stands for. */
const ALIAS_OF_LAST = 2 ** 52 - 1;

/** Masks of the address bits within a leaf. */
const SECTION_OFFSET = SECTION_SIZE - 1;
const SUPERSECTION_OFFSET = RUN_ENTRIES * SECTION_SIZE - 1;
const PAGE_OFFSET = SMALL_PAGE_SIZE - 1;
const LARGE_PAGE_OFFSET = RUN_ENTRIES * SMALL_PAGE_SIZE - 1;

class V7sTable implements IoPgtable {
  readonly config: AdjustedConfig;
  readonly geometry: Geometry;
  readonly registers: ShortRegisters;
  mapped = 0;
  readonly #core: V7sCore;
  /** Coherent and without MediaTek's address bits: a leaf is one store. */
  readonly #mapsAtOnce: boolean;

  constructor(config: AdjustedConfig, machine: Machine, cookie: unknown) {
    this.#core = new V7sCore(config, machine, cookie);
    this.config = config;
    this.geometry = this.#core.geometry;
    this.registers = v7sRegisters(config, this.#core.pgd);
    this.#mapsAtOnce = this.#core.coherent && !this.#core.mediatek;
  }

  get stats(): Readonly<TableStats> {
    return this.#core.stats;
  }

  get liveTables(): number {
    return this.#core.supply.live;
  }

  mapPages(iova: number, pa: number, pageSize: number, count: number, prot: number, gfp: number): number {
    const core = this.#core;
    this.mapped = 0;
    if (!(iova >= 0 && iova < core.limit && pa >= 0 && pa < core.paLimit)) {
      core.warn(WarningCode.MAP_RANGE, iova, pa);
      return -Errno.ERANGE;
    }
    if ((prot & (Prot.READ | Prot.WRITE)) === 0) return -Errno.EINVAL;
    if (pageSize === SMALL_PAGE_SIZE && count === 1 && this.#mapsAtOnce) {
      const index = core.indexOf(iova);
      const first = (iova >>> PAGE_SHIFT) & (PAGE_ENTRIES - 1);
      const at = core.cursorAt + first;
      const { words } = core.memory;
      // One page in the table of the cursor: the same as the general way does, without its calls.
      if (index === core.cursorIndex && words[at] === 0) {
        words[at] = (core.attributes[attributeIndex(LeafKind.SMALL_PAGE, prot)] as number) | (pa & PAGE_BASE);
        core.memory.written(core.cursorTable + first * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
        core.stats.descriptorsWritten++;
        core.stats.leavesMapped[2] = (core.stats.leavesMapped[2] as number) + 1;
        this.mapped = SMALL_PAGE_SIZE;
        return 0;
      }
    }
    if (!isCount(count)) {
      core.warn(WarningCode.MAP_PAGE_SIZE, pageSize, iova);
      return -Errno.EINVAL;
    }
    let left = count;
    // Other edits may run inside an allocation, so that what has been mapped is kept here until the end.
    let mapped = 0;
    let result: number = -Errno.EINVAL;
    while (left > 0) {
      const done = mapRun(core, iova + mapped, pa + mapped, pageSize, left, prot, gfp);
      if (done < 0) {
        result = done;
        break;
      }
      result = 0;
      mapped += done * pageSize;
      left -= done;
    }
    this.mapped = mapped;
    return result;
  }

  unmapPages(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    const core = this.#core;
    if (!(iova >= 0 && iova < core.limit)) {
      core.warn(WarningCode.UNMAP_RANGE, iova, 0);
      return 0;
    }
    if (pageSize === SMALL_PAGE_SIZE && count === 1 && core.coherent) {
      const index = core.indexOf(iova);
      const first = (iova >>> PAGE_SHIFT) & (PAGE_ENTRIES - 1);
      const at = core.cursorAt + first;
      const { words } = core.memory;
      // As in mapPages.
      if (index === core.cursorIndex && !isLargePage(words[at] as number)) {
        words[at] = 0;
        core.memory.written(core.cursorTable + first * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
        core.stats.descriptorsCleared++;
        core.stats.leavesUnmapped[2] = (core.stats.leavesUnmapped[2] as number) + 1;
        if (core.tlb !== null && (gather === null || !gather.queued)) {
          core.tlb.addPage(gather, iova, SMALL_PAGE_SIZE, core.cookie);
        }
        return SMALL_PAGE_SIZE;
      }
    }
    if (!isCount(count)) {
      core.warn(WarningCode.UNMAP_PAGE_SIZE, pageSize, count);
      return 0;
    }
    let left = count;
    let unmapped = 0;
    while (left > 0) {
      const done = unmapRun(core, iova + unmapped, pageSize, left, gather);
      if (done === 0) break;
      unmapped += done * pageSize;
      left -= done;
    }
    return unmapped;
  }

  iovaToPhys(iova: number): number {
    const core = this.#core;
    if (core.closing) return 0;
    if (iova >= TWO_64) return this.iovaToPhys(ALIAS_OF_LAST);
    const index = core.indexOf(iova);
    if (index !== core.cursorIndex) {
      const entry = core.memory.words[core.pgdAt + index] as number;
      if (!isTable(entry)) {
        if (!isValid(entry)) return 0;
        return core.sectionAddress(entry) + (iova & (isSupersection(entry) ? SUPERSECTION_OFFSET : SECTION_OFFSET));
      }
      core.enterTable(index, entry);
    }
    const page = core.memory.words[core.cursorAt + ((iova >>> PAGE_SHIFT) & (PAGE_ENTRIES - 1))] as number;
    if (!isValid(page)) return 0;
    return core.pageAddress(page) + (iova & (isLargePage(page) ? LARGE_PAGE_OFFSET : PAGE_OFFSET));
  }

  /** Short descriptors have no dirty state: always -EINVAL. (Linux has no such operation for them.) */
  readAndClearDirty(_iova: number, _size: number, _flags: number, _recorder: DirtyRecorder): number {
    return -Errno.EINVAL;
  }

  /** Linux offers it for LPAE formats only: always -EINVAL. */
  pgtableWalk(_iova: number, _descriptors: Uint32Array): number {
    return -Errno.EINVAL;
  }

  entriesChanged(): void {
    this.#core.forgetCursor();
  }

  free(): void {
    this.#core.free();
  }

  teardown(pageBudget: number): boolean {
    return this.#core.teardown(pageBudget);
  }

  teardownInto(queue: TeardownQueue): void {
    this.#core.teardownInto(queue);
  }

  visitTables(visit: TableVisitor): void {
    const core = this.#core;
    if (core.closing) return;
    visit(core.pgd, 1, this.geometry.pgdSize, 0);
    for (let index = core.nextChild(core.pgd, 1, 0); index >= 0; index = core.nextChild(core.pgd, 1, index + 1)) {
      visit(core.childPa, 2, PAGE_TABLE_SIZE, index * SECTION_SIZE);
    }
  }

  visitLeaves(visit: LeafVisitor): void {
    const core = this.#core;
    if (core.closing) return;
    const { memory } = core;
    for (let index = 0; index <= core.indexMask; ) {
      const descriptorPa = core.pgd + index * DESCRIPTOR_BYTES;
      const word = memory.words[memory.index(descriptorPa)] as number;
      const iova = index * SECTION_SIZE;
      let entries = 1;
      if (isTable(word)) {
        this.#visitPages(core.tableAddress(word), iova, visit);
      } else if (isValid(word)) {
        entries = isSupersection(word) ? RUN_ENTRIES - (index % RUN_ENTRIES) : 1;
        visit(iova, core.sectionAddress(word), entries * SECTION_SIZE, 1, word, 0, descriptorPa);
      }
      index += entries;
    }
  }

  #visitPages(table: number, start: number, visit: LeafVisitor): void {
    const { memory } = this.#core;
    for (let index = 0; index < PAGE_ENTRIES; ) {
      const descriptorPa = table + index * DESCRIPTOR_BYTES;
      const word = memory.words[memory.index(descriptorPa)] as number;
      let entries = 1;
      if (isValid(word)) {
        entries = isLargePage(word) ? RUN_ENTRIES - (index % RUN_ENTRIES) : 1;
        const iova = start + index * SMALL_PAGE_SIZE;
        visit(iova, this.#core.pageAddress(word), entries * SMALL_PAGE_SIZE, 2, word, 0, descriptorPa);
      }
      index += entries;
    }
  }
}

/** Row of the registry: the built-in allocator only, since level 2 tables come from a slab cache. */
export const V7S_FORMAT: FormatEntry = {
  capabilities: 0,
  check: checkV7s,
  create: (config, machine, cookie) => new V7sTable(config, machine, cookie),
};
