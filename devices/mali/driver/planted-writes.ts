import { Prng } from '../../../formats/index.ts';
import type { PlantedBugsConfig, RegisterBugs } from '../../planted-bugs/index.ts';
import {
  ADDRESS_SPACE,
  AddressMode,
  AsCommand,
  LegacyMode,
  lockShift,
  MMU_AS_STRIDE,
  MMU_BASE,
  MMU_END,
} from '../spec/index.ts';

const PAGE = 0x1000;
/** log2 of the smallest region, and of one that leaves nothing out. */
const LEAST_REGION = 15;
const WHOLE_REGION = 64;
/** INA_BITS counts down from the largest size. */
const NINE_BITS_LESS = 9 << 6;
const MODE_MASK = 0xf;
const LEGACY_MASK = 3;

/** Accesses of a Mali driver that gets registers and commands wrong. */
export class PlantedWrites implements RegisterBugs {
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  /** The region that is locked and flushed now goes to another address space. */
  #elsewhere = false;

  constructor(bugs: PlantedBugsConfig) {
    this.#bugs = bugs;
    this.#prng = new Prng(bugs.seed);
  }

  read(offset: number): number {
    const isStatus = registerOf(offset) === ADDRESS_SPACE.AS_STATUS.offset;
    return isStatus && this.#prng.chance(this.#bugs.skipSync) ? 0 : -1;
  }

  write(offset: number, halves: Uint32Array): number {
    const bugs = this.#bugs;
    const low = halves[0] as number;
    switch (registerOf(offset)) {
      case ADDRESS_SPACE.AS_TRANSTAB.offset:
        if (low === 0) break;
        if (bugs.wrongRoot) halves[0] = low + PAGE;
        if (bugs.bypass && (low & LEGACY_MASK) === LegacyMode.TABLE)
          halves[0] = low - LegacyMode.TABLE + LegacyMode.IDENTITY;
        break;
      case ADDRESS_SPACE.AS_TRANSCFG.offset:
        if ((low & MODE_MASK) !== AddressMode.AARCH64_4K) break;
        if (bugs.bypass) halves[0] = (low & ~MODE_MASK) | AddressMode.IDENTITY;
        if (bugs.wrongSize) halves[0] = low + NINE_BITS_LESS;
        break;
      case ADDRESS_SPACE.AS_MEMATTR.offset:
        // Byte 0 to byte 1, and so on round.
        if (bugs.wrongAttributes) halves[0] = (low << 8) | (low >>> 24);
        break;
      case ADDRESS_SPACE.AS_LOCKADDR.offset:
        this.#region(halves);
        return this.#elsewhere ? offset + MMU_AS_STRIDE : offset;
      case ADDRESS_SPACE.AS_LOCKADDR.offset + 4:
        return this.#elsewhere ? offset + MMU_AS_STRIDE : offset;
      case ADDRESS_SPACE.AS_COMMAND.offset:
        if (low === AsCommand.UPDATE) return bugs.skipUpdate ? -1 : offset;
        return this.#elsewhere ? offset + MMU_AS_STRIDE : offset;
    }
    return offset;
  }

  /** A region is about to be locked and flushed. */
  #region(halves: Uint32Array): void {
    const bugs = this.#bugs;
    const low = halves[0] as number;
    const shift = lockShift(low);
    this.#elsewhere = shift < WHOLE_REGION && this.#prng.chance(bugs.wrongTag);
    if (shift >= 32) return;
    if (shift > LEAST_REGION && this.#prng.chance(bugs.shortInvalidation)) halves[0] = low - 1;
    if (this.#prng.chance(bugs.shiftedInvalidation)) halves[0] = low + 2 ** shift;
  }
}

/** Register of an address space; -1 for any other. */
function registerOf(offset: number): number {
  return offset < MMU_BASE || offset >= MMU_END ? -1 : (offset - MMU_BASE) % MMU_AS_STRIDE;
}

/** Whether any of these bugs is planted. */
export function spoilsWrites(bugs: PlantedBugsConfig): boolean {
  const { bypass, wrongRoot, wrongSize, wrongAttributes, skipUpdate } = bugs;
  const { skipSync, shortInvalidation, shiftedInvalidation, wrongTag } = bugs;
  const always = bypass || wrongRoot || wrongSize || wrongAttributes || skipUpdate;
  return always || skipSync + shortInvalidation + shiftedInvalidation + wrongTag > 0;
}
