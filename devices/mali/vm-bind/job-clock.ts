import { type ChainLink, findCycle, findDeadEnd, type Party, type Worker } from './dependency-graph.ts';

/** A wait that can never end. Plain JSON. */
export interface Deadlock {
  /** Time at which it was found, in cycles. */
  readonly cycles: number;
  /**
   * `cycle`: the chain closes on itself. `never-signalled`: it ends at something that nobody is going to do. `not-modelled`: somebody
   * who blocked before could go on, but not as long as this wait stands on top of theirs; no deadlock of the machine.
   */
  readonly kind: 'cycle' | 'never-signalled' | 'not-modelled';
  /** Who waits for whom, from the party that was about to block. */
  readonly chain: readonly ChainLink[];
}

interface Event {
  readonly cycles: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Modelled time for jobs, and the order in which things happen: earlier first, and of equals the one that was asked for first.
 *
 * A party that must block in the middle of its work ({@link block}) lets the others go on from inside its own call. What the model
 * cannot do is to resume an outer blocked party before an inner one; a wait that only such an order could end is given up, and told
 * apart from a deadlock (`not-modelled`). It takes two parties that block for different reasons, the second for what the first will
 * do later.
 */
export class JobClock {
  #now = 0;
  #ordered = 0;
  readonly #heap: Event[] = [];
  readonly #deadlocks: Deadlock[] = [];
  /** What each blocked party waits for, the innermost last. */
  readonly #blocked: (() => boolean)[] = [];

  /** Whose work is being done, so that an allocation that must wait knows on whose behalf. */
  worker: Worker | null = null;

  /** Time now, in cycles. */
  get now(): number {
    return this.#now;
  }

  /** Waits found that can never end. */
  get deadlocks(): readonly Deadlock[] {
    return this.#deadlocks;
  }

  /** Runs `run` at time now + `delay`; a delay of 0 or more cycles. */
  after(delay: number, run: () => void): void {
    const heap = this.#heap;
    const event: Event = { cycles: this.#now + delay, order: this.#ordered++, run };
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (isBefore(parent, event)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  /** Time passes in somebody's hands: work that runs without events of its own. */
  spend(cycles: number): void {
    this.#now += cycles;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return false;
    if (heap.length > 0) this.#sink(last);
    // Work in the hands of a blocked party may have moved time past the event: it is late then.
    if (first.cycles > this.#now) this.#now = first.cycles;
    first.run();
    return true;
  }

  /** Runs until nothing is left to happen. */
  run(): void {
    while (this.step());
  }

  /** Runs events up to time `cycles` and stands there. */
  runUntil(cycles: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.cycles <= cycles; next = this.#heap[0]) this.step();
    if (cycles > this.#now) this.#now = cycles;
  }

  /**
   * `party`, whose `waitsFor` already says what it waits for, lets others go on until `done`.
   * @returns false when that can never be: the reason is then the last of {@link deadlocks}.
   */
  block(party: Party, done: () => boolean): boolean {
    this.#blocked.push(done);
    const got = this.#wait(party, done);
    this.#blocked.pop();
    return got;
  }

  #wait(party: Party, done: () => boolean): boolean {
    while (!done()) {
      const cycle = findCycle(party, false);
      if (cycle !== null) return this.#fail('cycle', cycle);
      if (this.step()) continue;
      if (this.#blocked.some((outer) => outer())) return this.#fail('not-modelled', findDeadEnd(party));
      const wide = findCycle(party, true);
      return wide === null ? this.#fail('never-signalled', findDeadEnd(party)) : this.#fail('cycle', wide);
    }
    return true;
  }

  /** Looks at parties that are not blocked in a call but may be stuck all the same, once nothing is left to happen. */
  examine(parties: Iterable<Party>): Deadlock | null {
    for (const party of parties) {
      const cycle = findCycle(party, true);
      if (cycle === null) continue;
      this.#fail('cycle', cycle);
      return this.#deadlocks[this.#deadlocks.length - 1] ?? null;
    }
    return null;
  }

  #fail(kind: Deadlock['kind'], chain: readonly ChainLink[]): false {
    this.#deadlocks.push({ cycles: this.#now, kind, chain });
    return false;
  }

  #sink(event: Event): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let least = left;
      if (right !== undefined && isBefore(right, left)) {
        child++;
        least = right;
      }
      if (isBefore(event, least)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.cycles < b.cycles || (a.cycles === b.cycles && a.order < b.order);
}
