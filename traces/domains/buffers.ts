import { Fit, IovaAllocator } from './iova-allocator.ts';

/** Addresses among which an allocation that was not foreseen is sought, so to speak: how much less likely each of them is. */
const ELSEWHERE = 200;
/** Counts are halved when they add up to this. */
const MEMORY = 256;
/** How an unmap follows the last one of its domain. */
const Order = { NEXT: 0, PREVIOUS: 1, OTHER: 2, UNKNOWN: 3 } as const;
const ORDERS = 4;

interface Buffer {
  readonly size: number;
  /** How many buffers the domain had been given before. */
  readonly number: number;
}

/**
 * The buffers of one domain: what the DMA API allocated as a whole, be it mapped in one piece or in many, and gives back as a whole.
 * From them follows how likely the next map and unmap are this domain's: its address is the one that the IOVA allocator hands out next, and
 * buffers go in an order that the driver keeps to (a network card's ring first come first served, a virtio request's parts last come first).
 */
export class DomainBuffers {
  #allocator = new IovaAllocator();
  readonly #live = new Map<number, Buffer>();
  #maps = 0;
  #lastFreed = -1;
  readonly #fits = Float64Array.of(8, 0.5, 0.5, 0.1);
  #seen = 9.1;
  readonly #orders = new Float64Array(ORDERS).fill(1);
  #ordered = ORDERS;

  reset(): void {
    this.#allocator = new IovaAllocator();
  }

  /**
   * How the address fits what would be handed out next, to the whole run of maps or to its first alone: addresses may follow each other by
   * chance.
   */
  fit(start: number, size: number, run: number, granule: number, cpu: number): Fit {
    const whole = this.#allocator.fit(start, run, granule, cpu);
    if (run === size || whole === Fit.NEXT) return whole;
    const single = this.#allocator.fit(start, size, granule, cpu);
    return single < whole ? single : whole;
  }

  /** How likely this domain's next map is at this address. */
  likelihood(start: number, size: number, run: number, granule: number, cpu: number): number {
    const fit = this.fit(start, size, run, granule, cpu);
    const share = (this.#fits[fit] as number) / this.#seen;
    return fit === Fit.NEXT ? share : share / ELSEWHERE;
  }

  /** Whether a map at this address would be out of the way of a domain whose addresses are usually foreseen. */
  surprise(start: number, size: number, run: number, granule: number, cpu: number): boolean {
    return this.fit(start, size, run, granule, cpu) !== Fit.NEXT && (this.#fits[Fit.NEXT] as number) > 0.8 * this.#seen;
  }

  /** A buffer was mapped, or its first piece. @returns its size */
  map(start: number, size: number, run: number, granule: number, cpu: number): number {
    const whole = this.#allocator.fit(start, run, granule, cpu);
    const single = run === size ? whole : this.#allocator.fit(start, size, granule, cpu);
    const bytes = single < whole ? size : run;
    const fit = single < whole ? single : whole;
    this.#fits[fit] = (this.#fits[fit] as number) + 1;
    this.#seen++;
    if (this.#seen > MEMORY) {
      for (let at = 0; at < this.#fits.length; at++) this.#fits[at] = (this.#fits[at] as number) / 2;
      this.#seen /= 2;
    }
    this.#allocator.allocate(start, bytes, granule, cpu);
    this.#live.set(start, { size: bytes, number: this.#maps++ });
    return bytes;
  }

  /** How likely this domain's next unmap is of this range, of so many live ones. */
  unmapLikelihood(start: number, size: number, live: number): number {
    const order = this.#orderOf(start, size);
    const share = (this.#orders[order] as number) / this.#ordered;
    return order === Order.NEXT || order === Order.PREVIOUS ? share : share / Math.max(1, live);
  }

  /** The range was unmapped. */
  unmap(start: number, size: number, granule: number, cpu: number): void {
    const order = this.#orderOf(start, size);
    this.#orders[order] = (this.#orders[order] as number) + 1;
    this.#ordered++;
    if (this.#ordered > MEMORY) {
      for (let at = 0; at < ORDERS; at++) this.#orders[at] = (this.#orders[at] as number) / 2;
      this.#ordered /= 2;
    }
    this.#lastFreed = this.#live.get(start)?.number ?? -1;
    this.#live.delete(start);
    this.#allocator.free(start, size, granule, cpu);
  }

  #orderOf(start: number, size: number): number {
    const buffer = this.#live.get(start);
    if (buffer === undefined || buffer.size !== size) return Order.UNKNOWN;
    if (this.#lastFreed < 0) return Order.OTHER;
    const step = buffer.number - this.#lastFreed;
    return step === 1 ? Order.NEXT : step === -1 ? Order.PREVIOUS : Order.OTHER;
  }
}
