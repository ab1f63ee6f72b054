import type { StageRegime, TableRoot } from '../regime/index.ts';
import { decodeLpae } from './decode-lpae.ts';
import { decodeMali } from './decode-mali.ts';
import { decodeShort } from './decode-short.ts';
import { FaultKind } from './fault.ts';
import { permissionTable } from './permission-tables.ts';
import { WalkState, WalkStatus } from './walk-state.ts';

/**
 * One stage of one translation table walk, as a machine that never touches memory: it says which descriptor it wants, is given it,
 * and says what comes next. A functional walker, a timed engine and an engine with many walks in flight drive the same machine and
 * do between its steps what they like: wait, look into walk caches, translate `descriptorAddress` through a stage 2.
 *
 *     let status = walk.begin(regime, iova, false, Permission.READ);
 *     while (status === WalkStatus.READ) status = walk.step(low, high);   // the descriptor at walk.descriptorAddress
 *     if (status === WalkStatus.UPDATE) ...                               // write walk.updatedLow/High back, then it is a leaf
 *     if (status === WalkStatus.LEAF) ... walk.outputAddress ...
 *
 * The steps are those of AArch64.S1Walk / AArch64.S2Walk and of AArch64.S1Translate / AArch64.S2Translate behind the walk
 * (Arm ARM DDI 0487, "aarch64/translation/walk" and "aarch64/translation/vmsa_translation"; D8.2 for the levels), and
 * AArch32.TranslationTableWalkSD for short descriptors (G5.4). It shares only descriptor layouts with the software that edits tables.
 *
 * Not modelled: FEAT_LPA2 (52-bit addresses with 4K and 16K granules), FEAT_S1PIE/S2PIE, realm and root address spaces.
 */
export class StageWalk extends WalkState {
  #boundRoot: TableRoot | null = null;
  #rootLow = 0;
  #rootHigh = 0;
  #inputLimit = 0;
  #sane = false;

  /**
   * Starts a walk: chooses the table, checks the input size and the table base.
   *
   * @param inputAddress the address to translate; for the upper half its low `inputBits` bits
   * @param upper true for the half of TTBR1
   * @param access bits of `Permission` that the access needs; 0 checks none
   */
  begin(regime: StageRegime, inputAddress: number, upper = false, access = 0): WalkStatus {
    this.inputAddress = inputAddress;
    return this.beginPrepared(regime, upper, access);
  }

  /** As {@link begin}, for an engine that has put the address into `inputAddress` itself: as an argument it may be boxed. */
  beginPrepared(regime: StageRegime, upper: boolean, access: number): WalkStatus {
    return this.check(regime, upper, access) === WalkStatus.FAULT ? WalkStatus.FAULT : this.requestRoot();
  }

