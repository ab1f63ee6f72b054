/**
 * Memory as the table walker of the device sees it: whatever the bus and the coherency model make visible to it. The result of a
 * read is left in `low` and `high`, so that no object is made per read.
 */
export interface WalkMemory {
  /** Bits 31:0 of the last descriptor read. Signed or unsigned: readers treat both alike. */
  readonly low: number;
  /** Bits 63:32; 0 after a read of 4 bytes. */
  readonly high: number;
  /**
   * Reads a descriptor.
   *
   * @param pa physical address, a multiple of `bytes`
   * @param bytes 8, or 4 for short descriptors
   * @returns false when the bus answers with an error
   */
  read(pa: number, bytes: number): boolean;
  /**
   * Replaces a descriptor in one atomic step, for hardware access flag and dirty state.
   *
   * @returns false when the descriptor was no longer `low`, `high`; a new `read` shows what it is now
   */
  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean;
}
