import {
  FAULT_NAMES,
  type FaultClass,
  FaultKind,
  HitFlag,
  type Mmu,
  type StageRegime,
  type StageWalk,
  type TranslatingDevice,
  type TranslationRegime,
  type TranslationRequest,
  type WalkCacheKind,
  type WalkMemory,
  type WalkObserver,
  type WalkStatus,
} from '../../../emulator/index.ts';
import type { IoPgtableFormat } from '../../../formats/index.ts';
import { narrateWalk, permissionNames, tableFormat, WalkRecorder, type WalkStep } from '../../image/index.ts';
import { hexText } from '../../quantity.ts';
import { type ExplainedStructure, explainEntry } from '../structures/index.ts';

/** One thing that the hardware does for an access. `cycles` is what it takes of the access's time. Plain JSON. */
export type TranslationEvent =
  | {
      readonly kind: 'lookup';
      readonly cache: 'micro-TLB' | 'main TLB' | 'SMMU TLB' | 'configuration cache' | WalkCacheKind;
      /** Of walk and IPA caches; else 0. */
      readonly stage: 0 | 1 | 2;
      /** Level of the descriptor that a walk cache spares; -1 for none. */
      readonly level: number;
      readonly hit: boolean;
      readonly cycles: number;
    }
  | {
      /** The way to the SMMU behind the TLBs of the TBU and back; structures that were fetched; what is left of a walk. */
      readonly kind: 'link' | 'return' | 'configuration' | 'decision' | 'port' | 'device';
      readonly count: number;
      readonly cycles: number;
    }
  | { readonly kind: 'begin'; readonly step: Extract<WalkStep, { kind: 'begin' }>; readonly cycles: number }
  | {
      readonly kind: 'read';
      readonly step: Extract<WalkStep, { kind: 'descriptor' }>;
      readonly structure: ExplainedStructure;
      /** What the CPU has written there and not made visible to the walker, as hex; null where both see the same. */
      readonly newer: string | null;
      readonly cycles: number;
    }
  | {
      readonly kind: 'fill';
      readonly cache: string;
      readonly stage: 0 | 1 | 2;
      readonly level: number;
      readonly cycles: number;
    };

/** An access with its answer and everything between. Plain JSON. */
export interface TranslationStory {
  readonly iova: string;
  readonly events: readonly TranslationEvent[];
  /** Null after a fault. */
  readonly pa: string | null;
  readonly permissions: readonly string[];
  readonly pageSize: number | null;
  readonly fault: { readonly name: string; readonly stage: number; readonly level: number } | null;
  /** A TLB or walk-cache entry served it that should be gone. */
  readonly stale: boolean;
  readonly reads: number;
  /** Cycles from the TBU to the answer: the sum over the events. */
  readonly latency: number;
}

/** What tells whether the CPU sees another descriptor at an address than the walker does: its value, or null. */
export type NewerValue = (pa: number, low: number, high: number) => string | null;

/**
 * Has a device translate a request that nothing else competes with, and keeps what it does.
 *
 * Does not: tell of translations of context descriptors' addresses by stage 2; tell of a device's own waits but as one event.
 *
 * @param ask translates `request`
 * @param newer asked of every descriptor as it is read
 */
export function narrateTranslation(
  device: TranslatingDevice,
  request: TranslationRequest,
  ask: () => boolean,
  newer: NewerValue = () => null,
): TranslationStory {
  const { mmu } = device;
  const log = new WalkLog(newer);
  mmu.watchWalks(log);
  let done = false;
  try {
    done = ask();
  } finally {
    mmu.watchWalks(null);
  }
  const events = eventsOf(mmu, request, log, done);
  const told = events.reduce((sum, { cycles }) => sum + cycles, 0);
  if (request.latency !== told) events.push({ kind: 'device', count: 1, cycles: request.latency - told });
  const { fault, faultStage, faultLevel, pageShift } = request;
  const name = fault === FaultKind.NONE ? 'no usable configuration of the stream' : FAULT_NAMES[fault];
  return {
    iova: hexText(request.iova),
    events,
    pa: done ? hexText(request.pa) : null,
    permissions: done ? permissionNames(request.permissions) : [],
    pageSize: done && pageShift < 52 ? 2 ** pageShift : null,
    fault: done ? null : { name, stage: faultStage, level: faultLevel },
    stale: done && request.staleMark !== 0,
    reads: done && (request.hit & (HitFlag.MICRO_TLB | HitFlag.MAIN_TLB)) !== 0 ? 0 : request.descriptorReads,
    latency: request.latency,
  };
}

/**
 * What a walk of an address would meet with all caches empty: nothing is asked of the MMU, and no time passes.
 *
 * @param iova the address as software writes it
 */
