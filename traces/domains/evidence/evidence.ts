import { Context, EventKind, type TraceEvent } from '../../capture/index.ts';
import { type AddressSpace, Order } from './address-space.ts';
import { Fit } from './iova-allocator.ts';
import { PageOwners, STREAKS } from './page-owners.ts';

/** Counts are halved when they add up to this, so that a domain may change its habits. */
const MEMORY = 512;
/** Of what all domains do together. */
const LONG_MEMORY = 4096;
/** Who was at work when: kinds of event, by interrupt level of a CPU or by thread. A clash of two only costs a hint. */
const LEVELS = 32;
const THREADS = 224;
const KEYS = 2 * (LEVELS + THREADS);
/** How many events it takes until who is at work says more than how busy each domain is. */
const DOUBT = 2;
/** Classes of the time between two events of a thread: powers of four from a microsecond on. */
const GAPS = 8;
const STAYS = 4 * GAPS;
const SIZES = 20;
const AGES = 16;
const UNSEEN = 0.5;
/** How many addresses share what is left to one that the allocator would not hand out, that waits elsewhere in a magazine, that is taken. */
const PLACES = Float64Array.of(1, 60, 200, 10000);
/** How many mappings share a class of {@link Order}. */
const STEPS = Float64Array.of(1, 2, 4, 8, 1, 2, 4, 1);
/** An unmap in turn is not doubted for its age, unless no mapping of this age was ever ended. */
const AGE_EXCUSE = 4;
/** A guess on a page's owner is not let weigh more than this. */
const LEAST_SHARE = 0.02;

/** What one domain usually does. */
class Habits {
  readonly keys = new Float64Array(KEYS);
  activity = 0;
  readonly sizes = new Float64Array(SIZES);
  sized = 0;
  readonly fits = Float64Array.of(8, 0.5, 0.5, 0.05);
  fitted = 9.05;
  readonly orders = Float64Array.of(1, 0.3, 0.3, 0.2, 0.5, 0.2, 0.2, 1);
  ordered = 3.7;
  readonly ages = new Float64Array(AGES);
  aged = 0;
}

/**
 * What tells domains apart, learned from the events already given to them: who is at work for which domain (thread, or interrupt level of a CPU), whether
 * a thread stays with the domain it served last, which sizes a domain maps and whose pages, how well its IOVA allocator foresees an address, and in
 * which order and after how many maps it unmaps. Counts, each with a little doubt added (naive Bayes): no table was fitted to a capture.
 */
export class Evidence {
  /** Share of the event's next being each domain's, by slot, if its thread does not stay where it was. */
  readonly shares: number[] = [];
  /** How likely the thread stays with the domain it served last. */
  stays = 0;

  readonly #habits: Habits[] = [];
  readonly #keyTotals = new Float64Array(KEYS);
  #activity = 0;
  readonly #stayed = new Float64Array(STAYS).fill(1);
  readonly #left = new Float64Array(STAYS).fill(1);
  readonly #pages = new PageOwners();
  /** How often the owner of a page mapped it again, and how often another: by how often in a row it had. */
  readonly #same = new Float64Array(STREAKS).fill(1);
  readonly #other = new Float64Array(STREAKS).fill(1);

  #key = 0;
  #stay = 0;
  #size = 0;
  #page = 0;
  #pageCount = 0;
  #ownerAgain = 0;
  #ownerShare = 0;

  /** A domain comes into being under this number. */
  add(slot: number): void {
    this.#habits[slot] = new Habits();
    this.shares[slot] = 0;
  }

