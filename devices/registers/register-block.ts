import { getField, type PlacedField, setField, TWO_32 } from '../../formats/index.ts';
import type { Register, RegisterMap } from './declaration.ts';

/** Which word of a register: 0 the lower one, 1 the upper one of a 64-bit register. */
export type Half = 0 | 1;

/** What a device does at one register beyond what the declaration says. Each gets the number of the block's instance. */
export interface RegisterHooks {
  /** The value after a reset, up to 2^53. */
  readonly reset?: (instance: number) => number;
  /** What a read gives, instead of what is kept. */
  readonly read?: (instance: number, half: Half) => number;
  /**
   * Asked before a write is kept, with the bits that do not exist already cleared.
   * @returns what to keep instead; null ignores the write, and {@link written} is not called
   */
  readonly write?: (value: number, instance: number, half: Half) => number | null;
  /** Called after a write was kept: what the write does. */
  readonly written?: (instance: number, half: Half) => void;
}

/** The hooks of a block, by register. */
export type BlockHooks<Name extends string> = Readonly<Partial<Record<Name, RegisterHooks>>>;

/**
 * A block of registers as a device keeps it: one instance, or several alike (context banks, address spaces, stream mappings).
 *
 * The device reaches its registers with {@link get}, {@link set} and {@link field}, which do nothing but read and store; the bus
 * reaches them with {@link read} and {@link write}, which do what the declaration and the hooks say.
 */
export class RegisterBlock<Name extends string = string> {
  readonly map: RegisterMap<Name>;
  readonly instances: number;
  readonly #words: Uint32Array;
  readonly #wordsPerInstance: number;
  readonly #hooks: readonly (RegisterHooks | undefined)[];

  constructor(map: RegisterMap<Name>, hooks?: BlockHooks<Name>, instances = 1) {
    this.map = map;
    this.instances = instances;
    const registers = Object.values<Register>(map);
    this.#wordsPerInstance = registers.reduce((words, { width }) => words + width / 32, 0);
    this.#words = new Uint32Array(this.#wordsPerInstance * instances);
    this.#hooks = registers.map(({ name }) => hooks?.[name as Name]);
    this.reset();
  }

  /** Gives every register its reset value. Nothing else happens. */
  reset(): void {
    for (let instance = 0; instance < this.instances; instance++) {
      for (const register of Object.values<Register>(this.map)) {
        const value = this.#hooks[register.index]?.reset?.(instance) ?? register.reset ?? 0;
        this.set(register, value, instance);
      }
    }
  }

  /** The lower half. */
  get(register: Register, instance = 0): number {
    return this.#words[instance * this.#wordsPerInstance + register.word] as number;
  }

  /** The upper half of a 64-bit register. */
  high(register: Register, instance = 0): number {
    return this.#words[instance * this.#wordsPerInstance + register.word + 1] as number;
  }

  /** Stores a value of up to 53 bits. */
  set(register: Register, value: number, instance = 0): void {
    const at = instance * this.#wordsPerInstance + register.word;
    this.#words[at] = value;
    if (register.width === 64) this.#words[at + 1] = Math.floor(value / TWO_32);
  }

  /** A field of the register; of an address field, the address. */
  field(register: Register, field: PlacedField, instance = 0): number {
    return getField(this.#words, instance * this.#wordsPerInstance + register.word, field);
  }

  setField(register: Register, field: PlacedField, value: number, instance = 0): void {
    setField(this.#words, instance * this.#wordsPerInstance + register.word, field, value);
  }

  /** What the bus reads. */
  read(register: Register, half: Half, instance = 0): number {
    const read = this.#hooks[register.index]?.read;
    if (read !== undefined) return read(instance, half) >>> 0;
    if (register.access === 'w') return 0;
    return this.#words[instance * this.#wordsPerInstance + register.word + half] as number;
  }

  /** What the bus writes. */
  write(register: Register, half: Half, value: number, instance = 0): void {
    const { access, lock } = register;
    if (access === 'r') return;
    if (lock !== null && (this.get(lock.register, instance) & lock.bits) !== 0) return;
    const at = instance * this.#wordsPerInstance + register.word + half;
    let kept = (value & register.mask[half]) >>> 0;
    if (access === 'w1c') kept = ((this.#words[at] as number) & ~kept) >>> 0;
    const hooks = this.#hooks[register.index];
    if (hooks?.write !== undefined) {
      const instead = hooks.write(kept, instance, half);
      if (instead === null) return;
      kept = instead;
    }
    this.#words[at] = kept;
    hooks?.written?.(instance, half);
  }
}
