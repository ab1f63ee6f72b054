import { Ring } from '../../time/index.ts';
import { tagHigh, tagLow } from '../cache/index.ts';
import type { StageRegime, TranslationRegime } from '../regime/index.ts';
import { type ContextFetch, type ContextSource, ContextStatus, TranslationRequest } from '../translation/index.ts';
import { FaultClass, StageWalk } from '../walk/index.ts';

/**
 * A resource with so many slots: a port, a link, a walker. Who finds none free waits in line, but the line is not fair: a slot is
 * given back to the pool, the first in line is woken in the same tick and tries again, and whoever runs in between may be faster
 * (gem5's SMMUSemaphore).
 */
export class Slots {
  free: number;
  readonly waiting = new Ring<Flight>();

  constructor(count: number) {
    this.free = count;
  }
}

/** One request in flight through the MMU: all that it needs to remember between two events. Reused. */
export class Flight extends TranslationRequest {
  // What follows from the request.
  upper = false;
  /** Number of stream and substream. */
  stream = 0;
  needed = 0;
  write = false;
  /** Beats of write data on the TBU's port; 0 for a read. */
  beats = 0;
  /** Tag words of the address, without owner: see `tagLow` and `tagHigh`. */
  pageLow = 0;
  pageHigh = 0;
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

  /** Software has answered for it since it was parked. */
  resumed = false;

  // Its times, in ticks.
  startTick = 0;
  endTick = 0;
  walkTick = 0;
  /** When memory's answer is there. */
  dueTick = 0;

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
  /** How often hardware tried to write the descriptor of stage 1 back, and that of stage 2. */
  updates1 = 0;
  updates = 0;
  /** The address of the stage-1 descriptor before stage 2 is known: the walk did not find its table in a walk cache. */
  ipaKnown1 = true;
  /** The stage-1 descriptor to write back: where it lies, and what was read. */
  address1 = 0;
  readLow1 = 0;
  readHigh1 = 0;
  high1 = 0;
  table = 0;
  output1 = 0;
  attributes1 = 0;
  regime2: StageRegime | null = null;
  ipa = 0;
  /** What stage 2 translates. */
  purpose2: FaultClass = FaultClass.INPUT;
  /** Stage 2 refuses it when it lies in Device memory. */
  normalOnly2 = false;
  access2 = 0;
  low2 = 0;
  high2 = 0;
  output2 = 0;
  attributes2 = 0;

  /** Sets what follows from the address and its half. */
  locate(iova: number, upper: boolean): void {
    this.iova = iova;
    this.upper = upper;
    this.pageLow = tagLow(iova);
    this.pageHigh = tagHigh(iova, upper);
  }

  /** Makes the flight ready for a new request. */
  reset(): void {
    this.forget();
    this.pa = 0;
    this.attributes = 0;
    this.hit = 0;
    this.regime = null;
  }

  /** The flight's own machine for configuration fetches. */
  fetch(source: ContextSource): ContextFetch {
    this.#fetch ??= source.newFetch();
    return this.#fetch;
  }
}
