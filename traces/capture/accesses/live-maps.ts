/** What is mapped at a time, and was a moment ago: what a log of translations is checked against. */
import { UNKNOWN } from '../events/index.ts';

const PAGE = 4096;
/** Mappings are found by this many bytes of addresses. */
const STRETCH = 65_536;
/** Larger mappings are kept in a list of their own. */
const LARGE = 2 ** 21;

/** So many mappings of one address may be the one that an unmap meant. */
const CANDIDATES = 16;

/** One mapping from its map to its unmap. */
interface Life {
  readonly iova: number;
  readonly pa: number;
  readonly end: number;
  readonly domain: number;
  readonly from: number;
  until: number;
  /** Unmaps that may have been of this one or of another domain's. */
  doubts: number;
  /** Parts that were unmapped before the rest. */
  readonly holes: { readonly start: number; readonly end: number; readonly time: number }[];
}

/** What became of a translation. */
export const Verdict = {
  /** A mapping that lived then says the same. */
  RIGHT: 0,
  /** The mappings that lived then have the address, but say something else. */
  OTHER_ADDRESS: 1,
  /** No mapping that lived then has the address. */
  NOT_MAPPED: 2,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/**
 * The mappings that live, and those that ended less than a tolerance ago. Where a capture names no domains, one address may be mapped in several and an
 * unmap may mean any of them: then all count as alive until as many unmaps have come.
 */
export class LiveMaps {
  readonly #stretches = new Map<number, Life[]>();
  #large: Life[] = [];
  readonly #tolerance: number;

  /** @param tolerance seconds by which the clocks may differ */
  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  /** @param domain its number, or unknown */
  map(time: number, iova: number, pa: number, size: number, domain: number): void {
    const none = Number.POSITIVE_INFINITY;
    const life: Life = { iova, pa, end: iova + size, domain, from: time, until: none, doubts: 0, holes: [] };
    if (size > LARGE) {
      this.#large = this.#living(this.#large, time);
      this.#large.push(life);
      return;
    }
    for (let at = Math.floor(iova / STRETCH); at * STRETCH < life.end; at++) {
      const lives = this.#living(this.#stretches.get(at) ?? [], time);
      lives.push(life);
      this.#stretches.set(at, lives);
    }
  }

  unmap(time: number, iova: number, size: number, domain: number): void {
    let at = iova;
    const stop = iova + size;
    while (at < stop) {
      const found = this.#at(at).filter((life) => isLive(life, at) && (domain === UNKNOWN || life.domain === domain));
      const [first] = found;
      if (first === undefined) {
        at += PAGE;
        continue;
      }
      for (const life of found) life.doubts++;
      const most = Math.max(...found.map(({ doubts }) => doubts));
      if (most >= found.length) for (const life of found) endAt(life, at, stop, time);
      else if (found.length > CANDIDATES) {
        // The oldest live long, the youngest is what a driver maps again and again: one in the middle is taken for ended.
        endAt(found[CANDIDATES / 2] as Life, at, stop, time);
        for (const life of found) life.doubts--;
      }
      at = Math.max(at + PAGE, Math.min(...found.map(({ end }) => end), stop));
    }
  }

  /** Whether an access that was translated to `pa` is what the mappings say. Maps up to `time` and the tolerance must have been told. */
  check(time: number, iova: number, pa: number): Verdict {
    let verdict: Verdict = Verdict.NOT_MAPPED;
    const tolerance = this.#tolerance;
    for (const life of this.#at(iova)) {
      if (iova < life.iova || iova >= life.end) continue;
      const until = life.holes.find(({ start, end }) => iova >= start && iova < end)?.time ?? life.until;
      if (time < life.from - tolerance || time > until + tolerance) continue;
      if (life.pa + (iova - life.iova) === pa) return Verdict.RIGHT;
      verdict = Verdict.OTHER_ADDRESS;
    }
    return verdict;
  }

  #at(iova: number): readonly Life[] {
    const small = this.#stretches.get(Math.floor(iova / STRETCH));
    if (small === undefined) return this.#large;
    return this.#large.length === 0 ? small : [...small, ...this.#large];
  }

  /** Those that can still matter at `time`. */
  #living(lives: readonly Life[], time: number): Life[] {
    return lives.filter(({ until }) => until + 2 * this.#tolerance >= time);
  }
}

/** Ends a mapping, or the part of it from `at` to `stop`. */
function endAt(life: Life, at: number, stop: number, time: number): void {
  if (at <= life.iova && stop >= life.end) life.until = time;
  else life.holes.push({ start: at, end: Math.min(stop, life.end), time });
  life.doubts = 0;
}

function isLive(life: Life, iova: number): boolean {
  if (iova < life.iova || iova >= life.end || life.until !== Number.POSITIVE_INFINITY) return false;
  return !life.holes.some(({ start, end }) => iova >= start && iova < end);
}
