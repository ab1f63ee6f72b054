import * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';

/** The lazy mode's queue of IOVAs that are unmapped but not yet invalidated. */
export const FlushQueueSchema = v.strictObject({
  /** Entries of each CPU's ring, a power of two, 2 to 65536; one stays free. Linux `IOVA_DEFAULT_FQ_SIZE`. */
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
  /** Seconds from the first entry to the flush, above 0; ticks make it longer. Linux `IOVA_DEFAULT_FQ_TIMEOUT`, 10 ms. */
  timeout: v.optional(v.pipe(v.number(), v.minValue(1e-6), v.maxValue(3600)), 0.01),
  /** Ticks of the kernel's timer per second, 1 to 10,000: `CONFIG_HZ`, usually 100, 250, 300 or 1000. Default 250, as distributions have it. */
  hz: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)), 250),
});
export type FlushQueueConfig = v.InferOutput<typeof FlushQueueSchema>;

/** What a flush queue needs from its owner. */
export interface FlushQueueOwner {
  /** Invalidates every TLB entry of the address space and waits for it. */
  flush(): void;
  /** `[iova, iova + size)` goes back to the allocator of addresses, on this CPU. */
  release(iova: number, size: number, cpu: number): void;
}

/** One CPU's ring, with the number of flushes that had been made when each entry came. */
class Ring {
  readonly #iovas: Float64Array;
  readonly #sizes: Float64Array;
  readonly #stamps: Float64Array;
  #head = 0;
  #tail = 0;

  constructor(entries: number) {
    this.#iovas = new Float64Array(entries);
    this.#sizes = new Float64Array(entries);
    this.#stamps = new Float64Array(entries);
  }

  get pending(): number {
    return (this.#tail - this.#head) & (this.#iovas.length - 1);
  }

  get isFull(): boolean {
    return this.pending === this.#iovas.length - 1;
  }

  put(iova: number, size: number, stamp: number): void {
    this.#iovas[this.#tail] = iova;
    this.#sizes[this.#tail] = size;
    this.#stamps[this.#tail] = stamp;
    this.#tail = (this.#tail + 1) & (this.#iovas.length - 1);
  }

  /** Gives back, oldest first, what came before the last of so many flushes. */
  free(flushes: number, owner: FlushQueueOwner, cpu: number): void {
    while (this.#head !== this.#tail && (this.#stamps[this.#head] as number) < flushes) {
      owner.release(this.#iovas[this.#head] as number, this.#sizes[this.#head] as number, cpu);
      this.#head = (this.#head + 1) & (this.#iovas.length - 1);
    }
  }
}

/**
 * When the timer fires that the first entry starts at time `now`, in seconds: at the tick behind the timeout in whole ticks, ticks being whole
 * multiples of 1 / HZ of the trace's clock.
 */
export function timerDeadline(now: number, { timeout, hz }: FlushQueueConfig): number {
  return (Math.floor(now * hz + ROUNDING) + Math.ceil(timeout * hz - ROUNDING) + 1) / hz;
}

/**
 * Lazy invalidation of one domain, after Linux 6.12 to 7.3 `drivers/iommu/dma-iommu.c` (`queue_iova`, `fq_flush_timeout`): unmapped IOVAs
 * wait in a ring of the CPU that unmapped them, and go back together after one invalidation of the whole address space: when a ring is full,
 * or when the timer that the first of them started has run out, one timer for all rings. A full ring does not stop the timer, so it may fire
 * soon after. A CPU whose entries another one's flush has covered gives them back at its next unmap.
 *
 * Time is handed in, in seconds of the trace. The timer counts ticks, which are taken to fall on whole multiples of 1 / HZ of the trace's clock:
 * the timeout is rounded up to ticks (`msecs_to_jiffies`), and the timer wheel adds one, so that no timer fires early (`calc_index` of
 * `kernel/time/timer.c`). With 10 ms at HZ 250 it fires 12 to 16 ms after the first entry; in captures beside an emulator's own log it does,
 * to the tick in three of four cases, else one tick later. Not modelled: DMA-SQ domains with one ring for all CPUs (s390), a timer that a busy or
 * sleeping CPU runs late.
 */
export class FlushQueue {
  /** Flushes because a ring was full. */
  fullFlushes = 0;
  /** Flushes by the timer. */
  timerFlushes = 0;
  /** Flushes that must have happened, because an address was used again: see {@link prove}. */
  provenFlushes = 0;
  /** IOVA ranges that went through. */
  queued = 0;
  readonly #owner: FlushQueueOwner;
  readonly #config: FlushQueueConfig;
  readonly #rings: (Ring | undefined)[] = [];
  /** All flushes so far: Linux `fq_flush_finish_cnt`. */
  #flushes = 0;
  /** When the timer fires; Infinity while it is off. */
  #deadline = Number.POSITIVE_INFINITY;
  /** The CPU that started it, which runs it. */
  #timerCpu = 0;

  /** @throws ConfigError naming the field. */
  constructor(config: v.InferInput<typeof FlushQueueSchema>, owner: FlushQueueOwner) {
    const parsed = v.safeParse(FlushQueueSchema, config);
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ConfigError(`flushQueue.${v.getDotPath(issue) ?? ''}`, issue.input, issue.message);
    }
    this.#owner = owner;
    this.#config = parsed.output;
  }

  /** Ranges that wait, flushed or not. */
  get pending(): number {
    return this.#rings.reduce((sum, ring) => sum + (ring?.pending ?? 0), 0);
  }

  /** When the timer fires, in seconds of the trace; Infinity while nothing started it. */
  get deadline(): number {
    return this.#deadline;
  }

  /** CPU that started the timer, and runs it. */
  get timerCpu(): number {
    return this.#timerCpu;
  }

  /** Puts a range that this CPU unmapped into its ring at time `now`. Call {@link advance} first, so that an overdue timer fires before. */
  add(iova: number, size: number, now: number, cpu = 0): void {
    const ring = this.#ring(Math.max(cpu, 0));
    ring.free(this.#flushes, this.#owner, cpu);
    if (ring.isFull) {
      this.fullFlushes++;
      this.#flush();
      ring.free(this.#flushes, this.#owner, cpu);
    }
    ring.put(iova, size, this.#flushes);
    this.queued++;
    if (this.#deadline !== Number.POSITIVE_INFINITY) return;
    this.#deadline = timerDeadline(now, this.#config);
    this.#timerCpu = cpu;
  }

  /** Lets time pass: fires the timer if it has run out by `now`. @returns whether it fired. */
  advance(now: number): boolean {
    if (now < this.#deadline) return false;
    this.timerFlushes++;
    this.#fire();
    return true;
  }

  /** The kernel has used an address again that waits here: its timer must have fired by now, earlier than is told by the clock here. */
  prove(): void {
    this.provenFlushes++;
    this.#fire();
  }

  /** Flushes whatever waits, as the teardown of a domain does. */
  drain(): void {
    if (this.pending > 0) this.#fire();
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#flush();
    for (const ring of this.#rings) ring?.free(this.#flushes, this.#owner, this.#timerCpu);
  }

  #flush(): void {
    this.#owner.flush();
    this.#flushes++;
  }

  #ring(cpu: number): Ring {
    let ring = this.#rings[cpu];
    if (ring === undefined) {
      ring = new Ring(this.#config.entries);
      this.#rings[cpu] = ring;
    }
    return ring;
  }
}

/** Of a tick, so that a time that is a whole tick counts as one though its double is a little less. */
const ROUNDING = 1e-6;
