import {
  type MmioDevice,
  Mmu,
  type MmuOptions,
  Outcome,
  type StaleMarks,
  type TranslationRegime,
  TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import type { IommuDevice } from '../../iommu.ts';
import {
  type BlockHooks,
  type Register,
  RegisterBlock,
  type RegisterHooks,
  RegisterSpace,
} from '../../registers/index.ts';
import {
  Cr0,
  Cr2,
  EVENT_WORDS,
  Gbpa,
  idRegistersOf,
  PAGE_REQUEST_WORDS,
  QUEUE_BASE,
  QUEUE_INDEX_MASK,
  REGISTERS,
  type RegisterName,
  type Smmuv3Features,
  STRTAB_BASE,
  STRTAB_BASE_CFG,
} from '../spec/index.ts';
import { AtsPort } from './ats-port.ts';
import { CommandConsumer, type CommandEffects } from './command-consumer.ts';
import { CommandQueue } from './command-queue.ts';
import { FaultReporter } from './fault-reporter.ts';
import { Interrupts, Wire } from './interrupts.ts';
import { OutputQueue, type QueueMemory } from './output-queue.ts';
import type { StalledTransaction } from './stalls.ts';
import { StreamContexts } from './stream-contexts.ts';

/** Memory as the SMMU sees it: a `BusPort` of the emulator, coherent or not as IDR0.COHACC says. */
export interface SmmuMemory extends WalkMemory, QueueMemory {}

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
export class Smmuv3 implements IommuDevice, MmioDevice, CommandEffects {
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
  /** A parked transaction went on: with OK its translation is in `request`, which the next one uses again. */
  onStallEnd: ((transaction: StalledTransaction, outcome: Outcome, request: TranslationRequest) => void) | null = null;
  /** As {@link onStallEnd}, for the engine that holds a parked transaction in flight: with OK it lets it try again. */
  onResume: IommuDevice['onResume'] = null;

  readonly #registers: RegisterBlock<RegisterName>;
  readonly #space: RegisterSpace;
  readonly #commandQueue: CommandQueue;
  /** First address that the SMMU cannot output. */
  readonly #outputLimit: number;
  /** Of parked transactions that try again. */
  readonly #again = new TranslationRequest();
  /** SMMUEN is 0 and GBPA says abort. */
  #abortsAll = false;

  constructor(parts: { features: Smmuv3Features; mmu?: MmuOptions; memory: SmmuMemory }) {
    const { features, memory } = parts;
    this.features = features;
    this.#outputLimit = 2 ** features.outputBits;
    this.contexts = new StreamContexts(memory, features);
    this.mmu = new Mmu(parts.mmu ?? {}, memory, this.contexts);
    this.mmu.enabled = false;
    this.events = new OutputQueue(memory, EVENT_WORDS, features.eventQueueBits);
    this.pageRequests = new OutputQueue(memory, PAGE_REQUEST_WORDS, features.priQueueBits);
    this.#registers = new RegisterBlock<RegisterName>(REGISTERS, this.#hooks());
    this.#space = new RegisterSpace().place(this.#registers);
    this.interrupts = new Interrupts(this.#registers, memory, features.msi);
    this.commands = new CommandConsumer(this.mmu, memory, features, this);
    this.#commandQueue = new CommandQueue(this.#registers, this.commands, this.interrupts, features.commandQueueBits);
    this.faults = new FaultReporter({
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
  }

  /**
   * Translates one transaction; the answer, with its time, is in the request.
   *
   * @returns false when it was refused: `request.outcome` says how it ended, and the event queue may hold the reason
   */
  translate(request: TranslationRequest): boolean {
    if (this.#abortsAll) return this.admit(request);
    this.mmu.translate(request);
    return this.settle(request, false);
  }

  admit(request: TranslationRequest): boolean {
    return !this.#abortsAll || request.refuseAtOnce(Outcome.ABORTED);
  }

  settle(request: TranslationRequest, inFlight: boolean): boolean {
    if (request.outcome === Outcome.OK) {
      // Only an address that no table translated can be this large.
      if (request.pa < this.#outputLimit || !this.mmu.enabled) return true;
      return request.refuse(this.faults.reportBypassedAddress(request));
    }
    return request.refuse(this.faults.report(request, inFlight));
  }

  get stale(): StaleMarks {
    return this.mmu.stale;
  }

  /** Each CMD_SYNC. */
  get tellsCompletion(): true {
    return true;
  }

  get breakBeforeMakeLevel(): 0 | 1 | 2 {
    return this.features.breakBeforeMakeLevel;
  }

  regimeOf(streamId: number): TranslationRegime | null {
    const regime = this.contexts.lookUp(streamId, -1);
    return typeof regime === 'number' ? null : regime;
  }

  /** Reads a register. Of a 64-bit register this is the half at `offset`; no register reads as zero. */
  read32(offset: number): number {
    return this.#space.read32(offset);
  }

  /**
   * Writes a register. As the architecture allows, a write is ignored where the register may not be written: read-only ones, and
   * those that are locked by an enable that is on.
   */
  write32(offset: number, value: number): void {
    this.#space.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.#space.read64(offset, halves);
  }

  write64(offset: number, low: number, high: number): void {
    this.#space.write64(offset, low, high);
  }

  /** What reads and writes do beyond the declarations. */
  #hooks(): BlockHooks<RegisterName> {
    const idr = idRegistersOf(this.features);
    const { events, pageRequests } = this;
    const updateStreamTable = { written: () => this.#updateStreamTable() };
    return {
      IDR0: { reset: () => idr[0] },
      IDR1: { reset: () => idr[1] },
      IDR2: { reset: () => idr[2] },
      IDR3: { reset: () => idr[3] },
      IDR4: { reset: () => idr[4] },
      IDR5: { reset: () => idr[5] },
      CR0: { written: () => this.#control() },
      CR2: {
        written: () => {
          this.contexts.e2h = this.features.el2 && (this.#registers.get(REGISTERS.CR2) & Cr2.E2H) !== 0;
          this.commands.e2h = this.contexts.e2h;
        },
      },
      GBPA: {
        write: (value) => ((value & Gbpa.UPDATE) === 0 ? null : value & ~Gbpa.UPDATE),
        written: () => this.#updateBypass(),
      },
      IRQ_CTRL: {
        written: () => this.#registers.set(REGISTERS.IRQ_CTRLACK, this.#registers.get(REGISTERS.IRQ_CTRL)),
      },
      GERRORN: { written: () => this.#commandQueue.consume() },
      STRTAB_BASE: updateStreamTable,
      STRTAB_BASE_CFG: updateStreamTable,
      CMDQ_BASE: { written: () => this.#commandQueue.move() },
      CMDQ_PROD: {
        written: () => {
          this.commands.awake(this.now);
          this.#commandQueue.consume();
        },
      },
      // The error is the SMMU's to write.
      CMDQ_CONS: { write: (value) => value & QUEUE_INDEX_MASK },
      EVENTQ_BASE: { written: () => this.#updateOutputQueue(events, REGISTERS.EVENTQ_BASE) },
      EVENTQ_PROD: outputProd(events),
      EVENTQ_CONS: {
        read: () => events.cons,
        write: (value) => {
          events.cons = value;
          this.faults.roomMade();
          return value;
        },
      },
      PRIQ_BASE: { written: () => this.#updateOutputQueue(pageRequests, REGISTERS.PRIQ_BASE) },
      PRIQ_PROD: outputProd(pageRequests),
      PRIQ_CONS: { read: () => pageRequests.cons, write: (value) => (pageRequests.cons = value) },
    };
  }

  #control(): void {
    const registers = this.#registers;
    const { ats, pri } = this.features;
    const offered = Cr0.SMMUEN | Cr0.CMDQEN | Cr0.EVENTQEN | (pri ? Cr0.PRIQEN : 0) | (ats ? Cr0.ATSCHK : 0);
    const control = registers.get(REGISTERS.CR0) & offered;
    registers.set(REGISTERS.CR0ACK, control);
    this.mmu.enabled = (control & Cr0.SMMUEN) !== 0;
    this.#updateBypass();
    this.#commandQueue.consume();
  }

  #updateBypass(): void {
    this.#abortsAll = !this.mmu.enabled && (this.#registers.get(REGISTERS.GBPA) & Gbpa.ABORT) !== 0;
  }

  #updateOutputQueue(queue: OutputQueue, base: Register): void {
    queue.setBase(this.#registers.field(base, QUEUE_BASE.ADDR), this.#registers.field(base, QUEUE_BASE.LOG2SIZE));
  }

  #updateStreamTable(): void {
    const registers = this.#registers;
    const split = registers.field(REGISTERS.STRTAB_BASE_CFG, STRTAB_BASE_CFG.SPLIT);
    const format = registers.field(REGISTERS.STRTAB_BASE_CFG, STRTAB_BASE_CFG.FMT);
    const log2Size = registers.field(REGISTERS.STRTAB_BASE_CFG, STRTAB_BASE_CFG.LOG2SIZE);
    this.contexts.table = {
      base: registers.field(REGISTERS.STRTAB_BASE, STRTAB_BASE.ADDR),
      twoLevel: format === 1 && this.features.twoLevelStreams,
      log2Size: Math.min(log2Size, this.features.streamBits),
      // 6, 8 and 10 are defined; others behave as 6 (section 6.3.25).
      split: split === 8 || split === 10 ? split : 6,
    };
  }

  // What commands do outside the MMU's caches.

  upperInputBits(): Iterable<number> {
    return this.contexts.upperInputBits;
  }

  resume(streamId: number, tag: number, retry: boolean, abort: boolean): void {
    const transaction = this.faults.stalls.release(streamId, tag);
    if (transaction === null) return;
    if (retry) this.#retry(transaction);
    else this.#endStall(transaction, abort ? Outcome.ABORTED : Outcome.READ_AS_ZERO);
    const next = this.faults.stalls.nextWaiting();
    if (next !== null) this.#retry(next);
  }

  terminateStalled(streamId: number): void {
    for (const transaction of this.faults.stalls.releaseStream(streamId)) {
      this.#endStall(transaction, Outcome.ABORTED);
    }
    const next = this.faults.stalls.nextWaiting();
    if (next !== null) this.#retry(next);
  }

  #retry(parked: StalledTransaction): void {
    if (parked.inFlight !== null) {
      this.onResume?.(parked.inFlight, Outcome.OK);
      return;
    }
    const request = this.#again;
    const { master, streamId, substreamId, iova, flags, size } = parked;
    request.ask(master, streamId, substreamId, iova, flags, this.commands.busyUntil, size);
    // Stalled once more: it is parked again, with a record of its own.
    if (this.translate(request) || request.outcome !== Outcome.STALLED) {
      this.onStallEnd?.(parked, request.outcome, request);
    }
  }

  /** Software ends a parked transaction. */
  #endStall(parked: StalledTransaction, outcome: Outcome): void {
    if (parked.inFlight !== null) {
      this.onResume?.(parked.inFlight, outcome);
      return;
    }
    const request = this.#again;
    const { master, streamId, substreamId, iova, flags, size } = parked;
    request.ask(master, streamId, substreamId, iova, flags, this.commands.busyUntil, size).refuseAtOnce(outcome);
    this.onStallEnd?.(parked, outcome, request);
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

/** The write index of a queue that the SMMU writes: software may set it while the queue is off. */
function outputProd(queue: OutputQueue): RegisterHooks {
  return { read: () => queue.prod, write: (value) => (queue.prod = value) };
}
