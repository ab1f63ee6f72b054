import { AccessFlag, FaultClass, FaultKind, Outcome, type TranslationRequest } from '../../../emulator/index.ts';
import { bitField, decodeField, encodeField, TWO_32 } from '../../../formats/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import { BANK, FSR, FSYNR0, GR0, GR1, SCR0, SCTLR, SGFSR, SGFSYNR0, TCR } from '../spec/index.ts';
import { StreamFault } from './stream-contexts.ts';

/** Bits of FSR and of sGFSR that are faults, not the state of one. */
const FSR_KINDS = 0x1fe;

/** FSR bit of each kind of fault that a walk ends with. */
const FSR_BITS: Readonly<Record<FaultKind, number>> = {
  [FaultKind.NONE]: 0,
  [FaultKind.TRANSLATION]: FSR.TF.lowMask,
  [FaultKind.ADDRESS_SIZE]: FSR.ASF.lowMask,
  [FaultKind.ACCESS_FLAG]: FSR.AFF.lowMask,
  [FaultKind.PERMISSION]: FSR.PF.lowMask,
  [FaultKind.EXTERNAL_ABORT]: FSR.EF.lowMask,
  [FaultKind.TLB_CONFLICT]: FSR.TLBMCF.lowMask,
};

/** Faults that software can repair, so that the access may wait for it. */
const STALLABLE = FSR.TF.lowMask | FSR.AFF.lowMask | FSR.PF.lowMask | FSR.ASF.lowMask;

const GLOBAL_BITS: Readonly<Record<StreamFault, number>> = {
  [StreamFault.INVALID_CONTEXT]: SGFSR.ICF.lowMask,
  [StreamFault.UNIDENTIFIED]: SGFSR.USF.lowMask,
  [StreamFault.CONFLICT]: SGFSR.SMCF.lowMask,
  [StreamFault.MISSING_BANK]: SGFSR.UCBF.lowMask,
};

/** FSR.FORMAT by whether the tables are AArch64 and, if not, long descriptors. */
const Format = { SHORT: 0, LONG: 1, AARCH64: 2 } as const;

/** Where the fault registers lie. */
export interface FaultRegisters {
  readonly global: RegisterBlock<keyof typeof GR0>;
  readonly attributes: RegisterBlock<keyof typeof GR1>;
  readonly banks: RegisterBlock<keyof typeof BANK>;
}

/** Who is told of interrupts. Lines are level sensitive in hardware; here each recorded fault calls once. */
export interface FaultInterrupts {
  context(bank: number): void;
  global(): void;
}

/**
 * What a refused access leaves in the registers, and how it ends for its master (Arm IHI 0062D, chapter 3). The first fault is kept
 * with its syndrome until software clears it; further ones only set MULTI.
 */
export class FaultRecorder {
  /** Faults by bank, recorded or not, and global ones. */
  readonly contextFaults: Float64Array;
  globalFaults = 0;
  /** Banks that show a fault. */
  readonly outstanding = new Set<number>();
  readonly #registers: FaultRegisters;
  readonly #interrupts: FaultInterrupts;

  constructor(registers: FaultRegisters, interrupts: FaultInterrupts) {
    this.#registers = registers;
    this.#interrupts = interrupts;
    this.contextFaults = new Float64Array(registers.banks.instances);
  }

