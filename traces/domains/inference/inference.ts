import { EventKind, type TraceEvent, UNKNOWN } from '../../capture/index.ts';
import { AddressSpace, Evidence, Judge, latecomerChance, newcomerChance } from '../evidence/index.ts';
import { Attachments } from './attachments.ts';
import { type Choice, Choices } from './choices.ts';
import { type Decision, Hypothesis, withoutTwins } from './hypothesis.ts';
import { NO_SLOT, Slots } from './slots.ts';
import { Undecided } from './undecided.ts';
import { Workers } from './workers.ts';

/** A choice is clear when its likelihood has this share of all; only clear choices teach a habit in full. */
const CLEAR = 0.9;
const UNSURE_WEIGHT = 0.1;

/** How likely the first map of a thread that has just attached a device is for that device. */
const FOR_THE_ATTACHED = 0.97;
/** How likely an unmap hits nothing at all. */
const UNMATCHED_UNMAP = Math.exp(-30);
const MOST_SLOTS = 1000;

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
  /** The domains that are told apart so far. */
  readonly slots = new Slots();
  /** What attach lines tell. */
  readonly attachments = new Attachments();
  /** Maps and unmaps whose domain had to be chosen among several that were likely. */
  ambiguous = 0;
  readonly #emit: (event: TraceEvent, slot: number) => void;
  readonly #undecided = new Undecided();
  readonly #evidence = new Evidence();
  readonly #judge = new Judge(this.#evidence);
  #hypotheses: Hypothesis[] = [new Hypothesis()];
  #number = 0;
  /** Calls came before the first device was attached: more devices were, before the capture began. */
  #beganLate = false;
  /** Unmaps of what nobody mapped, before the first map came over a live mapping: it was mapped before the capture began. */
  #unknown = 0;
  #overlapped = 0;
  readonly #choices = new Choices();
  /** Group that the event should bring the first domain of; -1 mostly. */
  #expected: number = UNKNOWN;

  readonly #workers = new Workers((worker) => {
    for (const one of this.#hypotheses) {
      one.serve(worker, UNKNOWN);
      one.setBuffer(worker, UNKNOWN, UNKNOWN);
    }
  });

  /** @param emit given every event in order, with the slot of its domain */
  constructor(emit: (event: TraceEvent, slot: number) => void) {
    this.#emit = emit;
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
    this.#judge.open(event);
    const worker = this.#workers.of(event);
    this.#evidence.open(
      event,
      this.#workers.kind[worker] as number,
      event.time - (this.#workers.time[worker] as number),
      this.#judge.granule,
    );
    this.#consider(event, worker, iova + bytes);
    this.#choose(event, worker, number, bytes);
    this.#workers.called(worker, event);
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
    const { domains } = this.attachments;
    const changed = this.attachments.take(event);
    if (domains === 0 && this.attachments.domains > 0 && this.#judge.calls > 0) this.#beganLate = true;
    if (changed !== UNKNOWN) this.slots.forget(changed);
    if (event.kind === EventKind.ATTACH && event.device !== UNKNOWN) {
      this.#workers.attachedGroup[this.#workers.of(event)] = this.attachments.groupOf(event.device);
    }
  }

  /** Lists what may be: every hypothesis with every domain that can have the event. */
  #consider(event: TraceEvent, worker: number, end: number): void {
    this.#choices.clear();
    const isMap = event.kind === EventKind.MAP;
    const stamp = this.#judge.calls;
    const evidence = this.#evidence;
    const judge = this.#judge;
    const named = event.device === UNKNOWN ? NO_SLOT : this.#slotOfDevice(event.device);
    const attached = isMap ? (this.#workers.attachedGroup[worker] as number) : UNKNOWN;
    if (isMap) this.#workers.attachedGroup[worker] = UNKNOWN;
    const hinted = attached === UNKNOWN ? NO_SLOT : this.slots.ofGroup(attached);
    this.#expected = hinted === NO_SLOT ? attached : UNKNOWN;
    const stays = attached === UNKNOWN ? evidence.stays : FOR_THE_ATTACHED;
    const continues = isMap && this.#workers.mapEnd[worker] === event.iova;
    for (const hypothesis of this.#hypotheses) {
      const { spaces } = hypothesis;
      const before = hypothesis.weight;
      if (named !== NO_SLOT) {
        const space = hypothesis.spaceOf(named);
        judge.judge(space, named, event, end);
        // A label that contradicts what lives in its domain was paired with the wrong call.
        if (space.likelihood > 0 && !space.contradicted) {
          this.#choices.add(hypothesis, named, before);
          continue;
        }
      }
      if (continues && (hypothesis.bufferEnd[worker] as number) >= end) {
        const slot = hypothesis.bufferSlot[worker] as number;
        const space = spaces[slot];
        if (space && !space.overlaps(event.iova, end)) {
          space.stamp = stamp;
          space.bytes = 0;
          this.#choices.add(hypothesis, slot, before);
          continue;
        }
      }
      const last = attached === UNKNOWN ? (hypothesis.served[worker] as number) : hinted;
      const hasLast = last >= 0 || attached !== UNKNOWN;
      let possible = false;
      for (let slot = 0; slot < spaces.length; slot++) {
        const space = spaces[slot];
        if (!space) continue;
        judge.judge(space, slot, event, end);
        if (space.likelihood === 0) continue;
        possible = true;
        const share = evidence.shares[slot] as number;
        const turn = !hasLast ? share : slot === last ? stays + (1 - stays) * share : (1 - stays) * share;
        this.#choices.add(hypothesis, slot, before * turn * space.likelihood);
      }
      if (isMap) this.#mayBeNew(hypothesis, event);
      else if (!possible) this.#choices.add(hypothesis, NO_SLOT, before * UNMATCHED_UNMAP);
    }
  }

  #mayBeNew(hypothesis: Hypothesis, event: TraceEvent): void {
    if (this.slots.count >= MOST_SLOTS) return;
    let known = 0;
    for (const space of hypothesis.spaces) if (space !== null) known++;
    const chance =
      this.#expected === UNKNOWN
        ? newcomerChance(known, this.attachments.domains, !this.#beganLate, this.#judge.calls)
        : FOR_THE_ATTACHED;
    const late = hypothesis.weight * latecomerChance(this.#unknown, this.#judge.calls);
    const weight = hypothesis.weight * chance;
    if (this.#choices.isHopeless(Math.max(weight, late))) return;
    FRESH.judgeMap(event.iova, event.size, Math.max(event.size, event.runEnd - event.iova), this.#judge.granule, 0);
    this.#choices.add(
      hypothesis,
      this.slots.count,
      Math.max(late, weight * this.#evidence.newcomerLikelihood(FRESH.fit)),
    );
  }

  /** Keeps the most likely of what may be, and lets the event happen in each. */
  #choose(event: TraceEvent, worker: number, number: number, bytes: number): void {
    const kept = this.#choices.likeliest();
    const best = kept[0] as Choice;
    this.#addSlotOf(kept);
    this.#learn(event, worker, kept);
    const alone = kept.length === 1 && this.#hypotheses.length === 1;
    const stamp = this.#judge.calls;
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
    const stamp = this.#judge.calls;
    const isNew = !one.spaces[slot];
    const space = one.spaceOf(slot);
    if (isNew)
      space.judgeMap(event.iova, event.size, Math.max(event.size, event.runEnd - event.iova), this.#judge.granule, 0);
    const begun = space.bytes;
    if (space.nextStamp !== stamp) {
      const next = space.kept === stamp ? new AddressSpace(space) : space;
      space.nextStamp = stamp;
      space.next = next;
      if (isMap) next.map(event, number, begun, this.#judge.granule);
      else next.unmap(event, bytes, this.#judge.granule);
    }
    one.spaces[slot] = space.next;
    if (isMap && begun > 0) one.setBuffer(worker, event.iova + begun, slot);
    one.serve(worker, slot);
  }

  /** Makes the new domain if one of the choices is for it. */
  #addSlotOf(kept: readonly Choice[]): void {
    const { count } = this.slots;
    for (let at = 0; at < kept.length; at++) {
      if ((kept[at] as Choice).slot !== count) continue;
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
    if (mine < all) this.ambiguous++;
    if (best.slot < 0) {
      if (this.#overlapped === 0) this.#unknown++;
      this.#judge.lost();
      return;
    }
    const space = best.hypothesis.spaces[best.slot] ?? null;
    const { hypothesis } = best;
    const last = hypothesis.served[worker] as number;
    const isMap = event.kind === EventKind.MAP;
    const continues =
      isMap &&
      this.#workers.mapEnd[worker] === event.iova &&
      (hypothesis.bufferEnd[worker] as number) >= event.iova + event.size &&
      hypothesis.bufferSlot[worker] === best.slot;
    if (isMap && space?.overlaps(event.iova, event.iova + event.size)) {
      this.#overlapped++;
      this.#judge.lost();
    }
    this.#evidence.learn(event, best.slot, space, mine > CLEAR * all ? 1 : UNSURE_WEIGHT, last, continues);
  }

  /** @param group of the device that the domain is for, where it is known */
  #addSlot(group: number): number {
    const slot = this.slots.add(group);
    this.#evidence.add(slot);
    return slot;
  }

  /** The slot of a device that an event names, made if need be. */
  #slotOfDevice(device: number): number {
    const group = this.attachments.groupOf(device);
    const known = this.slots.ofGroup(group);
    const slot = known === NO_SLOT ? this.#addSlot(group) : known;
    this.slots.name(slot);
    return slot;
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
}

/** What a new domain would do. */
const FRESH = new AddressSpace();
