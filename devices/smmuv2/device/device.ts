import {
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
import { decodeField } from '../../../formats/index.ts';
import type { IommuDevice } from '../../iommu.ts';
import type { RegisterPort, RegisterSpace } from '../../registers/index.ts';
import { ADDRESS_SIZES, BANK, FSR, GR0, ID1, ID2, type RegisterPages, SCR0 } from '../spec/index.ts';
import { BankCommands } from './bank-commands.ts';
import { FaultRecorder } from './faults.ts';
import { checkTiming, FREE_REGISTERS, type RegisterTiming, type SmmuHardware } from './hardware.ts';
import { type RegisterEffects, RegisterFile } from './register-file.ts';
import { type ParkedAccess, StalledAccesses } from './stalls.ts';
import { NO_BANK, StreamContexts, type StreamFault } from './stream-contexts.ts';
import { TlbCommands } from './tlb-commands.ts';
import { TranslationOperations } from './translation-operations.ts';

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
export class Smmuv2 implements IommuDevice, MmioDevice, RegisterPort, RegisterEffects {
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
  readonly #registers: RegisterFile;
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
    const registers = new RegisterFile(hardware, this);
    this.#registers = registers;
    this.pages = registers.pages;
    const { global, attributes, banks, matcher } = registers;
    const bits = (code: number): number => ADDRESS_SIZES[code] ?? 48;
    const paBits = bits(decodeField(ID2.OAS, hardware.ID2, 0));
    this.#outputLimit = 2 ** paBits;
    this.contexts = new StreamContexts({
      matcher,
      banks,
      attributes,
      limits: {
        stage2Banks: decodeField(ID1.NUMS2CB, hardware.ID1, 0),
        ipaBits: bits(decodeField(ID2.IAS, hardware.ID2, 0)),
        paBits,
      },
    });
    this.mmu = new Mmu(parts.mmu ?? {}, memory, this.contexts);
    this.maintenance = new TlbCommands(this.mmu, banks.instances);
    registers.commands = new BankCommands({
      banks,
      contexts: this.contexts,
      maintenance: this.maintenance,
      operations: new TranslationOperations(banks, this.contexts, memory, 1 + this.mmu.config.memory.latency),
    });
    this.faults = new FaultRecorder(
      { global, attributes, banks },
      { context: (bank) => this.onContextInterrupt?.(bank), global: () => this.onGlobalInterrupt?.() },
    );
    this.controlled();
  }

  /** Power comes back: every register at its reset value, nothing in the TLBs, nothing waiting. */
  reset(): void {
    this.#registers.reset();
    for (let bank = 0; bank < this.#registers.banks.instances; bank++) {
      for (const parked of this.stalled.release(bank)) this.#end(parked, Outcome.ABORTED);
      this.faults.refresh(bank);
    }
    this.controlled();
    this.#quietly(() => this.mmu.invalidation.all());
  }

  get stale(): StaleMarks {
    return this.mmu.stale;
  }

  /** Each TLBSYNC and sTLBGSYNC. */
  get tellsCompletion(): true {
    return true;
  }

  /** The architecture has no levels of it: every change must be broken first. */
  /** Cycle up to which the TLBs are busy with maintenance. */
  get maintenanceBusy(): number {
    return this.maintenance.busyUntil;
  }

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
    return this.#registers.space.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.now += this.#timing.write;
    this.#registers.space.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.now += this.#timing.read;
    this.#registers.space.read64(offset, halves);
  }

  /** The upper half is there before the lower one, whose arrival begins what a command register does. */
  write64(offset: number, low: number, high: number): void {
    this.now += this.#timing.write;
    this.#registers.space.write32(offset + 4, high);
    this.#registers.space.write32(offset, low);
  }

  delay(microseconds: number): void {
    this.now += microseconds * this.#timing.perMicrosecond;
  }

  get matchesStreams(): boolean {
    return this.#registers.matchesStreams;
  }

  /** Every register at its place, for whoever shows them. */
  get registers(): RegisterSpace {
    return this.#registers.space;
  }

  // What register writes do.

  controlled(): void {
    const control = this.#registers.global.get(GR0.sCR0);
    this.mmu.enabled = (control & SCR0.CLIENTPD.lowMask) === 0;
    this.contexts.faultsUnidentified = (control & SCR0.USFCFG.lowMask) !== 0;
    this.contexts.faultsConflicts = (control & SCR0.SMCFCFG.lowMask) !== 0;
    this.contexts.wideVmids = (control & SCR0.VMID16EN.lowMask) !== 0;
    this.#registers.matcher.extended = (control & SCR0.EXIDENABLE.lowMask) !== 0;
    this.#allChanged = true;
  }

  streamsChanged(): void {
    this.#allChanged = true;
  }

  bankChanged(bank: number): void {
    this.#banksChanged.add(bank);
  }

  faultChanged(bank: number): void {
    this.faults.refresh(bank);
  }

  isStalled(bank: number): boolean {
    return this.stalled.has(bank);
  }

  /** Software has answered a stall: the access that faulted goes on or ends, then those behind it try again. */
  resume(bank: number, retry: boolean): void {
    const { banks } = this.#registers;
    const released = this.stalled.release(bank);
    banks.set(BANK.FSR, (banks.get(BANK.FSR, bank) & ~FSR.SS.lowMask) >>> 0, bank);
    this.faults.refresh(bank);
    for (const [index, parked] of released.entries()) {
      if (index === 0 && !retry) this.#end(parked, this.faults.termination(bank));
      else this.#retry(parked);
    }
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
