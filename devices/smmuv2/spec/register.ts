/** How the register tables of this folder are written down. */
import type { PlacedField } from '../../../formats/index.ts';

/** What software may do with a register. Writes to `r` are ignored, reads of `w` give zero, `w1c` clears the bits written as one. */
export type Access = 'r' | 'w' | 'rw' | 'w1c';

/** One register, or the first of an array of them. */
export interface Register {
  /** Bytes from the start of its page: global space 0, global space 1 or a context bank. */
  readonly offset: number;
  readonly bits: 32 | 64;
  readonly access: Access;
  readonly meaning: string;
}

/** The fields of a register, by the name that the manual gives them. */
export type Fields = Readonly<Record<string, PlacedField>>;

export function register(offset: number, bits: 32 | 64, access: Access, meaning: string): Register {
  return { offset, bits, access, meaning };
}