  /** FSR of a bank has changed. */
  refresh(bank: number): void {
    if ((this.#registers.banks.get(BANK.FSR, bank) & (FSR_KINDS | FSR.SS.lowMask)) !== 0) this.outstanding.add(bank);
    else this.outstanding.delete(bank);
  }

  /** Whether a bank holds back accesses behind a fault that software has not dealt with. */
  blocks(bank: number): boolean {
    return this.outstanding.has(bank) && (this.#registers.banks.get(BANK.SCTLR, bank) & SCTLR.HUPCF.lowMask) === 0;
  }

  /** Whether a bank stalls what faults. */
  stalls(bank: number): boolean {
    const { banks, global } = this.#registers;
    const off = (global.get(GR0.sCR0) & SCR0.STALLD.lowMask) !== 0;
    return !off && (banks.get(BANK.SCTLR, bank) & SCTLR.CFCFG.lowMask) !== 0;
  }

  /** How a refused access of a bank ends that does not stall. */
  termination(bank: number): Outcome {
    const reported = (this.#registers.banks.get(BANK.SCTLR, bank) & SCTLR.CFRE.lowMask) !== 0;
    return reported ? Outcome.ABORTED : Outcome.READ_AS_ZERO;
  }

  /**
   * A translation faulted.
   * @param bank the one whose stage refused
   * @param stage1Bank of a nested translation; else the same
   */
  context(request: TranslationRequest, bank: number, stage1Bank: number, aarch64: boolean): Outcome {
    const { banks, attributes } = this.#registers;
    this.contextFaults[bank] = (this.contextFaults[bank] as number) + 1;
    const kind = FSR_BITS[request.fault];
    const stalls = (kind & STALLABLE) !== 0 && this.stalls(bank);
    const seen = banks.get(BANK.FSR, bank);
    if ((seen & FSR_KINDS) !== 0) {
      banks.set(BANK.FSR, (seen | FSR.MULTI.lowMask) >>> 0, bank);
    } else {
      const long = aarch64 || (banks.get(BANK.TCR, bank) & TCR.EAE.lowMask) !== 0;
      const format = aarch64 ? Format.AARCH64 : long ? Format.LONG : Format.SHORT;
      const state = kind | encodeField(FSR.FORMAT, format).low | (stalls ? FSR.SS.lowMask : 0);
      banks.set(BANK.FSR, state >>> 0, bank);
      banks.set(BANK.FSYNR0, syndrome(request, bank, stage1Bank), bank);
      banks.set(BANK.FSYNR1, 0, bank);
      this.#setAddress(request, bank);
      if (request.faultStage === 2) banks.set(BANK.IPAFAR, request.faultIpa, bank);
      attributes.set(GR1.CBFRSYNRA, request.streamId & 0xffff, bank);
    }
    this.refresh(bank);
    if ((banks.get(BANK.SCTLR, bank) & SCTLR.CFIE.lowMask) !== 0) this.#interrupts.context(bank);
    return stalls ? Outcome.STALLED : this.termination(bank);
  }

  /** A stream has no context. */
  stream(request: TranslationRequest, fault: StreamFault): Outcome {
    const { global } = this.#registers;
    const control = global.get(GR0.sCR0);
    this.globalFaults++;
    const seen = global.get(GR0.sGFSR);
    if (seen !== 0) global.set(GR0.sGFSR, (seen | SGFSR.MULTI.lowMask) >>> 0);
    else {
      global.set(GR0.sGFSR, GLOBAL_BITS[fault]);
      global.set(GR0.sGFAR, request.iova);
      global.set(GR0.sGFSYNR0, globalSyndrome(request.flags));
      global.set(GR0.sGFSYNR1, request.streamId & 0xffff);
      global.set(GR0.sGFSYNR2, 0);
    }
    if ((control & SCR0.GCFGFIE.lowMask) !== 0) this.#interrupts.global();
    return (control & SCR0.GCFGFRE.lowMask) !== 0 ? Outcome.ABORTED : Outcome.READ_AS_ZERO;
  }

  /** FAR, with ones above an address of the upper half. */
  #setAddress({ iova, flags }: TranslationRequest, bank: number): void {
    const { banks } = this.#registers;
    if ((flags & AccessFlag.UPPER) === 0) {
      banks.set(BANK.FAR, iova, bank);
      return;
    }
    const bits = 64 - decodeField(TCR.T1SZ, banks.get(BANK.TCR, bank), 0);
    // A number cannot hold all 64 bits: the halves are set apart.
    banks.setField(BANK.FAR, LOW_HALF, iova % TWO_32, bank);
    banks.setField(BANK.FAR, HIGH_HALF, TWO_32 - 2 ** (bits - 32) + Math.floor(iova / TWO_32), bank);
  }
}

const LOW_HALF = bitField(0, 32, 'Bits 31:0');
const HIGH_HALF = bitField(32, 32, 'Bits 63:32');

function syndrome(request: TranslationRequest, bank: number, stage1Bank: number): number {
  const { flags, faultLevel, faultStage, faultClass, fault } = request;
  const write = (flags & AccessFlag.WRITE) !== 0;
  let value = encodeField(FSYNR0.PLVL, faultLevel).low;
  if (write) value |= FSYNR0.WNR.lowMask;
  if ((flags & AccessFlag.PRIVILEGED) !== 0) value |= FSYNR0.PNU.lowMask;
  if (!write && (flags & AccessFlag.EXECUTE) !== 0) value |= FSYNR0.IND.lowMask;
  const onWalk = faultStage === 2 && faultClass === FaultClass.TABLE;
  if (onWalk || fault === FaultKind.EXTERNAL_ABORT) value |= FSYNR0.PTWF.lowMask;
  if (bank !== stage1Bank) value |= encodeField(FSYNR0.S1CBNDX, stage1Bank).low;
  return value >>> 0;
}

function globalSyndrome(flags: number): number {
  const write = (flags & AccessFlag.WRITE) !== 0;
  let value = SGFSYNR0.NSSTATE.lowMask | SGFSYNR0.NSATTR.lowMask;
  if (write) value |= SGFSYNR0.WNR.lowMask;
  if ((flags & AccessFlag.PRIVILEGED) !== 0) value |= SGFSYNR0.PNU.lowMask;
  if (!write && (flags & AccessFlag.EXECUTE) !== 0) value |= SGFSYNR0.IND.lowMask;
  return value;
}
