import { ENTRY, FaultClass, FaultKind } from '../walk/index.ts';

/** How a translation request ended for the master that made it. */
export const Outcome = {
  OK: 0,
  /** The master gets an abort. */
  ABORTED: 1,
  /** Terminated quietly: a read returns zeros, a write is ignored. */
  READ_AS_ZERO: 2,
  /** Parked until software answers; the device tells how it went on. */
  STALLED: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/**
 * One access that asks for a translation, with what came out of it. The same object goes through the device, the MMU and its walker,
 * each of which writes its part of the answer into it; a master makes one and uses it again for every access.
 *
 *     request.ask(master, streamId, -1, iova, AccessFlag.WRITE, now);
 *     if (device.translate(request)) use(request.pa, request.completion);
 *     else report(request.outcome, request.fault, request.faultStage, request.faultLevel);
 *
 * Times are SMMU clock cycles.
 */
export class TranslationRequest {
  // What is asked. A hot caller writes the fields that change; `ask` writes all of them.
  /** Index of the master's TBU, below `config.masters`. */
  master = 0;
  streamId = 0;
  /** -1 for none. */
  substreamId = -1;
  /** Input address; of the upper half its low bits. */
  iova = 0;
  /** Bits of `AccessFlag`: read or write, privilege, the upper half, prefetch. */
  flags = 0;
  /** Bytes, 1 to 4096 and within one 4 KiB page; only writes take longer for it. */
  size = 64;
  /** Cycle at which the master offers the request. */
  start = 0;

  // What came out.
  /** Output address; 0 when the request was refused. */
  pa = 0;
  /** Cycle at which the access goes on to memory with its output address, or at which its fault is known. */
  completion = 0;
  /** Cycles since the TBU had received the request: what the reference counts as translation time. */
  latency = 0;
  /** What the translation grants and how its memory is accessed, packed as {@link ENTRY} says. The getters below read it. */
  attributes = 0;
  /** How it ended for the master. The device sets it when it refuses the request. */
  outcome: Outcome = Outcome.OK;
  fault: FaultKind = FaultKind.NONE;
  /** 1 or 2; 0 when no table was at fault. */
  faultStage = 0;
  faultLevel = 0;
  faultClass: FaultClass = FaultClass.INPUT;
  /** Intermediate physical address of a stage-2 fault. */
  faultIpa = 0;
  /** Of a stage-2 fault on a stage-1 table: hardware wanted to write the descriptor back (access flag, dirty state), not to read it. */
  faultOnUpdate = false;
  /** Why the stream has no usable configuration (see `ContextFetch.fault`); 0 when that was not the fault. */
  contextFault = 0;
  /** Bits of `HitFlag`: which caches served it. */
  hit = 0;
  /** Level of the stage-1 walk-cache entry that the walk began from, -1 without one. */
  walkCacheLevel = -1;
  descriptorReads = 0;
  configurationReads = 0;
  walkCacheLookups = 0;
  /** Cycles of the table walk alone. */
  walkCycles = 0;
  /** The sanitizer's mark (see `StaleMarks`) of a TLB or walk-cache entry that served the access; 0 for none. */
  staleMark = 0;
  /** For the MMU: the fields that only a request sets which missed the TLBs of its TBU are not as `forget` leaves them. */
  missed = false;

  /** Asks for another translation. What came out of the last one stays until the request is translated. */
  ask(
    master: number,
    streamId: number,
    substreamId: number,
    iova: number,
    flags: number,
    start: number,
    size = 64,
  ): this {
    this.master = master;
    this.streamId = streamId;
    this.substreamId = substreamId;
    this.iova = iova;
    this.flags = flags;
    this.start = start;
    this.size = size;
    return this;
  }

  /** Whether the MMU found a translation that permits the access. */
  get translated(): boolean {
    return this.fault === FaultKind.NONE && this.contextFault === 0;
  }

  /** Takes back what only a request sets that missed the TLBs of its TBU. */
  forget(): void {
    this.missed = false;
    this.walkCacheLevel = -1;
    this.descriptorReads = 0;
    this.configurationReads = 0;
    this.walkCacheLookups = 0;
    this.walkCycles = 0;
    this.staleMark = 0;
    this.contextFault = 0;
    this.fault = FaultKind.NONE;
    this.faultStage = 0;
    this.faultLevel = 0;
    this.faultIpa = 0;
    this.faultOnUpdate = false;
    this.outcome = Outcome.OK;
  }

  /** Of a device: refuses the request without asking the MMU. @returns false, what `translate` then returns */
  refuseAtOnce(outcome: Outcome): false {
    this.forget();
    this.pa = 0;
    this.attributes = 0;
    this.hit = 0;
    this.latency = 0;
    this.completion = this.start;
    return this.refuse(outcome);
  }

  /** Of a device: refuses the request, whatever the MMU made of it. @returns false, what `translate` then returns */
  refuse(outcome: Outcome): false {
    this.missed = true;
    this.outcome = outcome;
    return false;
  }

  /** Bits of `Permission` that the translation grants. */
  get permissions(): number {
    return (this.attributes >>> ENTRY.PERMISSIONS_SHIFT) & ENTRY.PERMISSIONS_MASK;
  }

  /** MAIR byte of the memory: of the leaf, or of both stages combined. */
  get memoryAttribute(): number {
    return (this.attributes >>> ENTRY.MEMORY_SHIFT) & ENTRY.MEMORY_MASK;
  }

  /** SH: 0 non-shareable, 2 outer, 3 inner. */
  get shareability(): number {
    return (this.attributes >>> ENTRY.SHAREABILITY_SHIFT) & ENTRY.SHAREABILITY_MASK;
  }

  /** log2 of the page size of the entry that served the access. */
  get pageShift(): number {
    return this.attributes & ENTRY.SHIFT_MASK;
  }
}
