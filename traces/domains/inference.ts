import { Coverage } from '../../emulator/index.ts';
import { Context, EventKind, type TraceEvent, UNKNOWN } from '../capture/index.ts';
import { AddressSpace } from './address-space.ts';
import { Attachments } from './attachments.ts';
import { Evidence } from './evidence.ts';
import { type Decision, Hypothesis, WORKERS } from './hypothesis.ts';
import { Undecided } from './undecided.ts';

/** The event is no map or unmap, or one that belongs to no domain that is inferred. */
export const NO_SLOT = -1;

/** Explanations that are followed at once. */
const MOST_HYPOTHESES = 8;
/** An explanation this much less likely than the best is given up. */
const HOPELESS = Math.exp(-10);
/** A choice is clear when its likelihood has this share of all; only clear choices teach a habit in full. */
const CLEAR = 0.9;
const UNSURE_WEIGHT = 0.1;

/** How likely a map is the first of another domain: while attached devices still lack one; in a capture that attaches none; else. */
const NEWCOMER = Math.exp(-7);
const NEWCOMER_UNTOLD = Math.exp(-16);
const NEWCOMER_BEYOND = Math.exp(-60);
/** How likely the first map of a thread that has just attached a device is for that device. */
const FOR_THE_ATTACHED = 0.97;
/** How likely an unmap takes a part of a mapping, or reaches beyond what is mapped, or hits nothing at all. */
const PARTIAL_UNMAP = Math.exp(-18);
const BEYOND_UNMAP = Math.exp(-25);
const UNMATCHED_UNMAP = Math.exp(-30);
/** Chance that an event was lost: so many in so many, until more is known. */
const LOST_FIRST = 0.01;
const LOST_OF = 1000;

const SMALLEST_GRANULE = 4096;
const LARGEST_GRANULE = 65536;
const MOST_SLOTS = 1000;

interface Choice {
  hypothesis: Hypothesis;
  slot: number;
  weight: number;
}

/**
 * Finds out which domain each plain `map` and `unmap` line belongs to.
 *
 * Such lines name none, and every domain hands out IOVAs from the same range, so one IOVA is live in several domains at once. Several explanations of the
 * capture are followed at once, each with the state of every domain in it ({@link AddressSpace}); every event is given to every domain that can have
 * it (a map never overlaps a live mapping of its domain; an unmap ends whole mappings), and the most likely explanations are kept ({@link Evidence} says
 * how likely). An early guess is so revised by what comes later: two domains hold the same IOVA, one of them gives it back, and only when it is handed
 * out again it shows which. What all explanations share is final. Events wait meanwhile, at most {@link MOST_UNDECIDED} of them; then
 * the best explanation of the older half is taken.
 *
 * Devices named by attach lines or `dma:*` events are taken at their word. Does not: model the flush queue of lazy mode; know what lived before
 * the capture began.
 */
export class DomainInference {
  /** What attach lines tell. */
  readonly attachments = new Attachments();
  /** Maps and unmaps whose domain had to be chosen among several that were likely. */
  ambiguous = 0;
  /** Sum of how likely each choice was when it was made, and how many were made. */
  #certainty = 0;
  #choices = 0;

  readonly #emit: (event: TraceEvent, slot: number) => void;
  readonly #undecided = new Undecided();
  readonly #evidence = new Evidence();
  /** Group of each slot's device; -1 when not known. */
  readonly #groups: number[] = [];
  /** Whether an event named the device. */
  readonly #named: boolean[] = [];
  readonly #slotOfGroup = new Map<number, number>();
  #hypotheses: Hypothesis[] = [new Hypothesis()];
  #slots = 0;
  #number = 0;
  #calls = 0;
  #lost = LOST_FIRST;
  #cpus = 1;
  /** Largest page that every size so far is a multiple of. */
  #granule = LARGEST_GRANULE;
  readonly #choicesNow: Choice[] = [];
  #choiceCount = 0;
  readonly #kept: Choice[] = [];
  #bestWeight = 0;
  /** Group that the event should bring the first domain of; -1 mostly. */
  #expected: number = UNKNOWN;

