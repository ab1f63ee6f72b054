import { Permission, type StageRegime } from '../regime/index.ts';
import { FaultKind } from './fault.ts';

/** What a walk wants next. */
export const WalkStatus = {
  /** No walk has begun. */
  IDLE: 0,
  /** Read `descriptorBytes` bytes at `descriptorAddress` and call `step`. */
  READ: 1,
  /** Done: the output fields hold the translation. */
  LEAF: 2,
  /**
   * As LEAF, but first the descriptor at `descriptorAddress` must be replaced atomically by `updatedLow`, `updatedHigh` (access flag,
   * dirty state). When it has changed meanwhile, call `step` again with what is there now.
   */
  UPDATE: 3,
  /** Refused: `fault` and `level` say why. */
  FAULT: 4,
} as const;

export type WalkStatus = (typeof WalkStatus)[keyof typeof WalkStatus];

/** Of a walk that has no regime yet. */
const NO_PERMISSIONS = new Uint8Array(0);

const ANY_WRITE = Permission.WRITE | Permission.PRIVILEGED_WRITE;

/**
 * The state of one stage's walk: what was asked, where it stands and what came out, with the moves that every descriptor family
 * makes. `StageWalk` drives it and a decoder per family fills it in; others only read the fields, which are numbers or booleans.
 */
export class WalkState {
  // What was asked.
  regime: StageRegime | null = null;
  inputAddress = 0;
  /** True: the address is in the upper half (TTBR1), given as its low `inputBits` bits. */
  upper = false;
  /** Permission bits that the access needs; 0 asks for the translation whatever it permits. */
  access = 0;

  // Where the walk stands.
  status: WalkStatus = WalkStatus.IDLE;
  /** Level of the descriptor that was, or is to be, read. Of a fault: the level it is reported with. */
  level = 0;
  /** Base of the table that holds the descriptor: an IPA when a stage 2 translates this stage's tables, else a PA. */
  tableBase = 0;
  /** Address of the descriptor to read, in the same address space as `tableBase`. */
  descriptorAddress = 0;
  /** 8, or 4 for short descriptors. */
  descriptorBytes = 8;
  /**
   * Bits 63:59 of every table descriptor so far, or-ed together: PXNTable 1, XNTable 2, APTable[0] 4, APTable[1] 8, NSTable 16.
   * A walk cache keeps it with `tableBase` and hands it to `resume`.
   */
  hierarchical = 0;

  // What came out (LEAF and UPDATE).
  /** The translation of `inputAddress`. */
  outputAddress = 0;
  /** log2 of the bytes that the leaf maps. */
  pageShift = 0;
  /** log2 of the bytes of the contiguous run that the leaf belongs to; `pageShift` without the hint. */
  contiguousShift = 0;
  /** Bits of `Permission` that the leaf and the tables above it grant. */
  permissions = 0;
  /**
   * Stage 1 and Mali: AttrIndx. Stage 2: MemAttr[3:0]. Short descriptors: TEX[2:0], C, B as one number, whose low
   * three bits index PRRR and NMRR.
   */
  attributeIndex = 0;
  /** Stage 1: the MAIR byte that `attributeIndex` selects; 0 where the regime has none. Stage 2: what MemAttr means, in the same form. */
  memoryAttribute = 0;
  /** 0 non-shareable, 2 outer, 3 inner (SH[1:0]). Short descriptors: 2 with the S bit, else 0. */
  shareability = 0;
  /** NS of the leaf, or NSTable of a table above it. */
  nonSecure = false;
  /** nG: the entry belongs to one ASID. */
  notGlobal = false;
  /** AF as read, before any update. */
  accessFlag = false;
  /** DBM: hardware may make the page writable-dirty. */
  dirtyModifier = false;
  /** Writable, but not marked dirty yet: a TLB entry made from it must not serve a write, which has to walk again. */
  writableClean = false;
  /** The descriptor to write back (UPDATE). */
  updatedLow = 0;
  updatedHigh = 0;

  /** Why it was refused (FAULT). */
  fault: FaultKind = FaultKind.NONE;

  // Derived once per regime and half; see `bind`. The decoders read them.
  /** The halves of `inputAddress`; the low one as a signed integer, which an engine stores without boxing. */
  inputLow = 0;
  inputHigh = 0;
  granuleShift = 12;
  startLevel = 0;
  /** Which bits of `hierarchical` count: none at stage 2, NSTable alone with HPD. */
  hierarchicalMask = 31;
  /** What permission bits grant under this regime; see permission-tables.ts. */
  permissionTable: Uint8Array = NO_PERMISSIONS;
  /** Bits of an address's high half that the configured output size forbids. */
  outputHighMask = 0;
  /** Lowest level number at which a block is allowed; above it the encoding is reserved. */
  firstBlockLevel = 1;

