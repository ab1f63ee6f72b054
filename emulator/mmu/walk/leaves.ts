import type { WalkMemory } from '../../memory/index.ts';
import { Permission, type StageRegime, type TranslationRegime } from '../regime/index.ts';
import { FaultClass } from './fault.ts';
import { StageWalk } from './stage-walk.ts';
import { WalkStatus } from './walk-state.ts';
import { Walker } from './walker.ts';

/** Receives what an enumeration finds. */
export interface TreeVisitor {
  /**
   * A piece of the input address space that translates in one go: a leaf, or with two stages what one page of each has in common.
   *
   * @param iova first input address of the piece; of the upper half its low bits
   * @param pa physical address of the first byte
   * @param shift log2 of its bytes
   * @param walk the walk that ended at the leaf's descriptor: stage 1's where there is one
   * @param low the descriptor as read
   * @param high its upper half
   */
  leaf(iova: number, pa: number, shift: number, walk: StageWalk, low: number, high: number): void;
  /**
   * A table was reached.
   *
   * @param iova first input address it is responsible for
   * @param pa its physical address
   */
  table?(level: number, iova: number, pa: number): void;
}

/** How often one table may be reached. Tables are shared now and then, but a tree that points into itself would never end. */
const MOST_VISITS = 16;

/**
 * Visits every leaf of a translation, in address order, whatever the access flag and permissions say. Garbage is survived: a
 * descriptor that faults maps nothing, and a table reached over and over is left out.
 */
export class LeafEnumerator {
  /** Tables that were not visited again because they had been reached too often: more than 0 for a tree with cycles. */
  repeatedTables = 0;
  /** Tables, or parts of them, that memory refused to read or a stage 2 refused to translate. */
  unreadableTables = 0;

  readonly #memory: WalkMemory;
  readonly #walk = new StageWalk();
  readonly #walker: Walker;
  readonly #visits = new Map<number, number>();

  constructor(memory: WalkMemory) {
    this.#memory = memory;
    this.#walker = new Walker(memory);
  }

  /** Visits one half of a stage 1 (`upper` for that of TTBR1), or a stage 2 alone. Does nothing where there is no table. */
  forEachLeaf(regime: TranslationRegime, upper: boolean, visitor: TreeVisitor): void {
    const stage = regime.stage1 ?? regime.stage2;
    if (stage === null) return;
    const root = upper ? stage.root1 : stage.root0;
    if (root === null) return;
    // Without these an access flag of 0 would hide a leaf, or be set by looking at it.
    const observed: StageRegime = { ...stage, accessFlagFaults: false, hardwareAccessFlag: false };
    if (this.#walk.begin(observed, 0, upper, 0) !== WalkStatus.READ) return;
    const stage2 = regime.stage1 === null ? null : regime.stage2;
    this.#visits.clear();
    const entryShift = this.#walk.entryShift(root.startLevel);
    const entries = 2 ** Math.max(root.inputBits - entryShift, 0);
    this.#table(observed, stage2, upper, root.startLevel, this.#walk.tableBase, entries, 0, 0, visitor);
  }

  #table(
    regime: StageRegime,
    stage2: StageRegime | null,
    upper: boolean,
    level: number,
    base: number,
    entries: number,
    iova: number,
    hierarchical: number,
    visitor: TreeVisitor,
  ): void {
    const visits = this.#visits.get(base) ?? 0;
    if (visits >= MOST_VISITS) {
      this.repeatedTables++;
      return;
    }
    this.#visits.set(base, visits + 1);
    const walk = this.#walk;
    const memory = this.#memory;
    const bytes = walk.descriptorBytes;
    const entrySize = 2 ** walk.entryShift(level);
    const tableEntries = regime.family === 'short' ? 256 : 2 ** (walk.granuleShift - 3);
    // Where a stage 2 translates the tables, a table larger than its page has to be asked for piece by piece.
    let pieceEnd = 0;
    let pieceOffset = 0;
    let leafEnd = 0;
    for (let entry = 0; entry < entries; entry++) {
      const address = base + entry * bytes;
      if (address >= pieceEnd) {
        pieceEnd = base + entries * bytes;
        if (stage2 !== null) {
          const readable = this.#walker.translateStage2(stage2, address, Permission.READ, FaultClass.TABLE);
          const { stage2: walk2 } = this.#walker;
          const size = 2 ** (readable ? walk2.pageShift : walk2.entryShift(walk2.level));
          const next = address - (address % size) + size;
          if (next < pieceEnd) pieceEnd = next;
          if (!readable) {
            this.unreadableTables++;
            entry += Math.ceil((pieceEnd - address) / bytes) - 1;
            continue;
          }
          pieceOffset = walk2.outputAddress - address;
        }
        if (entry === 0) visitor.table?.(level, iova, base + pieceOffset);
      }
      if (!memory.read(address + pieceOffset, bytes)) {
        this.unreadableTables++;
        return;
      }
      const { low, high } = memory;
      if (low === 0 && high === 0) continue;
      const input = iova + entry * entrySize;
      walk.begin(regime, input, upper, 0);
      walk.resume(level, base, hierarchical);
      const status = walk.step(low, high);
      if (status === WalkStatus.READ) {
        this.#table(regime, stage2, upper, walk.level, walk.tableBase, tableEntries, input, walk.hierarchical, visitor);
      } else if (status === WalkStatus.LEAF) {
        // A supersection or large page stands in sixteen entries, and is one leaf where its first one is there.
        if (input < leafEnd) continue;
        const whole = input % 2 ** walk.pageShift === 0;
        leafEnd = input + (whole ? 2 ** walk.pageShift : entrySize);
        this.#leaf(stage2, input, leafEnd - input, low, high, visitor);
      }
    }
  }

  /** Reports a leaf of stage 1, cut along the pages of stage 2 when there is one. */
  #leaf(
    stage2: StageRegime | null,
    input: number,
    size: number,
    low: number,
    high: number,
    visitor: TreeVisitor,
  ): void {
    const walk = this.#walk;
    if (stage2 === null) {
      visitor.leaf(input, walk.outputAddress, Math.log2(size), walk, low, high);
      return;
    }
    const ipa = walk.outputAddress;
    const walk2 = this.#walker.stage2;
    for (let done = 0; done < size; ) {
      const found = this.#walker.translateStage2(stage2, ipa + done, 0, FaultClass.INPUT);
      const step = 2 ** (found ? walk2.pageShift : walk2.entryShift(walk2.level));
      const piece = Math.min(step - ((ipa + done) % step), size - done);
      if (found) visitor.leaf(input + done, walk2.outputAddress, Math.log2(piece), walk, low, high);
      done += piece;
    }
  }
}