  /** What each worker did last. */
  readonly #workerKey = new Int32Array(WORKERS).fill(UNKNOWN);
  readonly #mapEnd = new Float64Array(WORKERS).fill(UNKNOWN);
  readonly #time = new Float64Array(WORKERS);
  readonly #kind = new Uint8Array(WORKERS);
  /** Group of the device that the worker has just attached; -1 for none. */
  readonly #attachedGroup = new Int32Array(WORKERS).fill(UNKNOWN);

  /** @param emit given every event in order, with the slot of its domain */
  constructor(emit: (event: TraceEvent, slot: number) => void) {
    this.#emit = emit;
  }

  /** Mean likelihood of the choices when they were made, 0 to 1; 1 when none had to be made. */
  get certainty(): number {
    return this.#choices === 0 ? 1 : this.#certainty / this.#choices;
  }

  /** Group of the device of a slot, or -1. */
  groupOf(slot: number): number {
    return this.#groups[slot] ?? UNKNOWN;
  }

  /** Whether events name the device of a slot. */
  isNamed(slot: number): boolean {
    return this.#named[slot] ?? false;
  }

  /** Slot of a group's domain as it stands now, or {@link NO_SLOT}. */
  slotOfGroup(group: number): number {
    return this.#slotOfGroup.get(group) ?? NO_SLOT;
  }

