import { type StageRegime, shortStage1 } from '../../../../emulator/index.ts';
import type { Prng } from '../../../../formats/index.ts';
import type { WordMemory } from '../toy-tables.ts';
import { STAGE2_OFFSET, type StageBuilder } from './stage-builder.ts';

const SECTION_BYTES = 2 ** 20;
/** A run of sixteen equal entries is a supersection or a large page. */
const RUN = 16;
const TABLE = 1;
const LARGE = 1;
const SECTION = 2;
const SMALL = 2;
const SUPERSECTION = 1 << 18;

/** Bits of a leaf that are no address, type or size, and among them AP[1:0], which permit, and AP[2] and XN, which forbid. */
interface LeafBits {
  readonly all: number;
  readonly permit: number;
  readonly forbid: number;
}

const SECTION_BITS: LeafBits = { all: 0x000b_fc1d, permit: 0xc00, forbid: 0x8010 };
const SMALL_BITS: LeafBits = { all: 0xffd, permit: 0x30, forbid: 0x201 };
const LARGE_BITS: LeafBits = { all: 0xfe3c, permit: 0x30, forbid: 0x8200 };

/** MediaTek's bits 34:32 of an address, in the descriptor's bits 5, 4 and 9. */
const MEDIATEK_BITS = 0x230;
function mediatekBits(high: number): number {
  return ((high & 1) << 9) | ((high & 2) << 3) | ((high & 4) << 3);
}
function mediatekHigh(descriptor: number): number {
  return ((descriptor >>> 9) & 1) | ((descriptor >>> 3) & 2) | ((descriptor >>> 3) & 4);
}

/**
 * A stage 1 of short descriptors with random tables: sections, supersections, large and small pages, and what is invalid, with random
 * rights; TTBCR.N from 0 to 7, with AFE and without, sometimes MediaTek's form.
 */
export class RandomShortStage implements StageBuilder {
  readonly regime: StageRegime;
  readonly #random: Prng;
  readonly #memory: WordMemory;
  readonly #behind: StageBuilder | null;
  readonly #tame: number;
  #nextTable: number;
  readonly #written = new Set<number>();

