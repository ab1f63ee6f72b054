/**
 * One operation of VM_BIND, run to its end (`panthor_vm_exec_op`): the steps that the GPUVA manager asks for, each with its own
 * flush in 6.12, all under one lock in 7.3.
 */
import { Errno } from '../../../../../formats/index.ts';
import type { GpuVa, GpuVaOverlap, GpuVaSteps } from '../../../gpuvm/index.ts';
import { MapFlag, type PanthorBuffer } from './buffer.ts';
import { MAP_VMAS, tablesToMap, tablesToUnmap, UNMAP_VMAS } from './reservation.ts';
import type { PanthorVm } from './vm.ts';
import { protOf } from './vm-registers.ts';

const HUGE_PAGE = 2 ** 21;

/** What is asked of a VM. Addresses and sizes are multiples of 4 KiB. */
export type VmOperation =
  | { readonly kind: 'map'; readonly va: GpuVa<PanthorBuffer> }
  | { readonly kind: 'unmap'; readonly start: number; readonly end: number };

/** Sees the steps, before they act. */
export interface StepObserver {
  map(va: GpuVa<PanthorBuffer>): void;
  unmap(old: GpuVa<PanthorBuffer>, keep: boolean): void;
  remap(overlap: GpuVaOverlap<PanthorBuffer>, keep: boolean): void;
}

/** What must be set aside before the operation is queued: tables, and descriptions of mappings. */
export function reservationOf(operation: VmOperation): { readonly tables: number; readonly vmas: number } {
  if (operation.kind === 'map') {
    const { start, end } = operation.va;
    return { tables: tablesToMap(start, end - start), vmas: MAP_VMAS };
  }
  const { start, end } = operation;
  return { tables: tablesToUnmap(start, end - start), vmas: UNMAP_VMAS };
}

/**
 * Runs an operation on a VM whose reservation is in place.
 * @param closeOnFailure 7.3: a failure closes the VM, as one of an asynchronous job does
 * @returns 0 or a negative error number; what was done before a failure stays done.
 */
export function runOperation(
  vm: PanthorVm,
  operation: VmOperation,
  closeOnFailure: boolean,
  observer: StepObserver | null = null,
): number {
  const { start, end } = operation.kind === 'map' ? operation.va : operation;
  const locks = vm.mmu.profile.lock === 'operation';
  let result = locks ? vm.lockRegion(start, end - start) : 0;
  if (result === 0) {
    result = perform(vm, operation, new TableSteps(vm, observer));
    if (locks) vm.unlockRegion();
  }
  if (result !== 0 && closeOnFailure) {
    if (vm.mmu.profile.closesBrokenVm) vm.declareUnusable();
    else vm.unusable = true;
  }
  return result;
}

function perform(vm: PanthorVm, operation: VmOperation, steps: TableSteps): number {
  if (operation.kind === 'unmap') return vm.space.smUnmap(operation.start, operation.end, steps);
  return vm.unusable ? -Errno.EINVAL : vm.space.smMap(operation.va, steps);
}

/** The steps on the page table. */
class TableSteps implements GpuVaSteps<PanthorBuffer> {
  readonly #vm: PanthorVm;
  readonly #observer: StepObserver | null;
  readonly #unmapRange = { start: 0, end: 0 };

  constructor(vm: PanthorVm, observer: StepObserver | null) {
    this.#vm = vm;
    this.#observer = observer;
  }

  map(va: GpuVa<PanthorBuffer>): number {
    this.#observer?.map(va);
    return this.#map(va, va.start, va.end);
  }

  unmap(old: GpuVa<PanthorBuffer>, keep: boolean): number {
    this.#observer?.unmap(old, keep);
    return this.#vm.unmapPages(old.start, old.end - old.start);
  }

  remap(overlap: GpuVaOverlap<PanthorBuffer>, keep: boolean): number {
    this.#observer?.remap(overlap, keep);
    if (this.#vm.mmu.profile.partOfHugePage === 'split') {
      return this.#vm.unmapPages(overlap.start, overlap.end - overlap.start);
    }
    return this.#remapAround(overlap);
  }

  /**
   * 7.3: io-pgtable cuts no 2 MiB page. Where an end of the range lies inside one, all of that page goes, and what belongs to the
   * mapping before or behind is mapped again.
   */
  #remapAround({ start, end, previous, next }: GpuVaOverlap<PanthorBuffer>): number {
    const vm = this.#vm;
    const range = this.#unmapRange;
    widen(range, start, end, previous, next);
    const result = vm.lockRegion(range.start, range.end - range.start);
    if (result !== 0) return result;
    vm.unmapPages(range.start, range.end - range.start);
    vm.counters.remappedBytes += start - range.start + (range.end - end);
    const before = previous === null ? 0 : this.#map(previous, range.start, start);
    if (before !== 0 || next === null) return before;
    return this.#map(next, end, range.end);
  }

  /** A sparse mapping begins at the byte of the dummy buffer that its address says. */
  remembered(va: GpuVa<PanthorBuffer>): GpuVa<PanthorBuffer> {
    return isSparse(va) ? { ...va, offset: va.start % HUGE_PAGE } : va;
  }

  /** Maps the part `[start, end)` of a mapping. */
  #map(va: GpuVa<PanthorBuffer>, start: number, end: number): number {
    const { object, flags } = va;
    if (object === null) return -Errno.EINVAL;
    if (!isSparse(va)) {
      return this.#vm.mapPages(start, protOf(flags), object.segments, va.offset + (start - va.start), end - start);
    }
    // The dummy buffer is mapped again and again, each time up to the next 2 MiB.
    for (let at = start; at < end; ) {
      const next = Math.min(Math.floor(at / HUGE_PAGE) * HUGE_PAGE + HUGE_PAGE, end);
      const result = this.#vm.mapPages(at, protOf(flags), object.segments, at % HUGE_PAGE, next - at);
      if (result !== 0) return result;
      at = next;
    }
    return 0;
  }
}

function isSparse(va: GpuVa<PanthorBuffer>): boolean {
  return (va.flags & MapFlag.SPARSE) !== 0;
}

/** Widens `[start, end)` to whole 2 MiB pages on each side where the mapping reaches that far and has such a page there. */
function widen(
  range: { start: number; end: number },
  start: number,
  end: number,
  previous: GpuVa<PanthorBuffer> | null,
  next: GpuVa<PanthorBuffer> | null,
): void {
  const down = Math.floor(start / HUGE_PAGE) * HUGE_PAGE;
  const up = Math.ceil(end / HUGE_PAGE) * HUGE_PAGE;
  const first = previous !== null && down < start && previous.start <= down && isHugeAt(previous, start);
  const last = next !== null && up > end && next.end >= up && isHugeAt(next, end - 1);
  range.start = first ? down : start;
  range.end = last ? up : end;
}

function isHugeAt(va: GpuVa<PanthorBuffer>, address: number): boolean {
  return va.object?.isHuge(isSparse(va) ? address % HUGE_PAGE : va.offset + (address - va.start)) ?? false;
}
