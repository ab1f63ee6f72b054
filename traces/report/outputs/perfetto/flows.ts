import { type Operation, OperationKind } from '../../../../emulator/index.ts';

/**
 * Which unmaps an invalidation completes. A flow has the number of its unmap: it begins there, goes to the invalidation that drops its
 * translations, and by way of the last access that a stale translation served, in the order of time.
 */
export class InvalidationFlows {
  readonly #lazy: boolean;
  /** Of lazy mode: unmaps that wait for a flush, by domain. */
  readonly #waiting = new Map<number, number[]>();

  constructor(lazy: boolean) {
    this.#lazy = lazy;
  }

  /**
   * An operation is over.
   * @param told the MMU was told to forget something during it @param whole a whole address space, or more
   * @returns the unmaps whose translations it drops
   */
  completedBy({ kind, number, domain }: Readonly<Operation>, told: boolean, whole: boolean): readonly number[] {
    const unmaps = kind === OperationKind.UNMAP && number > 0;
    if (!this.#lazy) return told && unmaps ? [number] : [];
    const waiting = this.#waiting.get(domain) ?? [];
    if (unmaps) waiting.push(number);
    if (whole) this.#waiting.delete(domain);
    else if (unmaps) this.#waiting.set(domain, waiting);
    return whole ? waiting : [];
  }
}
