import type { IommuDriver, Machine } from '../../../devices/index.ts';
import { type IotlbGather, newGather, resetGather } from '../../../formats/index.ts';
import type { ReplayDomain } from '../replay-domain.ts';
import type { ReplayTime } from '../replay-time.ts';
import { lookForStale } from './stale-search.ts';

/** When the TLBs are told of an unmap: at once and waited for (strict), or for many unmaps together (lazy). */
export class InvalidationPolicy {
  /** Maps of an IOVA whose invalidation was still queued. */
  reusedBeforeFlush = 0;
  /** Gathers what the edit under way unmaps. */
  readonly gather: IotlbGather = newGather();
  readonly #machine: Machine;
  readonly #driver: IommuDriver;
  readonly #lazy: boolean;
  readonly #time: ReplayTime;
  readonly #domains: readonly (ReplayDomain | undefined)[];

  constructor(machine: Machine, lazy: boolean, time: ReplayTime, domains: readonly (ReplayDomain | undefined)[]) {
    this.#machine = machine;
    this.#driver = machine.driver;
    this.#lazy = lazy;
    this.#time = time;
    this.#domains = domains;
  }

  /** An edit begins. */
  begin(): void {
    resetGather(this.gather);
    this.gather.queued = this.#lazy;
    this.#machine.watch.invalidation.begin();
  }

  /** A range is about to be mapped. */
  reuse(one: ReplayDomain, iova: number, size: number): void {
    if (!this.#lazy || !one.queued.overlaps(iova, iova + size)) return;
    this.reusedBeforeFlush++;
    one.queued.remove(iova, iova + size);
  }

  /** A map is done; whatever it unmapped on the way is invalidated at once, as it is no unmap that a flush queue could know of. */
  mapped(one: ReplayDomain): void {
    this.#sync(one);
    this.#machine.watch.invalidation.end(true);
  }

  /** An unmap has taken `done` bytes out of the table. */
  unmapped(one: ReplayDomain, iova: number, size: number, done: number): void {
    const { clock, watch } = this.#machine;
    if (this.#lazy) {
      watch.invalidation.end(false);
      if (done > 0) {
        if (!one.queued.overlaps(iova, iova + size)) one.queued.insert(iova, iova + size, 0);
        one.flushQueue?.add(iova, size, clock.seconds);
      }
    } else {
      this.#sync(one);
      watch.invalidation.end(true);
    }
    if (done > 0) lookForStale(this.#machine, one.domain, one.space, iova, size);
  }

  /** Timers of the time until then fire at their time, not at that of the next event. */
  passTime(seconds: number): void {
    if (!this.#lazy) return;
    for (const one of this.#domains) {
      const queue = one?.flushQueue ?? null;
      if (queue === null) continue;
      while (queue.deadline <= seconds) {
        this.#time.set(queue.deadline);
        queue.advance(queue.deadline);
      }
    }
  }

  /** Flushes whatever waits. */
  end(): void {
    for (const one of this.#domains) one?.flushQueue?.drain();
  }

  #sync(one: ReplayDomain): void {
    const { clock, costs } = this.#machine;
    this.#driver.now = clock.cycles;
    this.#driver.iotlbSync(one.domain, this.gather);
    clock.cycles += costs.settle();
  }
}
