import type { Hypothesis } from './hypothesis.ts';

/** Explanations that are followed at once. */
const MOST_HYPOTHESES = 8;
/** An explanation this much less likely than the best is given up. */
const HOPELESS = Math.exp(-10);

/** An event in a domain, in one explanation of what was before it. */
export interface Choice {
  hypothesis: Hypothesis;
  slot: number;
  /** How likely it is, before it is divided by that of all others. */
  weight: number;
}

/** What may be the case of one event. The objects are used again for the next. */
export class Choices {
  readonly #all: Choice[] = [];
  readonly #kept: Choice[] = [];
  #count = 0;
  #bestWeight = 0;

  /** Another event. */
  clear(): void {
    this.#count = 0;
    this.#bestWeight = 0;
  }

  isHopeless(weight: number): boolean {
    return weight < this.#bestWeight * HOPELESS;
  }

  add(hypothesis: Hypothesis, slot: number, weight: number): void {
    if (this.isHopeless(weight) || weight <= 0) return;
    if (weight > this.#bestWeight) this.#bestWeight = weight;
    let choice = this.#all[this.#count];
    if (choice === undefined) {
      choice = { hypothesis, slot, weight };
      this.#all[this.#count] = choice;
    }
    choice.hypothesis = hypothesis;
    choice.slot = slot;
    choice.weight = weight;
    this.#count++;
  }

  /** Those that are not hopeless, the best first: the same list again and again. */
  likeliest(): readonly Choice[] {
    const limit = this.#bestWeight * HOPELESS;
    const kept = this.#kept;
    kept.length = 0;
    for (let at = 0; at < this.#count; at++) {
      const choice = this.#all[at] as Choice;
      if (choice.weight >= limit) kept.push(choice);
    }
    if (kept.length > 1) {
      kept.sort(byWeight);
      if (kept.length > MOST_HYPOTHESES) kept.length = MOST_HYPOTHESES;
    }
    return kept;
  }
}

function byWeight(a: Choice, b: Choice): number {
  return b.weight - a.weight;
}
