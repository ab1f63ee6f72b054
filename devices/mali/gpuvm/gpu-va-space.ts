/**
 * What a GPU's virtual machine has mapped, as its driver remembers it, and the steps that a new mapping or an unmap takes: Linux's
 * generic GPUVA manager (drivers/gpu/drm/drm_gpuvm.c). Mappings are disjoint and kept in order of address.
 *
 * Models the split and merge steps of `sm_map` and `sm_unmap`, and the range that the kernel keeps for itself. Does not model
 * external objects, eviction lists, or the reservation locks of objects.
 */
import { Errno } from '../../../formats/index.ts';

/** One mapping: `[start, end)` shows `object` from byte `offset` on. */
export interface GpuVa<T> {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** What is mapped; null for a driver that maps physical addresses, whose `offset` then is one. */
  readonly object: T | null;
  /** Byte of the object at `start`. */
  readonly offset: number;
  /** Flags of the mapping, as its driver defines them. */
  readonly flags: number;
}

/** What happens to one mapping that a request overlaps. */
export interface GpuVaOverlap<T> {
  readonly old: GpuVa<T>;
  /** The part that goes: `[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** What stays before it, or null. */
  readonly previous: GpuVa<T> | null;
  /** What stays behind it, or null. */
  readonly next: GpuVa<T> | null;
}

/** What the driver does at each step. A result other than 0 ends the request; what was done until then stays done. */
export interface GpuVaSteps<T> {
  map(va: GpuVa<T>): number;
  /** @param keep the new mapping shows the same there: an optimising driver could leave the entries alone */
  unmap(old: GpuVa<T>, keep: boolean): number;
  /** The middle of a mapping goes; what stays becomes one or two mappings. */
  remap(overlap: GpuVaOverlap<T>, keep: boolean): number;
  /** What is remembered of a mapping that was made or has stayed, where that differs from what the step said. */
  remembered?(va: GpuVa<T>): GpuVa<T>;
}

export class GpuVaSpace<T> {
  readonly start: number;
  readonly end: number;
  /** `[start, end)` that no request may touch; empty when the two are equal. */
  readonly kernelStart: number;
  readonly kernelEnd: number;
  readonly #mappings: GpuVa<T>[] = [];

  constructor(start = 0, range = 2 ** 48, kernelStart = 0, kernelRange = 0) {
    this.start = start;
    this.end = start + range;
    this.kernelStart = kernelStart;
    this.kernelEnd = kernelStart + kernelRange;
  }

  get count(): number {
    return this.#mappings.length;
  }

  /** All mappings, in order of address. */
  list(): readonly GpuVa<T>[] {
    return [...this.#mappings];
  }

  /** The mapping that holds `address`, or null. */
  find(address: number): GpuVa<T> | null {
    const found = this.#mappings[this.#firstEndingAfter(address)];
    return found !== undefined && found.start <= address ? found : null;
  }

  /**
   * Maps over whatever is there: each overlapped mapping is unmapped or cut, then the new one is mapped (`drm_gpuvm_sm_map`).
   * @returns 0, -EINVAL for a range that is not allowed (no step is made then), or what a step returned.
   */
  smMap(request: GpuVa<T>, steps: GpuVaSteps<T>): number {
    const { start, end } = request;
    if (!this.#allows(start, end)) return -Errno.EINVAL;
    for (const overlap of this.overlaps(start, end)) {
      const { object, offset } = overlap.old;
      const same = object !== null && object === request.object;
      const result = this.#replace(overlap, same && offset - overlap.old.start === request.offset - start, steps);
      if (result !== 0) return result;
    }
    const result = steps.map(request);
    if (result === 0) this.add(steps.remembered?.(request) ?? request);
    return result;
  }

  /** Unmaps whatever is in `[start, end)` (`drm_gpuvm_sm_unmap`). @returns as {@link smMap}. */
  smUnmap(start: number, end: number, steps: GpuVaSteps<T>): number {
    if (!this.#allows(start, end)) return -Errno.EINVAL;
    for (const overlap of this.overlaps(start, end)) {
      const result = this.#replace(overlap, false, steps);
      if (result !== 0) return result;
    }
    return 0;
  }

  /** What `[start, end)` overlaps, in order of address. Changes nothing. */
  overlaps(start: number, end: number): GpuVaOverlap<T>[] {
    const found: GpuVaOverlap<T>[] = [];
    for (let at = this.#firstEndingAfter(start); at < this.#mappings.length; at++) {
      const old = this.#mappings[at] as GpuVa<T>;
      if (old.start >= end) break;
      const from = Math.max(start, old.start);
      const to = Math.min(end, old.end);
      found.push({
        old,
        start: from,
        end: to,
        previous: from > old.start ? { ...old, end: from } : null,
        next: to < old.end ? { ...old, start: to, offset: old.offset + (to - old.start) } : null,
      });
    }
    return found;
  }

  /** Forgets whatever is mapped in `[start, end)`; mappings that stick out keep their outer parts. */
  cut(start: number, end: number): void {
    for (const overlap of this.overlaps(start, end)) this.#cut(overlap, null);
  }

  /** Adds a mapping where nothing is mapped. */
  add(va: GpuVa<T>): void {
    this.#mappings.splice(this.#firstEndingAfter(va.start), 0, va);
  }

  #replace(overlap: GpuVaOverlap<T>, keep: boolean, steps: GpuVaSteps<T>): number {
    const whole = overlap.previous === null && overlap.next === null;
    const result = whole ? steps.unmap(overlap.old, keep) : steps.remap(overlap, keep);
    if (result === 0) this.#cut(overlap, steps);
    return result;
  }

  #cut({ old, previous, next }: GpuVaOverlap<T>, steps: GpuVaSteps<T> | null): void {
    const parts: GpuVa<T>[] = [];
    if (previous !== null) parts.push(steps?.remembered?.(previous) ?? previous);
    if (next !== null) parts.push(steps?.remembered?.(next) ?? next);
    this.#mappings.splice(this.#firstEndingAfter(old.start), 1, ...parts);
  }

  #allows(start: number, end: number): boolean {
    if (start < this.start || end > this.end) return false;
    return this.kernelStart === this.kernelEnd || end <= this.kernelStart || start >= this.kernelEnd;
  }

  /** Index of the first mapping that ends above `address`: mappings are disjoint, so their ends are in order too. */
  #firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.#mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#mappings[middle] as GpuVa<T>).end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
