import { type MmioDevice, Mmu, type MmuOptions, type WalkMemory } from '../../../emulator/index.ts';
import { TWO_32 } from '../../../formats/index.ts';
import {
  COMMAND_BYTES,
  CommandError,
  Cr0,
  Cr2,
  EVENT_WORDS,
  Gbpa,
  Gerror,
  IrqCtrl,
  idRegistersOf,
  PAGE_REQUEST_WORDS,
  QUEUE_BASE,
  QUEUE_INDEX_MASK,
  QUEUE_OVERFLOW,
  REGISTERS,
  type Smmuv3Features,
  STRTAB_BASE,
  STRTAB_BASE_CFG,
} from '../spec/index.ts';
import { AtsPort } from './ats-port.ts';
import { CommandConsumer, type CommandEffects } from './command-consumer.ts';
import { FaultReporter, Outcome } from './fault-reporter.ts';
import { Interrupts, Wire } from './interrupts.ts';
import { OutputQueue, type QueueMemory } from './output-queue.ts';
import { RegisterFile } from './register-file.ts';
import type { StalledTransaction } from './stalls.ts';
import { StreamContexts } from './stream-contexts.ts';

/** Memory as the SMMU sees it: a `BusPort` of the emulator, coherent or not as IDR0.COHACC says. */
export interface SmmuMemory extends WalkMemory, QueueMemory {}

/** Offsets, so that the dispatch below is a plain switch. */
const R = {
  CR0: REGISTERS.CR0.offset,
  CR1: REGISTERS.CR1.offset,
  CR2: REGISTERS.CR2.offset,
  GBPA: REGISTERS.GBPA.offset,
  IRQ_CTRL: REGISTERS.IRQ_CTRL.offset,
  GERRORN: REGISTERS.GERRORN.offset,
  GERROR_IRQ_CFG0: REGISTERS.GERROR_IRQ_CFG0.offset,
  STRTAB_BASE: REGISTERS.STRTAB_BASE.offset,
  STRTAB_BASE_CFG: REGISTERS.STRTAB_BASE_CFG.offset,
  CMDQ_BASE: REGISTERS.CMDQ_BASE.offset,
  CMDQ_PROD: REGISTERS.CMDQ_PROD.offset,
  CMDQ_CONS: REGISTERS.CMDQ_CONS.offset,
  EVENTQ_BASE: REGISTERS.EVENTQ_BASE.offset,
  EVENTQ_IRQ_CFG0: REGISTERS.EVENTQ_IRQ_CFG0.offset,
  PRIQ_BASE: REGISTERS.PRIQ_BASE.offset,
  PRIQ_IRQ_CFG0: REGISTERS.PRIQ_IRQ_CFG0.offset,
  EVENTQ_PROD: REGISTERS.EVENTQ_PROD.offset,
  EVENTQ_CONS: REGISTERS.EVENTQ_CONS.offset,
  PRIQ_PROD: REGISTERS.PRIQ_PROD.offset,
  PRIQ_CONS: REGISTERS.PRIQ_CONS.offset,
} as const;

/**
 * An SMMUv3 as its driver and the masters behind it see it (Arm IHI 0070).
 *
 * Does: the Non-secure register file, both pages; linear and two-level stream and context descriptor tables; stage 1, stage 2,
 * nested, bypass, abort; EL2 contexts; a configuration cache; every Non-secure command, ranges included, with its errors; event
 * and PRI queues with overflow; stall and terminate; wired interrupts and MSIs; global errors; ATS translation requests and
 * translated traffic; the price of invalidations.
 *
 * Does not, and says so in its identification registers: VMSAv8-32 and big-endian tables (IDR0.TTF, TTENDIAN), broadcast TLB
 * maintenance (BTM), split-stage ATS (NS1ATS), ATOS and VATOS, VMID wildcards (VMW), MPAM, small tables (STT), FWB, XNX,
 * page-based attributes, attribute and privilege overrides (ATTR_TYPES_OVR, ATTR_PERMS_OVR), preset tables, enhanced command
 * queues, 128-bit descriptors. Does not, and the architecture leaves it open: merging of events (STE.MEV), use of the prefetch
 * commands. Not modelled at all: Secure, Realm and Root state, the performance monitor, top-byte-ignore (an address has at most
 * 52 bits here), the memory attributes of table and queue accesses (CR1), MSI attributes, the time that register updates take:
 * CR0ACK and IRQ_CTRLACK follow at once.
 */
