import { Prng } from '../../formats/index.ts';
import type { PlantedBugsConfig, RegisterBugs } from '../planted-bugs/index.ts';
import { BANK, type RegisterPages, S2CR, STREAM_GROUP, StreamType, TTBR } from './spec/index.ts';

/** Makes another ASID of one. */
const OTHER_ASID = 0x80;
const PAGE = 0x1000;
/** T0SZ of a table that begins a level lower: 39 bits instead of 48, 30 instead of 39. */
const ONE_LEVEL_LESS = 9;
const GROUPS = 128;

/** Accesses of an arm-smmu driver that gets registers and commands wrong. */
export class PlantedWrites implements RegisterBugs {
  /** Where the banks are; null until the driver has probed: before, nothing goes wrong. */
  pages: RegisterPages | null = null;
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  /** Page of the last TLBIVAL. */
  #lastPage = -1;

  constructor(bugs: PlantedBugsConfig) {
    this.#bugs = bugs;
    this.#prng = new Prng(bugs.seed);
  }

  write(offset: number, halves: Uint32Array): number {
    const { pages } = this;
    if (pages === null) return offset;
    if (offset < pages.banks) return this.#global(offset, halves);
    const register = offset % 2 ** pages.shift;
    return this.#bank(register, halves) + (offset - register);
  }

  #global(offset: number, halves: Uint32Array): number {
    const group = (offset - STREAM_GROUP.S2CR.offset) / 4;
    const value = halves[0] as number;
    const translates = (value & S2CR.TYPE.lowMask) >>> S2CR.TYPE.lsb === StreamType.TRANSLATION;
    if (group < 0 || group >= GROUPS || !translates) return offset;
    if (this.#bugs.bypass) halves[0] = value | (StreamType.BYPASS << S2CR.TYPE.lsb);
    if (this.#bugs.otherContext) halves[0] = value + 1;
    return offset;
  }

  /** @returns the register of the bank that is written; a negative number that leaves no offset for none */
  #bank(register: number, halves: Uint32Array): number {
    const bugs = this.#bugs;
    const low = halves[0] as number;
    if (register === BANK.TLBSYNC.offset) return this.#prng.chance(bugs.skipSync) ? Number.NEGATIVE_INFINITY : register;
    if (register === BANK.TTBR0.offset && bugs.wrongRoot) halves[0] = low + PAGE;
    if (register === BANK.TCR.offset && bugs.wrongSize) halves[0] = low + ONE_LEVEL_LESS;
    // Byte 0 to byte 1, and so on round.
    if (register === BANK.MAIR0.offset && bugs.wrongAttributes) halves[0] = (low << 8) | (low >>> 24);
    if (register === BANK.TLBIVA.offset && this.#prng.chance(bugs.leafWalkFlush)) return BANK.TLBIVAL.offset;
    if (register !== BANK.TLBIVAL.offset) return register;
    const continues = low === this.#lastPage + 1;
    this.#lastPage = low;
    if (continues && this.#prng.chance(bugs.shortInvalidation)) return Number.NEGATIVE_INFINITY;
    if (this.#prng.chance(bugs.shiftedInvalidation)) halves[0] = low + 1;
    if (this.#prng.chance(bugs.wrongTag)) halves[1] = (halves[1] as number) ^ (OTHER_ASID << (TTBR.ASID.lsb % 32));
    return register;
  }
}

/** Whether any of these bugs is planted. */
export function spoilsWrites(bugs: PlantedBugsConfig): boolean {
  const { bypass, otherContext, wrongRoot, wrongSize, wrongAttributes } = bugs;
  const { skipSync, leafWalkFlush, shortInvalidation, shiftedInvalidation, wrongTag } = bugs;
  const always = bypass || otherContext || wrongRoot || wrongSize || wrongAttributes;
  return always || skipSync + leafWalkFlush + shortInvalidation + shiftedInvalidation + wrongTag > 0;
}
