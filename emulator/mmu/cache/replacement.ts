import { Prng } from '../../../formats/index.ts';
import type { ReplacementPolicy } from '../config/index.ts';

/** What of a cache's geometry concerns replacement. */
export interface ReplacementGeometry {
  readonly policy: ReplacementPolicy;
  /** Seed of the `random` policy. */
  readonly seed: number;
  /** The round-robin pointer belongs to the whole cache, not to each set (gem5). */
  readonly onePointerForAllSets: boolean;
  /** LRU: a fresh entry is the oldest until its first hit (gem5). */
  readonly freshEntryIsOldest: boolean;
}

const ROUND_ROBIN = 0;
const LRU = 1;
const PLRU = 2;
const RANDOM = 3;
const DROP_ALL = 4;

/** Chooses victims for one cache. Entries are numbered set by set. */
export class Replacement {
  /** The policy needs to be told of hits and fills. */
  readonly looksAtHits: boolean;
  readonly dropsAll: boolean;
  readonly #policy: number;
  readonly #ways: number;
  readonly #freshIsOldest: boolean;
  readonly #pointers: Int32Array;
  readonly #roundRobin: boolean;
  /** Which bits of the set number choose its pointer: all, or none where one pointer serves all sets. */
  readonly #pointerMask: number;
  readonly #stamps: Float64Array;
  readonly #tree: Int32Array;
  /** By way, what a hit makes of the tree of its set: bits that stay, and bits that are set. Every node on the way there points away. */
  readonly #stays: Int32Array;
  readonly #points: Int32Array;
  /** log2 of the ways, -1 where they are no power of two. */
  readonly #wayShift: number;
  readonly #random: Prng;
  /** Stamp of the next hit. It starts at the stamp of fresh entries, as gem5's does. */
  #clock = 0;

  /** @param pointers a round-robin pointer to share with other caches, or null */
  constructor(geometry: ReplacementGeometry, sets: number, ways: number, pointers: Int32Array | null) {
    const policies = { 'round-robin': ROUND_ROBIN, lru: LRU, plru: PLRU, random: RANDOM, 'drop-all': DROP_ALL };
    this.#policy = policies[geometry.policy];
    this.looksAtHits = this.#policy === LRU || this.#policy === PLRU;
    this.dropsAll = this.#policy === DROP_ALL;
    this.#ways = ways;
    this.#freshIsOldest = geometry.freshEntryIsOldest;
    this.#roundRobin = this.#policy === ROUND_ROBIN;
    const pointerPerSet = pointers === null && !geometry.onePointerForAllSets;
    this.#pointerMask = pointerPerSet ? -1 : 0;
    this.#pointers = pointers ?? new Int32Array(pointerPerSet ? sets : 1);
    this.#stamps = new Float64Array(this.#policy === LRU ? sets * ways : 0);
    this.#tree = new Int32Array(this.#policy === PLRU ? sets : 0);
    this.#stays = new Int32Array(this.#policy === PLRU ? ways : 0);
    this.#points = new Int32Array(this.#policy === PLRU ? ways : 0);
    for (let way = 0; way < this.#stays.length; way++) this.#lookFrom(way);
    this.#wayShift = (ways & (ways - 1)) === 0 ? Math.log2(ways) : -1;
    this.#random = new Prng(geometry.seed);
  }

  /**
   * The way to give up in a set without a free one.
   *
   * @param usable ways to choose among, from way 0 on
   */
  choose(set: number, usable: number): number {
    if (this.#roundRobin === true) {
      const at = set & this.#pointerMask;
      const next = (this.#pointers[at] as number) + 1;
      // A pointer may come from a cache with more ways.
      const way = next < usable ? next : next === usable ? 0 : next % usable;
      this.#pointers[at] = way;
      return way;
    }
    return this.#chooseByAge(set, usable);
  }

  #chooseByAge(set: number, usable: number): number {
    if (this.#policy === LRU) return this.#oldest(set * this.#ways, usable);
    if (this.#policy === PLRU) {
      const tree = this.#tree[set] as number;
      let node = 1;
      while (node < this.#ways) node = node * 2 + ((tree >>> node) & 1);
      return Math.min(node - this.#ways, usable - 1);
    }
    return this.#random.below(usable);
  }

  /** An entry was hit. */
  touch(entry: number): void {
    if (this.#policy === LRU) {
      this.#stamps[entry] = this.#clock++;
      return;
    }
    const set = this.#wayShift >= 0 ? entry >>> this.#wayShift : Math.floor(entry / this.#ways);
    const way = entry - set * this.#ways;
    this.#tree[set] = ((this.#tree[set] as number) & (this.#stays[way] as number)) | (this.#points[way] as number);
  }

  /** Works out what a hit of a way makes of the tree. */
  #lookFrom(way: number): void {
    let stays = -1;
    let points = 0;
    for (let node = way + this.#ways; node > 1; node >>>= 1) {
      const parent = 1 << (node >>> 1);
      stays &= ~parent;
      points = (node & 1) === 0 ? points | parent : points & ~parent;
    }
    this.#stays[way] = stays;
    this.#points[way] = points;
  }

  /** An entry was filled. */
  filled(entry: number): void {
    if (this.#policy === LRU && this.#freshIsOldest) this.#stamps[entry] = 0;
    else this.touch(entry);
  }

  #oldest(first: number, usable: number): number {
    let oldest = 0;
    let stamp = Number.POSITIVE_INFINITY;
    for (let way = 0; way < usable; way++) {
      const age = this.#stamps[first + way] as number;
      if (age < stamp) {
        stamp = age;
        oldest = way;
      }
    }
    return oldest;
  }
}
