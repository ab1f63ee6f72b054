import {
  ANY,
  type MmioDevice,
  Mmu,
  type MmuOptions,
  Outcome,
  type StaleMarks,
  type TranslatingDevice,
  type TranslationRegime,
  TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { decodeField, TWO_32 } from '../../../formats/index.ts';
import type { IommuDevice } from '../../iommu.ts';
import { type BlockHooks, RegisterBlock, type RegisterPort, RegisterSpace } from '../../registers/index.ts';
import { SMMU_MODELS } from '../driver/models.ts';
import {
  ADDRESS_SIZES,
  BANK,
  CBA2R,
  FSR,
  GR0,
  GR1,
  ID0,
  ID1,
  ID2,
  ID7,
  RESUME,
  RegisterPages,
  SACR,
  SCR0,
  TCR,
} from '../spec/index.ts';
import { FaultRecorder } from './faults.ts';
import { checkTiming, FREE_REGISTERS, type RegisterTiming, type SmmuHardware } from './hardware.ts';
import { type ParkedAccess, StalledAccesses } from './stalls.ts';
import { NO_BANK, StreamContexts, type StreamFault } from './stream-contexts.ts';
import { StreamMatcher } from './stream-matcher.ts';
import { type AddressMeaning, TlbCommands } from './tlb-commands.ts';
import { OPERATION_ACCESS, TranslationOperations } from './translation-operations.ts';

type BankName = keyof typeof BANK;

/** Bits of a stream id: larger ones do not reach the SMMU. */
const STREAM_BITS = 0xffff;

/**
 * An SMMUv1, SMMUv2 or MMU-500 as its driver and the masters behind it see it (Arm IHI 0062D, Arm DDI 0517).
 *
 * Does: the Non-secure registers of global spaces 0 and 1 and of the context banks; stream matching and indexing, 15- and 16-bit ids,
 * conflicts; stage 1, stage 2, nested, bypass and fault contexts; AArch64 tables of three granules and AArch32 long descriptors; all
 * TLB maintenance of a Non-secure driver, with syncs that take modelled time; address translation operations; context faults with
 * abort, stall and RESUME, accesses held back behind a fault (HUPCF), global faults; MMU-500's lock of ACTLR; TBUs with micro-TLBs
 * before one macro TLB (the `mmu` options).
 *
 * Does not: the Secure side (SSD, sCR1, NSCR0), short descriptors (a bank in that format faults every access), the upper half of
 * AArch32, broadcast TLB maintenance, EL2 contexts (TLBIALLH drops nothing), performance monitors, MMU-500's prefetch and debug
 * registers, privilege overrides (S2CR.PRIVCFG) and memory attributes of what bypasses. FSR and FSYNR0 have the fields of the manual;
 * FSYNR1 and sGFSYNR2 are implementation defined and read 0.
 */
export class Smmuv2 implements IommuDevice, MmioDevice, RegisterPort {
  readonly hardware: SmmuHardware;
  readonly mmu: Mmu;
  readonly pages: RegisterPages;
  readonly contexts: StreamContexts;
  readonly faults: FaultRecorder;
  readonly stalled = new StalledAccesses();
  readonly maintenance: TlbCommands;
  /** Cycle of the register accesses that follow. Each access and each delay moves it on, as `timing` says. */
  now = 0;
  /** Accesses that were refused or held because of an earlier fault of their bank. */
  heldBack = 0;
  /** A bank has recorded a fault, and its interrupt is on. */
  onContextInterrupt: ((bank: number) => void) | null = null;
  onGlobalInterrupt: (() => void) | null = null;
  /** An access that was parked alone went on: with OK its translation is in `request`. */
  onStallEnd: ((parked: ParkedAccess, outcome: Outcome, request: TranslationRequest) => void) | null = null;
  onResume: TranslatingDevice['onResume'] = null;

  readonly #timing: RegisterTiming;
  readonly #global: RegisterBlock<keyof typeof GR0>;
  readonly #attributes: RegisterBlock<keyof typeof GR1>;
  readonly #banks: RegisterBlock<BankName>;
  readonly #matcher: StreamMatcher;
  readonly #space: RegisterSpace;
  readonly #operations: TranslationOperations;
  readonly #outputLimit: number;
  readonly #again = new TranslationRequest();
  /** Registers were written since contexts were looked up last: all of them may be different, or those of these banks. */
  #allChanged = false;
  readonly #banksChanged = new Set<number>();

  /** @throws ConfigError */
  constructor(parts: { hardware: SmmuHardware; mmu?: MmuOptions; memory: WalkMemory; timing?: RegisterTiming }) {
    const { hardware, memory } = parts;
    this.hardware = hardware;
    this.#timing = checkTiming(parts.timing ?? FREE_REGISTERS);
    this.pages = new RegisterPages(hardware.ID1);
    const matches = this.matchesStreams;
    const groups = matches ? decodeField(ID0.NUMSMRG, hardware.ID0, 0) : 2 ** decodeField(ID0.NUMSIDB, hardware.ID0, 0);
    const count = decodeField(ID1.NUMCB, hardware.ID1, 0);
    this.#matcher = new StreamMatcher(groups, matches, hardware.matchBits, () => {
      this.#allChanged = true;
    });
    this.#attributes = new RegisterBlock(GR1, this.#attributeHooks(), count);
    this.#banks = new RegisterBlock(BANK, this.#bankHooks(), count);
    const bits = (code: number): number => ADDRESS_SIZES[code] ?? 48;
    const paBits = bits(decodeField(ID2.OAS, hardware.ID2, 0));
    this.#outputLimit = 2 ** paBits;
    this.contexts = new StreamContexts({
      matcher: this.#matcher,
      banks: this.#banks,
      attributes: this.#attributes,
      limits: {
        stage2Banks: decodeField(ID1.NUMS2CB, hardware.ID1, 0),
        ipaBits: bits(decodeField(ID2.IAS, hardware.ID2, 0)),
        paBits,
      },
    });
    this.mmu = new Mmu(parts.mmu ?? {}, memory, this.contexts);
    this.maintenance = new TlbCommands(this.mmu, count);
    this.#operations = new TranslationOperations(
      this.#banks,
      this.contexts,
      memory,
      1 + this.mmu.config.memory.latency,
    );
    this.#global = new RegisterBlock(GR0, this.#globalHooks());
    this.faults = new FaultRecorder(
      { global: this.#global, attributes: this.#attributes, banks: this.#banks },
      { context: (bank) => this.onContextInterrupt?.(bank), global: () => this.onGlobalInterrupt?.() },
    );
    const { pages } = this;
    const each = (instances: number, base: (index: number) => number): number[] =>
      Array.from({ length: instances }, (_, index) => base(index));
    this.#space = new RegisterSpace()
      .place(this.#global)
      .place(
        this.#matcher.groups,
        each(groups, (group) => 4 * group),
      )
      .place(
        this.#attributes,
        each(count, (bank) => pages.global1 + 4 * bank),
      )
      .place(
        this.#banks,
        each(count, (bank) => pages.bank(bank)),
      );
    this.#control();
  }

  /** Power comes back: every register at its reset value, nothing in the TLBs, nothing waiting. */
  reset(): void {
    for (const block of [this.#global, this.#matcher.groups, this.#attributes, this.#banks]) block.reset();
    for (let bank = 0; bank < this.#banks.instances; bank++) {
      for (const parked of this.stalled.release(bank)) this.#end(parked, Outcome.ABORTED);
      this.faults.refresh(bank);
    }
    this.#control();
    this.#quietly(() => this.mmu.invalidation.all());
  }

  get stale(): StaleMarks {
    return this.mmu.stale;
  }

  /** The architecture has no levels of it: every change must be broken first. */
  get breakBeforeMakeLevel(): 0 {
    return 0;
  }

  regimeOf(streamId: number): TranslationRegime | null {
    if (this.#allChanged || this.#banksChanged.size > 0) this.#applyChanges();
    return this.contexts.context(streamId & STREAM_BITS).regime;
  }

  // The side of the masters.

  translate(request: TranslationRequest): boolean {
    if (!this.#admit(request, false)) return false;
    this.mmu.translate(request);
    return this.settle(request, false);
  }

  /** Only engines ask this, which hold the request. */
  admit(request: TranslationRequest): boolean {
    return this.#admit(request, true);
  }

  #admit(request: TranslationRequest, inFlight: boolean): boolean {
    if (this.#allChanged || this.#banksChanged.size > 0) this.#applyChanges();
    if (this.faults.outstanding.size === 0 || !this.mmu.enabled) return true;
    const { bank } = this.contexts.context(request.streamId & STREAM_BITS);
    const blocking = this.#blockingBank(bank);
    if (blocking === NO_BANK) return true;
    this.heldBack++;
    if (!this.stalled.has(blocking)) return request.refuseAtOnce(this.faults.termination(blocking));
    this.stalled.park(blocking, request, inFlight, request.start);
    return request.refuseAtOnce(Outcome.STALLED);
  }

  settle(request: TranslationRequest, inFlight: boolean): boolean {
    if (request.outcome === Outcome.OK) {
      if (request.pa < this.#outputLimit || !this.mmu.enabled) return true;
      // Only an address that no table translated can be this large, and nothing says whose fault it is.
      request.pa = 0;
      return request.refuse(Outcome.ABORTED);
    }
    if (request.contextFault !== 0) {
      return request.refuse(this.faults.stream(request, request.contextFault as StreamFault));
    }
    const { bank } = this.contexts.context(request.streamId & STREAM_BITS);
    if (bank === NO_BANK) return request.refuse(Outcome.ABORTED);
    const faulting = request.faultStage === 2 ? this.contexts.stage2Bank(bank) : bank;
    const outcome = this.faults.context(request, faulting, bank, this.contexts.isAarch64(faulting));
    if (outcome === Outcome.STALLED) this.stalled.park(faulting, request, inFlight, request.start);
    return request.refuse(outcome);
  }

  // The side of the processor.

  read32(offset: number): number {
    this.now += this.#timing.read;
    return this.#space.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.now += this.#timing.write;
    this.#space.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.now += this.#timing.read;
    this.#space.read64(offset, halves);
  }

  /** The upper half is there before the lower one, whose arrival begins what a command register does. */
  write64(offset: number, low: number, high: number): void {
    this.now += this.#timing.write;
    this.#space.write32(offset + 4, high);
    this.#space.write32(offset, low);
  }

  delay(microseconds: number): void {
    this.now += microseconds * this.#timing.perMicrosecond;
  }

  /** Streams are matched; else a stream id is the number of its group. */
  get matchesStreams(): boolean {
    return decodeField(ID0.SMS, this.hardware.ID0, 0) !== 0;
  }

  /** Every register at its place, for whoever shows them. */
  get registers(): RegisterSpace {
    return this.#space;
  }

  #globalHooks(): BlockHooks<keyof typeof GR0> {
    const { hardware, maintenance } = this;
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
        written: () => this.#control(),
      },
      sGFSRRESTORE: { written: () => this.#global.set(GR0.sGFSR, this.#global.get(GR0.sGFSRRESTORE)) },
      TLBIVMID: {
        written: () => maintenance.vmid(this.now, this.#global.get(GR0.TLBIVMID) & this.#vmidBits, true),
      },
      TLBIALLNSNH: { written: () => maintenance.all(this.now) },
      sTLBGSYNC: {
        written: () => {
          maintenance.globalSync = maintenance.sync(this.now);
        },
      },
      sTLBGSTATUS: { read: () => Number(this.now < maintenance.globalSync) },
    };
  }

  get #vmidBits(): number {
    return this.contexts.wideVmids ? 0xffff : 0xff;
  }

  #attributeHooks(): BlockHooks<keyof typeof GR1> {
    const changed = { written: (bank: number) => this.#changed(bank) };
    return { CBAR: changed, CBA2R: { ...changed, write: (value) => this.#format(value) } };
  }

  /** Only an SMMU with AArch64 formats has the bit that chooses them. */
  #format(value: number): number {
    const { hardware } = this;
    const model = SMMU_MODELS[hardware.compatible];
    const granules = ID2.PTFS_4K.lowMask | ID2.PTFS_16K.lowMask | ID2.PTFS_64K.lowMask;
    const aarch64 = model.version === 1 ? model.granule64k : (hardware.ID2 & granules) !== 0;
    return aarch64 ? value : (value & ~CBA2R.VA64.lowMask) >>> 0;
  }

  #bankHooks(): BlockHooks<BankName> {
    const changed = { written: (bank: number) => this.#changed(bank) };
    // A command begins when the lower half is written.
    const command = (begin: (bank: number, low: number, high: number) => void, name: BankName) => ({
      written: (bank: number, half: 0 | 1) => {
        if (half === 1) return;
        const [low, high] = [
          this.#banks.get(BANK[name], bank),
          BANK[name].width === 64 ? this.#banks.high(BANK[name], bank) : 0,
        ];
        this.#banks.set(BANK[name], 0, bank);
        begin(bank, low, high);
      },
    });
    const address = (name: BankName, anyAsid: boolean, leafOnly: boolean) =>
      command((bank, low, high) => this.#invalidateAddress(bank, low, high, anyAsid, leafOnly), name);
    const intermediate = (name: BankName, leafOnly: boolean) =>
      command((bank, low, high) => {
        this.maintenance.intermediate(this.now, low, high, this.#vmid(bank), leafOnly);
      }, name);
    const operation = (name: keyof typeof OPERATION_ACCESS) =>
      command((bank, low, high) => this.#translateFor(bank, low, high, OPERATION_ACCESS[name]), name);
    return {
      SCTLR: changed,
      TCR: changed,
      TCR2: changed,
      TTBR0: changed,
      TTBR1: changed,
      MAIR0: changed,
      MAIR1: changed,
      ACTLR: { reset: () => this.hardware.ACTLR, write: (value) => (this.#actlrIsLocked ? null : value) },
      RESUME: {
        written: (bank) => this.#resume(bank, (this.#banks.get(BANK.RESUME, bank) & RESUME.TNR.lowMask) === 0),
      },
      FSR: {
        // Accesses stay stalled until they are told otherwise.
        write: (value, bank) => (this.stalled.has(bank) ? (value | FSR.SS.lowMask) >>> 0 : value),
        written: (bank) => this.faults.refresh(bank),
      },
      FSRRESTORE: {
        written: (bank) => {
          this.#banks.set(BANK.FSR, this.#banks.get(BANK.FSRRESTORE, bank), bank);
          this.faults.refresh(bank);
        },
      },
      TLBIVA: address('TLBIVA', false, false),
      TLBIVAA: address('TLBIVAA', true, false),
      TLBIVAL: address('TLBIVAL', false, true),
      TLBIVAAL: address('TLBIVAAL', true, true),
      TLBIASID: command((bank, low) => {
        const asid = low & (this.contexts.isAarch64(bank) ? 0xffff : 0xff);
        this.maintenance.asid(this.now, asid, this.#vmid(bank));
      }, 'TLBIASID'),
      TLBIALL: command((bank) => {
        this.maintenance.vmid(this.now, this.#vmid(bank), this.contexts.isStage2(bank));
      }, 'TLBIALL'),
      TLBIIPAS2: intermediate('TLBIIPAS2', false),
      TLBIIPAS2L: intermediate('TLBIIPAS2L', true),
      TLBSYNC: {
        written: (bank) => {
          this.maintenance.bankSync[bank] = this.maintenance.sync(this.now);
        },
      },
      TLBSTATUS: { read: (bank) => Number(this.now < (this.maintenance.bankSync[bank] as number)) },
      ATS1PR: operation('ATS1PR'),
      ATS1PW: operation('ATS1PW'),
      ATS1UR: operation('ATS1UR'),
      ATS1UW: operation('ATS1UW'),
      ATSR: { read: (bank) => Number(this.now < (this.#operations.doneAt[bank] as number)) },
    };
  }

  get #actlrIsLocked(): boolean {
    const { hardware } = this;
    if (hardware.actlrLocked) return true;
    const locks = SMMU_MODELS[hardware.compatible].mmu500 && decodeField(ID7.MAJOR, hardware.ID7, 0) >= 2;
    return locks && (this.#global.get(GR0.sACR) & SACR.CACHE_LOCK.lowMask) !== 0;
  }

  /** sCR0 was written. */
  #control(): void {
    const control = this.#global.get(GR0.sCR0);
    this.mmu.enabled = (control & SCR0.CLIENTPD.lowMask) === 0;
    this.contexts.faultsUnidentified = (control & SCR0.USFCFG.lowMask) !== 0;
    this.contexts.faultsConflicts = (control & SCR0.SMCFCFG.lowMask) !== 0;
    this.contexts.wideVmids = (control & SCR0.VMID16EN.lowMask) !== 0;
    this.#matcher.extended = (control & SCR0.EXIDENABLE.lowMask) !== 0;
    this.#allChanged = true;
  }

  #changed(bank: number): void {
    this.#banksChanged.add(bank);
  }

  /** What the TBUs know of streams whose registers have changed goes away; the macro TLB keeps what software does not drop. */
  #applyChanges(): void {
    const { invalidation } = this.mmu;
    this.#quietly(() => {
      if (this.#allChanged) {
        this.contexts.forgetAll();
        invalidation.streams(0, Number.POSITIVE_INFINITY);
      } else {
        for (const bank of this.#banksChanged) {
          this.contexts.forgetBank(bank, (streamId) => invalidation.streams(streamId, streamId));
        }
      }
    });
    this.#allChanged = false;
    this.#banksChanged.clear();
  }

  /** No command of software: it does not count and takes no time. */
  #quietly(drop: () => void): void {
    const { invalidation } = this.mmu;
    const { commands, cycles } = invalidation;
    drop();
    invalidation.commands = commands;
    invalidation.cycles = cycles;
  }

  /** VMID of a bank's TLB entries. */
  #vmid(bank: number): number {
    const stage2 = this.contexts.stage2Bank(bank);
    return this.contexts.vmid(stage2 < this.#banks.instances ? stage2 : bank);
  }

  #invalidateAddress(bank: number, low: number, high: number, anyAsid: boolean, leafOnly: boolean): void {
    const vmid = this.#vmid(bank);
    if (this.contexts.isAarch64(bank)) {
      const meaning: AddressMeaning = { asid: anyAsid ? ANY : high >>> 16, vmid, upperBits: this.#upperBits(bank) };
      this.maintenance.address(this.now, low, high, meaning, leafOnly);
    } else {
      const meaning: AddressMeaning = { asid: anyAsid ? ANY : low & 0xff, vmid, upperBits: 0 };
      this.maintenance.address(this.now, low >>> 12, 0, meaning, leafOnly);
    }
  }

  /** Input bits of a bank's upper half; 0 where it has none. */
  #upperBits(bank: number): number {
    const tcr = this.#banks.get(BANK.TCR, bank);
    return (tcr & TCR.EPD1.lowMask) !== 0 ? 0 : 64 - decodeField(TCR.T1SZ, tcr, 0);
  }

  #translateFor(bank: number, low: number, high: number, access: number): void {
    const bits = this.contexts.isAarch64(bank) ? this.#upperBits(bank) : 0;
    const upper = bits > 0 && high >>> 31 === 1;
    const address = (high % 2 ** 20) * TWO_32 + (low - (low % 4096));
    this.#operations.begin(bank, upper ? address % 2 ** bits : address, upper, access, this.now);
  }

  /** Software has answered a stall: the access that faulted goes on or ends, then those behind it try again. */
  #resume(bank: number, retry: boolean): void {
    const released = this.stalled.release(bank);
    this.#banks.set(BANK.FSR, (this.#banks.get(BANK.FSR, bank) & ~FSR.SS.lowMask) >>> 0, bank);
    this.faults.refresh(bank);
    for (const [index, parked] of released.entries()) {
      if (index === 0 && !retry) this.#end(parked, this.faults.termination(bank));
      else this.#retry(parked);
    }
  }

  #retry(parked: ParkedAccess): void {
    if (parked.inFlight !== null) {
      this.onResume?.(parked.inFlight, Outcome.OK);
      return;
    }
    const request = this.#ask(parked);
    // Stalled once more: it is parked again, with its fault recorded anew.
    if (this.translate(request) || request.outcome !== Outcome.STALLED) {
      this.onStallEnd?.(parked, request.outcome, request);
    }
  }

  #end(parked: ParkedAccess, outcome: Outcome): void {
    if (parked.inFlight !== null) {
      this.onResume?.(parked.inFlight, outcome);
      return;
    }
    const request = this.#ask(parked);
    request.refuseAtOnce(outcome);
    this.onStallEnd?.(parked, outcome, request);
  }

  #ask({ master, streamId, iova, flags, size, since }: ParkedAccess): TranslationRequest {
    return this.#again.ask(master, streamId, NO_SUBSTREAM, iova, flags, Math.max(since, this.now), size);
  }

  #blockingBank(bank: number): number {
    if (bank === NO_BANK) return NO_BANK;
    if (this.faults.blocks(bank)) return bank;
    const stage2 = this.contexts.stage2Bank(bank);
    return stage2 !== bank && this.faults.blocks(stage2) ? stage2 : NO_BANK;
  }
}

const NO_SUBSTREAM = -1;
