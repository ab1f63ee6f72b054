/**
 * How a row stands to the figure beside it. `fitted`: prices were set so that it comes out, it proves nothing. `predicted`: nothing was
 * set for it.
 */
export type Standing = 'fitted' | 'predicted';

export type ValidationUnit = 'ns' | 'count' | 'bytes';

/** One published figure and ours. */
export interface ValidationRow {
  readonly what: string;
  readonly unit: ValidationUnit;
  readonly published: number;
  readonly ours: number;
  /** ours / published - 1. */
  readonly error: number;
  readonly standing: Standing;
}

/** Published figures of one source. */
export interface ValidationTable {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** What the model's side rests on: what was fitted, assumed, simulated. */
  readonly basis: string;
  /** Why it misses what it misses; absent where it does not. */
  readonly misses?: string;
  readonly rows: readonly ValidationRow[];
}

/** A row in nanoseconds. */
export function row(what: string, published: number, ours: number, standing: Standing): ValidationRow {
  return rowOf('ns', what, published, ours, standing);
}

export function rowOf(
  unit: ValidationUnit,
  what: string,
  published: number,
  ours: number,
  standing: Standing,
): ValidationRow {
  return { what, unit, published, ours, error: ours / published - 1, standing };
}