export function narrateLook(
  memory: WalkMemory,
  regime: TranslationRegime,
  iova: bigint,
  newer: NewerValue = () => null,
): TranslationStory {
  const walk = narrateWalk(memory, regime, iova);
  let granuleShift = 12;
  let reads = 0;
  const events = walk.steps.map((step): TranslationEvent => {
    if (step.kind === 'begin') {
      granuleShift = Math.log2(step.granule);
      return { kind: 'begin', step, cycles: 0 };
    }
    reads++;
    const stage = step.stage === 1 ? regime.stage1 : regime.stage2;
    const place = { format: tableFormat(stage as StageRegime), level: step.level, granuleShift };
    const value = BigInt(step.value);
    const found = newer(Number(step.pa), Number(value & 0xffff_ffffn), Number(value >> 32n));
    return { kind: 'read', step, structure: explainEntry(value, place), newer: found, cycles: 0 };
  });
  const { pa, permissions, pageSize, fault } = walk;
  return { iova: walk.iova, events, pa, permissions, pageSize, fault, stale: false, reads, latency: 0 };
}

/** The order in which an MMU looks, from the TBU to the walker and back; which of it took place stands in the request. */
function eventsOf(mmu: Mmu, request: TranslationRequest, log: WalkLog, done: boolean): TranslationEvent[] {
  const { config, caches } = mmu;
  const { hit } = request;
  const events: TranslationEvent[] = [];
  const lookup = (
    cache: 'micro-TLB' | 'main TLB' | 'SMMU TLB' | 'configuration cache',
    found: boolean,
    cycles: number,
  ): void => {
    events.push({ kind: 'lookup', cache, stage: 0, level: -1, hit: found, cycles });
  };
  const writes = (request.flags & 1) !== 0;
  const port: TranslationEvent = {
    kind: 'port',
    count: 1,
    cycles: writes ? Math.ceil(request.size / config.portWidth) : 1,
  };
  if (!mmu.enabled) return [{ kind: 'decision', count: 1, cycles: request.latency - port.cycles }, port];
  const { microTlb, mainTlb } = config.tbu;
  const micro = (hit & HitFlag.MICRO_TLB) !== 0;
  const main = (hit & HitFlag.MAIN_TLB) !== 0;
  if (microTlb.enabled) lookup('micro-TLB', micro, microTlb.latency);
  if (!micro) {
    if (mainTlb.enabled) lookup('main TLB', main, mainTlb.latency);
    if (!main) {
      events.push({ kind: 'link', count: 1, cycles: config.link.request });
      const fetched = request.configurationReads;
      if (caches.configuration !== null)
        lookup('configuration cache', fetched === 0, config.configurationCache.latency);
      if (fetched > 0) {
        events.push({ kind: 'configuration', count: fetched, cycles: fetched * (1 + config.memory.latency) });
      }
      const known = request.contextFault === 0;
      if (caches.tlb !== null && known) lookup('SMMU TLB', (hit & HitFlag.TLB) !== 0, config.tlb.latency);
      events.push(...log.events);
      const left = request.walkCycles - log.cycles;
      if (left > 0) events.push({ kind: 'decision', count: 1, cycles: left });
      if (done) fills(events, [caches.tlb !== null && (hit & HitFlag.TLB) === 0 ? 'SMMU TLB' : '']);
      events.push({ kind: 'return', count: 1, cycles: config.link.response });
      if (done) fills(events, [mainTlb.enabled ? 'main TLB' : '', microTlb.enabled ? 'micro-TLB' : '']);
    } else if (microTlb.enabled) fills(events, ['micro-TLB']);
  }
  events.push(port);
  return events;
}

function fills(events: TranslationEvent[], caches: readonly string[]): void {
  for (const cache of caches) if (cache !== '') events.push({ kind: 'fill', cache, stage: 0, level: -1, cycles: 0 });
}

/** Keeps what the walker does. */
class WalkLog implements WalkObserver {
  readonly events: TranslationEvent[] = [];
  /** Cycles of the walk that the events account for. */
  cycles = 0;
  readonly #newer: NewerValue;
  readonly #recorder = new WalkRecorder();

  constructor(newer: NewerValue) {
    this.#newer = newer;
  }

  begin(walk: StageWalk, purpose: FaultClass): void {
    this.#recorder.begin(walk, purpose);
    const step = this.#recorder.steps.at(-1);
    if (step?.kind === 'begin') this.events.push({ kind: 'begin', step, cycles: 0 });
  }

  asked(cache: WalkCacheKind, stage: 1 | 2, level: number, hit: boolean, cycles: number): void {
    this.events.push({ kind: 'lookup', cache, stage, level, hit, cycles: this.#since(cycles) });
  }

  descriptor(
    walk: StageWalk,
    level: number,
    address: number,
    pa: number,
    low: number,
    high: number,
    status: WalkStatus,
    cycles: number,
  ): void {
    this.#recorder.descriptor(walk, level, address, pa, low, high, status);
    const step = this.#recorder.steps.at(-1);
    if (step?.kind !== 'descriptor') return;
    const regime = walk.regime as StageRegime;
    const place = { format: tableFormat(regime) satisfies IoPgtableFormat, level, granuleShift: walk.granuleShift };
    const structure = explainEntry(BigInt(step.value), place);
    this.events.push({
      kind: 'read',
      step,
      structure,
      newer: this.#newer(pa, low >>> 0, high >>> 0),
      cycles: this.#since(cycles),
    });
  }

  kept(stage: 1 | 2, level: number): void {
    this.events.push({ kind: 'fill', cache: 'walk cache', stage, level, cycles: 0 });
  }

  #since(cycles: number): number {
    const spent = cycles - this.cycles;
    this.cycles = cycles;
    return spent;
  }
}
