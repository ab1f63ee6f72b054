import { type ContextFetch, type ContextSource, ContextStatus } from './context-source.ts';
import { FaultClass } from './fault.ts';
import { FaultKind, type StageRegime, type TranslationRegime } from './regime.ts';
import { StageWalk } from './stage-walk.ts';

/**
 * A resource with so many slots: a port, a link, a walker. Who finds none free waits in line, but the line is not fair: a slot is
 * given back to the pool, the first in line is woken in the same tick and tries again, and whoever runs in between may be faster
 * (gem5's SMMUSemaphore).
 */
export class Slots {
  free: number;
  readonly waiting: Flight[] = [];

  constructor(count: number) {
    this.free = count;
  }
}

/** One request in flight through the MMU: all that it needs to remember between two events. Reused. */
export class Flight {
  // The request.
  master = 0;
  iova = 0;
  upper = false;
  streamId = 0;
  substreamId = -1;
  /** Number of stream and substream. */
  stream = 0;
  needed = 0;
  size = 0;
  write = false;
  /** A prefetch: nobody waits for it. */
  prefetch = false;
  /** Requests of one order stay in order. */
  order = 0;

  // Where it is.
  state = 0;
  /** State after the read that is under way. */
  afterRead = 0;
  /** State after the stage-2 translation that is under way. */
  afterStage2 = 0;

  // Its times, in ticks.
  startTick = 0;
  endTick = 0;
  walkTick = 0;

  // What came out.
  pa = 0;
  attributes = 0;
  hit = 0;
  hitLevel = -1;
  descriptorReads = 0;
  configurationReads = 0;
  walkCacheLookups = 0;
  fault: FaultKind = FaultKind.NONE;
  faultStage = 0;
  faultLevel = 0;
  faultClass: FaultClass = FaultClass.INPUT;
  faultIpa = 0;
  contextFault = 0;
  mark = 0;

  // Configuration.
  regime: TranslationRegime | null = null;
  space = 0;
  space2 = 0;
  contextStatus: ContextStatus = ContextStatus.DONE;
  #fetch: ContextFetch | null = null;

  // Walks: registers of the two stages.
  readonly walk1 = new StageWalk();
  readonly walk2 = new StageWalk();
  /** Level that the walk caches are probed at. */
  level = 0;
  /** Address of the descriptor or structure to read. */
  address = 0;
  bytes = 8;
  low = 0;
  high = 0;
  readable = true;
  low1 = 0;
  high1 = 0;
  table = 0;
  cacheable = true;
  output1 = 0;
  attributes1 = 0;
  regime2: StageRegime | null = null;
  ipa = 0;
  final2 = false;
  access2 = 0;
  low2 = 0;
  high2 = 0;
  output2 = 0;
  attributes2 = 0;

  /** Makes the flight ready for a new request. */
  reset(): void {
    this.upper = false;
    this.prefetch = false;
    this.pa = 0;
    this.attributes = 0;
    this.hit = 0;
    this.hitLevel = -1;
    this.descriptorReads = 0;
    this.configurationReads = 0;
    this.walkCacheLookups = 0;
    this.fault = FaultKind.NONE;
    this.faultStage = 0;
    this.faultLevel = 0;
    this.faultIpa = 0;
    this.contextFault = 0;
    this.mark = 0;
    this.regime = null;
  }

  /** The flight's own machine for configuration fetches. */
  fetch(source: ContextSource): ContextFetch {
    this.#fetch ??= source.newFetch();
    return this.#fetch;
  }
}
