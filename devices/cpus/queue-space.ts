import { Ring } from '../../emulator/index.ts';

/** How far an SMMU has carried out its command queue, and so whether more commands fit in. Places are counted from the queue's beginning. */
export class QueueSpace {
  readonly #size: number;
  /** End of what is carried out, as far as it was looked at, and the batches behind it: their ends, and when they are done. */
  #consumed = 0;
  readonly #ends = new Ring<number>();
  readonly #times = new Ring<number>();

  /** @param size places in the queue; infinite for one that is never full */
  constructor(size: number) {
    this.#size = size;
  }

  /** Whether the places up to `end` are there at a time. */
  reaches(end: number, now: number): boolean {
    if (end - this.#consumed <= this.#size) return true;
    this.#look(now);
    return end - this.#consumed <= this.#size;
  }

  /** A batch that ends there is published, and will be done by then. @returns whether no other waits before it */
  published(end: number, done: number, now: number): boolean {
    if (!Number.isFinite(this.#size)) return false;
    this.#look(now);
    this.#ends.push(end);
    this.#times.push(done);
    return this.#ends.length === 1;
  }

  /** When the oldest batch that is published is done; null where all are. */
  nextDone(): number | null {
    return this.#times.first();
  }

  #look(now: number): void {
    for (let time = this.#times.first(); time !== null && time <= now; time = this.#times.first()) {
      this.#consumed = this.#ends.shift() as number;
      this.#times.shift();
    }
  }
}
