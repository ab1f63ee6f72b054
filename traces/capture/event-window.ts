import { Context, DmaRequest, EventKind, TraceEvent, UNKNOWN } from './events/index.ts';

/** Events held back, a power of two. A scatter list of 128 segments may cause as many maps before its `dma_map_sg` line. */
const WINDOW = 256;
/** `dma_free` lines whose unmap is still to come. */
const PENDING_FREES = 8;
const PAGE = 4096;

/** Threads whose run of maps is followed at once; a clash only ends a run early. */
const RUN_SLOTS = 256;

/**
 * Looks a little ahead: events pass through a window of {@link WINDOW}, in which what comes later tells about what came before.
 *
 * - The device of a map or unmap, what its driver asked for and which way the data goes, from the `dma:*` events beside it. The DMA API reports a mapping right after the maps it caused, and takes
 *   one back right after the unmap (a coherent buffer: right before). So a DMA event looks back for its calls: same IOVA, same CPU or thread.
 * - How far a scattered buffer reaches: `runEnd` of its first map, from the maps of the same thread that continue where it ended.
 */
export class EventWindow {
  readonly #ring: TraceEvent[] = Array.from({ length: WINDOW }, () => new TraceEvent());
  #first = 0;
  #held = 0;
  readonly #freeIova = new Float64Array(PENDING_FREES).fill(UNKNOWN);
  readonly #freeDevice = new Int32Array(PENDING_FREES);
  readonly #freeDirection = new Int32Array(PENDING_FREES);
  #nextFree = 0;
  #frees = 0;
  /** Events ever pushed: the newest has this number less one. */
  #pushed = 0;
  readonly #runKey = new Int32Array(RUN_SLOTS).fill(UNKNOWN);
  readonly #runEnd = new Float64Array(RUN_SLOTS);
  /** Number of the run's first event. */
  readonly #runFirst = new Float64Array(RUN_SLOTS);

  /** Whether {@link push} would exceed the window: {@link shift} first. */
  get full(): boolean {
    return this.#held === WINDOW;
  }

  get empty(): boolean {
    return this.#held === 0;
  }

  /** The object to read the next event into; {@link push} makes it part of the window. */
  slot(): TraceEvent {
    return this.#at(this.#held);
  }

  /** Takes the event in the slot into the window and labels what it tells about. */
  push(): void {
    const event = this.#at(this.#held);
    this.#held++;
    this.#pushed++;
    switch (event.kind) {
      case EventKind.MAP:
        this.#extendRun(event);
        break;
      case EventKind.DMA_MAP:
        this.#label(event, EventKind.MAP);
        break;
      case EventKind.DMA_UNMAP:
        this.#label(event, EventKind.UNMAP);
        break;
      case EventKind.DMA_FREE:
        this.#freeIova[this.#nextFree] = event.iova;
        this.#freeDevice[this.#nextFree] = event.device;
        this.#freeDirection[this.#nextFree] = event.direction;
        this.#nextFree = (this.#nextFree + 1) % PENDING_FREES;
        this.#frees++;
        break;
      case EventKind.UNMAP:
        if (this.#frees > 0) this.#labelFreed(event);
        break;
    }
  }

  /** Takes the oldest event out. It is valid until the next {@link push}. */
  shift(): TraceEvent {
    const event = this.#at(0);
    this.#first = (this.#first + 1) & (WINDOW - 1);
    this.#held--;
    return event;
  }

  #at(index: number): TraceEvent {
    return this.#ring[(this.#first + index) & (WINDOW - 1)] as TraceEvent;
  }

  #extendRun(event: TraceEvent): void {
    const end = event.iova + event.size;
    event.runEnd = end;
    const key = event.context > Context.TASK ? -2 - event.cpu * CONTEXT_LEVELS - event.context : event.pid;
    const slot = (Math.imul(key, 0x9e3779b1) >>> 16) & (RUN_SLOTS - 1);
    const first = this.#runFirst[slot] as number;
    const age = this.#pushed - 1 - first;
    if (this.#runKey[slot] === key && this.#runEnd[slot] === event.iova && age < this.#held) {
      this.#at(this.#held - 1 - age).runEnd = end;
    } else {
      this.#runKey[slot] = key;
      this.#runFirst[slot] = this.#pushed - 1;
    }
    this.#runEnd[slot] = end;
  }

  #label(dma: TraceEvent, kind: EventKind): void {
    const start = dma.iova;
    const end = start + (dma.size > 0 ? dma.size : 1);
    // The DMA API maps whole pages: the last may reach beyond the buffer.
    let left = start === UNKNOWN ? 1 : Math.ceil((end - Math.floor(start / PAGE) * PAGE) / PAGE) * PAGE;
    for (let index = this.#held - 2; index >= 0 && left > 0; index--) {
      const event = this.#at(index);
      if (event.kind !== kind || event.device !== UNKNOWN) continue;
      if (event.cpu !== dma.cpu && event.pid !== dma.pid) continue;
      // A scatter list's unmap names no IOVA in older kernels: it belongs to the unmap just before.
      if (start === UNKNOWN || (event.iova < end && event.iova + event.size > start)) {
        event.device = dma.device;
        event.request = dma.request;
        event.direction = dma.direction;
        left -= event.size;
      }
    }
  }

  #labelFreed(event: TraceEvent): void {
    for (let index = 0; index < PENDING_FREES; index++) {
      const iova = this.#freeIova[index] as number;
      if (iova < event.iova || iova >= event.iova + event.size) continue;
      event.device = this.#freeDevice[index] as number;
      event.request = DmaRequest.ALLOC;
      event.direction = this.#freeDirection[index] as number;
      this.#freeIova[index] = UNKNOWN;
      this.#frees = Math.max(0, this.#frees - 1);
      return;
    }
  }
}

const CONTEXT_LEVELS = 4;
