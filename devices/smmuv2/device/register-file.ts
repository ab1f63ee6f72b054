import { decodeField } from '../../../formats/index.ts';
import { type BlockHooks, RegisterBlock, RegisterSpace } from '../../registers/index.ts';
import { SMMU_MODELS } from '../driver/index.ts';
import { BANK, CBA2R, FSR, GR0, GR1, ID0, ID1, ID2, ID7, RESUME, RegisterPages, SACR, SCR0 } from '../spec/index.ts';
import type { BankCommands } from './bank-commands.ts';
import type { SmmuHardware } from './hardware.ts';
import { StreamMatcher } from './stream-matcher.ts';
import { OPERATION_ACCESS } from './translation-operations.ts';

type BankName = keyof typeof BANK;

/** What register writes do to the rest of the device. */
export interface RegisterEffects {
  /** Cycle of the access. */
  readonly now: number;
  /** sCR0 was written. */
  controlled(): void;
  /** A stream mapping register was written. */
  streamsChanged(): void;
  /** A register was written that says how a bank translates. */
  bankChanged(bank: number): void;
  /** The fault status of a bank was written. */
  faultChanged(bank: number): void;
  /** Accesses wait for RESUME. */
  isStalled(bank: number): boolean;
  resume(bank: number, retry: boolean): void;
}

/** The registers of an SMMUv2: global spaces 0 and 1, stream mapping groups, context banks; and what reads and writes of them do. */
export class RegisterFile {
  readonly pages: RegisterPages;
  /** Streams are matched; else a stream id is the number of its group. */
  readonly matchesStreams: boolean;
  readonly matcher: StreamMatcher;
  readonly global: RegisterBlock<keyof typeof GR0>;
  readonly attributes: RegisterBlock<keyof typeof GR1>;
  readonly banks: RegisterBlock<BankName>;
  readonly space: RegisterSpace;
  /** What command registers begin. The device sets it before anybody can write one. */
  commands: BankCommands | null = null;
  readonly #hardware: SmmuHardware;
  readonly #effects: RegisterEffects;