  take(event: TraceEvent): void {
    const number = this.#number++;
    const isCall = (event.kind === EventKind.MAP || event.kind === EventKind.UNMAP) && event.domain === UNKNOWN;
    if (!isCall) {
      if (event.kind >= EventKind.ATTACH && event.kind <= EventKind.REMOVE_DEVICE && event.domain === UNKNOWN) {
        this.#attach(event);
      }
      this.#pass(event, number, NO_SLOT);
      return;
    }
    const { iova, size } = event;
    const isMap = event.kind === EventKind.MAP;
    const bytes = isMap || event.unmappedSize === UNKNOWN ? size : event.unmappedSize;
    if (bytes <= 0) {
      this.#pass(event, number, NO_SLOT);
      return;
    }
    this.#calls++;
    if (event.cpu >= this.#cpus) this.#cpus = event.cpu + 1;
    while (this.#granule > SMALLEST_GRANULE && size % this.#granule !== 0) this.#granule /= 4;
    const worker = this.#worker(event);
    this.#evidence.open(
      event,
      this.#kind[worker] as number,
      event.time - (this.#time[worker] as number),
      this.#granule,
    );
    this.#consider(event, worker, iova + bytes);
    this.#choose(event, worker, number, bytes);
    if (isMap) this.#mapEnd[worker] = iova + size;
    this.#time[worker] = event.time;
    this.#kind[worker] = event.kind;
  }

  /** The capture is over: the best explanation is taken. */
  end(): void {
    const best = this.#hypotheses[0] as Hypothesis;
    this.#hypotheses = [best];
    this.#settle(best.last);
    best.last = null;
    this.#undecided.release(this.#emit);
  }

  #pass(event: TraceEvent, number: number, slot: number): void {
    if (this.#undecided.count === 0) {
      this.#emit(event, slot);
      return;
    }
    if (this.#undecided.full) this.#force();
    this.#undecided.add(event, number);
    this.#undecided.decide(number, slot);
  }

  #attach(event: TraceEvent): void {
    const changed = this.attachments.take(event);
    if (changed !== UNKNOWN) this.#slotOfGroup.delete(changed);
    if (event.kind === EventKind.ATTACH && event.device !== UNKNOWN) {
      this.#attachedGroup[this.#worker(event)] = this.attachments.groupOf(event.device);
    }
  }

  /** Lists what may be: every hypothesis with every domain that can have the event. */
  #consider(event: TraceEvent, worker: number, end: number): void {
    this.#choiceCount = 0;
    this.#bestWeight = 0;
    const isMap = event.kind === EventKind.MAP;
    const stamp = this.#calls;
    const evidence = this.#evidence;
    const named = event.device === UNKNOWN ? NO_SLOT : this.#slotOfDevice(event.device);
    const attached = isMap ? (this.#attachedGroup[worker] as number) : UNKNOWN;
    if (isMap) this.#attachedGroup[worker] = UNKNOWN;
    const hinted = attached === UNKNOWN ? NO_SLOT : (this.#slotOfGroup.get(attached) ?? NO_SLOT);
    this.#expected = hinted === NO_SLOT ? attached : UNKNOWN;
    const stays = attached === UNKNOWN ? evidence.stays : FOR_THE_ATTACHED;
    const continues = isMap && this.#mapEnd[worker] === event.iova;
    for (const hypothesis of this.#hypotheses) {
      const { spaces } = hypothesis;
      const before = hypothesis.weight;
      if (named !== NO_SLOT) {
        const space = this.#spaceOf(hypothesis, named);
        if (space.stamp !== stamp) this.#judge(space, named, event, end, stamp);
        // A label that contradicts what lives in its domain was paired with the wrong call.
        if (space.likelihood > 0 && !space.contradicted) {
          this.#may(hypothesis, named, before);
          continue;
        }
      }
      if (continues && (hypothesis.bufferEnd[worker] as number) >= end) {
        const slot = hypothesis.bufferSlot[worker] as number;
        const space = spaces[slot];
        if (space && !space.overlaps(event.iova, end)) {
          space.stamp = stamp;
          space.bytes = 0;
          this.#may(hypothesis, slot, before);
          continue;
        }
      }
      const last = attached === UNKNOWN ? (hypothesis.served[worker] as number) : hinted;
      const hasLast = last >= 0 || attached !== UNKNOWN;
      let possible = false;
      for (let slot = 0; slot < spaces.length; slot++) {
        const space = spaces[slot];
        if (!space) continue;
        if (space.stamp !== stamp) this.#judge(space, slot, event, end, stamp);
        if (space.likelihood === 0) continue;
        possible = true;
        const share = evidence.shares[slot] as number;
        const turn = !hasLast ? share : slot === last ? stays + (1 - stays) * share : (1 - stays) * share;
        this.#may(hypothesis, slot, before * turn * space.likelihood);
      }
      if (isMap) this.#mayBeNew(hypothesis, event);
      else if (!possible) this.#may(hypothesis, NO_SLOT, before * UNMATCHED_UNMAP);
    }
  }

  #judge(space: AddressSpace, slot: number, event: TraceEvent, end: number, stamp: number): void {
    const { iova, size, cpu } = event;
    space.stamp = stamp;
    space.passTime(event.time, this.#cpus, this.#granule);
    if (event.kind === EventKind.MAP) {
      space.judgeMap(iova, size, Math.max(size, event.runEnd - iova), this.#granule, Math.max(cpu, 0));
      space.likelihood = this.#evidence.mapLikelihood(slot, space.fit);
      // A mapping in the way must have gone, though its unmap is missing.
      if (space.contradicted) space.likelihood *= this.#lost / (this.#calls + LOST_OF);
      return;
    }
    const coverage = space.judgeUnmap(iova, end);
    space.contradicted = coverage !== Coverage.WHOLE;
    if (coverage === Coverage.NONE) space.likelihood = 0;
    else {
      const likelihood = this.#evidence.unmapLikelihood(slot, space);
      space.likelihood =
        coverage === Coverage.WHOLE
          ? likelihood
          : likelihood * (coverage === Coverage.INSIDE ? PARTIAL_UNMAP : BEYOND_UNMAP);
    }
  }

  #mayBeNew(hypothesis: Hypothesis, event: TraceEvent): void {
    if (this.#slots >= MOST_SLOTS) return;
    let known = 0;
    for (const space of hypothesis.spaces) if (space !== null) known++;
    const told = this.attachments.domains;
    const chance =
      this.#expected !== UNKNOWN
        ? FOR_THE_ATTACHED
        : known < Math.max(told, 1)
          ? NEWCOMER
          : told === 0
            ? NEWCOMER_UNTOLD
            : NEWCOMER_BEYOND;
    const weight = hypothesis.weight * chance;
    if (weight < this.#bestWeight * HOPELESS) return;
    FRESH.judgeMap(event.iova, event.size, Math.max(event.size, event.runEnd - event.iova), this.#granule, 0);
    this.#may(hypothesis, this.#slots, weight * this.#evidence.newcomerLikelihood(FRESH.fit));
  }

  #may(hypothesis: Hypothesis, slot: number, weight: number): void {
    if (weight < this.#bestWeight * HOPELESS || weight <= 0) return;
    if (weight > this.#bestWeight) this.#bestWeight = weight;
    let choice = this.#choicesNow[this.#choiceCount];
    if (choice === undefined) {
      choice = { hypothesis, slot, weight };
      this.#choicesNow[this.#choiceCount] = choice;
    }
    choice.hypothesis = hypothesis;
    choice.slot = slot;
    choice.weight = weight;
    this.#choiceCount++;
  }

  /** Keeps the most likely of what may be, and lets the event happen in each. */
  #choose(event: TraceEvent, worker: number, number: number, bytes: number): void {
    const kept = this.#likeliest();
    const best = kept[0] as Choice;
    this.#addSlotOf(kept);
    this.#learn(event, worker, kept);
    const alone = kept.length === 1 && this.#hypotheses.length === 1;
    const stamp = this.#calls;
    if (alone && this.#undecided.count === 0) {
      if (best.slot >= 0) this.#happen(best.hypothesis, event, best.slot, worker, number, bytes);
      best.hypothesis.weight = 1;
      this.#emit(event, best.slot);
      return;
    }
    if (!alone) {
      for (const { hypothesis, slot } of kept) {
        for (let at = 0; at < hypothesis.spaces.length; at++) {
          const space = hypothesis.spaces[at];
          if (at !== slot && space) space.kept = stamp;
        }
      }
    }
    const scale = best.weight;
    const next: Hypothesis[] = [];
    for (let at = 0; at < kept.length; at++) {
      const { hypothesis, slot, weight } = kept[at] as Choice;
      let used = false;
      for (let later = at + 1; later < kept.length; later++) used ||= (kept[later] as Choice).hypothesis === hypothesis;
      const one = used ? new Hypothesis(hypothesis) : hypothesis;
      one.weight = weight / scale;
      if (slot >= 0) this.#happen(one, event, slot, worker, number, bytes);
      one.last = { event: number, slot, before: one.last } satisfies Decision;
      next.push(one);
    }
    this.#hypotheses = next.length > 1 ? withoutTwins(next) : next;
    if (this.#undecided.full) this.#force();
    this.#undecided.add(event, number);
    if (this.#hypotheses.length === 1) {
      const [only] = this.#hypotheses as [Hypothesis];
      this.#settle(only.last);
      only.last = null;
      this.#undecided.release(this.#emit);
    }
  }

  #happen(one: Hypothesis, event: TraceEvent, slot: number, worker: number, number: number, bytes: number): void {
    const isMap = event.kind === EventKind.MAP;
    const stamp = this.#calls;
    let space = one.spaces[slot];
    if (!space) {
      space = new AddressSpace();
      for (let at = one.spaces.length; at < slot; at++) one.spaces[at] = null;
      space.judgeMap(event.iova, event.size, Math.max(event.size, event.runEnd - event.iova), this.#granule, 0);
      one.spaces[slot] = space;
    }
    const begun = space.bytes;
    if (space.nextStamp !== stamp) {
      const next = space.kept === stamp ? new AddressSpace(space) : space;
      space.nextStamp = stamp;
      space.next = next;
      if (isMap) next.map(event, number, begun, this.#granule);
      else next.unmap(event, bytes, this.#granule);
    }
    one.spaces[slot] = space.next;
    if (isMap && begun > 0) one.setBuffer(worker, event.iova + begun, slot);
    one.serve(worker, slot);
  }

  /** The choices that are not hopeless, the best first: the same list again and again. */
  #likeliest(): readonly Choice[] {
    const limit = this.#bestWeight * HOPELESS;
    const kept = this.#kept;
    kept.length = 0;
    for (let at = 0; at < this.#choiceCount; at++) {
      const choice = this.#choicesNow[at] as Choice;
      if (choice.weight >= limit) kept.push(choice);
    }
    if (kept.length > 1) {
      kept.sort(byWeight);
      if (kept.length > MOST_HYPOTHESES) kept.length = MOST_HYPOTHESES;
    }
    return kept;
  }

  /** Makes the new domain if one of the choices is for it. */
  #addSlotOf(kept: readonly Choice[]): void {
    const slots = this.#slots;
    for (let at = 0; at < kept.length; at++) {
      if ((kept[at] as Choice).slot !== slots) continue;
      this.#addSlot(at === 0 ? this.#expected : UNKNOWN);
      return;
    }
  }

  #learn(event: TraceEvent, worker: number, kept: readonly Choice[]): void {
    const best = kept[0] as Choice;
    let all = 0;
    let mine = 0;
    for (let at = 0; at < kept.length; at++) {
      const { slot, weight } = kept[at] as Choice;
      all += weight;
      if (slot === best.slot) mine += weight;
    }
    this.#certainty += mine / all;
    this.#choices++;
    if (mine < all) this.ambiguous++;
    if (best.slot < 0) {
      this.#lost++;
      return;
    }
    const space = best.hypothesis.spaces[best.slot] ?? null;
    const { hypothesis } = best;
    const last = hypothesis.served[worker] as number;
    const isMap = event.kind === EventKind.MAP;
    const continues =
      isMap &&
      this.#mapEnd[worker] === event.iova &&
      (hypothesis.bufferEnd[worker] as number) >= event.iova + event.size &&
      hypothesis.bufferSlot[worker] === best.slot;
    if (isMap && space?.overlaps(event.iova, event.iova + event.size)) this.#lost++;
    this.#evidence.learn(event, best.slot, space, mine > CLEAR * all ? 1 : UNSURE_WEIGHT, last, continues);
  }

  /** @param group of the device that the domain is for, where it is known */
  #addSlot(group: number): number {
    const slot = this.#slots++;
    this.#evidence.add(slot);
    this.#groups[slot] = group;
    this.#named[slot] = false;
    if (group !== UNKNOWN) this.#slotOfGroup.set(group, slot);
    return slot;
  }

  /** The slot of a device that an event names, made if need be. */
  #slotOfDevice(device: number): number {
    const group = this.attachments.groupOf(device);
    const slot = this.#slotOfGroup.get(group) ?? this.#addSlot(group);
    this.#named[slot] = true;
    return slot;
  }

  #spaceOf(hypothesis: Hypothesis, slot: number): AddressSpace {
    let space = hypothesis.spaces[slot];
    if (!space) {
      space = new AddressSpace();
      for (let at = hypothesis.spaces.length; at < slot; at++) hypothesis.spaces[at] = null;
      hypothesis.spaces[slot] = space;
    }
    return space;
  }

  /** Too many wait: the best explanation of the older half is taken, and those that contradict it are given up. */
  #force(): void {
    const { middle } = this.#undecided;
    const best = (this.#hypotheses[0] as Hypothesis).decisionAt(middle);
    this.#hypotheses = this.#hypotheses.filter((one) => one.decisionAt(middle) === best);
    this.#settle(best);
    if (best !== null) best.before = null;
    this.#undecided.release(this.#emit);
  }

  #settle(decision: Decision | null): void {
    for (let at = decision; at !== null; at = at.before) this.#undecided.decide(at.event, at.slot);
  }

  /** Slot of the thread, or of the CPU's interrupt level, that recorded the event. */
  #worker(event: TraceEvent): number {
    const key = event.context > Context.TASK ? -2 - (event.cpu * CONTEXT_LEVELS + event.context) : event.pid;
    const worker = (Math.imul(key, 0x9e3779b1) >>> 16) & (WORKERS - 1);
    if (this.#workerKey[worker] !== key) {
      this.#workerKey[worker] = key;
      this.#mapEnd[worker] = UNKNOWN;
      this.#attachedGroup[worker] = UNKNOWN;
      for (const one of this.#hypotheses) {
        one.serve(worker, UNKNOWN);
        one.setBuffer(worker, UNKNOWN, UNKNOWN);
      }
    }
    return worker;
  }
}

function byWeight(a: Choice, b: Choice): number {
  return b.weight - a.weight;
}

/** Of hypotheses that only differ in what is over, the more likely one is kept. They come best first. */
function withoutTwins(all: readonly Hypothesis[]): Hypothesis[] {
  const seen = new Set<number>();
  return all.filter((one) => {
    const { hash } = one;
    if (seen.has(hash)) return false;
    seen.add(hash);
    return true;
  });
}

const CONTEXT_LEVELS = 4;
/** What a new domain would do. */
const FRESH = new AddressSpace();
