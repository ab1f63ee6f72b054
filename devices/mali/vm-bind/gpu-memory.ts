import { Gfp, SYSTEM_PAGE, type SystemPages } from '../../../formats/index.ts';
import type { Party, Wait } from './dependency-graph.ts';
import type { Fence } from './fence.ts';
import type { JobClock } from './job-clock.ts';

/** Memory that GPU jobs work on. Its pages can be reclaimed while no job uses them. */
export class GpuBuffer {
  readonly name: string;
  /** Physical pages; empty once reclaimed. */
  pages: Float64Array;
  /** Fence of the last job that uses it, or null. */
  busy: Fence | null = null;

  constructor(name: string, pages: Float64Array) {
    this.name = name;
    this.pages = pages;
  }

  get resident(): boolean {
    return this.pages.length > 0;
  }
}

/**
 * The GPU driver's buffers and its shrinker: what the system's reclaim calls when memory is short. The shrinker frees the least
 * recently used idle buffer; when all are busy it waits for the fence of the least recently used one, which is the wait that may
 * never end.
 *
 * Models whole buffers, dropped and never brought back. Does not model other owners of reclaimable memory, and not that others who
 * need memory while one waits here wait too: the page allocator does not reclaim inside reclaim, and refuses them.
 */
export class GpuMemory implements Party {
  readonly name = 'memory reclaim';
  readonly #clock: JobClock;
  readonly #system: SystemPages;
  /** Least recently used first. */
  #buffers: GpuBuffer[] = [];
  #awaited: GpuBuffer | null = null;
  /** Pages reclaimed so far. */
  reclaimedPages = 0;

  constructor(clock: JobClock, system: SystemPages) {
    this.#clock = clock;
    this.#system = system;
  }

  get buffers(): readonly GpuBuffer[] {
    return this.#buffers;
  }

  /** A buffer of `bytes` bytes, rounded up to pages; null when memory is out, and nothing stays taken. */
  createBuffer(name: string, bytes: number): GpuBuffer | null {
    const count = Math.ceil(bytes / SYSTEM_PAGE);
    const pages = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      // Atomic: filling memory must not reclaim the buffers made before.
      const pa = this.#system.alloc(SYSTEM_PAGE, Gfp.ATOMIC);
      if (pa < 0) {
        for (let taken = 0; taken < i; taken++) this.#system.free(pages[taken] as number, SYSTEM_PAGE);
        return null;
      }
      pages[i] = pa;
    }
    const buffer = new GpuBuffer(name, pages);
    this.#buffers.push(buffer);
    return buffer;
  }

  /** A job whose end is `fence` works on `buffer`: it is in use until then, and used most recently. */
  use(buffer: GpuBuffer, fence: Fence): void {
    buffer.busy = fence;
    this.#buffers = [...this.#buffers.filter((other) => other !== buffer), buffer];
  }

  /** Frees one buffer, waiting for one if it must; the pages freed. The system's reclaim hook. */
  reclaim(): number {
    const resident = this.#buffers.filter((buffer) => buffer.resident);
    const idle = resident.find(({ busy }) => busy === null || busy.signalled);
    if (idle !== undefined) return this.#drop(idle);
    const oldest = resident[0];
    const { worker } = this.#clock;
    if (oldest === undefined || worker === null) return 0;
    const outer = this.#awaited;
    this.#awaited = oldest;
    worker.blockedOn = { on: this, why: 'it needs a page and no memory is free', any: false };
    const freed = this.#clock.block(worker, () => oldest.busy === null || oldest.busy.signalled);
    if (!freed) {
      // What it waits for stays on record, so that whoever asks later sees the same chain.
      worker.stuck();
      return 0;
    }
    worker.blockedOn = null;
    this.#awaited = outer;
    this.#clock.worker = worker;
    // Another who waited for the same buffer may have freed it by now: there is memory, which is all that was asked for.
    return oldest.resident ? this.#drop(oldest) : 1;
  }

  waitsFor(): readonly Wait[] {
    const fence = this.#awaited?.busy ?? null;
    if (this.#awaited === null || fence === null || fence.signalled) return [];
    return [
      { on: fence, why: `${this.#awaited.name}, the least recently used buffer, is busy until then`, any: false },
    ];
  }

  #drop(buffer: GpuBuffer): number {
    for (const pa of buffer.pages) this.#system.free(pa, SYSTEM_PAGE);
    const count = buffer.pages.length;
    buffer.pages = new Float64Array(0);
    this.reclaimedPages += count;
    return count;
  }
}