  constructor(hardware: SmmuHardware, effects: RegisterEffects) {
    this.#hardware = hardware;
    this.#effects = effects;
    const { ID0: id0, ID1: id1 } = hardware;
    const pages = new RegisterPages(id1);
    this.pages = pages;
    this.matchesStreams = decodeField(ID0.SMS, id0, 0) !== 0;
    const groups = this.matchesStreams ? decodeField(ID0.NUMSMRG, id0, 0) : 2 ** decodeField(ID0.NUMSIDB, id0, 0);
    const count = decodeField(ID1.NUMCB, id1, 0);
    this.matcher = new StreamMatcher(groups, this.matchesStreams, hardware.matchBits, () => effects.streamsChanged());
    this.global = new RegisterBlock(GR0, this.#globalHooks());
    this.attributes = new RegisterBlock(GR1, this.#attributeHooks(), count);
    this.banks = new RegisterBlock(BANK, this.#bankHooks(), count);
    const each = (instances: number, base: (index: number) => number): number[] =>
      Array.from({ length: instances }, (_, index) => base(index));
    const groupBases = each(groups, (group) => 4 * group);
    const attributeBases = each(count, (bank) => pages.global1 + 4 * bank);
    const bankBases = each(count, (bank) => pages.bank(bank));
    this.space = new RegisterSpace()
      .place(this.global)
      .place(this.matcher.groups, groupBases)
      .place(this.attributes, attributeBases)
      .place(this.banks, bankBases);
  }

  /** Gives every register its reset value. */
  reset(): void {
    for (const block of [this.global, this.matcher.groups, this.attributes, this.banks]) block.reset();
  }

  #globalHooks(): BlockHooks<keyof typeof GR0> {
    const hardware = this.#hardware;
    const effects = this.#effects;
    const wideIds = decodeField(ID0.EXIDS, hardware.ID0, 0) !== 0;
    const wideVmids = decodeField(ID2.VMID16, hardware.ID2, 0) !== 0;
    const missing = (wideIds ? 0 : SCR0.EXIDENABLE.lowMask) | (wideVmids ? 0 : SCR0.VMID16EN.lowMask);
    return {
      ID0: { reset: () => hardware.ID0 },
      ID1: { reset: () => hardware.ID1 },
      ID2: { reset: () => hardware.ID2 },
      ID7: { reset: () => hardware.ID7 },
      sACR: { reset: () => hardware.sACR },
      sCR0: {
        reset: () => hardware.sCR0,
        write: (value) => (value & ~missing) >>> 0,
        written: () => effects.controlled(),
      },
      sGFSRRESTORE: { written: () => this.global.set(GR0.sGFSR, this.global.get(GR0.sGFSRRESTORE)) },
      TLBIVMID: {
        written: () => this.commands?.maintenance.vmid(effects.now, this.#vmidOf(this.global.get(GR0.TLBIVMID)), true),
      },
      TLBIALLNSNH: { written: () => this.commands?.maintenance.all(effects.now) },
      sTLBGSYNC: { written: () => this.commands?.maintenance.syncGlobal(effects.now) },
      sTLBGSTATUS: { read: () => Number(effects.now < (this.commands?.maintenance.globalSync ?? 0)) },
    };
  }

  #vmidOf(value: number): number {
    return value & ((this.global.get(GR0.sCR0) & SCR0.VMID16EN.lowMask) !== 0 ? 0xffff : 0xff);
  }

  #attributeHooks(): BlockHooks<keyof typeof GR1> {
    const changed = { written: (bank: number) => this.#effects.bankChanged(bank) };
    return { CBAR: changed, CBA2R: { ...changed, write: (value) => this.#format(value) } };
  }

  /** Only an SMMU with AArch64 formats has the bit that chooses them. */
  #format(value: number): number {
    const hardware = this.#hardware;
    const model = SMMU_MODELS[hardware.compatible];
    const granules = ID2.PTFS_4K.lowMask | ID2.PTFS_16K.lowMask | ID2.PTFS_64K.lowMask;
    const aarch64 = model.version === 1 ? model.granule64k : (hardware.ID2 & granules) !== 0;
    return aarch64 ? value : (value & ~CBA2R.VA64.lowMask) >>> 0;
  }

  #bankHooks(): BlockHooks<BankName> {
    const effects = this.#effects;
    const changed = { written: (bank: number) => effects.bankChanged(bank) };
    // A command begins when the lower half is written.
    const command = (begin: (bank: number, low: number, high: number) => void, name: BankName) => ({
      written: (bank: number, half: 0 | 1) => {
        if (half === 1) return;
        const [low, high] = [
          this.banks.get(BANK[name], bank),
          BANK[name].width === 64 ? this.banks.high(BANK[name], bank) : 0,
        ];
        this.banks.set(BANK[name], 0, bank);
        begin(bank, low, high);
      },
    });
    const address = (name: BankName, anyAsid: boolean, leafOnly: boolean) =>
      command((bank, low, high) => this.commands?.address(effects.now, bank, low, high, anyAsid, leafOnly), name);
    const intermediate = (name: BankName, leafOnly: boolean) =>
      command((bank, low, high) => this.commands?.intermediate(effects.now, bank, low, high, leafOnly), name);
    const operation = (name: keyof typeof OPERATION_ACCESS) =>
      command(
        (bank, low, high) => this.commands?.translate(effects.now, bank, low, high, OPERATION_ACCESS[name]),
        name,
      );
    return {
      SCTLR: changed,
      TCR: changed,
      TCR2: changed,
      TTBR0: changed,
      TTBR1: changed,
      MAIR0: changed,
      MAIR1: changed,
      ACTLR: { reset: () => this.#hardware.ACTLR, write: (value) => (this.#actlrIsLocked ? null : value) },
      RESUME: {
        written: (bank) => effects.resume(bank, (this.banks.get(BANK.RESUME, bank) & RESUME.TNR.lowMask) === 0),
      },
      FSR: {
        // Accesses stay stalled until they are told otherwise.
        write: (value, bank) => (effects.isStalled(bank) ? (value | FSR.SS.lowMask) >>> 0 : value),
        written: (bank) => effects.faultChanged(bank),
      },
      FSRRESTORE: {
        written: (bank) => {
          this.banks.set(BANK.FSR, this.banks.get(BANK.FSRRESTORE, bank), bank);
          effects.faultChanged(bank);
        },
      },
      TLBIVA: address('TLBIVA', false, false),
      TLBIVAA: address('TLBIVAA', true, false),
      TLBIVAL: address('TLBIVAL', false, true),
      TLBIVAAL: address('TLBIVAAL', true, true),
      TLBIASID: command((bank, low) => this.commands?.asid(effects.now, bank, low), 'TLBIASID'),
      TLBIALL: command((bank) => this.commands?.all(effects.now, bank), 'TLBIALL'),
      TLBIIPAS2: intermediate('TLBIIPAS2', false),
      TLBIIPAS2L: intermediate('TLBIIPAS2L', true),
      TLBSYNC: { written: (bank) => this.commands?.maintenance.syncBank(effects.now, bank) },
      TLBSTATUS: { read: (bank) => Number(effects.now < (this.commands?.maintenance.bankSync[bank] ?? 0)) },
      ATS1PR: operation('ATS1PR'),
      ATS1PW: operation('ATS1PW'),
      ATS1UR: operation('ATS1UR'),
      ATS1UW: operation('ATS1UW'),
      ATSR: { read: (bank) => Number(effects.now < (this.commands?.operations.doneAt[bank] ?? 0)) },
    };
  }

  get #actlrIsLocked(): boolean {
    const hardware = this.#hardware;
    if (hardware.actlrLocked) return true;
    const locks = SMMU_MODELS[hardware.compatible].mmu500 && decodeField(ID7.MAJOR, hardware.ID7, 0) >= 2;
    return locks && (this.global.get(GR0.sACR) & SACR.CACHE_LOCK.lowMask) !== 0;
  }
}
