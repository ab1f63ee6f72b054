/**
 * A panthor VM's page table, and the two calls that change it: map a piece of a scatter list, unmap a range
 * (`panthor_vm_map_pages`, `panthor_vm_unmap_pages`). They cut into runs of pages, undo what a failure left half done, and see to it
 * that the GPU forgets what changed: at once in 6.12, at the end of the lock in 7.3.
 */
import { Errno, type IoPgtableConfig, NO_PAGES, type TableAllocator } from '../../../../../formats/index.ts';
import { GpuVaSpace } from '../../../gpuvm/index.ts';
import { AsCommand, WHOLE_SPACE } from '../../../spec/index.ts';
import type { EditedTable } from '../../edited-table.ts';
import { alignmentOf, MALI_PAGE_SIZES, PageRun } from '../../page-runs.ts';
import type { Segment } from '../../scatter-list.ts';
import type { PanthorProfile } from '../profile.ts';
import { type PanthorMmu, SlotUser } from '../slots/index.ts';
import type { PanthorBuffer } from './buffer.ts';
import { ReservedTables } from './reserved-tables.ts';
import { translationOf } from './vm-registers.ts';

const SMALL_PAGE = 2 ** 12;
const TABLE_BYTES = 4096;
const TWO_64 = 2 ** 64;
/** What the microcontroller, a Cortex-M7, can address. */
const MCU_SPACE = 2 ** 32;

export interface PanthorVmOptions {
  /** GPU_MMU_FEATURES: address bits. */
  readonly vaBits: number;
  readonly paBits: number;
  /** Whether the GPU's accesses snoop the caches of the CPU. */
  readonly coherent: boolean;
  readonly forMcu: boolean;
  /** Where page tables come from. */
  readonly tables: TableAllocator;
  /** Makes the page table, with whatever the caller wants to see of the calls to it. */
  readonly createTable: (config: IoPgtableConfig, owner: PanthorVm) => EditedTable;
  /** Addresses that the kernel keeps for itself, at the end of the space. */
  readonly kernelStart?: number;
  readonly kernelRange?: number;
}

/** What a VM's edits came to. */
export interface VmCounters {
  /** Locks taken, one that widens another included; bytes in the regions at their widest, and bytes in them beyond what was edited. */
  locks: number;
  lockedBytes: number;
  excessBytes: number;
  /** Flushes: of a region by the address space (6.12), of the whole GPU's caches (7.3). */
  flushes: number;
  /** Bytes unmapped and mapped again because a 2 MiB page could not be cut (7.3). */
  remappedBytes: number;
}

export class PanthorVm {
  readonly mmu: PanthorMmu;
  readonly user: SlotUser;
  readonly table: EditedTable;
  readonly space: GpuVaSpace<PanthorBuffer>;
  readonly counters: VmCounters = { locks: 0, lockedBytes: 0, excessBytes: 0, flushes: 0, remappedBytes: 0 };
  /** 7.3: the table may be out of step with what is known of it; nothing is mapped any more. 6.12: an asynchronous job failed. */
  unusable = false;
  /** Where its tables come from. */
  readonly tables: ReservedTables;
  /** Tables that the operation under way may take, and how many of them it took. */
  reserved = 0;
  used = 0;
  readonly #profile: PanthorProfile;
  readonly #run = new PageRun();
  readonly #wider = { start: 0, size: 0 };
  #hasRoot = false;
  /** Bytes that the lock under way was first asked for. */
  #asked = 0;

