import type { WalkMemory } from '../../memory/index.ts';
import type { StageRegime, TranslationRegime } from '../regime/index.ts';
import { ENTRY } from './entry-attributes.ts';
import { FaultClass, FaultKind } from './fault.ts';
import {
  BYPASS_ATTRIBUTES,
  combineAttributes,
  isDevice,
  leafAttributes,
  MOST_UPDATES,
  READS_DESCRIPTOR,
  refusesDevice,
  stage2Alone,
  UPDATES_DESCRIPTOR,
} from './rules.ts';
import { StageWalk } from './stage-walk.ts';
import { WalkStatus } from './walk-state.ts';

/** Sees every step of a walk: for teaching and for `walk --iova`. */
export interface WalkTrace {
  /** A stage's walk begins, for the address in `walk.inputAddress`. `purpose` says what a stage 2 translates. */
  begin(walk: StageWalk, purpose: FaultClass): void;
  /**
   * A descriptor was read.
   *
   * @param level level of the descriptor; `walk.level` is already the next one when it was a table
   * @param address its address as the stage sees it: an IPA for stage 1 under a stage 2
   * @param pa its physical address
   * @param status what `walk` made of it
   */
  descriptor(
    walk: StageWalk,
    level: number,
    address: number,
    pa: number,
    low: number,
    high: number,
    status: WalkStatus,
  ): void;
  /** A stage's walk has ended; `walk.status` tells how. */
  end(walk: StageWalk): void;
}

/** Page size of a translation that changes nothing: more than any address. */
const EVERYTHING_SHIFT = 52;

/**
 * The functional walker: translates one address through stage 1, stage 2, both or neither, straight from the tables in memory, with
 * no caches and no time. It is the reference that the timed engines are held against. Results stay in fields until the next call.
 *
 * Nested translation follows AArch64.FullTranslate: every stage-1 descriptor address and then the output of stage 1 goes through
 * stage 2, and a fault says which stage refused what.
 */
export class Walker {
  /** Physical address, when `translate` gave true. */
  outputAddress = 0;
  /** What the translation grants and how its memory is accessed, packed as `ENTRY` says. */
  attributes = 0;
  /** log2 of the bytes around the address that translate alike, contiguous runs taken as one page. */
  contiguousShift = 0;
  /** What stage 1 made of the address: the input of stage 2. */
  intermediateAddress = 0;
  /** Descriptors read. */
  descriptorReads = 0;

  fault: FaultKind = FaultKind.NONE;
  /** 1 or 2. */
  faultStage = 0;
  faultLevel = 0;
  /** Of a stage-2 fault: what it was translating. */
  faultClass: FaultClass = FaultClass.INPUT;
  /** Of a stage-2 fault: the address that it was translating. */
  faultIpa = 0;
  /** Of a stage-2 fault on a stage-1 table: hardware wanted to write the descriptor back, not to read it. */
  faultOnUpdate = false;

  /** The two machines, for what the summary fields above leave out (attributes, levels). */
  readonly stage1 = new StageWalk();
  readonly stage2 = new StageWalk();
  readonly #memory: WalkMemory;
  readonly #trace: WalkTrace | null;

  constructor(memory: WalkMemory, trace: WalkTrace | null = null) {
    this.#memory = memory;
    this.#trace = trace;
  }

