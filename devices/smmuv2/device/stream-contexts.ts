import {
  type ContextFetch,
  type ContextSource,
  type RegisterContexts,
  RegisterFetch,
  type StageRegime,
  type TranslationRegime,
} from '../../../emulator/index.ts';
import { decodeField, TWO_32 } from '../../../formats/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import { BANK, BankType, CBA2R, CBAR, GR1, S2CR, SCTLR, STREAM_GROUP, StreamType, TCR, TTBR } from '../spec/index.ts';
import { type BankValues, stage1Of, stage2Of } from './bank-regime.ts';
import { NoGroup, type StreamMatcher } from './stream-matcher.ts';

/** Why a stream has no context: `contextFault` of a request. Each is a bit of sGFSR. */
export const StreamFault = {
  /** The group says fault, or its bank cannot be what it says. */
  INVALID_CONTEXT: 1,
  UNIDENTIFIED: 2,
  CONFLICT: 3,
  /** The group names a bank that is not there. */
  MISSING_BANK: 4,
} as const;
export type StreamFault = (typeof StreamFault)[keyof typeof StreamFault];

/** What passes untranslated. */
const BYPASS: TranslationRegime = { stage1: null, stage2: null, asid: 0, vmid: 0 };

/** Bank of a stream that uses none. */
export const NO_BANK = -1;

/** What a stream came to. */
interface StreamContext {
  readonly regime: TranslationRegime | null;
  readonly fault: StreamFault | 0;
  /** Bank of the stage 1, or of a stage 2 alone. */
  readonly bank: number;
}

const PASSES: StreamContext = { regime: BYPASS, fault: 0, bank: NO_BANK };

/** What the identification registers allow. */
export interface ContextLimits {
  readonly stage2Banks: number;
  readonly ipaBits: number;
  readonly paBits: number;
}

/**
 * From a stream id to its translation regime: group, bank, and for nested translation the bank of the stage 2 (Arm IHI 0062D, chapter
 * 2). All of it lies in registers, so that a lookup takes no memory access; what comes out is kept until a register changes.
 */
export class StreamContexts implements ContextSource, RegisterContexts {
  /** Streams that no group matches fault (sCR0.USFCFG), and so do those that several match (sCR0.SMCFCFG). */
  faultsUnidentified = false;
  faultsConflicts = false;
  /** VMIDs come from CBA2R (sCR0.VMID16EN). */
  wideVmids = false;
  readonly #matcher: StreamMatcher;
  readonly #banks: RegisterBlock<keyof typeof BANK>;
  readonly #attributes: RegisterBlock<keyof typeof GR1>;
  readonly #limits: ContextLimits;
  readonly #known = new Map<number, StreamContext>();

  constructor(parts: {
    matcher: StreamMatcher;
    banks: RegisterBlock<keyof typeof BANK>;
    attributes: RegisterBlock<keyof typeof GR1>;
    limits: ContextLimits;
  }) {
    this.#matcher = parts.matcher;
    this.#banks = parts.banks;
    this.#attributes = parts.attributes;
    this.#limits = parts.limits;
  }

  /** Forgets what streams came to. */
  forgetAll(): void {
    this.#known.clear();
  }

  /** Forgets the streams of a bank, one by one, also those of its stage 2. @param forgotten told of each */
  forgetBank(bank: number, forgotten: (streamId: number) => void): void {
    for (const [streamId, context] of this.#known) {
      if (context.bank !== bank && (context.bank < 0 || this.stage2Bank(context.bank) !== bank)) continue;
      this.#known.delete(streamId);
      forgotten(streamId);
    }
  }

  /** What a stream comes to. */
  context(streamId: number): StreamContext {
    let context = this.#known.get(streamId);
    if (context === undefined) {
      context = this.#resolve(streamId);
      this.#known.set(streamId, context);
    }
    return context;
  }

  /** Bank of the stage 2 of a bank: another one where it nests, else itself. */
  stage2Bank(bank: number): number {
    const cbar = this.#attributes.get(GR1.CBAR, bank);
    return decodeField(CBAR.TYPE, cbar, 0) === BankType.NESTED ? decodeField(CBAR.CBNDX, cbar, 0) : bank;
  }

