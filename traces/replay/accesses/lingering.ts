import { Prng } from '../../../formats/index.ts';
import type { AccessConfig } from '../../config/index.ts';
import type { ReplayDomain } from '../replay-domain.ts';

/** A mapping that is gone and that its device still uses. */
interface Lingering {
  readonly one: ReplayDomain;
  readonly start: number;
  readonly size: number;
  /** Time of the unmap, and accesses so far. */
  readonly since: number;
  made: number;
  /** Time of the next access. */
  next: number;
}

/**
 * Accesses to mappings that are gone, in order of time: each mapping is used at a stated rate for a stated time after its unmap, at random places of
 * it. Ask for {@link next}, let time pass until then, and take the address with {@link take}.
 */
export class LingeringAccesses {
  /** Address of the access taken, and the domain it was mapped in. */
  iova = 0;
  domain: ReplayDomain | null = null;
  readonly #rate: number;
  readonly #perMapping: number;
  readonly #accessSize: number;
  readonly #prng: Prng;
  /** A heap: each comes no later than the two behind it. */
  readonly #heap: Lingering[] = [];

  constructor({ lingerTime, lingerRate, accessSize, seed }: AccessConfig) {
    this.#rate = lingerRate;
    this.#perMapping = Math.floor(lingerTime * lingerRate * (1 + 1e-9));
    this.#accessSize = accessSize;
    this.#prng = new Prng(seed);
  }

  /** When the next access comes, in seconds of the trace; Infinity when none does. */
  get next(): number {
    return this.#heap[0]?.next ?? Number.POSITIVE_INFINITY;
  }

  /** `[start, start + size)` was unmapped at this time. */
  unmapped(one: ReplayDomain, start: number, size: number, since: number): void {
    if (this.#perMapping === 0 || size <= 0) return;
    const heap = this.#heap;
    const added = { one, start, size, since, made: 0, next: since + 1 / this.#rate };
    let at = heap.length;
    heap.push(added);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above] as Lingering;
      if (other.next <= added.next) break;
      heap[at] = other;
      heap[above] = added;
      at = above;
    }
  }

  /** Takes the next access, and plans the one after it. */
  take(): void {
    const first = this.#heap[0] as Lingering;
    this.domain = first.one;
    const places = Math.max(1, Math.floor(first.size / this.#accessSize));
    this.iova = first.start + this.#prng.below(places) * this.#accessSize;
    first.made++;
    if (first.made === this.#perMapping) this.#drop();
    else {
      first.next = first.since + (first.made + 1) / this.#rate;
      this.#sink(first);
    }
  }

  #drop(): void {
    const last = this.#heap.pop() as Lingering;
    if (this.#heap.length > 0) this.#sink(last);
  }

  /** Puts one in at the top, and lets it sink to its place. */
  #sink(one: Lingering): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && (heap[below + 1] as Lingering).next < (heap[below] as Lingering).next) below++;
      const other = heap[below] as Lingering;
      if (other.next >= one.next) break;
      heap[at] = other;
      at = below;
    }
    heap[at] = one;
  }
}
