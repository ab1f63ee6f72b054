import { encodeField, type StageOneRegisters, type StageTwoRegisters } from '../../../../formats/index.ts';
import type { RegisterPort } from '../../../registers/index.ts';
import { BANK, BankType, CBA2R, CBAR, FSR, GR1, SCTLR, TCR, TCR2, TTBR, VTCR } from '../../spec/index.ts';
import type { Smmuv2Features } from '../features.ts';
import type { SmmuModel } from '../models.ts';

/** What a context bank is to hold. */
export interface BankContents {
  readonly stage: 1 | 2;
  readonly aarch64: boolean;
  /** ASID of a stage 1, VMID of a stage 2. */
  readonly tag: number;
  /** The table is the upper half (TTBR1). */
  readonly upper: boolean;
  /** Interrupt of the bank (SMMUv1). */
  readonly interrupt: number;
  readonly registers: StageOneRegisters | StageTwoRegisters;
}

/** TCR2.SEP: the sign is at the top bit of the upstream bus. */
const SEP_UPSTREAM = 7;
const MEMATTR_WRITE_BACK = 15;
const NON_SHAREABLE = 3;
/** FSR: everything that one write clears (Linux `ARM_SMMU_CB_FSR_FAULT`). */
export const FSR_FAULTS =
  (FSR.TF.lowMask |
    FSR.AFF.lowMask |
    FSR.PF.lowMask |
    FSR.EF.lowMask |
    FSR.TLBMCF.lowMask |
    FSR.TLBLKF.lowMask |
    FSR.ASF.lowMask |
    FSR.UUT.lowMask |
    FSR.SS.lowMask |
    FSR.MULTI.lowMask) >>>
  0;

/** The registers of the context banks, in the order in which Linux writes them (`arm_smmu_write_context_bank`). */
export class ContextBanks {
  readonly #port: RegisterPort;
  readonly #features: Smmuv2Features;
  readonly #sharedInterrupts: boolean;
  readonly #choosesFormats: boolean;
  readonly #stalls: boolean;
  /** Contents by bank; null where translation is off. */
  readonly #contents: (BankContents | null)[];

  /** @param stalls faults stall until they are answered */
  constructor(port: RegisterPort, features: Smmuv2Features, model: SmmuModel, stalls: boolean) {
    this.#port = port;
    this.#features = features;
    this.#sharedInterrupts = model.version === 1;
    this.#stalls = stalls;
    this.#choosesFormats = model.version === 2 || model.granule64k;
    this.#contents = new Array(features.contextBanks).fill(null);
  }

  /** Gives a bank its contents, or none, and writes it. */
  set(bank: number, contents: BankContents | null): void {
    this.#contents[bank] = contents;
    this.#write(bank);
  }

  /** Writes every bank as it stands, and clears the faults that it may show. */
  writeAll(): void {
    for (let bank = 0; bank < this.#contents.length; bank++) {
      this.#write(bank);
      this.#port.write32(this.#features.pages.bank(bank) + BANK.FSR.offset, FSR_FAULTS);
    }
  }