  /** All of `begin` but the request for the first descriptor, for an engine that looks into walk caches before. */
  check(regime: StageRegime, upper: boolean, access: number): WalkStatus {
    const { inputAddress } = this;
    const root = upper ? regime.root1 : regime.root0;
    this.upper = upper;
    this.access = access;
    this.hierarchical = 0;
    this.fault = FaultKind.NONE;
    if (root === null) {
      // AArch64.S1Walk: walks of this half are disabled (EPDx). Short descriptors have no level 0: theirs is a level-1 fault.
      this.regime = regime;
      this.#boundRoot = null;
      return this.refuse(FaultKind.TRANSLATION, regime.family === 'short' ? 1 : 0);
    }
    if (root !== this.#boundRoot || regime !== this.regime) this.#bind(regime, root);
    // AArch64.VAIsOutOfRange / IPAIsOutOfRange (D8.2.1): reported as a translation fault at level 0.
    if (inputAddress >= this.#inputLimit || inputAddress < 0 || !this.#sane) {
      return this.refuse(FaultKind.TRANSLATION, 0);
    }
    this.inputLow = inputAddress | 0;
    this.inputHigh = (inputAddress / 2 ** 32) | 0;
    // AArch64.OAOutOfRange of the table base: an address size fault at level 0.
    if ((this.#rootHigh & this.outputHighMask) !== 0) return this.refuse(FaultKind.ADDRESS_SIZE, 0);
    return WalkStatus.READ;
  }

  /** Asks for the first descriptor. */
  requestRoot(): WalkStatus {
    return this.request(this.startLevel, this.#rootHigh, this.#rootLow);
  }

  /** Begins again at the first table, whatever `resume` or steps have come to. */
  restart(): WalkStatus {
    this.hierarchical = 0;
    return this.requestRoot();
  }

  /**
   * Continues from a walk-cache hit, after `begin`: the next descriptor is read at `level` in the table at `tableBase`.
   *
   * @param hierarchical the value that `hierarchical` had when the entry was made
   */
  resume(level: number, tableBase: number, hierarchical: number): WalkStatus {
    this.hierarchical = hierarchical;
    return this.request(level, (tableBase / 2 ** 32) | 0, tableBase | 0);
  }

  /** Consumes the descriptor at `descriptorAddress`; `high` is 0 for short descriptors. */
  step(low: number, high: number): WalkStatus {
    const regime = this.regime;
    if (regime === null) return this.status;
    // Signed halves from here on: an engine passes them as small integers, where an unsigned one may have to be boxed.
    if (regime.family === 'lpae') return decodeLpae(this, regime, low | 0, high | 0);
    if (regime.family === 'mali') return decodeMali(this, regime, low | 0, high | 0);
    return decodeShort(this, regime, low | 0);
  }

  /** After UPDATE, once the descriptor has been replaced: the walk is done. */
  updated(): WalkStatus {
    this.status = WalkStatus.LEAF;
    return this.status;
  }

  /** Forgets the regime and all results. */
  reset(): void {
    this.regime = null;
    this.#boundRoot = null;
    this.status = WalkStatus.IDLE;
    this.fault = FaultKind.NONE;
  }

  /** Regimes are immutable, so what follows from one is computed when it first shows up. */
  #bind(regime: StageRegime, root: TableRoot): void {
    this.regime = regime;
    this.#boundRoot = root;
    this.granuleShift = root.granuleShift;
    this.startLevel = root.startLevel;
    this.hierarchicalMask = regime.stage === 2 ? 0 : root.ignoreHierarchicalPermissions ? 16 : 31;
    this.permissionTable = permissionTable(regime);
    this.#inputLimit = 2 ** root.inputBits;
    const short = regime.family === 'short';
    this.descriptorBytes = short ? 4 : 8;
    const indexBits = root.inputBits - this.entryShift(root.startLevel);
    const stride = short ? 12 : root.granuleShift - 3;
    // D8.2: the first table holds at least 2 and at most a granule of entries; at stage 2 up to 16 of those side by side.
    // Mali walks four levels however few bits go in.
    const fewest = short ? 5 : regime.family === 'mali' ? Number.NEGATIVE_INFINITY : 1;
    this.#sane = indexBits >= fewest && indexBits <= stride + (regime.stage === 2 ? 4 : 0);
    // AArch64.TTBaseAddress: bits below the table's size are treated as zero.
    const tableBytes = this.descriptorBytes * 2 ** Math.max(indexBits, 0);
    const base = root.base - (root.base % tableBytes);
    this.#rootLow = base | 0;
    this.#rootHigh = (base / 2 ** 32) | 0;
    // AArch64.PhysicalAddressSize: without LPA2 only the 64K granule can express more than 48 bits.
    const outputBits = root.granuleShift === 16 ? regime.outputBits : Math.min(regime.outputBits, 48);
    this.outputHighMask = outputBits >= 52 ? 0 : 0xfffff & ~(2 ** Math.max(outputBits - 32, 0) - 1);
    // D8.3.1: blocks at levels 1 and 2 (4K), 2 (16K), 2 and with 52-bit addresses 1 (64K).
    this.firstBlockLevel = root.granuleShift === 12 || (root.granuleShift === 16 && regime.outputBits >= 52) ? 1 : 2;
  }
}