  /**
   * Translates one address.
   *
   * @param upper the address is in the half of TTBR1, given as its low `inputBits` bits
   * @param access bits of `Permission` the access needs; 0 asks what the tables say, whatever they permit
   * @returns false when it faulted
   */
  translate(regime: TranslationRegime, inputAddress: number, upper = false, access = 0): boolean {
    this.fault = FaultKind.NONE;
    this.faultStage = 0;
    this.faultOnUpdate = false;
    this.descriptorReads = 0;
    this.outputAddress = inputAddress;
    this.intermediateAddress = inputAddress;
    this.attributes = BYPASS_ATTRIBUTES | EVERYTHING_SHIFT;
    this.contiguousShift = EVERYTHING_SHIFT;
    const { stage1, stage2 } = regime;
    if (stage1 !== null) {
      if (!this.#walk1(stage1, stage2, inputAddress, upper, access)) return false;
      this.#accept(this.stage1);
      this.attributes = leafAttributes(this.stage1, this.stage1.pageShift);
      this.intermediateAddress = this.outputAddress;
    }
    if (stage2 !== null) {
      if (!this.translateStage2(stage2, this.intermediateAddress, access, FaultClass.INPUT)) return false;
      this.#accept(this.stage2);
      const attributes2 = leafAttributes(this.stage2, this.stage2.pageShift);
      this.attributes = stage1 === null ? stage2Alone(attributes2) : combineAttributes(this.attributes, attributes2);
    }
    return true;
  }

  /**
   * One walk of stage 2 alone; its results are in `stage2`.
   *
   * @param purpose what the address belongs to: of a context descriptor or a table, only reading (or updating) is asked
   */
  translateStage2(regime: StageRegime, ipa: number, access: number, purpose: FaultClass): boolean {
    const walk = this.stage2;
    let status = walk.begin(regime, ipa, false, access);
    this.#trace?.begin(walk, purpose);
    while (status === WalkStatus.READ) status = this.#read(walk, walk.descriptorAddress);
    if (status === WalkStatus.LEAF && refusesDevice(regime, purpose) && isDevice(leafAttributes(walk, 0))) {
      status = walk.refuse(FaultKind.PERMISSION, walk.level);
    }
    this.#trace?.end(walk);
    if (status === WalkStatus.LEAF) return true;
    this.fault = walk.fault;
    this.faultStage = 2;
    this.faultLevel = walk.level;
    this.faultClass = purpose;
    this.faultIpa = ipa;
    return false;
  }

  /** Stage 1, with the addresses of its descriptors translated by stage 2 when there is one. */
  #walk1(
    regime: StageRegime,
    stage2: StageRegime | null,
    inputAddress: number,
    upper: boolean,
    access: number,
  ): boolean {
    const walk = this.stage1;
    let status = walk.begin(regime, inputAddress, upper, access);
    this.#trace?.begin(walk, FaultClass.INPUT);
    while (status === WalkStatus.READ) {
      let pa = walk.descriptorAddress;
      if (stage2 !== null) {
        if (!this.translateStage2(stage2, pa, READS_DESCRIPTOR, FaultClass.TABLE)) return false;
        pa = this.stage2.outputAddress;
      }
      status = this.#read(walk, pa, stage2);
      if (this.faultStage === 2) return false;
    }
    this.#trace?.end(walk);
    if (status === WalkStatus.LEAF) return true;
    this.fault = walk.fault;
    this.faultStage = 1;
    this.faultLevel = walk.level;
    this.faultClass = FaultClass.INPUT;
    return false;
  }

  /** Reads the descriptor at `pa`, steps, and writes back what hardware management of the descriptor asks for. */
  #read(walk: StageWalk, pa: number, stage2: StageRegime | null = null): WalkStatus {
    const memory = this.#memory;
    const bytes = walk.descriptorBytes;
    for (let updates = 0; ; updates++) {
      this.descriptorReads++;
      // AArch64.FetchDescriptor: an error of the bus is a synchronous external abort on the table walk, at this level.
      if (!memory.read(pa, bytes)) return walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
      const { low, high } = memory;
      const { level, descriptorAddress } = walk;
      const status = walk.step(low, high);
      this.#trace?.descriptor(walk, level, descriptorAddress, pa, low, high, status);
      if (status !== WalkStatus.UPDATE) return status;
      if (updates === MOST_UPDATES) return walk.refuse(FaultKind.EXTERNAL_ABORT, walk.level);
      // AArch64.MemSwapTableDesc: the update needs stage 2's permission to write, and the descriptor may have changed meanwhile.
      if (stage2 !== null) {
        if (!this.translateStage2(stage2, descriptorAddress, UPDATES_DESCRIPTOR, FaultClass.TABLE)) {
          this.faultOnUpdate = true;
          return status;
        }
      }
      if (memory.replace(pa, bytes, low, high, walk.updatedLow, walk.updatedHigh)) return walk.updated();
    }
  }

  #accept(walk: StageWalk): void {
    this.outputAddress = walk.outputAddress;
    this.contiguousShift = Math.min(this.contiguousShift, walk.contiguousShift);
  }

  /** Bits of `Permission` that all stages grant. */
  get permissions(): number {
    return (this.attributes >>> ENTRY.PERMISSIONS_SHIFT) & ENTRY.PERMISSIONS_MASK;
  }

  /** log2 of the bytes around the address that translate alike: the smaller page of the two stages. */
  get pageShift(): number {
    return this.attributes & ENTRY.SHIFT_MASK;
  }

  /** True while a write would have to mark a page dirty first, in either stage. */
  get writableClean(): boolean {
    return (this.attributes & ENTRY.WRITABLE_CLEAN) !== 0;
  }

  /** MAIR byte of the memory, of both stages combined. */
  get memoryAttribute(): number {
    return (this.attributes >>> ENTRY.MEMORY_SHIFT) & ENTRY.MEMORY_MASK;
  }

  /** SH: 0 non-shareable, 2 outer, 3 inner. */
  get shareability(): number {
    return (this.attributes >>> ENTRY.SHAREABILITY_SHIFT) & ENTRY.SHAREABILITY_MASK;
  }
}
