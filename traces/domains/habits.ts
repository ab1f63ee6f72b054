import { Context, EventKind, type TraceEvent } from '../capture/index.ts';

/** Classes of each thing a habit is kept of. */
const CONTEXTS = 4;
const SIZES = 12;
const THREADS = 64;
const PER_KIND = CONTEXTS + SIZES + THREADS;
/** Counts are halved when they add up to this, so that a domain may change its habits. */
const MEMORY = 512;
/** Weight of what was never seen. */
const UNSEEN = 0.5;
/** Size classes seldom seen say little; threads are many. */
const THREAD_SPREAD = 300;
const PAGE = 4096;

/**
 * What a domain usually does: in which context (task, soft or hard interrupt), in which sizes and from which threads it maps and unmaps.
 * A disk completes in hard interrupts what tasks submitted; a network card refills its ring in soft interrupts. Where several domains could be
 * meant, the one whose habits fit best is the best guess (naive Bayes, learned from the events already given to it).
 */
export class DomainHabits {
  readonly #counts = new Float64Array(2 * PER_KIND);
  readonly #totals = new Float64Array(2);

  /** How well the event fits, as a likelihood up to a constant: compare it between domains. */
  fit(event: TraceEvent): number {
    const kind = event.kind === EventKind.MAP ? 0 : 1;
    const base = kind * PER_KIND;
    const counts = this.#counts;
    const total = this.#totals[kind] as number;
    const context = ((counts[base + contextClass(event)] as number) + UNSEEN) / (total + UNSEEN * CONTEXTS);
    const size = ((counts[base + CONTEXTS + sizeClass(event)] as number) + UNSEEN) / (total + UNSEEN * SIZES);
    const thread =
      ((counts[base + CONTEXTS + SIZES + threadClass(event)] as number) + UNSEEN) / (total + UNSEEN * THREAD_SPREAD);
    // Who maps and from where tells drivers apart better than how much; an unmap's thread is mostly whoever was interrupted.
    return kind === 0 ? context * context * size * thread * thread * thread : context * size * thread;
  }

  /** Remembers that the event belongs to this domain; `weight` is 1 when that is sure, less when it is a guess. */
  learn(event: TraceEvent, weight: number): void {
    const kind = event.kind === EventKind.MAP ? 0 : 1;
    const base = kind * PER_KIND;
    const counts = this.#counts;
    if ((this.#totals[kind] as number) >= MEMORY) {
      for (let at = base; at < base + PER_KIND; at++) counts[at] = (counts[at] as number) / 2;
      this.#totals[kind] = (this.#totals[kind] as number) / 2;
    }
    const context = base + contextClass(event);
    const size = base + CONTEXTS + sizeClass(event);
    const thread = base + CONTEXTS + SIZES + threadClass(event);
    counts[context] = (counts[context] as number) + weight;
    counts[size] = (counts[size] as number) + weight;
    counts[thread] = (counts[thread] as number) + weight;
    this.#totals[kind] = (this.#totals[kind] as number) + weight;
  }
}

function contextClass(event: TraceEvent): number {
  return Math.max(event.context, 0);
}

function sizeClass(event: TraceEvent): number {
  const pages = event.size / PAGE;
  return pages <= 1 ? 0 : Math.min(SIZES - 1, 31 - Math.clz32(Math.min(pages, 0x7fffffff)));
}

/** An interrupt's thread is whoever was interrupted, so all interrupts are one class. */
function threadClass(event: TraceEvent): number {
  return event.context > Context.TASK ? 0 : 1 + ((Math.imul(event.pid, 0x9e3779b1) >>> 16) % (THREADS - 1));
}
