import type { FlushQueue, IommuDriver, Machine } from '../../../devices/index.ts';
import { OperationKind } from '../../../emulator/index.ts';
import { type IotlbGather, newGather, resetGather } from '../../../formats/index.ts';
import type { RunConfig } from '../../config/index.ts';
import { DmaAddresses } from '../dma-addresses.ts';
import type { ReplayDomain } from '../replay-domain.ts';
import type { ReplayTime } from '../replay-time.ts';
import { lookForStale } from './stale-search.ts';

/**
 * When the TLBs are told of an unmap: at once and waited for (strict), or for many unmaps together (lazy).
 *
 * A lazy kernel hands out an address again only after its flush. So where a capture of a lazy kernel maps what still waits here, that flush
 * has happened, and is played before the map. In a capture of a strict kernel such a map proves nothing: a lazy one would have taken another
 * address; it is counted, the translations of the old mapping stay, and the driver is not blamed.
 */
export class InvalidationPolicy {
  /** Maps of an IOVA whose invalidation was still queued, in a capture of a strict kernel. */
  reusedBeforeFlush = 0;
  /** Gathers what the edit under way unmaps. */
  readonly gather: IotlbGather = newGather();
  /** What the addresses of buffers cost. */
  readonly addresses: DmaAddresses;
  readonly #machine: Machine;
  readonly #driver: IommuDriver;
  readonly #lazy: boolean;
  readonly #recordedStrict: () => boolean;
  readonly #time: ReplayTime;
  readonly #domains: readonly (ReplayDomain | undefined)[];
  /** When the first timer of all domains fires, or before that. */
  #due = Number.POSITIVE_INFINITY;

  /** @param recordedStrict whether the capture shows so far that its kernel was strict */
  constructor(
    machine: Machine,
    config: RunConfig,
    recordedStrict: () => boolean,
    time: ReplayTime,
    domains: readonly (ReplayDomain | undefined)[],
  ) {
    this.#machine = machine;
    this.#driver = machine.driver;
    this.#lazy = config.invalidation.mode === 'lazy';
    this.addresses = new DmaAddresses(machine, config.iovaCosts);
    this.#recordedStrict = recordedStrict;
    this.#time = time;
    this.#domains = domains;
  }

  /** An edit begins. */
  begin(): void {
    resetGather(this.gather);
    this.gather.queued = this.#lazy;
    this.#machine.watch.invalidation.begin();
  }

  /** A range is about to be mapped. Call it before {@link begin}: a flush is no part of the map. */
  reuse(one: ReplayDomain, iova: number, size: number): void {
    if (!this.#lazy || !one.queued.overlaps(iova, iova + size)) return;
    if (this.#machine.bugs.handsOutEarly()) one.queued.remove(iova, iova + size);
    else if (this.#recordedStrict()) {
      this.reusedBeforeFlush++;
      one.queued.remove(iova, iova + size);
      this.#machine.watch.invalidation.excuse(one.space, iova, iova + size);
    } else this.#flush(one, (queue) => queue.prove());
  }

  /** A map is done; whatever it unmapped on the way is invalidated at once, as it is no unmap that a flush queue could know of. */
  mapped(one: ReplayDomain): void {
    this.#sync(one);
    this.#machine.watch.invalidation.end(true);
  }

  /** An unmap on this CPU has taken `done` bytes out of the table. */
  unmapped(one: ReplayDomain, iova: number, size: number, done: number, cpu: number): void {
    const { clock, watch } = this.#machine;
    const { flushQueue, queued } = one;
    if (flushQueue !== null) {
      watch.invalidation.end(false);
      if (done > 0) {
        this.addresses.queue(one);
        flushQueue.add(iova, size, clock.seconds, cpu);
        // A part of it may wait already, where a domain was inferred wrongly.
        queued.remove(iova, iova + size);
        queued.insert(iova, iova + size, 0);
        this.#due = Math.min(this.#due, flushQueue.deadline);
      }
    } else {
      this.#sync(one);
      watch.invalidation.end(true);
      if (done > 0) this.addresses.free(one, size, cpu);
    }
    if (done > 0) lookForStale(this.#machine, one.domain, one.space, iova, size);
  }

  /** Timers of the time until then fire at their time, one after the other, not at that of the next event. */
  passTime(seconds: number): void {
    while (this.#due <= seconds) {
      const first = this.#first();
      const due = first?.flushQueue?.deadline ?? Number.POSITIVE_INFINITY;
      this.#due = due;
      if (first === null || due > seconds) return;
      this.#time.set(due);
      this.#flush(first, (queue) => queue.advance(due));
    }
  }

  /** The timers that still run fire at their time, as they did when the capture was over. */
  end(): void {
    this.passTime(Number.MAX_VALUE);
    for (const one of this.#domains) {
      if (one !== undefined && (one.flushQueue?.pending ?? 0) > 0) this.#flush(one, (queue) => queue.drain());
    }
  }

  /** The domain whose timer fires first; null when none runs. */
  #first(): ReplayDomain | null {
    let first: ReplayDomain | null = null;
    let due = Number.POSITIVE_INFINITY;
    for (const one of this.#domains) {
      const deadline = one?.flushQueue?.deadline ?? Number.POSITIVE_INFINITY;
      if (one === undefined || deadline >= due) continue;
      first = one;
      due = deadline;
    }
    return first;
  }

  /** A flush that no unmap makes has a bill of its own. */
  #flush(one: ReplayDomain, how: (queue: FlushQueue) => void): void {
    const { flushQueue } = one;
    if (flushQueue === null) return;
    const { costs, clock } = this.#machine;
    costs.open(OperationKind.FLUSH, 0, 0, one.number, flushQueue.timerCpu, 0, 0, clock.cycles);
    how(flushQueue);
    costs.close();
  }

  #sync(one: ReplayDomain): void {
    const { clock, costs } = this.#machine;
    this.#driver.now = clock.cycles;
    this.#driver.iotlbSync(one.domain, this.gather);
    clock.cycles += costs.settle();
  }
}