  /**
   * An event arrives: what can be said of it whoever's it is.
   * @param gap seconds since the thread's last event
   * @param lastKind kind of that event
   */
  open(event: TraceEvent, lastKind: number, gap: number, granule: number): void {
    const kind = event.kind === EventKind.MAP ? 0 : 1;
    this.#key = kind * (LEVELS + THREADS) + workerOf(event);
    this.#stay = (lastKind * 2 + kind) * GAPS + gapClass(gap);
    const stayed = this.#stayed[this.#stay] as number;
    this.stays = stayed / (stayed + (this.#left[this.#stay] as number));
    const total = (this.#keyTotals[this.#key] as number) + DOUBT;
    const habits = this.#habits;
    for (let slot = 0; slot < habits.length; slot++) {
      const { keys, activity } = habits[slot] as Habits;
      const busy = (activity + 1) / (this.#activity + habits.length);
      this.shares[slot] = ((keys[this.#key] as number) + DOUBT * busy) / total;
    }
    if (kind === 1) return;
    this.#size = sizeClass(Math.ceil(event.size / granule));
    this.#page = Math.floor(event.pa / granule);
    this.#pageCount = Math.max(1, Math.ceil(event.size / granule));
    this.#pages.find(this.#page);
    const { owner, streak } = this.#pages;
    if (owner < 0) return;
    const same = this.#same[streak] as number;
    this.#ownerAgain = same / (same + (this.#other[streak] as number));
    this.#ownerShare = ((habits[owner] as Habits).activity + 1) / (this.#activity + habits.length);
  }

  /** How likely the map is this domain's, given that it is its turn and how the address fits. */
  mapLikelihood(slot: number, fit: Fit): number {
    const { fits, fitted, sizes, sized } = this.#habits[slot] as Habits;
    const address = (fits[fit] as number) / fitted / (PLACES[fit] as number);
    const size = ((sizes[this.#size] as number) + UNSEEN) / (sized + UNSEEN * SIZES);
    return address * size * this.#pageFactor(slot);
  }

  /** How likely the map is the first of a domain that was not seen before. */
  newcomerLikelihood(fit: Fit): number {
    return (fit === Fit.NEXT ? 0.9 : 0.05 / (PLACES[Fit.OTHER] as number)) / SIZES;
  }

  /** How likely the unmap is this domain's, given that it is its turn and how it follows the ones before. */
  unmapLikelihood(slot: number, space: AddressSpace): number {
    const { orders, ordered, ages, aged } = this.#habits[slot] as Habits;
    const { order, age } = space;
    const inTurn = (orders[order] as number) / ordered / (STEPS[order] as number);
    const at = ageClass(age);
    const old = ((ages[at] as number) + UNSEEN) / (aged + UNSEEN * AGES);
    if (order !== Order.OTHER) return inTurn * Math.min(1, old * AGE_EXCUSE);
    return (inTurn * old) / Math.max(1, Math.min(2 ** (at - 1), space.liveCount));
  }

  /**
   * The event was most likely this domain's.
   * @param weight 1 when that is sure, less when it is a guess
   * @param last the domain its thread served last, or -1
   * @param continues it continues a scattered buffer: nothing is learned from it but whose pages it has
   */
  learn(
    event: TraceEvent,
    slot: number,
    space: AddressSpace | null,
    weight: number,
    last: number,
    continues: boolean,
  ): void {
    const isMap = event.kind === EventKind.MAP;
    if (!continues) {
      if (last >= 0) this.#learnStay(slot, last);
      const one = this.#habits[slot] as Habits;
      one.keys[this.#key] = (one.keys[this.#key] as number) + weight;
      this.#keyTotals[this.#key] = (this.#keyTotals[this.#key] as number) + weight;
      if ((this.#keyTotals[this.#key] as number) > MEMORY / 2) this.#forgetKey();
      one.activity += weight;
      this.#activity += weight;
      if (this.#activity > LONG_MEMORY) this.#forgetActivity();
      if (isMap) {
        one.sizes[this.#size] = (one.sizes[this.#size] as number) + weight;
        one.sized += weight;
        if (one.sized > MEMORY) one.sized = halve(one.sizes);
        const fit = space === null ? Fit.NEXT : space.fit;
        one.fits[fit] = (one.fits[fit] as number) + weight;
        one.fitted += weight;
        if (one.fitted > MEMORY / 2) one.fitted = halve(one.fits);
      } else if (space !== null) {
        const { order } = space;
        one.orders[order] = (one.orders[order] as number) + weight;
        one.ordered += weight;
        if (one.ordered > MEMORY / 2) one.ordered = halve(one.orders);
        const at = ageClass(space.age);
        one.ages[at] = (one.ages[at] as number) + weight;
        one.aged += weight;
        if (one.aged > MEMORY / 2) one.aged = halve(one.ages);
      }
    }
    if (!isMap) return;
    const { owner, streak } = this.#pages;
    if (owner >= 0 && !continues) {
      const counts = owner === slot ? this.#same : this.#other;
      counts[streak] = (counts[streak] as number) + weight;
      if ((this.#same[streak] as number) + (this.#other[streak] as number) > 4 * MEMORY) {
        this.#same[streak] = (this.#same[streak] as number) / 2;
        this.#other[streak] = (this.#other[streak] as number) / 2;
      }
    }
    this.#pages.learn(this.#page, this.#pageCount, slot);
  }

  #pageFactor(slot: number): number {
    if (this.#pages.owner < 0) return 1;
    return slot === this.#pages.owner
      ? this.#ownerAgain / Math.max(LEAST_SHARE, this.#ownerShare)
      : (1 - this.#ownerAgain) / Math.max(LEAST_SHARE, 1 - this.#ownerShare);
  }

  #learnStay(slot: number, last: number): void {
    const at = this.#stay;
    if (slot === last) {
      // It may have come back to it by chance.
      const share = this.shares[slot] as number;
      const stayed = this.stays / (this.stays + (1 - this.stays) * share);
      this.#stayed[at] = (this.#stayed[at] as number) + stayed;
      this.#left[at] = (this.#left[at] as number) + 1 - stayed;
    } else this.#left[at] = (this.#left[at] as number) + 1;
    if ((this.#stayed[at] as number) + (this.#left[at] as number) > 2 * MEMORY) {
      this.#stayed[at] = (this.#stayed[at] as number) / 2;
      this.#left[at] = (this.#left[at] as number) / 2;
    }
  }

  #forgetKey(): void {
    for (const { keys } of this.#habits) keys[this.#key] = (keys[this.#key] as number) / 2;
    this.#keyTotals[this.#key] = (this.#keyTotals[this.#key] as number) / 2;
  }

  #forgetActivity(): void {
    for (const one of this.#habits) one.activity /= 2;
    this.#activity /= 2;
  }
}

function halve(counts: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < counts.length; at++) {
    counts[at] = (counts[at] as number) / 2;
    sum += counts[at] as number;
  }
  return sum;
}

/** An interrupt's thread is whoever was interrupted: its CPU and level say more. */
function workerOf(event: TraceEvent): number {
  if (event.context > Context.TASK) return (Math.max(event.cpu, 0) * CONTEXT_LEVELS + event.context) & (LEVELS - 1);
  return LEVELS + ((Math.imul(event.pid, 0x9e3779b1) >>> 16) % THREADS);
}

function sizeClass(pages: number): number {
  return pages <= 8 ? Math.max(pages, 1) - 1 : Math.min(SIZES - 1, 36 - Math.clz32(Math.min(pages, 2 ** 31) - 1));
}

function ageClass(age: number): number {
  return age <= 0 ? 0 : Math.min(AGES - 1, 32 - Math.clz32(age));
}

function gapClass(seconds: number): number {
  const microseconds = Math.max(1, seconds * 1e6);
  return Math.min(GAPS - 1, (31 - Math.clz32(Math.min(microseconds, 2 ** 30))) >> 1);
}

const CONTEXT_LEVELS = 4;