export class Smmuv3 implements MmioDevice, CommandEffects {
  readonly features: Smmuv3Features;
  readonly mmu: Mmu;
  readonly contexts: StreamContexts;
  readonly interrupts: Interrupts;
  readonly events: OutputQueue;
  readonly pageRequests: OutputQueue;
  readonly commands: CommandConsumer;
  readonly faults: FaultReporter;
  /** Translation requests, translated traffic and page requests of PCIe devices. */
  readonly ats: AtsPort;
  /** Cycle of the register accesses that follow: whoever drives the model sets it. */
  now = 0;
  /** How the last refused transaction ended; set by {@link translate} when it returns false. */
  outcome: Outcome = Outcome.OK;
  /** A parked transaction went on: with OK its translation is in {@link mmu}. */
  onStallEnd: ((transaction: StalledTransaction, outcome: Outcome) => void) | null = null;

  readonly #registers = new RegisterFile();
  #commandBase = 0;
  /** Bits of an index into the command queue; the wrap flag is the bit above. */
  #commandIndexMask = 0;
  /** First address that the SMMU cannot output. */
  readonly #outputLimit: number;
  /** SMMUEN is 0 and GBPA says abort. */
  #abortsAll = false;

  constructor(parts: { features: Smmuv3Features; mmu?: MmuOptions; memory: SmmuMemory }) {
    const { features, memory } = parts;
    this.features = features;
    this.#outputLimit = 2 ** features.outputBits;
    this.contexts = new StreamContexts(memory, features);
    this.mmu = new Mmu(parts.mmu ?? {}, memory, this.contexts);
    this.mmu.enabled = false;
    this.interrupts = new Interrupts(this.#registers, memory, features.msi);
    this.events = new OutputQueue(memory, EVENT_WORDS, features.eventQueueBits);
    this.pageRequests = new OutputQueue(memory, PAGE_REQUEST_WORDS, features.priQueueBits);
    this.commands = new CommandConsumer(this.mmu, memory, features, this);
    this.faults = new FaultReporter({
      mmu: this.mmu,
      contexts: this.contexts,
      registers: this.#registers,
      queue: this.events,
      interrupts: this.interrupts,
      features,
      memory,
    });
    this.ats = new AtsPort({
      mmu: this.mmu,
      contexts: this.contexts,
      faults: this.faults,
      registers: this.#registers,
      interrupts: this.interrupts,
      queue: this.pageRequests,
      features,
    });
    idRegistersOf(features).forEach((value, i) => {
      this.#registers.setAt(4 * i, value);
    });
    this.#registers.set(REGISTERS.AIDR, 1);
  }

  /**
   * Translates one transaction. The result, with its time, is in {@link mmu}.
   *
   * @param master interface index, below `mmu.config.masters`
   * @param substreamId -1 for none
   * @param iova input address; of the upper half its low bits
   * @param flags bits of `AccessFlag`
   * @param start cycle at which the master offers it
   * @param size bytes, within one 4 KiB page
   * @returns false when it was refused: {@link outcome} says how it ended, and the event queue may hold the reason
   */
  translate(
    master: number,
    streamId: number,
    substreamId: number,
    iova: number,
    flags: number,
    start: number,
    size = 64,
  ): boolean {
    if (this.#abortsAll) return this.#end(Outcome.ABORTED);
    const { mmu } = this;
    if (mmu.translate(master, streamId, substreamId, iova, flags, start, size)) {
      // Only an address that no table translated can be this large.
      if (mmu.pa < this.#outputLimit || !mmu.enabled) return true;
      return this.#end(
        this.faults.reportBypassedAddress({ master, streamId, substreamId, iova, flags, size, since: start }),
      );
    }
    return this.#end(this.faults.report({ master, streamId, substreamId, iova, flags, size, since: start }));
  }

  /** Reads a register. Of a 64-bit register this is the half at `offset`; no register reads as zero. */
  read32(offset: number): number {
    switch (offset) {
      case R.EVENTQ_PROD:
        return this.events.prod;
      case R.EVENTQ_CONS:
        return this.events.cons;
      case R.PRIQ_PROD:
        return this.pageRequests.prod;
      case R.PRIQ_CONS:
        return this.pageRequests.cons;
      default:
        return this.#registers.getAt(offset);
    }
  }

  /** Reads a 64-bit register as a number; bits above 2^53 may be lost with the lowest ones. */
  read64(offset: number): number {
    return this.read32(offset) + this.read32(offset + 4) * TWO_32;
  }

  write64(offset: number, low: number, high: number): void {
    this.write32(offset, low);
    this.write32(offset + 4, high);
  }

  /**
   * Writes a register. As the architecture allows, a write is ignored where the register may not be written: read-only ones, and
   * those that are guarded by an enable that is on.
   */
  write32(offset: number, value: number): void {
    const registers = this.#registers;
    const enabled = registers.get(REGISTERS.CR0ACK);
    switch (offset) {
      case R.CR0:
        this.#writeControl(value);
        return;
      case R.CR1:
        if ((enabled & (Cr0.SMMUEN | Cr0.CMDQEN | Cr0.EVENTQEN | Cr0.PRIQEN)) === 0) registers.setAt(offset, value);
        return;
      case R.CR2:
        if ((enabled & Cr0.SMMUEN) !== 0) return;
        registers.setAt(offset, value);
        this.contexts.e2h = this.features.el2 && (value & Cr2.E2H) !== 0;
        this.commands.e2h = this.contexts.e2h;
        return;
      case R.GBPA:
        if ((value & Gbpa.UPDATE) === 0) return;
        registers.setAt(offset, value & ~Gbpa.UPDATE);
        this.#abortsAll = !this.mmu.enabled && (value & Gbpa.ABORT) !== 0;
        return;
      case R.IRQ_CTRL:
        registers.setAt(offset, value);
        registers.set(REGISTERS.IRQ_CTRLACK, value & 7);
        return;
      case R.GERRORN:
        registers.setAt(offset, value);
        this.#consume();
        return;
      case R.STRTAB_BASE:
      case R.STRTAB_BASE + 4:
      case R.STRTAB_BASE_CFG:
        if ((enabled & Cr0.SMMUEN) !== 0) return;
        registers.setAt(offset, value);
        this.#updateStreamTable();
        return;
      case R.CMDQ_BASE:
      case R.CMDQ_BASE + 4:
        if ((enabled & Cr0.CMDQEN) !== 0) return;
        registers.setAt(offset, value);
        this.#commandBase = registers.field64(REGISTERS.CMDQ_BASE, QUEUE_BASE.ADDR);
        this.#commandIndexMask =
          2 ** Math.min(registers.field64(REGISTERS.CMDQ_BASE, QUEUE_BASE.LOG2SIZE), this.features.commandQueueBits) -
          1;
        return;
      case R.CMDQ_PROD:
        registers.setAt(offset, value & QUEUE_INDEX_MASK);
        this.commands.awake(this.now);
        this.#consume();
        return;
      case R.CMDQ_CONS:
        if ((enabled & Cr0.CMDQEN) === 0) registers.setAt(offset, value & QUEUE_INDEX_MASK);
        return;
      default:
        this.#writeOutputQueues(offset, value, enabled);
    }
  }

  /** The registers of the event and PRI queues, and of the MSIs. */
  #writeOutputQueues(offset: number, value: number, enabled: number): void {
    const registers = this.#registers;
    const eventsOn = (enabled & Cr0.EVENTQEN) !== 0;
    const requestsOn = (enabled & Cr0.PRIQEN) !== 0;
    const index = (value & (QUEUE_INDEX_MASK | QUEUE_OVERFLOW)) >>> 0;
    if ((offset === R.EVENTQ_BASE || offset === R.EVENTQ_BASE + 4) && !eventsOn) {
      registers.setAt(offset, value);
      this.events.setBase(registers.getAt(R.EVENTQ_BASE), registers.getAt(R.EVENTQ_BASE + 4));
    } else if ((offset === R.PRIQ_BASE || offset === R.PRIQ_BASE + 4) && !requestsOn) {
      registers.setAt(offset, value);
      this.pageRequests.setBase(registers.getAt(R.PRIQ_BASE), registers.getAt(R.PRIQ_BASE + 4));
    } else if (offset === R.EVENTQ_PROD && !eventsOn) this.events.prod = index;
    else if (offset === R.PRIQ_PROD && !requestsOn) this.pageRequests.prod = index;
    else if (offset === R.PRIQ_CONS) this.pageRequests.cons = index;
    else if (offset === R.EVENTQ_CONS) {
      this.events.cons = index;
      this.faults.roomMade();
    } else if ((interruptOf(offset) & ~registers.get(REGISTERS.IRQ_CTRLACK)) !== 0) registers.setAt(offset, value);
  }

  #writeControl(value: number): void {
    const registers = this.#registers;
    const { ats, pri } = this.features;
    const offered = Cr0.SMMUEN | Cr0.CMDQEN | Cr0.EVENTQEN | (pri ? Cr0.PRIQEN : 0) | (ats ? Cr0.ATSCHK : 0);
    registers.set(REGISTERS.CR0, value);
    registers.set(REGISTERS.CR0ACK, value & offered);
    this.mmu.enabled = (value & Cr0.SMMUEN) !== 0;
    this.#abortsAll = !this.mmu.enabled && (registers.get(REGISTERS.GBPA) & Gbpa.ABORT) !== 0;
    this.#consume();
  }

