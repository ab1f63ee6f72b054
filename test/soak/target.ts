import type { Prng } from '../../formats/index.ts';

/** What an input is made of: bytes, lines, steps of a program. Anything that becomes smaller when some of it is left out. */
export type Parts = Uint8Array | readonly unknown[];

/** Something that must hold whatever it is given. */
export interface Target {
  readonly name: string;
  /** What is tried, and what must hold. */
  readonly about: string;
  /** Inputs of the slice that `npm test` runs. */
  readonly slice: number;
  /** A new input; the same from the same numbers. */
  make(random: Prng): Parts;
  /** Tries an input. @throws anything for what must not be */
  run(parts: Parts): void | Promise<void>;
}

/** What an input did that it must not. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export function demand(holds: boolean, what: string): void {
  if (!holds) throw new Violation(what);
}
