import * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';

/** The lazy mode's queue of IOVAs that are unmapped but not yet invalidated. */
export const FlushQueueSchema = v.strictObject({
  /** Entries of the ring, a power of two, 2 to 65536; one stays free. Linux `IOVA_DEFAULT_FQ_SIZE`. */
  entries: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(2),
      v.maxValue(65536),
      v.check((n) => (n & (n - 1)) === 0, 'a power of two'),
    ),
    256,
  ),
  /** Seconds from the first entry to the flush, above 0. Linux `IOVA_DEFAULT_FQ_TIMEOUT`, 10 ms. */
  timeout: v.optional(v.pipe(v.number(), v.minValue(1e-6), v.maxValue(3600)), 0.01),
});
export type FlushQueueConfig = v.InferOutput<typeof FlushQueueSchema>;

/** What a flush queue needs from its owner. */
export interface FlushQueueOwner {
  /** Invalidates every TLB entry of the address space and waits for it. */
  flush(): void;
  /** `[iova, iova + size)` may be used again. */
  release(iova: number, size: number): void;
}

/**
 * Lazy invalidation, after Linux 6.12 `drivers/iommu/dma-iommu.c` (`queue_iova`, `fq_flush_timeout`): unmapped IOVAs wait in
 * a ring and are freed together after one invalidation of the whole address space, when the ring is full or when the timer that
 * the first of them started has run out. The timer is not stopped by a full ring, so it may fire soon after. Linux keeps one
 * ring per CPU and one timer for all; this is one ring. Time is handed in, in seconds of the trace.
 */
export class FlushQueue {
  /** Flushes because the ring was full. */
  fullFlushes = 0;
  /** Flushes by the timer. */
  timerFlushes = 0;
  /** IOVA ranges that went through. */
  queued = 0;
  readonly #owner: FlushQueueOwner;
  readonly #timeout: number;
  readonly #iovas: Float64Array;
  readonly #sizes: Float64Array;
  #head = 0;
  #tail = 0;
  /** When the timer fires; Infinity while it is off. */
  #deadline = Number.POSITIVE_INFINITY;

  /** @throws ConfigError naming the field. */
  constructor(config: v.InferInput<typeof FlushQueueSchema>, owner: FlushQueueOwner) {
    const parsed = v.safeParse(FlushQueueSchema, config);
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ConfigError(`flushQueue.${v.getDotPath(issue) ?? ''}`, issue.input, issue.message);
    }
    this.#owner = owner;
    this.#timeout = parsed.output.timeout;
    this.#iovas = new Float64Array(parsed.output.entries);
    this.#sizes = new Float64Array(parsed.output.entries);
  }

  /** Ranges that wait. */
  get pending(): number {
    return (this.#tail - this.#head) & (this.#iovas.length - 1);
  }

  /** When the timer fires, in seconds of the trace; Infinity while nothing started it. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Puts an unmapped range into the ring at time `now`. Call {@link advance} first, so that an overdue timer fires before. */
  add(iova: number, size: number, now: number): void {
    const mask = this.#iovas.length - 1;
    if (((this.#tail + 1) & mask) === this.#head) {
      this.fullFlushes++;
      this.#flush();
    }
    this.#iovas[this.#tail] = iova;
    this.#sizes[this.#tail] = size;
    this.#tail = (this.#tail + 1) & mask;
    this.queued++;
    if (this.#deadline === Number.POSITIVE_INFINITY) this.#deadline = now + this.#timeout;
  }

  /** Lets time pass: fires the timer if it has run out by `now`. @returns whether it fired. */
  advance(now: number): boolean {
    if (now < this.#deadline) return false;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.timerFlushes++;
    this.#flush();
    return true;
  }

  /** Flushes whatever waits, as the teardown of a domain does. */
  drain(): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#head !== this.#tail) this.#flush();
  }

  #flush(): void {
    this.#owner.flush();
    const mask = this.#iovas.length - 1;
    while (this.#head !== this.#tail) {
      this.#owner.release(this.#iovas[this.#head] as number, this.#sizes[this.#head] as number);
      this.#head = (this.#head + 1) & mask;
    }
  }
}
