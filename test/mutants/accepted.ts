/** Mutants that live and may: what they change cannot be seen, or not by a test. */
export interface Accepted {
  readonly file: string;
  /** The line, without its indentation. */
  readonly line: string;
  readonly change: string;
  /** Equivalent: no result differs. It does not count in the score. Lives: a result differs that no test holds. */
  readonly as: 'equivalent' | 'lives';
  readonly reason: string;
}

export const ACCEPTED: readonly Accepted[] = [];
