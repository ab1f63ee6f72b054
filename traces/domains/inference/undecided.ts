import { copyEvent, TraceEvent } from '../../capture/index.ts';

/** Events that may wait for their domain, a power of two: bounds memory and delay. */
const MOST_UNDECIDED = 4096;

/** The event waits for its decision. */
const OPEN = -3;

/** Events in their order that wait until it is known whose they are. */
export class Undecided {
  readonly #events: TraceEvent[] = [];
  readonly #slots = new Int16Array(MOST_UNDECIDED);
  /** Number of the oldest. */
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === MOST_UNDECIDED;
  }

  /** Number of the event in the middle. */
  get middle(): number {
    return this.#first + (this.#count >> 1);
  }

  /** Adds a copy of an event that is not decided yet. @param number its number, one above the last one's */
  add(event: TraceEvent, number: number): void {
    if (this.#count === 0) this.#first = number;
    const at = number & (MOST_UNDECIDED - 1);
    let place = this.#events[at];
    if (place === undefined) {
      place = new TraceEvent();
      this.#events[at] = place;
    }
    copyEvent(event, place);
    this.#slots[at] = OPEN;
    this.#count++;
  }

  decide(number: number, slot: number): void {
    this.#slots[number & (MOST_UNDECIDED - 1)] = slot;
  }

  /** Hands out, oldest first, what is decided, up to the first that is not. */
  release(take: (event: TraceEvent, slot: number) => void): void {
    while (this.#count > 0) {
      const at = this.#first & (MOST_UNDECIDED - 1);
      const slot = this.#slots[at] as number;
      if (slot === OPEN) return;
      this.#first++;
      this.#count--;
      take(this.#events[at] as TraceEvent, slot);
    }
  }
}
