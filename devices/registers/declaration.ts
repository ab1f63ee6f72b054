/**
 * How a device's registers are declared: one row per register, which can be held against the manual. Masks, reads, writes, what a
 * person is told and the tables of the documentation all follow from it.
 */
import { type Layout, TWO_32 } from '../../formats/index.ts';

/**
 * What the bus may do with a register.
 *
 * - `r`: read only, writes are ignored.
 * - `rw`: keeps what is written.
 * - `w`: a command: reads give 0.
 * - `w1c`: a written 1 clears its bit.
 */
export type RegisterAccess = 'r' | 'rw' | 'w' | 'w1c';

/** A register that ignores writes while another one of its map has any of some bits set. */
export interface RegisterLock<Name extends string = string> {
  /** The other register; its lower half counts. */
  readonly by: Name;
  readonly bits: number;
}

/** One register, as its table has it. */
export interface RegisterSpec {
  /** Bytes from the start of its block. */
  readonly offset: number;
  readonly width: 32 | 64;
  readonly access: RegisterAccess;
  /** What it is for, as one phrase. */
  readonly meaning: string;
  /** Its fields, where they matter. Bits that no field names are reserved: they read as 0 and ignore writes. */
  readonly fields?: Layout;
  /** Value after a reset, up to 2^53; default 0. A device says with a hook what depends on its configuration. */
  readonly reset?: number;
  /** When writes are ignored. */
  readonly locked?: RegisterLock;
}

/** A register with what follows from its declaration. */
export interface Register extends RegisterSpec {
  readonly name: string;
  /** Place among the registers of its map. */
  readonly index: number;
  /** Place of its lower half among the words of one instance of its block. */
  readonly word: number;
  /** Bits that exist, lower and upper half: those of the fields, all where it declares none. */
  readonly mask: readonly [low: number, high: number];
  /** The register that guards it, and the bits of it that do. */
  readonly lock: { readonly register: Register; readonly bits: number } | null;
}

/** The registers of one block by name. */
export type RegisterMap<Name extends string = string> = Readonly<Record<Name, Register>>;

/**
 * Declares the registers of a block.
 * @throws RangeError for two registers at one place, a misaligned one, or a lock by a register that is not there
 */
export function defineRegisters<Name extends string>(specs: Readonly<Record<Name, RegisterSpec>>): RegisterMap<Name> {
  const map = {} as Record<Name, Register>;
  const taken = new Map<number, string>();
  let word = 0;
  for (const [index, name] of (Object.keys(specs) as Name[]).entries()) {
    const spec = specs[name];
    if (spec.offset % (spec.width / 8) !== 0) throw new RangeError(`register ${name} is misaligned`);
    for (let offset = spec.offset; offset < spec.offset + spec.width / 8; offset += 4) {
      const other = taken.get(offset);
      if (other !== undefined) throw new RangeError(`registers ${other} and ${name} overlap`);
      taken.set(offset, name);
    }
    let lock: Register['lock'] = null;
    if (spec.locked !== undefined) {
      const register = map[spec.locked.by as Name] as Register | undefined;
      if (register === undefined)
        throw new RangeError(`register ${name} is locked by ${spec.locked.by}, declared later`);
      lock = { register, bits: spec.locked.bits };
    }
    map[name] = { ...spec, name, index, word, mask: maskOf(spec), lock };
    word += spec.width / 32;
  }
  return map;
}

function maskOf({ fields, width }: RegisterSpec): readonly [number, number] {
  const all = TWO_32 - 1;
  if (fields === undefined) return [all, width === 64 ? all : 0];
  let low = 0;
  let high = 0;
  for (const { lsb, width: bits } of Object.values(fields)) {
    for (let bit = lsb; bit < lsb + bits; bit++) {
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit - 32);
    }
  }
  return [low >>> 0, high >>> 0];
}

/** The bits of each field of a 32-bit register, as a mask: what drivers and devices test and set. */
export function masksOf<L extends Layout>(fields: L): Readonly<Record<keyof L, number>> {
  return Object.fromEntries(Object.entries(fields).map(([name, { lowMask }]) => [name, lowMask])) as Record<
    keyof L,
    number
  >;
}
