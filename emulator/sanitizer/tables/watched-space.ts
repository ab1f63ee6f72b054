import type { Geometry } from '../../../formats/index.ts';
import { LiveRanges } from '../../memory/index.ts';

/** An address space whose table is watched: its tags in the TLBs, its shape, and what the TLBs may still hold of what it lost. */
export class WatchedSpace {
  readonly number: number;
  /** What findings call it; -1 without a name. */
  domain = -1;
  /** Under which the TLBs know it now: hardware contexts may be given out anew. */
  asid: number;
  readonly vmid: number;
  readonly stage: 1 | 2;
  readonly geometry: Geometry;
  /** Bytes that one entry covers, by level. */
  readonly spans: Float64Array;
  /** 64 KiB granule: descriptor bits 15:12 are address bits 51:48. */
  readonly packs: boolean;
  /** Leaves that went away in earlier operations and were not invalidated since. Tag: operation * 4 + level. */
  readonly leaves = new LiveRanges();
  /** Tables likewise. */
  readonly tables = new LiveRanges();
  /** The space is being taken down: nothing uses it, and its tables may go in any order. */
  retired = false;
  /** No context of the hardware has it: the TLBs hold nothing of it, and will not before they are flushed. */
  parked = false;
  /** False where its tables cannot be told from those of others: nothing is found in it then. */
  followed = true;

  /** @param asid of stage 1, else 0 @param vmid of stage 2, else 0 */
  constructor(number: number, stage: 1 | 2, asid: number, vmid: number, geometry: Geometry) {
    this.number = number;
    this.stage = stage;
    this.asid = asid;
    this.vmid = vmid;
    this.geometry = geometry;
    this.spans = Float64Array.from(geometry.blockSizes);
    this.packs = geometry.granuleShift === 16;
  }

  /** Bytes that a page of 512 descriptors covers. */
  pageSpan(level: number): number {
    return 512 * (this.spans[level] as number);
  }

  /** Adds what the TLBs may still hold. */
  remember(table: boolean, start: number, end: number, level: number, operation: number): void {
    const ranges = table ? this.tables : this.leaves;
    if (ranges.count > 0) ranges.remove(start, end);
    ranges.insert(start, end, operation * 4 + level);
  }

  /** An invalidation of [start, end). @returns bytes that needed it */
  forget(start: number, end: number, leafOnly: boolean): number {
    let bytes = 0;
    if (this.leaves.count > 0) {
      const from = this.#leafStart(start);
      bytes += this.leaves.remove(from, Math.max(end, this.#leafEnd(end - 1)));
    }
    if (!leafOnly && this.tables.count > 0) bytes += this.tables.remove(start, end);
    return bytes;
  }

  forgetAll(): void {
    if (this.leaves.count > 0) this.leaves.clear();
    if (this.tables.count > 0) this.tables.clear();
  }

  /** An entry goes as a whole, wherever it is hit. */
  #leafStart(address: number): number {
    const tag = this.leaves.tagAt(address);
    return tag < 0 ? address : address - (address % (this.spans[tag % 4] as number));
  }

  #leafEnd(address: number): number {
    const tag = this.leaves.tagAt(address);
    const size = tag < 0 ? 1 : (this.spans[tag % 4] as number);
    return address - (address % size) + size;
  }
}