  /** log2 of the bytes that one entry of a table at `level` covers, under the regime of the last `begin`. */
  entryShift(level: number): number {
    if (this.descriptorBytes === 4) return level === 1 ? 20 : 12;
    return this.granuleShift + (3 - level) * (this.granuleShift - 3);
  }

  /** For the decoders: the walk ends in a fault. */
  refuse(fault: FaultKind, level: number): WalkStatus {
    this.fault = fault;
    this.level = level;
    this.status = WalkStatus.FAULT;
    return WalkStatus.FAULT;
  }

  /**
   * Asks for the descriptor of the input address at `level` in the table that starts at address `high` * 2^32 + `low`. Two integers,
   * because an engine that does not inline this call would box a double.
   */
  request(level: number, high: number, low: number): WalkStatus {
    this.level = level;
    this.tableBase = high * 2 ** 32 + (low >>> 0);
    let offset: number;
    if (this.descriptorBytes === 4) {
      offset = (level === 1 ? this.inputLow >>> 20 : (this.inputLow >>> 12) & 0xff) << 2;
    } else {
      const shift = this.granuleShift + (3 - level) * (this.granuleShift - 3);
      // Input bits from `shift` up as an integer. Below the first level only one stride of them selects an entry.
      let index =
        shift >= 32 ? this.inputHigh >>> (shift - 32) : (this.inputHigh << (32 - shift)) | (this.inputLow >>> shift);
      if (level !== this.startLevel) index &= (1 << (this.granuleShift - 3)) - 1;
      offset = index << 3;
    }
    this.descriptorAddress = this.tableBase + offset;
    this.status = WalkStatus.READ;
    return WalkStatus.READ;
  }

  /**
   * Joins a leaf's base and the input's offset into `outputAddress`.
   *
   * @param shift log2 of the leaf's size
   * @param low the base's low half; bits below `shift` are ignored
   * @param addressHigh address bits 51:32
   */
  setOutput(shift: number, low: number, addressHigh: number): void {
    this.pageShift = shift;
    if (shift < 32) {
      const below = ~(-1 << shift);
      this.outputAddress = addressHigh * 2 ** 32 + (((low & ~below) | (this.inputLow & below)) >>> 0);
    } else {
      const below = (1 << (shift - 32)) - 1;
      this.outputAddress = ((addressHigh & ~below) | (this.inputHigh & below)) * 2 ** 32 + (this.inputLow >>> 0);
    }
  }

  /**
   * The checks behind the walk, in the manual's order (AArch64.S1Translate): access flag, permission, then what hardware writes back.
   *
   * @param dirtied the low half with the page marked dirty, for a walk whose `writableClean` is set
   * @param accessFlagBit the low half's access flag, 0 where hardware cannot set one
   */
  finishLeaf(regime: StageRegime, low: number, high: number, dirtied: number, accessFlagBit: number): WalkStatus {
    // Nearly every leaf: accessed, permitted, nothing to write back.
    if (this.accessFlag === true && this.writableClean !== true && (this.access & ~this.permissions) === 0) {
      this.status = WalkStatus.LEAF;
      return WalkStatus.LEAF;
    }
    const setsAccessFlag = !this.accessFlag && regime.hardwareAccessFlag && accessFlagBit !== 0;
    if (!this.accessFlag && !setsAccessFlag && regime.accessFlagFaults) {
      return this.refuse(FaultKind.ACCESS_FLAG, this.level);
    }
    const access = this.access;
    if ((access & ~this.permissions) !== 0) return this.refuse(FaultKind.PERMISSION, this.level);
    if (setsAccessFlag || this.writableClean) {
      let updated = low;
      if (this.writableClean && (access & ANY_WRITE) !== 0) {
        updated = dirtied;
        this.writableClean = false;
      }
      if (setsAccessFlag) updated |= accessFlagBit;
      if (updated !== low) {
        this.updatedLow = updated >>> 0;
        this.updatedHigh = high >>> 0;
        this.status = WalkStatus.UPDATE;
        return WalkStatus.UPDATE;
      }
    }
    this.status = WalkStatus.LEAF;
    return WalkStatus.LEAF;
  }
}
