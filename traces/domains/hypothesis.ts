import type { AddressSpace } from './address-space.ts';
import { mix } from './freed-stack.ts';

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
  /** The domain each worker served last, or -1. */
  readonly served: Int16Array;
  /** Where the buffer ends that the worker's last map belongs to. */
  readonly bufferEnd: Float64Array;
  readonly bufferSlot: Int16Array;

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
    this.served = from.served.slice();
    this.bufferEnd = from.bufferEnd.slice();
    this.bufferSlot = from.bufferSlot.slice();
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
}
