import type { InvalidationObserver } from '../../../../emulator/index.ts';

/** What the MMU was told to forget during one operation. */
export class InvalidationLog implements InvalidationObserver {
  count = 0;
  /** Something of the size of an address space, or more. */
  whole = false;
  /** What the first one was of, in words. */
  scope = '';
  /** Of the first range: from where to where all ranges reach. */
  start = Number.POSITIVE_INFINITY;
  end = 0;

  clear(): void {
    this.count = 0;
    this.whole = false;
    this.scope = '';
    this.start = Number.POSITIVE_INFINITY;
    this.end = 0;
  }

  addresses(_stage: 1 | 2, start: number, end: number): void {
    this.#add('range');
    this.start = Math.min(this.start, start);
    this.end = Math.max(this.end, end);
  }

  addressSpace(): void {
    this.#addWhole('address space');
  }

  virtualMachine(): void {
    this.#addWhole('virtual machine');
  }

  everything(): void {
    this.#addWhole('everything');
  }

  #add(scope: string): void {
    this.count++;
    if (this.scope === '') this.scope = scope;
  }

  #addWhole(scope: string): void {
    this.#add(scope);
    this.whole = true;
  }
}
