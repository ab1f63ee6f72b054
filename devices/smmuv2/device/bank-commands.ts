import { ANY } from '../../../emulator/index.ts';
import { decodeField, TWO_32 } from '../../../formats/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import { BANK, TCR } from '../spec/index.ts';
import type { StreamContexts } from './stream-contexts.ts';
import type { TlbCommands } from './tlb-commands.ts';
import type { TranslationOperations } from './translation-operations.ts';

/** What the command registers of a context bank mean to it: the address in its format, its ASID and VMID. */
export class BankCommands {
  readonly maintenance: TlbCommands;
  readonly operations: TranslationOperations;
  readonly #banks: RegisterBlock<keyof typeof BANK>;
  readonly #contexts: StreamContexts;

  constructor(parts: {
    banks: RegisterBlock<keyof typeof BANK>;
    contexts: StreamContexts;
    maintenance: TlbCommands;
    operations: TranslationOperations;
  }) {
    this.#banks = parts.banks;
    this.#contexts = parts.contexts;
    this.maintenance = parts.maintenance;
    this.operations = parts.operations;
  }

  /** TLBIVA, TLBIVAL; and for every ASID TLBIVAA, TLBIVAAL. */
  address(now: number, bank: number, low: number, high: number, anyAsid: boolean, leafOnly: boolean): void {
    const vmid = this.#vmid(bank);
    if (this.#contexts.isAarch64(bank)) {
      const meaning = { asid: anyAsid ? ANY : high >>> 16, vmid, upperBits: this.#upperBits(bank) };
      this.maintenance.address(now, low, high, meaning, leafOnly);
    } else {
      this.maintenance.address(now, low >>> 12, 0, { asid: anyAsid ? ANY : low & 0xff, vmid, upperBits: 0 }, leafOnly);
    }
  }

  /** TLBIIPAS2, TLBIIPAS2L. */
  intermediate(now: number, bank: number, low: number, high: number, leafOnly: boolean): void {
    this.maintenance.intermediate(now, low, high, this.#vmid(bank), leafOnly);
  }

  /** TLBIASID. */
  asid(now: number, bank: number, value: number): void {
    this.maintenance.asid(now, value & (this.#contexts.isAarch64(bank) ? 0xffff : 0xff), this.#vmid(bank));
  }

  /** TLBIALL. */
  all(now: number, bank: number): void {
    this.maintenance.vmid(now, this.#vmid(bank), this.#contexts.isStage2(bank));
  }

  /** ATS1PR and its siblings. @param access bits of `Permission` */
  translate(now: number, bank: number, low: number, high: number, access: number): void {
    const bits = this.#contexts.isAarch64(bank) ? this.#upperBits(bank) : 0;
    const upper = bits > 0 && high >>> 31 === 1;
    const address = (high % 2 ** 20) * TWO_32 + (low - (low % 4096));
    this.operations.begin(bank, upper ? address % 2 ** bits : address, upper, access, now);
  }

  /** VMID of a bank's TLB entries. */
  #vmid(bank: number): number {
    const stage2 = this.#contexts.stage2Bank(bank);
    return this.#contexts.vmid(stage2 < this.#banks.instances ? stage2 : bank);
  }

  /** Input bits of a bank's upper half; 0 where it has none. */
  #upperBits(bank: number): number {
    const tcr = this.#banks.get(BANK.TCR, bank);
    return (tcr & TCR.EPD1.lowMask) !== 0 ? 0 : 64 - decodeField(TCR.T1SZ, tcr, 0);
  }
}