  /** VMID of the TLB entries of a bank. */
  vmid(bank: number): number {
    return this.wideVmids
      ? decodeField(CBA2R.VMID16, this.#attributes.get(GR1.CBA2R, bank), 0)
      : decodeField(CBAR.VMID, this.#attributes.get(GR1.CBAR, bank), 0);
  }

  isAarch64(bank: number): boolean {
    return (this.#attributes.get(GR1.CBA2R, bank) & CBA2R.VA64.lowMask) !== 0;
  }

  /** Whether a bank does stage 2 alone. */
  isStage2(bank: number): boolean {
    const type = decodeField(CBAR.TYPE, this.#attributes.get(GR1.CBAR, bank), 0);
    return bank < this.#limits.stage2Banks || type === BankType.STAGE_2;
  }

  /** Regime of a bank; null where it is none. */
  regime(bank: number): TranslationRegime | null {
    if (this.isStage2(bank)) {
      const stage2 = this.#stage2(bank);
      return stage2 === null ? BYPASS : { stage1: null, stage2, asid: 0, vmid: this.vmid(bank) };
    }
    const type = decodeField(CBAR.TYPE, this.#attributes.get(GR1.CBAR, bank), 0);
    if (type === BankType.STAGE_1_STAGE_2_FAULT) return null;
    const values = this.#values(bank);
    const stage1 = isOn(values) ? stage1Of(values, this.#limits.ipaBits) : null;
    let stage2: StageRegime | null = null;
    let tagBank = bank;
    if (type === BankType.NESTED) {
      tagBank = this.stage2Bank(bank);
      if (tagBank >= this.#banks.instances || !this.isStage2(tagBank)) return null;
      stage2 = this.#stage2(tagBank);
    }
    if (stage1 === null && stage2 === null) return BYPASS;
    return { stage1, stage2, asid: stage1 === null ? 0 : values.tag, vmid: this.vmid(tagBank) };
  }

  contextOf(streamId: number): TranslationRegime | null {
    return this.context(streamId).regime;
  }

  contextFaultOf(streamId: number): number {
    return this.context(streamId).fault;
  }

  newFetch(): ContextFetch {
    return new RegisterFetch(this);
  }

  #resolve(streamId: number): StreamContext {
    const group = this.#matcher.find(streamId, !this.faultsConflicts);
    if (group === NoGroup.UNIDENTIFIED) return this.faultsUnidentified ? refused(StreamFault.UNIDENTIFIED) : PASSES;
    if (group === NoGroup.CONFLICT) return refused(StreamFault.CONFLICT);
    const target = this.#matcher.groups.get(STREAM_GROUP.S2CR, group);
    switch (decodeField(S2CR.TYPE, target, 0)) {
      case StreamType.BYPASS:
        return PASSES;
      case StreamType.TRANSLATION: {
        const bank = decodeField(S2CR.CBNDX, target, 0);
        if (bank >= this.#banks.instances) return refused(StreamFault.MISSING_BANK);
        const regime = this.regime(bank);
        return regime === null ? refused(StreamFault.INVALID_CONTEXT) : { regime, fault: 0, bank };
      }
      default:
        return refused(StreamFault.INVALID_CONTEXT);
    }
  }

  #stage2(bank: number): StageRegime | null {
    const values = this.#values(bank);
    return isOn(values) ? stage2Of(values, this.#limits.paBits) : null;
  }

  #values(bank: number): BankValues {
    const banks = this.#banks;
    const tcr = banks.get(BANK.TCR, bank);
    const stage2 = this.isStage2(bank);
    const asidRegister = (tcr & TCR.A1.lowMask) === 0 ? BANK.TTBR0 : BANK.TTBR1;
    const table = (register: typeof BANK.TTBR0): number =>
      banks.get(register, bank) + (banks.high(register, bank) % 2 ** 16) * TWO_32;
    return {
      aarch64: this.isAarch64(bank),
      sctlr: banks.get(BANK.SCTLR, bank),
      tcr,
      tcr2: banks.get(BANK.TCR2, bank),
      table0: table(BANK.TTBR0),
      table1: table(BANK.TTBR1),
      mair0: banks.get(BANK.MAIR0, bank),
      mair1: banks.get(BANK.MAIR1, bank),
      tag: stage2 ? this.vmid(bank) : banks.field(asidRegister, TTBR.ASID, bank),
    };
  }
}

function isOn({ sctlr }: BankValues): boolean {
  return (sctlr & SCTLR.M.lowMask) !== 0;
}

function refused(fault: StreamFault): StreamContext {
  return { regime: null, fault, bank: NO_BANK };
}
