/** What a capture says about one address at one time, and what that makes one suspect. */

import { hexText } from '../../quantity.ts';
import type { Suspicion } from '../faults/index.ts';
import type { Mapping, MappingHistory } from './history.ts';
import { type LazyWindow, lazyWindow } from './lazy-window.ts';

export interface Question {
  readonly iova: number;
  /** Time of the trace clock; the end of the capture when absent. */
  readonly time?: number;
  /** Name of the device: only the domains that it is in. */
  readonly device?: string;
  /** Only this domain. */
  readonly domain?: number;
  /** Whether the access that faulted was a write, where that is known. */
  readonly write?: boolean;
}

/** What one domain says; a domain that never had anything there says nothing. */
export interface DomainAnswer {
  readonly domain: number;
  readonly devices: readonly string[];
  /** The mapping that covered the address then. */
  readonly covering: Mapping | null;
  /** The last one there that had gone by then, and the first that came later. */
  readonly before: Mapping | null;
  readonly after: Mapping | null;
  /** Of `before`: until when a kernel in lazy mode may have let accesses through all the same; null without one. */
  readonly lazy: LazyWindow | null;
  /** The nearest that lived then, on both sides. */
  readonly below: Mapping | null;
  readonly above: Mapping | null;
}

export interface Answer {
  readonly iova: number;
  readonly time: number;
  readonly device: string;
  readonly domains: readonly DomainAnswer[];
  readonly suspicions: readonly Suspicion[];
}

const PAGE = 4096;
/** Unmapped so shortly before that the device was probably still working on the buffer, in seconds. */
const SHORTLY = 1;
/** Linux IOMMU_READ and IOMMU_WRITE. */
const READ = 1;
const WRITE = 2;

const NOTHING = { covering: null, before: null, after: null, lazy: null, below: null, above: null };

export function answer(history: MappingHistory, question: Question): Answer {
  const { iova, time = history.lastTime, device = '', domain } = question;
  const inDevice = history.devices.map((names) => device === '' || names.includes(device));
  // A device that the capture never names may be in any domain.
  const inDomain = (is: boolean, at: number): boolean => is && (domain === undefined || domain === at);
  const chosen = (inDevice.some((is) => is) ? inDevice : history.devices.map(() => true)).map(inDomain);
  const drafts = new Map<number, { -readonly [K in keyof DomainAnswer]: DomainAnswer[K] }>();
  for (const mapping of history.mappings) {
    if (chosen[mapping.domain] !== true) continue;
    let draft = drafts.get(mapping.domain);
    if (draft === undefined) {
      const devices = history.devices[mapping.domain] ?? [];
      draft = { ...NOTHING, domain: mapping.domain, devices };
      drafts.set(mapping.domain, draft);
    }
    const lives = livesAt(mapping, time);
    if (iova >= mapping.start && iova < mapping.end) {
      if (lives) draft.covering = mapping;
      else if (mapping.made.time > time) draft.after = earlier(draft.after, mapping);
      else draft.before = later(draft.before, mapping);
    } else if (lives && mapping.end <= iova) {
      if (draft.below === null || mapping.end > draft.below.end) draft.below = mapping;
    } else if (lives && (draft.above === null || mapping.start < draft.above.start)) draft.above = mapping;
  }
  for (const draft of drafts.values()) {
    if (draft.covering === null && draft.before !== null) draft.lazy = lazyWindow(history, draft.before);
  }
  const domains = [...drafts.values()].sort((a, b) => a.domain - b.domain);
  return { iova, time, device, domains, suspicions: suspicionsOf(history, question, time, domains) };
}

/** Whether any of the domains had the address at any time. */
export function wasMapped({ domains }: Pick<Answer, 'domains'>): boolean {
  return domains.some(({ covering, before, after }) => (covering ?? before ?? after) !== null);
}

function livesAt({ made, gone }: Mapping, time: number): boolean {
  return made.time <= time && (gone === null || gone.time > time);
}

function earlier(one: Mapping | null, other: Mapping): Mapping {
  return one === null || other.made.time < one.made.time ? other : one;
}

function later(one: Mapping | null, other: Mapping): Mapping {
  return one === null || (other.gone?.time ?? 0) >= (one.gone?.time ?? 0) ? other : one;
}

function suspicionsOf(
  history: MappingHistory,
  { iova, write }: Question,
  time: number,
  domains: readonly DomainAnswer[],
): Suspicion[] {
  const found: Suspicion[] = [];
  for (const { domain, covering, before, after, lazy, below } of domains) {
    const where = domains.length === 1 ? '' : ` (domain ${domain})`;
    if (covering !== null) {
      const needed = write === true ? WRITE : READ;
      if (write !== undefined && covering.prot > 0 && (covering.prot & needed) === 0) {
        const evidence = `line ${covering.made.line} mapped it without IOMMU_${write ? 'WRITE' : 'READ'}${where}`;
        found.push({ name: 'permission', evidence });
      }
      continue;
    }
    if (below !== null && Math.floor(iova / PAGE) * PAGE === below.end) {
      const evidence = `${hexText(iova)} is ${iova - below.end} bytes behind ${range(below)}, which line ${below.made.line} mapped${where}`;
      found.push({ name: 'overrun by one', evidence });
    }
    const gone = before?.gone ?? null;
    if (before !== null && gone !== null && time - gone.time <= SHORTLY) {
      const evidence = `${range(before)} ended ${span(time - gone.time)} before, on line ${gone.line}${by(gone.pid)}${where}`;
      found.push({ name: 'device not quiet after unmap', evidence });
      if (lazy !== null && time < lazy.until) {
        found.push({
          name: 'hidden by lazy invalidation',
          evidence: `in lazy mode a TLB may let it through until ${lazy.until.toFixed(6)} at the latest (${lazy.by}), so other accesses may have gone unseen${where}`,
        });
      }
    }
    if (after !== null && after.made.time - time <= SHORTLY) {
      const evidence = `${range(after)} is mapped ${span(after.made.time - time)} later, on line ${after.made.line}${where}`;
      found.push({ name: 'used before it was mapped', evidence });
    }
  }
  if (domains.some(({ covering }) => covering !== null)) return found;
  const target = history.mappings.find(
    ({ pa, start, end, made }) => pa >= 0 && made.time <= time && iova >= pa && iova < pa + end - start,
  );
  if (target !== undefined) {
    const evidence = `${hexText(iova)} is the physical address that line ${target.made.line} mapped at IOVA ${hexText(target.start + iova - target.pa)}`;
    found.push({ name: 'physical address used as IOVA', evidence });
  }
  return found;
}

/** `[0x1000, 0x3000)`. */
export function range({ start, end }: Mapping): string {
  return `[${hexText(start)}, ${hexText(end)})`;
}

/** Seconds as people say them. */
export function span(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(3)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(3)} ms` : `${(seconds * 1e6).toFixed(0)} us`;
}

function by(pid: number): string {
  return pid < 0 ? '' : ` by pid ${pid}`;
}
