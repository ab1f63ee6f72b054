import { AddressSpace, mix } from '../evidence/index.ts';

/** Slots for what a thread or an interrupt level did last; a clash only costs a hint. */
export const WORKERS = 512;

/** Which domain an event was given, in one hypothesis; hypotheses that part later share what they decided before. */
export interface Decision {
  /** Number of the event in its capture. */
  readonly event: number;
  readonly slot: number;
  before: Decision | null;
}

/** One way to explain the capture so far. */
export class Hypothesis {
  /** By slot; null where this hypothesis has no such domain. */
  readonly spaces: (AddressSpace | null)[];
  /** How likely it is, the best being 1. */
  weight = 1;
  /** The newest decision that is not final. */
  last: Decision | null = null;
  /** The domain each worker served last, or -1. Changed by {@link serve} only. */
  served: Int16Array;
  /** Where the buffer ends that the worker's last map belongs to. Changed by {@link setBuffer} only. */
  bufferEnd: Float64Array;
  bufferSlot: Int16Array;
  /** Other hypotheses have the same arrays: whoever changes one takes a copy. */
  #servedShared = false;
  #buffersShared = false;

  /** @param from the hypothesis to go on from; none for the first */
  constructor(from?: Hypothesis) {
    if (from === undefined) {
      this.spaces = [];
      this.served = new Int16Array(WORKERS).fill(-1);
      this.bufferEnd = new Float64Array(WORKERS).fill(-1);
      this.bufferSlot = new Int16Array(WORKERS).fill(-1);
      return;
    }
    this.spaces = from.spaces.slice();
    this.weight = from.weight;
    this.last = from.last;
    this.served = from.served;
    this.bufferEnd = from.bufferEnd;
    this.bufferSlot = from.bufferSlot;
    this.#servedShared = true;
    this.#buffersShared = true;
    from.#servedShared = true;
    from.#buffersShared = true;
  }

  /** The worker has served a domain. */
  serve(worker: number, slot: number): void {
    if (this.served[worker] === slot) return;
    if (this.#servedShared) this.served = this.served.slice();
    this.#servedShared = false;
    this.served[worker] = slot;
  }

  /** The worker has begun a buffer that ends there. */
  setBuffer(worker: number, end: number, slot: number): void {
    if (this.bufferEnd[worker] === end && this.bufferSlot[worker] === slot) return;
    if (this.#buffersShared) {
      this.bufferEnd = this.bufferEnd.slice();
      this.bufferSlot = this.bufferSlot.slice();
    }
    this.#buffersShared = false;
    this.bufferEnd[worker] = end;
    this.bufferSlot[worker] = slot;
  }

  /** Equal for hypotheses that only differ in what is over. */
  get hash(): number {
    let hash = this.spaces.length;
    for (const space of this.spaces) hash = mix(hash, space === null ? 3 : space.hash);
    return hash;
  }

  /** The newest decision on an event up to this one. */
  decisionAt(event: number): Decision | null {
    let at = this.last;
    while (at !== null && at.event > event) at = at.before;
    return at;
  }

  /** The state of a domain, made if need be. */
  spaceOf(slot: number): AddressSpace {
    const { spaces } = this;
    const known = spaces[slot];
    if (known) return known;
    const space = new AddressSpace();
    for (let at = spaces.length; at < slot; at++) spaces[at] = null;
    spaces[slot] = space;
    return space;
  }
}

/** Of hypotheses that only differ in what is over, the more likely one is kept. They come best first. */
export function withoutTwins(all: readonly Hypothesis[]): Hypothesis[] {
  const seen = new Set<number>();
  return all.filter((one) => {
    const { hash } = one;
    if (seen.has(hash)) return false;
    seen.add(hash);
    return true;
  });
}
