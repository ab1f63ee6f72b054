import { Coverage, LiveRanges } from '../../../emulator/index.ts';
import type { TraceEvent } from '../../capture/index.ts';
import { mix } from './freed-stack.ts';
import { Fit, IovaAllocator } from './iova-allocator.ts';

/** Trails of unmaps that are followed at once: a network card takes back what it received and what it sent, in turns. */
const TRAILS = 3;
/** An unmap at most so many maps away from a trail's last one continues it. */
const TRAIL_STEP = 8;
/** A live range's tag holds the number that its map has in its domain, modulo this, and the serial number of the event above it. */
const NUMBERS = 2 ** 20;

/** How an unmap follows the ones before it in its domain: how many maps lie between the mapping it ends and the one that ended last. */
export const Order = { NEXT: 0, SOON: 1, LATER: 2, FAR: 3, PREVIOUS: 4, BEFORE: 5, LONG_BEFORE: 6, OTHER: 7 } as const;
/** The nearest trail explains an unmap: classes from near to far. */
const RANK = Uint8Array.of(0, 2, 4, 6, 1, 3, 5, 9);

/**
 * One domain as one hypothesis has it: what is live in it, what its IOVA allocator would hand out next, and in which order its driver takes back
 * what it mapped. Cheap to fork, since hypotheses differ in little.
 */
export class AddressSpace {
  readonly #live: LiveRanges;
  readonly #allocator: IovaAllocator;
  /** Maps so far. */
  #maps = 0;
  /** Numbers of the mappings that ended last, by trail, the newest trail first. */
  readonly #trails: Int32Array;
  #liveHash = 0;

  /** What was found for the event under way: valid while {@link stamp} is its number. */
  stamp = -1;
  /** How likely the event is this domain's, given that it is its turn; 0 when it cannot be. */
  likelihood = 0;
  /** What lives in it contradicts the event: a map over a live mapping, an unmap of what is not wholly mapped. */
  contradicted = false;
  /** Bytes of the buffer that a map begins. */
  bytes = 0;
  fit: Fit = Fit.NEXT;
  order = 0;
  /** Maps since the mapping that an unmap ends. */
  age = 0;
  /** Number of the event for which a surviving hypothesis keeps this space as it is. */
  kept = -1;
  /** The space after the event, and the number of that event. */
  next: AddressSpace | null = null;
  nextStamp = -1;

  /** @param from a space in whose state the new one begins */
  constructor(from?: AddressSpace) {
    this.#live = from === undefined ? new LiveRanges() : new LiveRanges(from.#live);
    this.#allocator = from === undefined ? new IovaAllocator() : new IovaAllocator(from.#allocator);
    this.#trails = from === undefined ? new Int32Array(TRAILS).fill(-1) : from.#trails.slice();
    if (from === undefined) return;
    this.#maps = from.#maps;
    this.#liveHash = from.#liveHash;
  }

  /** Equal for spaces in which the same mappings live and that hand out the same addresses. */
  get hash(): number {
    return mix(this.#liveHash, this.#allocator.hash);
  }

  get liveCount(): number {
    return this.#live.count;
  }

  passTime(time: number, cpus: number, granule: number): void {
    this.#allocator.passTime(time, cpus, granule);
  }

  overlaps(start: number, end: number): boolean {
    return this.#live.overlaps(start, end);
  }

  /**
   * How a map's address fits what would be handed out next, in {@link fit}: to the whole run of maps that it begins, or to it alone, since
   * addresses may follow each other by chance. The better of the two is taken for the buffer, its size left in {@link bytes}. An address in use is
   * {@link contradicted}.
   */
  judgeMap(start: number, size: number, run: number, granule: number, cpu: number): void {
    this.contradicted = this.#live.overlaps(start, start + size);
    if (this.contradicted) {
      this.fit = Fit.TAKEN;
      this.bytes = size;
      return;
    }
    let fit = this.#allocator.fit(start, run, granule, cpu);
    let bytes = run;
    if (run !== size && fit !== Fit.NEXT) {
      const single = this.#allocator.fit(start, size, granule, cpu);
      if (single < fit || this.#live.overlaps(start, start + run)) {
        fit = single;
        bytes = size;
      }
    }
    this.fit = fit;
    this.bytes = bytes;
  }

  /** How the range of an unmap is covered, and how it follows the unmaps before, in {@link order} and {@link age}. */
  judgeUnmap(start: number, end: number): Coverage {
    const coverage = this.#live.coverage(start, end);
    if (coverage === Coverage.NONE) return coverage;
    const tag = this.#live.tagAt(start);
    const number = tag < 0 ? this.#maps : tag % NUMBERS;
    let order: number = Order.OTHER;
    for (let at = 0; at < TRAILS; at++) {
      const last = this.#trails[at] as number;
      if (last < 0) break;
      const found = orderOf(number - last);
      if ((RANK[found] as number) < (RANK[order] as number)) order = found;
    }
    this.order = order;
    this.age = Math.max(0, (this.#maps % NUMBERS) - 1 - number);
    return coverage;
  }

  /** The event is a map of this domain. `bytes` is the size of the buffer it begins, 0 when it continues one. */
  map(event: TraceEvent, serial: number, bytes: number, granule: number): void {
    const { iova, size, cpu } = event;
    if (this.#live.overlaps(iova, iova + size)) this.#remove(iova, iova + size);
    this.#live.insert(iova, iova + size, serial * NUMBERS + (this.#maps % NUMBERS));
    this.#liveHash ^= hashOf(serial);
    if (bytes > 0) this.#allocator.allocate(iova, bytes, granule, cpu);
    this.#maps++;
  }

  /** The event is an unmap of this domain, and took `size` bytes. */
  unmap(event: TraceEvent, size: number, granule: number): void {
    const { iova, cpu, time } = event;
    const tag = this.#live.tagAt(iova);
    this.#remove(iova, iova + size);
    if (tag >= 0) this.#follow(tag % NUMBERS);
    this.#allocator.free(iova, size, granule, cpu, time);
  }

  #remove(start: number, end: number): void {
    const count = this.#live.tagsIn(start, end, TAGS);
    for (let at = 0; at < count; at++) this.#liveHash ^= hashOf(Math.floor((TAGS[at] as number) / NUMBERS));
    this.#live.remove(start, end);
  }

  #follow(number: number): void {
    const trails = this.#trails;
    let at = 0;
    while (at < TRAILS - 1 && !continues(number - (trails[at] as number), trails[at] as number)) at++;
    trails.copyWithin(1, 0, at);
    trails[0] = number;
  }
}

/** Reused: tags of the ranges that an unmap takes. Where it takes more, the rest does not count for the hash. */
const TAGS = new Float64Array(64);

function continues(step: number, last: number): boolean {
  return last >= 0 && step >= -TRAIL_STEP && step <= TRAIL_STEP;
}

function hashOf(serial: number): number {
  return mix(serial, 0x51ed270b);
}

function orderOf(step: number): number {
  if (step > 0) {
    if (step === 1) return Order.NEXT;
    return step <= 3 ? Order.SOON : step <= 7 ? Order.LATER : step <= 15 ? Order.FAR : Order.OTHER;
  }
  if (step === -1) return Order.PREVIOUS;
  return step >= -3 ? Order.BEFORE : step >= -7 ? Order.LONG_BEFORE : Order.OTHER;
}