  constructor(random: Prng, memory: WordMemory, tables: number, behind: StageBuilder | null) {
    this.#random = random;
    this.#memory = memory;
    this.#behind = behind;
    this.#tame = random.below(3) === 0 ? 0.99 : 0.85;
    this.#nextTable = tables;
    const n = random.below(8);
    this.regime = shortStage1(n, this.#table(2 ** (14 - n)), this.#table(2 ** 14), {
      accessFlagFaults: random.chance(0.5),
      writeExecuteNever: random.chance(0.3),
      mediatekAddresses: random.chance(0.2),
      memoryAttributes: [0x00, 0x04, 0x44, 0xaa, 0xff, 0xee, 0x4f, 0xf4],
    });
  }

  #table(bytes: number): number {
    const base = Math.ceil(this.#nextTable / bytes) * bytes;
    this.#nextTable = base + bytes;
    return base;
  }

  build(input: number, upper: boolean): void {
    const root = upper ? this.regime.root1 : this.regime.root0;
    if (root === null || input >= 2 ** root.inputBits) return;
    const index = Math.floor(input / SECTION_BYTES);
    let descriptor = this.#at(root.base + 4 * index, () => this.#first(root.base, index, 2 ** (root.inputBits - 20)));
    let size = (descriptor & SUPERSECTION) !== 0 ? RUN * SECTION_BYTES : SECTION_BYTES;
    let high = size > SECTION_BYTES ? ((descriptor >>> 20) & 15) | ((descriptor >>> 1) & 0xf0) : 0;
    if ((descriptor & 3) === TABLE) {
      const table = ((descriptor & ~0x3ff) >>> 0) + this.#highOf(descriptor, 0) * 2 ** 32;
      const page = Math.floor((input % SECTION_BYTES) / 4096);
      descriptor = this.#at(table + 4 * page, () => this.#second(table, page));
      size = (descriptor & SMALL) !== 0 ? 4096 : RUN * 4096;
      high = 0;
    }
    if ((descriptor & 3) === 0) return;
    const output = this.#highOf(descriptor, high) * 2 ** 32 + ((descriptor & -size) >>> 0);
    this.#behind?.build(output + (input % size), false);
  }

  /** Address bits from 32 on: MediaTek's, or what else a descriptor has there. */
  #highOf(descriptor: number, otherwise: number): number {
    return this.regime.mediatekAddresses === true ? mediatekHigh(descriptor) : otherwise;
  }

  /** The descriptor at an address, made on first sight. */
  #at(address: number, make: () => void): number {
    this.#behind?.build(address, false);
    if (!this.#written.has(address)) make();
    return this.#memory.words.get(this.#placeOf(address)) ?? 0;
  }

  /** Level 1: nothing, a table, a section, or a supersection. */
  #first(table: number, index: number, entries: number): void {
    const random = this.#random;
    const leaf = SECTION | this.#bits(SECTION_BITS);
    if (random.chance((1 - this.#tame) / 3)) this.#set(table, index, 0);
    else if (random.chance(0.6)) this.#set(table, index, this.#nextLevel());
    else if (entries >= RUN && random.chance(0.4) && this.#isFree(table, index)) {
      // Address bits 35:32 stand in 23:20, and 39:36 in 8:5, where MediaTek has one of its own.
      const extended = this.regime.mediatekAddresses === true || random.chance(0.5) ? 0 : random.below(256);
      const top = ((extended & 15) << 20) | ((extended >>> 4) << 5);
      this.#setRun(table, index, (random.below(256) << 24) | top | SUPERSECTION | leaf);
    } else this.#set(table, index, (random.below(4096) << 20) | leaf);
  }

  /** A table of 1 KiB. PXN and NS hold for all of it. */
  #nextLevel(): number {
    const random = this.#random;
    const base = this.#table(1024);
    if (this.regime.mediatekAddresses === true) return base | mediatekBits(random.below(8)) | TABLE;
    return base | (random.chance(0.3) ? random.below(4) << 2 : 0) | TABLE;
  }

  /** Level 2: nothing, a small page, or a large page. */
  #second(table: number, index: number): void {
    const random = this.#random;
    if (random.chance((1 - this.#tame) / 3)) this.#set(table, index, 0);
    else if (random.chance(0.3) && this.#isFree(table, index)) {
      this.#setRun(table, index, (random.below(2 ** 16) << 16) | this.#bits(LARGE_BITS) | LARGE);
    } else this.#set(table, index, (random.below(2 ** 20) << 12) | this.#bits(SMALL_BITS) | SMALL);
  }

  /** Random bits of a leaf; where tables are tame, they mostly permit every access. */
  #bits(leaf: LeafBits): number {
    const random = this.#random;
    const bits = random.below(2 ** 20) & leaf.all;
    if (this.regime.mediatekAddresses === true) return (bits & ~MEDIATEK_BITS) | mediatekBits(random.below(8));
    return random.chance(this.#tame) ? (bits | leaf.permit) & ~leaf.forbid : bits;
  }

  #isFree(table: number, index: number): boolean {
    const first = index - (index % RUN);
    return Array.from({ length: RUN }, (_, at) => !this.#written.has(table + 4 * (first + at))).every(Boolean);
  }

  #setRun(table: number, index: number, descriptor: number): void {
    const first = index - (index % RUN);
    for (let at = 0; at < RUN; at++) this.#set(table, first + at, descriptor);
  }

  #placeOf(address: number): number {
    return this.#behind === null ? address : address + STAGE2_OFFSET;
  }

  #set(table: number, index: number, descriptor: number): void {
    const address = table + 4 * index;
    this.#written.add(address);
    this.#memory.words.set(this.#placeOf(address), descriptor >>> 0);
  }
}