  #updateStreamTable(): void {
    const registers = this.#registers;
    const split = registers.field64(REGISTERS.STRTAB_BASE_CFG, STRTAB_BASE_CFG.SPLIT);
    const format = registers.field64(REGISTERS.STRTAB_BASE_CFG, STRTAB_BASE_CFG.FMT);
    const log2Size = registers.field64(REGISTERS.STRTAB_BASE_CFG, STRTAB_BASE_CFG.LOG2SIZE);
    this.contexts.table = {
      base: registers.field64(REGISTERS.STRTAB_BASE, STRTAB_BASE.ADDR),
      twoLevel: format === 1 && this.features.twoLevelStreams,
      log2Size: Math.min(log2Size, this.features.streamBits),
      // 6, 8 and 10 are defined; others behave as 6 (section 6.3.25).
      split: split === 8 || split === 10 ? split : 6,
    };
  }

  /** Carries out commands until the queue is empty or one is wrong. */
  #consume(): void {
    const registers = this.#registers;
    const indexMask = this.#commandIndexMask;
    const mask = 2 * indexMask + 1;
    let read = registers.get(REGISTERS.CMDQ_CONS) & QUEUE_INDEX_MASK;
    const write = registers.get(REGISTERS.CMDQ_PROD);
    while (((read ^ write) & mask) !== 0) {
      if ((registers.get(REGISTERS.CR0ACK) & Cr0.CMDQEN) === 0) return;
      if ((this.interrupts.activeErrors & Gerror.CMDQ_ERR) !== 0) return;
      const error = this.commands.execute(this.#commandBase + (read & indexMask) * COMMAND_BYTES);
      if (error !== CommandError.NONE) {
        registers.set(REGISTERS.CMDQ_CONS, read | (error << 24));
        this.interrupts.fail(Gerror.CMDQ_ERR);
        return;
      }
      read = (read + 1) & mask;
      // The error of an earlier command stays to be seen until the next one.
      registers.set(REGISTERS.CMDQ_CONS, read | (registers.get(REGISTERS.CMDQ_CONS) & 0x7f00_0000));
    }
  }

  #end(outcome: Outcome): false {
    this.outcome = outcome;
    return false;
  }

  // What commands do outside the MMU's caches.

  upperInputBits(): Iterable<number> {
    return this.contexts.upperInputBits;
  }

  resume(streamId: number, tag: number, retry: boolean, abort: boolean): void {
    const transaction = this.faults.stalls.release(streamId, tag);
    if (transaction === null) return;
    if (retry) this.#retry(transaction);
    else this.onStallEnd?.(transaction, abort ? Outcome.ABORTED : Outcome.READ_AS_ZERO);
    const next = this.faults.stalls.nextWaiting();
    if (next !== null) this.#retry(next);
  }

  terminateStalled(streamId: number): void {
    for (const transaction of this.faults.stalls.releaseStream(streamId)) {
      this.onStallEnd?.(transaction, Outcome.ABORTED);
    }
    const next = this.faults.stalls.nextWaiting();
    if (next !== null) this.#retry(next);
  }

  #retry(parked: StalledTransaction): void {
    const { master, streamId, substreamId, iova, flags, size } = parked;
    const done = this.translate(master, streamId, substreamId, iova, flags, this.commands.busyUntil, size);
    // Stalled once more: it is parked again, with a record of its own.
    if (done || this.outcome !== Outcome.STALLED) this.onStallEnd?.(parked, done ? Outcome.OK : this.outcome);
  }

  invalidateAtc(streamId: number, substreamId: number, iova: number, size: number): boolean {
    return this.ats.client(streamId)?.invalidate(streamId, substreamId, iova, size) ?? true;
  }

  respondToPageRequest(streamId: number, substreamId: number, group: number, response: number): void {
    this.ats.client(streamId)?.pageResponse?.(streamId, substreamId, group, response);
  }

  signal(sync: 'message' | 'interrupt' | 'event', target: number, data: number): void {
    if (sync === 'message') this.interrupts.message(target, data);
    else this.interrupts.wire(sync === 'interrupt' ? Wire.CMD_SYNC : Wire.SEV);
  }
}

/**
 * The interrupt, as its bit of IRQ_CTRL, whose MSI a register configures: address (two words), data, attributes of each. 0: none.
 * Each group is guarded by its own enable (section 6.3).
 */
function interruptOf(offset: number): number {
  const within = (first: number): boolean => offset >= first && offset < first + 16;
  if (within(R.GERROR_IRQ_CFG0)) return IrqCtrl.GERROR;
  if (within(R.EVENTQ_IRQ_CFG0)) return IrqCtrl.EVENTQ;
  return within(R.PRIQ_IRQ_CFG0) ? IrqCtrl.PRIQ : 0;
}
