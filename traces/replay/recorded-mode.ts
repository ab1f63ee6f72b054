import { EventKind, type TraceEvent } from '../capture/index.ts';

/** How the kernel that recorded a capture invalidated unmapped addresses; `unknown` where the capture does not show it. */
export type RecordedVerdict = 'strict' | 'lazy' | 'unknown';

/** What a capture shows of it. */
export interface RecordedEvidence {
  readonly verdict: RecordedVerdict;
  /** Maps soon after an unmap of the same size in their domain. */
  readonly chances: number;
  /** Of these, such as took the very address. */
  readonly taken: number;
}

/** A map so many seconds after an unmap comes soon: before the flush queue of most unmaps has been flushed, at 10 ms and more. */
const SOON = 0.004;
/** Largest buffers whose addresses are kept for reuse: 32 pages of 4 KiB (Linux `IOVA_RANGE_CACHE_MAX_SIZE`). */
const LARGEST_CACHED = 32 * 4096;
const FEWEST_CHANCES = 16;
/** In ten real captures: 65 to 100 % where the kernel was strict, 0 to 6 % where it was lazy. */
const STRICT_SHARE = 0.4;
const LAZY_SHARE = 0.2;

/**
 * Tells a strict kernel from a lazy one by how soon addresses are used again. The DMA API hands out the address that was freed last in a size, so
 * a strict kernel's next buffer of that size gets the address of the last one; a lazy kernel holds that back until its flush. Only maps within 4 ms
 * of such an unmap are counted: what happens later says nothing. Addresses that user space chooses (VFIO) and wrongly inferred domains blur it,
 * so that a clear majority is asked for.
 */
export class RecordedMode {
  #chances = 0;
  #taken = 0;
  /** By domain, the last address freed in each size and not asked for since, with its time. */
  readonly #freed: (Map<number, Freed> | undefined)[] = [];

  get verdict(): RecordedVerdict {
    if (this.#chances < FEWEST_CHANCES) return 'unknown';
    const share = this.#taken / this.#chances;
    if (share >= STRICT_SHARE) return 'strict';
    return share <= LAZY_SHARE ? 'lazy' : 'unknown';
  }

  evidence(): RecordedEvidence {
    return { verdict: this.verdict, chances: this.#chances, taken: this.#taken };
  }

  /** A map or unmap of a domain. */
  take(domain: number, { kind, iova, size, time }: TraceEvent): void {
    if (size > LARGEST_CACHED) return;
    let freed = this.#freed[domain];
    if (freed === undefined) {
      freed = new Map();
      this.#freed[domain] = freed;
    }
    let last = freed.get(size);
    if (kind === EventKind.UNMAP) {
      if (last === undefined) {
        last = { iova: 0, time: 0 };
        freed.set(size, last);
      }
      last.iova = iova;
      last.time = time;
    } else if (last !== undefined && last.time >= 0) {
      if (time - last.time < SOON) {
        this.#chances++;
        if (last.iova === iova) this.#taken++;
      }
      last.time = ASKED;
    }
  }
}

interface Freed {
  iova: number;
  time: number;
}

/** In place of a time: a map of this size has come since. */
const ASKED = -1;
