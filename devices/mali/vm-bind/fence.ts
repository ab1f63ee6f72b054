import type { Party, Wait } from './dependency-graph.ts';

/** Something that happens once and that others wait for (Linux `struct dma_fence`). */
export class Fence implements Party {
  readonly name: string;
  /** Whoever will signal it; null: somebody outside the model. */
  readonly #producer: Party | null;
  readonly #waiters: (() => void)[] = [];
  #signalledAt = -1;
  #error = 0;

  constructor(name: string, producer: Party | null) {
    this.name = name;
    this.#producer = producer;
  }

  get signalled(): boolean {
    return this.#signalledAt >= 0;
  }

  /** Time of the signal in cycles, or -1. */
  get signalledAt(): number {
    return this.#signalledAt;
  }

  /** 0, or the negative error number of the work that it stands for. */
  get error(): number {
    return this.#error;
  }

  /** Runs `wake` at the signal; at once when that has been. */
  onSignal(wake: () => void): void {
    if (this.signalled) wake();
    else this.#waiters.push(wake);
  }

  /** Signals at time `cycles`. A second signal changes nothing. */
  signal(cycles: number, error = 0): void {
    if (this.signalled) return;
    this.#signalledAt = cycles;
    this.#error = error;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  waitsFor(): readonly Wait[] {
    if (this.signalled || this.#producer === null) return [];
    return [{ on: this.#producer, why: 'it signals when that is done', any: false }];
  }
}