  constructor(mmu: PanthorMmu, options: PanthorVmOptions) {
    const { vaBits, paBits, coherent, forMcu, tables, kernelStart = 0, kernelRange = 0 } = options;
    this.mmu = mmu;
    this.#profile = mmu.profile;
    this.tables = new ReservedTables(tables);
    this.space = new GpuVaSpace(0, forMcu ? MCU_SPACE : 2 ** vaBits, kernelStart, kernelRange);
    const config: IoPgtableConfig = {
      format: 'ARM_64_LPAE_S1',
      pageSizes: MALI_PAGE_SIZES,
      ias: vaBits,
      oas: paBits,
      coherentWalk: coherent,
      linux: this.#profile.kernel,
      pgdSizing: 'exact',
      allocator: {
        alloc: (cookie, size, gfp) => this.#takeTable(cookie, size, gfp),
        free: (cookie, pa, size) => this.tables.free(cookie, pa, size),
      },
    };
    this.table = options.createTable(config, this);
    this.user = new SlotUser(translationOf(this.table, this.#profile, vaBits, coherent), forMcu);
  }

  /** Number of the address space, or -1. */
  get slot(): number {
    return this.user.slot;
  }

  /** Sets tables aside for the next operation. @returns false without the memory for them */
  prepare(tables: number): boolean {
    this.reserved = tables;
    this.used = 0;
    return this.tables.reserve(this, TABLE_BYTES, tables);
  }

  /** The operation is over: what it did not take goes back. */
  finish(): void {
    this.tables.release();
    this.reserved = 0;
  }

  /** Bytes from `start` on that are mapped without a hole, at most `size`. */
  mappedFrom(start: number, size: number): number {
    const end = start + size;
    let at = start;
    while (at < end) {
      const va = this.space.find(at);
      if (va === null) break;
      at = Math.min(va.end, end);
    }
    return at - start;
  }

  /**
   * Maps `[iova, iova + size)` to the bytes of a scatter list from `offset` on.
   * @returns 0, or a negative error number: then nothing of the range is mapped.
   */
  mapPages(iova: number, prot: number, segments: readonly Segment[], offset: number, size: number): number {
    if (size === 0) return 0;
    const start = iova;
    let skip = offset;
    let left = size;
    for (const segment of segments) {
      if (segment.size <= skip) {
        skip -= segment.size;
        continue;
      }
      let pa = segment.pa + skip;
      const piece = Math.min(segment.size - skip, left);
      skip = 0;
      left -= piece;
      for (let done = 0; done < piece; ) {
        const { pageSize, count } = this.#run.first(alignmentOf(iova, pa), piece - done);
        let result = this.table.mapPages(iova, pa, pageSize, count, prot, 0);
        const { mapped } = this.table;
        iova += mapped;
        pa += mapped;
        done += mapped;
        if (result === 0 && mapped > 0) continue;
        if (result === 0) {
          this.mmu.host.warn('nothing-mapped');
          result = -Errno.ENOMEM;
        }
        this.#undo(start, iova - start);
        return result;
      }
      if (left === 0) break;
    }
    return this.#flushRange(start, iova - start);
  }

  /** Unmaps `[iova, iova + size)`. @returns 0; in 6.12 also -EINVAL where something was not mapped, and what the flush returned. */
  unmapPages(iova: number, size: number): number {
    if (this.#profile.closesBrokenVm && size === 0) return 0;
    this.#checkLocked(iova, size);
    for (let offset = 0; offset < size; ) {
      const { pageSize, count } = this.#run.first(iova + offset, size - offset);
      const wanted = pageSize * count;
      let unmapped = this.table.unmapPages(iova + offset, pageSize, count, null);
      if (unmapped !== wanted) {
        this.mmu.host.warn('short-unmap');
        if (!this.#profile.closesBrokenVm) return this.#stopUnmap(iova, size, offset, unmapped, wanted);
        // As in Linux this looks from the start of the range, whatever the offset of the run.
        while (unmapped < wanted && this.table.iovaToPhys(iova + unmapped) === 0) unmapped += SMALL_PAGE;
        this.declareUnusable();
        if (unmapped === 0) {
          this.mmu.host.warn('unmap-stuck');
          return 0;
        }
      }
      offset += unmapped;
    }
    return this.#flushRange(iova, size);
  }

  /**
   * 7.3: locks the region that holds `[start, start + size)`, and what is locked already; nothing when it is inside that.
   * @returns 0 or -ETIMEDOUT.
   */
  lockRegion(start: number, size: number): number {
    const { locked, slot } = this.user;
    // Ends wrap as the driver's do: a range up to the end of all addresses seems to lie inside the empty region at 0.
    if (start >= locked.start && (start + size) % TWO_64 <= locked.start + locked.size) return 0;
    let from = start;
    let bytes = size;
    if (locked.size > 0) {
      if (start + size <= locked.start || start >= locked.start + locked.size) this.mmu.host.warn('disjoint-lock');
      from = Math.min(start, locked.start);
      bytes = Math.max(locked.start + locked.size, start + size) - from;
    }
    if (this.mmu.host.flushBug?.() === 'whole-space') {
      from = this.space.start;
      bytes = this.space.end - from;
    }
    const wider = this.#wider;
    wider.start = from;
    wider.size = bytes;
    if (slot >= 0 && bytes > 0) {
      const result = this.mmu.spaces.lock(slot, from, bytes, wider);
      if (result !== 0) return result;
      this.counters.locks++;
      if (locked.size === 0) this.#asked = size;
    }
    locked.start = wider.start;
    locked.size = wider.size;
    return 0;
  }

  /** 7.3: flushes the GPU's caches and ends the lock. */
  unlockRegion(): void {
    if (this.mmu.host.flushBug?.() === 'forgotten') {
      this.user.locked.size = 0;
      return;
    }
    if (this.user.slot >= 0) {
      this.counters.flushes++;
      if (this.user.locked.size > 0) this.#countRegion(this.user.locked.size, this.#asked);
    }
    this.mmu.spaces.flushAndUnlock(this.user.slot);
    this.user.locked.start = 0;
    this.user.locked.size = 0;
  }

  /** 7.3: nothing is mapped from now on, and the GPU's accesses fault. */
  declareUnusable(): void {
    if (this.unusable) return;
    this.unusable = true;
    const { slot, locked } = this.user;
    if (slot >= 0) this.mmu.spaces.disable(slot, false, locked);
  }

  /** 6.12: flushes everything of the VM from the GPU's translations. */
  flushAll(): number {
    return this.#flushRange(this.space.start, this.space.end - this.space.start);
  }

  #undo(start: number, size: number): void {
    if (!this.#profile.closesBrokenVm) {
      if (this.unmapPages(start, size) !== 0) this.mmu.host.warn('undo-failed');
      return;
    }
    this.mmu.host.warn('map-failed');
    this.unmapPages(start, size);
    this.declareUnusable();
  }

  #stopUnmap(iova: number, size: number, offset: number, unmapped: number, wanted: number): number {
    const hex = (value: number): string => value.toString(16);
    const failed = `${hex(iova + offset + unmapped)}-${hex(iova + offset + wanted)}`;
    this.mmu.host.error(`failed to unmap range ${failed} (requested range ${hex(iova)}-${hex(iova + size)})`);
    this.#flushRange(iova, offset + unmapped);
    return -Errno.EINVAL;
  }

  /** 6.12: the GPU forgets what was in the range. In 7.3 the end of the lock sees to that. */
  #flushRange(iova: number, size: number): number {
    if (this.#profile.lock === 'operation') return 0;
    const { slot } = this.user;
    if (slot >= 0 && size > 0) {
      const region = this.#wider;
      this.mmu.spaces.encodeRegion(iova, size, region);
      this.#countRegion(region.size, size);
      this.counters.locks++;
      this.counters.flushes++;
    }
    const { spaces } = this.mmu;
    switch (this.mmu.host.flushBug?.()) {
      case 'forgotten':
        return 0;
      case 'whole-space':
        return spaces.operate(slot, AsCommand.FLUSH_PT, 0, WHOLE_SPACE);
      case 'too-small':
        return spaces.operate(slot, AsCommand.FLUSH_PT, iova, Math.ceil(size / 2));
      default:
        return spaces.operate(slot, AsCommand.FLUSH_PT, iova, size);
    }
  }

  #countRegion(locked: number, size: number): void {
    this.counters.lockedBytes += locked;
    this.counters.excessBytes += locked - size;
  }

  #checkLocked(iova: number, size: number): void {
    if (this.#profile.lock !== 'operation') return;
    const { start, size: bytes } = this.user.locked;
    if (iova < start || iova + size > start + bytes) this.mmu.host.warn('unlocked-unmap');
  }

  /** The first table is the VM's own; all others come out of what was set aside for the operation. */
  #takeTable(cookie: unknown, size: number, gfp: number): number {
    if (!this.#hasRoot) {
      this.#hasRoot = true;
      return this.tables.alloc(cookie, size, gfp);
    }
    if (this.used >= this.reserved) {
      this.mmu.host.warn('reservation-exhausted');
      return NO_PAGES;
    }
    this.used++;
    return this.tables.alloc(cookie, size, gfp);
  }
}
