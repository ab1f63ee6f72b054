import type { Register } from './declaration.ts';
import type { Half, RegisterBlock } from './register-block.ts';

/** One word of the region. */
interface Cell {
  readonly block: RegisterBlock;
  readonly register: Register;
  readonly instance: number;
  readonly half: Half;
}

/** A register at its place in the region. */
export interface PlacedRegister {
  readonly register: Register;
  readonly block: RegisterBlock;
  readonly instance: number;
  /** Bytes from the start of the region. */
  readonly offset: number;
}

/** The region of a device as the bus sees it: blocks of registers, each instance at its own base. What no register fills reads as 0. */
export class RegisterSpace {
  readonly #cells = new Map<number, Cell>();
  readonly #placed: PlacedRegister[] = [];

  /**
   * Puts a block into the region.
   * @param bases where each instance begins, in bytes from the start of the region; default: the one instance at 0
   * @throws RangeError where another register is already
   */
  place<Name extends string>(block: RegisterBlock<Name>, bases: readonly number[] = [0]): this {
    for (const [instance, base] of bases.entries()) {
      for (const register of Object.values<Register>(block.map)) {
        const offset = base + register.offset;
        this.#placed.push({ register, block, instance, offset });
        for (let half: Half = 0; half < register.width / 32; half++) {
          const at = offset + 4 * half;
          const other = this.#cells.get(at);
          if (other !== undefined)
            throw new RangeError(`registers ${other.register.name} and ${register.name} overlap`);
          this.#cells.set(at, { block, register, instance, half: half as Half });
        }
      }
    }
    return this;
  }

  /** Every register, block by block, instance by instance. */
  get registers(): readonly PlacedRegister[] {
    return this.#placed;
  }

  /** Reads 32 bits; of a 64-bit register, the half at `offset`. */
  read32(offset: number): number {
    const cell = this.#cells.get(offset);
    return cell === undefined ? 0 : cell.block.read(cell.register, cell.half, cell.instance);
  }

  write32(offset: number, value: number): void {
    const cell = this.#cells.get(offset);
    if (cell !== undefined) cell.block.write(cell.register, cell.half, value, cell.instance);
  }

  /** Reads 64 bits: the lower half goes to `halves[0]`. */
  read64(offset: number, halves: Uint32Array): void {
    halves[0] = this.read32(offset);
    halves[1] = this.read32(offset + 4);
  }

  /** Writes 64 bits, the lower half first. */
  write64(offset: number, low: number, high: number): void {
    this.write32(offset, low);
    this.write32(offset + 4, high);
  }
}
