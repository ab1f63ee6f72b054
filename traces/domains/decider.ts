import { Decision, EventKind, type EventSink, type TraceEvent, UNKNOWN } from '../capture/index.ts';
import { DomainInference } from './inference/index.ts';

/** Given every event in the order of the captures, with what is known of its domain. The decision is valid during the call. */
export type DecisionSink = (event: TraceEvent, decision: Decision) => void;

/**
 * Finds the domains of calls that name none, each capture by itself ({@link DomainInference}). An event comes out later than it goes in where
 * that takes later events into account. It needs nothing but the events, so it may run where they are read, on another thread.
 */
export class DomainDecider implements EventSink {
  events = 0;
  readonly #sink: DecisionSink;
  readonly #decision = new Decision();
  #inference: DomainInference;
  #capture = -1;
  #ambiguousBefore = 0;

  constructor(sink: DecisionSink) {
    this.#sink = sink;
    this.#inference = this.#newInference();
  }

  /** Maps and unmaps whose domain had to be chosen among several that were likely. */
  get ambiguous(): number {
    return this.#ambiguousBefore + this.#inference.ambiguous;
  }

  take(event: TraceEvent): void {
    if (event.kind !== EventKind.LOST) this.events++;
    if (event.capture !== this.#capture) {
      this.end();
      this.#capture = event.capture;
      this.#ambiguousBefore = this.ambiguous;
      this.#inference = this.#newInference();
    }
    this.#inference.take(event);
  }

  /** The capture is over: what still waits comes out. */
  end(): void {
    this.#inference.end();
  }

  #newInference(): DomainInference {
    return new DomainInference((event, slot) => this.#decided(event, slot));
  }

  #decided(event: TraceEvent, slot: number): void {
    const decision = this.#decision;
    const { slots, attachments } = this.#inference;
    const attaches = event.kind === EventKind.ATTACH && event.device !== UNKNOWN;
    decision.slot = attaches ? slots.ofGroup(attachments.groupOf(event.device)) : slot;
    decision.group = slots.groupOf(slot);
    decision.named = slots.isNamed(slot);
    this.#sink(event, decision);
  }
}