  #write(bank: number): void {
    const port = this.#port;
    const { pages } = this.#features;
    const at = pages.bank(bank);
    const contents = this.#contents[bank] ?? null;
    if (contents === null) {
      port.write32(at + BANK.SCTLR.offset, 0);
      return;
    }
    const stage1 = contents.stage === 1;
    if (this.#choosesFormats) port.write32(pages.global1 + GR1.CBA2R.offset + 4 * bank, this.#format(contents));
    port.write32(pages.global1 + GR1.CBAR.offset + 4 * bank, this.#attributes(contents));
    if (stage1 && this.#choosesFormats) port.write32(at + BANK.TCR2.offset, control2(contents));
    port.write32(at + BANK.TCR.offset, control(contents));
    this.#writeTables(at, contents);
    if (contents.registers.kind === 'stage-1') {
      port.write32(at + BANK.MAIR0.offset, contents.registers.mairLow);
      port.write32(at + BANK.MAIR1.offset, contents.registers.mairHigh);
    }
    let enables = SCTLR.CFIE.lowMask | SCTLR.CFRE.lowMask | SCTLR.AFE.lowMask | SCTLR.TRE.lowMask | SCTLR.M.lowMask;
    if (stage1) enables |= SCTLR.ASIDPNE.lowMask;
    if (this.#stalls) enables |= SCTLR.CFCFG.lowMask;
    port.write32(at + BANK.SCTLR.offset, enables);
  }

  #writeTables(at: number, { registers, tag, upper }: BankContents): void {
    const port = this.#port;
    if (registers.kind === 'stage-2') {
      write64(port, at + BANK.TTBR0.offset, registers.vttbr, 0);
      return;
    }
    // Both registers carry the ASID, also the one without a table.
    const asid = encodeField(TTBR.ASID, tag).high;
    write64(port, at + BANK.TTBR0.offset, upper ? 0 : registers.ttbr, asid);
    write64(port, at + BANK.TTBR1.offset, upper ? registers.ttbr : 0, asid);
  }

  #format({ aarch64, tag }: BankContents): number {
    const format = aarch64 ? CBA2R.VA64.lowMask : 0;
    // Linux keeps ASID and VMID in one place, so that a stage 1 has its ASID here.
    return (this.#features.vmid16 ? format | encodeField(CBA2R.VMID16, tag).low : format) >>> 0;
  }

  #attributes({ stage, tag, interrupt }: BankContents): number {
    let value = encodeField(CBAR.TYPE, stage === 1 ? BankType.STAGE_1_STAGE_2_BYPASS : BankType.STAGE_2).low;
    if (this.#sharedInterrupts) value |= encodeField(CBAR.IRPTNDX, interrupt).low;
    if (stage === 1) {
      value |= encodeField(CBAR.BPSHCFG, NON_SHAREABLE).low | encodeField(CBAR.MEMATTR, MEMATTR_WRITE_BACK).low;
    } else if (!this.#features.vmid16) value |= encodeField(CBAR.VMID, tag).low;
    return value >>> 0;
  }
}

/** TCR2 of a stage 1. */
function control2({ registers, aarch64 }: BankContents): number {
  if (registers.kind !== 'stage-1') return 0;
  const value = encodeField(TCR2.PASIZE, registers.tcr.ips).low | encodeField(TCR2.SEP, SEP_UPSTREAM).low;
  return (aarch64 ? value | TCR2.AS.lowMask : value) >>> 0;
}

function control({ registers, aarch64, upper }: BankContents): number {
  if (registers.kind === 'stage-2') {
    const { ps, tg, sh, orgn, irgn, sl, tsz } = registers.vtcr;
    return (
      (VTCR.RES1.lowMask |
        encodeField(VTCR.PS, ps).low |
        encodeField(VTCR.TG0, tg).low |
        encodeField(VTCR.SH0, sh).low |
        encodeField(VTCR.ORGN0, orgn).low |
        encodeField(VTCR.IRGN0, irgn).low |
        encodeField(VTCR.SL0, sl).low |
        encodeField(VTCR.T0SZ, tsz).low) >>>
      0
    );
  }
  const { tg, sh, orgn, irgn, tsz } = registers.tcr;
  const half =
    encodeField(TCR.TG0, tg).low |
    encodeField(TCR.SH0, sh).low |
    encodeField(TCR.ORGN0, orgn).low |
    encodeField(TCR.IRGN0, irgn).low |
    encodeField(TCR.T0SZ, tsz).low;
  // The fields of the upper half stand sixteen bits above those of the lower one.
  const value = upper ? (half << 16) | TCR.EPD0.lowMask : half | TCR.EPD1.lowMask;
  return (aarch64 ? value : value | TCR.EAE.lowMask) >>> 0;
}

/** Writes an address, with more bits in the upper half. */
function write64(port: RegisterPort, offset: number, address: number, high: number): void {
  port.write64(offset, address >>> 0, (Math.floor(address / 2 ** 32) | high) >>> 0);
}
