/**
 * Stalled transactions (Arm IHI 0070, section 3.12.2): a fault under the stall model parks the transaction under a tag until
 * software answers with CMD_RESUME or CMD_STALL_TERM. When all tags are taken, further ones wait without a tag or a record, as a
 * device does whose request is not accepted.
 */

import type { TranslationRequest } from '../../../emulator/index.ts';

/** A parked transaction. */
export interface StalledTransaction {
  /** Tag in its event record; -1 while it waits for one. */
  tag: number;
  readonly master: number;
  readonly streamId: number;
  /** -1 for none. */
  readonly substreamId: number;
  readonly iova: number;
  /** Bits of `AccessFlag`. */
  readonly flags: number;
  readonly size: number;
  /** Cycle at which it first faulted. */
  readonly since: number;
  /** The request itself, where an engine holds it in flight; null when it was alone, and its master uses the object again. */
  readonly inFlight: TranslationRequest | null;
}

export class StallTable {
  readonly #tagged: (StalledTransaction | null)[];
  readonly #waiting: StalledTransaction[] = [];
  #live = 0;

  /** @param most tags there are (IDR5.STALL_MAX) */
  constructor(most: number) {
    this.#tagged = new Array<StalledTransaction | null>(most).fill(null);
  }

  /** Transactions with a tag. */
  get live(): number {
    return this.#live;
  }

  /** Transactions that wait for a tag. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Gives a transaction a tag, or lets it wait. @returns whether it has one. */
  park(transaction: StalledTransaction): boolean {
    const tag = this.#tagged.indexOf(null);
    transaction.tag = tag;
    if (tag < 0) {
      this.#waiting.push(transaction);
      return false;
    }
    this.#tagged[tag] = transaction;
    this.#live++;
    return true;
  }

  /** Takes out the transaction of a stream with this tag; null when the tag is not that stream's (the command then does nothing). */
  release(streamId: number, tag: number): StalledTransaction | null {
    const transaction = this.#tagged[tag] ?? null;
    if (transaction === null || transaction.streamId !== streamId) return null;
    this.#tagged[tag] = null;
    this.#live--;
    return transaction;
  }

  /** Takes out every transaction of a stream, waiting ones included. */
  releaseStream(streamId: number): StalledTransaction[] {
    const released: StalledTransaction[] = [];
    for (const [tag, transaction] of this.#tagged.entries()) {
      if (transaction?.streamId !== streamId) continue;
      released.push(transaction);
      this.#tagged[tag] = null;
      this.#live--;
    }
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const transaction = this.#waiting[i];
      if (transaction?.streamId === streamId) released.push(...this.#waiting.splice(i, 1));
    }
    return released;
  }

  /** The oldest transaction that waits, once a tag is free for it. */
  nextWaiting(): StalledTransaction | null {
    return this.#live < this.#tagged.length ? (this.#waiting.shift() ?? null) : null;
  }
}
