import { FaultKind, Permission, Walker, type WalkMemory } from '../../../emulator/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import { BANK, PAR } from '../spec/index.ts';
import type { StreamContexts } from './stream-contexts.ts';

const PAGE = 4096;

/** PAR bit of each fault. */
const PAR_BITS: Readonly<Record<FaultKind, number>> = {
  [FaultKind.NONE]: 0,
  [FaultKind.TRANSLATION]: PAR.TF.lowMask,
  [FaultKind.ADDRESS_SIZE]: PAR.TF.lowMask,
  [FaultKind.ACCESS_FLAG]: PAR.AFF.lowMask,
  [FaultKind.PERMISSION]: PAR.PF.lowMask,
  [FaultKind.EXTERNAL_ABORT]: PAR.EF.lowMask,
  [FaultKind.TLB_CONFLICT]: PAR.TLBMCF.lowMask,
};

/** What an operation asks to be allowed, by its register. */
export const OPERATION_ACCESS = {
  ATS1PR: Permission.PRIVILEGED_READ,
  ATS1PW: Permission.PRIVILEGED_WRITE,
  ATS1UR: Permission.READ,
  ATS1UW: Permission.WRITE,
} as const;

/**
 * Address translation operations (Arm IHI 0062D, section 5.2): software asks a bank where an address goes. The tables are walked as
 * they are now, past the TLBs; a stage 2 below translates the walk, and the result is what stage 1 gives.
 */
export class TranslationOperations {
  /** Cycle at which the operation of each bank is over. */
  readonly doneAt: Float64Array;
  readonly #banks: RegisterBlock<keyof typeof BANK>;
  readonly #contexts: StreamContexts;
  readonly #walker: Walker;
  readonly #readCycles: number;

  /** @param readCycles cycles to read a descriptor */
  constructor(
    banks: RegisterBlock<keyof typeof BANK>,
    contexts: StreamContexts,
    memory: WalkMemory,
    readCycles: number,
  ) {
    this.#banks = banks;
    this.#contexts = contexts;
    this.#walker = new Walker(memory);
    this.#readCycles = readCycles;
    this.doneAt = new Float64Array(banks.instances);
  }

  /**
   * @param iova of the upper half, the low bits
   * @param access bits of `Permission`
   */
  begin(bank: number, iova: number, upper: boolean, access: number, now: number): void {
    const banks = this.#banks;
    const walker = this.#walker;
    banks.set(BANK.PAR, 0, bank);
    const regime = this.#contexts.regime(bank);
    if (regime === null) {
      banks.set(BANK.PAR, PAR.F.lowMask | PAR.TF.lowMask, bank);
      this.doneAt[bank] = now;
      return;
    }
    const done = walker.translate(regime, iova, upper, access);
    // The output of stage 1 counts: what its stage 2 then makes of that is not asked.
    if (done || (walker.faultStage === 2 && walker.faultIpa === walker.intermediateAddress)) {
      banks.setField(BANK.PAR, PAR.PA, Math.floor(walker.intermediateAddress / PAGE), bank);
      banks.setField(BANK.PAR, PAR.SH, walker.stage1.shareability, bank);
      const attribute = regime.stage1?.memoryAttributes[walker.stage1.attributeIndex] ?? 0;
      banks.setField(BANK.PAR, PAR.ATTR, attribute, bank);
    } else {
      banks.set(BANK.PAR, PAR.F.lowMask | PAR_BITS[walker.fault], bank);
      banks.setField(BANK.PAR, PAR.STAGE, walker.faultStage === 2 ? 1 : 0, bank);
    }
    this.doneAt[bank] = now + walker.descriptorReads * this.#readCycles;
  }
}
