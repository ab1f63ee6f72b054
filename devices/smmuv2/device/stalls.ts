import type { TranslationRequest } from '../../../emulator/index.ts';

/** An access that waits for software. */
export interface ParkedAccess {
  /** Bank whose fault it is, or behind whose fault it waits. */
  readonly bank: number;
  readonly master: number;
  readonly streamId: number;
  readonly iova: number;
  /** Bits of `AccessFlag`. */
  readonly flags: number;
  readonly size: number;
  /** Cycle at which it was parked. */
  readonly since: number;
  /** The request itself, where an engine holds it in flight; null when it was alone, and its master uses the object again. */
  readonly inFlight: TranslationRequest | null;
}

/** Accesses that wait, by bank, oldest first: the first one faulted, the others came behind it. */
export class StalledAccesses {
  readonly #byBank = new Map<number, ParkedAccess[]>();
  #live = 0;

  /** Accesses that wait. */
  get live(): number {
    return this.#live;
  }

  has(bank: number): boolean {
    return this.#byBank.has(bank);
  }

  park(bank: number, request: TranslationRequest, inFlight: boolean, since: number): void {
    const { master, streamId, iova, flags, size } = request;
    const parked = { bank, master, streamId, iova, flags, size, since, inFlight: inFlight ? request : null };
    const waiting = this.#byBank.get(bank);
    if (waiting === undefined) this.#byBank.set(bank, [parked]);
    else waiting.push(parked);
    this.#live++;
  }

  /** Takes out all of a bank. */
  release(bank: number): ParkedAccess[] {
    const released = this.#byBank.get(bank) ?? [];
    this.#byBank.delete(bank);
    this.#live -= released.length;
    return released;
  }
}
