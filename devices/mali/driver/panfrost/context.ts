import type { EditedTable } from '../edited-table.ts';
import type { PanfrostBuffer } from './buffer.ts';

/** What a context's tables ask the registers of its address space to be. 64-bit values as two halves. */
export interface ContextRegisters {
  readonly transtab: number;
  readonly memattrLow: number;
  readonly memattrHigh: number;
  readonly transcfgLow: number;
  readonly transcfgHigh: number;
}

/** No address space. */
export const NO_SLOT = -1;

/** The address space of one client, as the driver keeps it (`panfrost_mmu`). */
export class PanfrostContext {
  readonly table: EditedTable;
  readonly registers: ContextRegisters;
  /** Address space of the hardware that it has, or {@link NO_SLOT}. */
  slot = NO_SLOT;
  /** Jobs, and a performance counter, that need the address space now. */
  users = 0;
  /** What is placed in it, by address (`drm_mm`). */
  readonly #buffers: PanfrostBuffer[] = [];

  constructor(table: EditedTable, registers: ContextRegisters) {
    this.table = table;
    this.registers = registers;
  }

  /** Buffers placed in it, by address. */
  get buffers(): readonly PanfrostBuffer[] {
    return this.#buffers;
  }

  /** The buffer placed at `iova`, mapped or not. */
  bufferAt(iova: number): PanfrostBuffer | null {
    const before = this.#buffers[this.#after(iova) - 1];
    return before !== undefined && iova < before.iova + before.size ? before : null;
  }

  /** Takes a place. Places do not overlap: whoever chooses addresses sees to that. */
  place(buffer: PanfrostBuffer): void {
    this.#buffers.splice(this.#after(buffer.iova), 0, buffer);
  }

  /** Gives a place back. */
  remove(buffer: PanfrostBuffer): void {
    const at = this.#after(buffer.iova) - 1;
    if (this.#buffers[at] === buffer) this.#buffers.splice(at, 1);
  }

  /** How many buffers begin at or below `iova`. */
  #after(iova: number): number {
    let low = 0;
    let high = this.#buffers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#buffers[middle] as PanfrostBuffer).iova <= iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
