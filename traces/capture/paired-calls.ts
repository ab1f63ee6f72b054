import { EventKind, type TraceEvent, UNKNOWN } from './events/index.ts';

/** How many calls may be between their start and their end at once: one per CPU and interrupt depth, with room. */
const OPEN_CALLS = 64;

/**
 * Counts a call once where a capture holds both its `dom_*` kprobe (at the start, with domain and protection) and its plain event (at the
 * end): the first is kept and the second recognised. Calls nest, since an interrupt may unmap in the middle of a map, and a task may
 * change its CPU, so the pair is found by what it says and not by where it stands. Where the kprobe of an attach names the domain alone, its plain event
 * gets that domain and is kept: it has the device.
 */
export class PairedCalls {
  readonly #kind = new Int8Array(OPEN_CALLS).fill(UNKNOWN);
  readonly #iova = new Float64Array(OPEN_CALLS);
  readonly #size = new Float64Array(OPEN_CALLS);
  readonly #device = new Int32Array(OPEN_CALLS);
  readonly #domain = new Int32Array(OPEN_CALLS);
  readonly #pid = new Int32Array(OPEN_CALLS);
  #next = 0;
  #seen = false;

  /** Whether the event is the plain record of a call already told. */
  repeats(event: TraceEvent): boolean {
    const kind = event.kind;
    if (kind !== EventKind.MAP && kind !== EventKind.UNMAP && kind !== EventKind.ATTACH) return false;
    if (event.domain !== UNKNOWN) {
      this.#seen = true;
      const at = this.#next;
      this.#kind[at] = kind;
      this.#iova[at] = event.iova;
      this.#size[at] = event.size;
      this.#device[at] = event.device;
      this.#domain[at] = event.domain;
      this.#pid[at] = event.pid;
      this.#next = (at + 1) % OPEN_CALLS;
      return false;
    }
    return this.#seen && this.#close(event);
  }

  #close(event: TraceEvent): boolean {
    const { kind, pid } = event;
    // The innermost call ends first: look from the newest.
    for (let back = 1; back <= OPEN_CALLS; back++) {
      const at = (this.#next - back + OPEN_CALLS) % OPEN_CALLS;
      if (
        this.#kind[at] === kind &&
        this.#iova[at] === event.iova &&
        this.#size[at] === event.size &&
        this.#device[at] === event.device
      ) {
        this.#kind[at] = UNKNOWN;
        return true;
      }
      if (
        kind === EventKind.ATTACH &&
        this.#kind[at] === kind &&
        this.#device[at] === UNKNOWN &&
        this.#pid[at] === pid
      ) {
        this.#kind[at] = UNKNOWN;
        event.domain = this.#domain[at] as number;
        return false;
      }
    }
    return false;
  }
}
