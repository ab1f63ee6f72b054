import type { StageRegime, TableRoot, TranslationRegime } from '../../../../emulator/index.ts';
import { Prng } from '../../../../formats/index.ts';
import { WordMemory } from '../toy-tables.ts';
import { RandomShortStage } from './random-short-stage.ts';
import { STAGE2_OFFSET, type StageBuilder } from './stage-builder.ts';

/** Stage-1 tables lie from here on, in IPAs or PAs; stage-2 tables from there on. */
const STAGE1_TABLES = 0x4000_0000;
const STAGE2_TABLES = 0xc000_0000;
/** Outputs of stage 1. */
const OUTPUTS = 0x1_0000_0000;

const GRANULES = [12, 14, 16] as const;
const TABLE = 3n;
const BLOCK = 1n;
const NS_PER_TABLE = 59n;

/** A random translation with the addresses that its tables know, and memory to walk them in. */
export interface RandomTables {
  readonly regime: TranslationRegime;
  readonly memory: WordMemory;
  /** Input addresses, those of the upper half marked. */
  readonly inputs: readonly { readonly iova: number; readonly upper: boolean }[];
}

/** Which stages there are, of which descriptors. Of 52 bits: 64K granules, tables and outputs anywhere below 2^52. */
export type RandomKind =
  | 'stage 1'
  | 'stage 2'
  | 'nested'
  | '52 bits, stage 1'
  | '52 bits, stage 2'
  | '52 bits, nested'
  | 'mali'
  | 'short'
  | 'short, nested';

/**
 * A random regime (stage 1, stage 2 or both; 4K, 16K, 64K; 52-bit addresses; Mali's and short descriptors; TTBR0 and TTBR1; hardware
 * access flag and dirty state; protected table walks) with random tables behind a few addresses: pages, blocks and contiguous runs of
 * random rights, memory types and access flags, table descriptors with hierarchical rights, invalid and reserved descriptors. Written
 * by hand, so that it shares nothing with the editors.
 */
export function randomTables(seed: number, kind: RandomKind): RandomTables {
  const random = new Prng(seed);
  const memory = new WordMemory();
  const nested = kind.endsWith('nested');
  const wide = kind.startsWith('52 bits');
  const stage2 =
    nested || kind.endsWith('stage 2')
      ? new RandomStage(random, memory, { stage: 2, wide, tables: STAGE2_TABLES, holdsStage1: nested })
      : null;
  const stage1 = kind.endsWith('stage 2') ? null : randomStage1(random, memory, kind, stage2);
  const first = stage1 ?? (stage2 as StageBuilder);
  const inputs = Array.from({ length: 8 }, (_, at) => {
    const upper = stage1 !== null && stage1.regime.root1 !== null && random.chance(0.4);
    const root = (upper ? first.regime.root1 : first.regime.root0) as TableRoot;
    // Neighbours share tables; a few lie anywhere, or outside of the input size.
    const near = random.below(3) * 2 ** root.granuleShift + random.below(2) * 2 ** 21 + random.below(64) * 64;
    const iova = at < 5 ? near : random.chance(0.1) ? 2 ** root.inputBits + near : random.below(2 ** 20) * 2 ** 12;
    first.build(iova, upper);
    return { iova, upper };
  });
  const regime: TranslationRegime = {
    stage1: stage1?.regime ?? null,
    stage2: stage2?.regime ?? null,
    asid: stage1 === null ? 0 : 5,
    vmid: stage2 === null ? 0 : 9,
  };
  return { regime, memory, inputs };
}

function randomStage1(random: Prng, memory: WordMemory, kind: RandomKind, behind: StageBuilder | null): StageBuilder {
  if (kind.startsWith('short')) return new RandomShortStage(random, memory, STAGE1_TABLES, behind);
  const wide = kind.startsWith('52 bits');
  return new RandomStage(random, memory, { stage: 1, wide, mali: kind === 'mali', tables: STAGE1_TABLES, behind });
}

/** What a random stage is to be. */
interface StageShape {
  readonly stage: 1 | 2;
  /** 64K granule, addresses of 52 bits. */
  readonly wide: boolean;
  /** Mali's descriptors: four levels of 4K tables, stage 1 alone. */
  readonly mali?: boolean;
  /** Where its tables lie from. */
  readonly tables: number;
  /** A stage 2 that maps the tables and outputs of a stage 1. */
  readonly holdsStage1?: boolean;
  /** Stage 2 that translates the tables and outputs of this stage 1. */
  readonly behind?: StageBuilder | null;
}

/** A stage of long descriptors: LPAE or Mali. */
class RandomStage implements StageBuilder {
  readonly regime: StageRegime;
  readonly #behind: StageBuilder | null;
  readonly #wide: boolean;
  readonly #mali: boolean;
  readonly #random: Prng;
  readonly #memory: WordMemory;
  /** Tables and rights mostly permit, so that walks get far. */
  readonly #tame: number;
  #nextTable: number;
  readonly #written = new Set<number>();

  constructor(random: Prng, memory: WordMemory, shape: StageShape) {
    const { stage } = shape;
    this.#random = random;
    this.#memory = memory;
    this.#behind = shape.behind ?? null;
    this.#wide = shape.wide;
    this.#mali = shape.mali === true;
    this.#nextTable = shape.tables;
    this.#tame = random.below(3) === 0 ? 0.99 : 0.85;
    const managed = !this.#mali && random.chance(0.6);
    const root = (): TableRoot => this.#root(stage, shape.holdsStage1 === true);
    this.regime = {
      stage,
      family: this.#mali ? 'mali' : 'lpae',
      root0: root(),
      root1: stage === 1 && !this.#mali && random.chance(0.5) ? root() : null,
      outputBits: shape.wide ? (random.chance(0.1) ? 48 : 52) : random.chance(0.1) ? 40 : 48,
      accessFlagFaults: !this.#mali && random.chance(0.8),
      hardwareAccessFlag: managed,
      hardwareDirty: managed && random.chance(0.7),
      // Device-nGnRnE, Device-GRE, non-cacheable, write-through, write-back, mixed.
      memoryAttributes: stage === 1 ? [0x00, 0x0c, 0x44, 0xbb, 0xff, 0xf4, 0x77, 0x4f] : [],
      tag: 0,
      writeExecuteNever: stage === 1 && !this.#mali && random.chance(0.3),
      singlePrivilege: stage === 1 && !this.#mali && random.chance(0.2),
      executeByPrivilege: stage === 2 && random.chance(0.5),
      protectedTableWalk: stage === 2 && random.chance(0.5),
    };
  }

  /** A table of a random granule and size; under a stage 1 the input has to hold where that stage's tables and outputs lie. */
  #root(stage: 1 | 2, holdsStage1: boolean): TableRoot {
    const random = this.#random;
    if (this.#mali) {
      const base = this.#table(4096);
      return { base, granuleShift: 12, inputBits: 48, startLevel: 0, ignoreHierarchicalPermissions: false };
    }
    const granuleShift = this.#wide ? 16 : (GRANULES[random.below(3)] as number);
    const stride = granuleShift - 3;
    const most = this.#wide ? 52 : 48;
    const least = holdsStage1 ? (this.#wide ? 52 : 36) : 25;
    const inputBits = least + random.below(most - least + 1);
    let startLevel = 4 - Math.ceil((inputBits - granuleShift) / stride);
    // Stage 2 may start one level lower, with up to sixteen tables side by side.
    const over = inputBits - granuleShift - (3 - startLevel) * stride;
    if (stage === 2 && startLevel < 3 && over <= 4) startLevel++;
    const entries = 2 ** (inputBits - granuleShift - (3 - startLevel) * stride);
    const base = this.#table(Math.max(entries * 8, 2 ** granuleShift));
    return { base, granuleShift, inputBits, startLevel, ignoreHierarchicalPermissions: random.chance(0.3) };
  }

  #table(bytes: number): number {
    const base = Math.ceil(this.#nextTable / bytes) * bytes;
    this.#nextTable = base + bytes;
    return base + this.#high();
  }

  /** Address bits 51:48, for tables and outputs: those of a stage 1 leave room for what a stage 2 adds. */
  #high(): number {
    return this.#wide && this.#random.chance(0.7) ? this.#random.below(15) * 2 ** 48 : 0;
  }

  /** An address as a descriptor holds it: with the 64K granule, bits 51:48 stand in bits 15:12. */
  #packed(root: TableRoot, address: number): bigint {
    const bits = BigInt(address);
    return root.granuleShift === 16 ? (bits & (2n ** 48n - 1n)) | ((bits >> 48n) << 12n) : bits;
  }

  #unpacked(root: TableRoot, low: number, high: number): number {
    const middle = (high & 0xffff) * 2 ** 32;
    if (root.granuleShift !== 16) return middle + ((low & ~0xfff) >>> 0);
    return middle + ((low & ~0xffff) >>> 0) + ((low >>> 12) & 15) * 2 ** 48;
  }

  build(input: number, upper: boolean): void {
    const root = (upper ? this.regime.root1 : this.regime.root0) as TableRoot;
    if (input >= 2 ** root.inputBits) return;
    const { granuleShift, startLevel } = root;
    const stride = granuleShift - 3;
    let table = root.base;
    for (let level = startLevel; level <= 3; level++) {
      const shift = granuleShift + (3 - level) * stride;
      let index = Math.floor(input / 2 ** shift);
      if (level > startLevel) index %= 2 ** stride;
      const address = table + index * 8;
      this.#behind?.build(address, false);
      const pa = this.#behind === null ? address : address + STAGE2_OFFSET;
      if (!this.#written.has(pa)) this.#write(root, level, shift, table, index, input);
      const low = this.#memory.words.get(pa) ?? 0;
      const high = this.#memory.words.get(pa + 4) ?? 0;
      const output = this.#unpacked(root, low, high);
      if (level === 3 || (low & 3) !== 3) {
        if ((low & 1) === 1) this.#behind?.build(output - (output % 2 ** shift) + (input % 2 ** shift), false);
        return;
      }
      table = output;
    }
  }

  /** A random descriptor, or a whole contiguous run. */
  #write(root: TableRoot, level: number, shift: number, table: number, index: number, input: number): void {
    const random = this.#random;
    const { granuleShift } = root;
    const blocks = granuleShift === 12 || this.regime.outputBits === 52 ? level >= 1 : level >= 2;
    const canDescend = level < 3;
    if (random.chance((1 - this.#tame) / 3)) {
      this.#set(table, index, random.chance(0.5) ? 0n : BLOCK | BigInt(random.below(2 ** 20) * 2 ** 12));
      return;
    }
    if (canDescend && (!blocks || random.chance(0.7))) {
      const next = this.#table(2 ** granuleShift);
      let bits = 0n;
      if (this.regime.stage === 1 && !this.#mali && random.chance(0.4)) {
        bits = BigInt(random.below(32)) & ~(random.chance(this.#tame) ? 12n : 0n);
      }
      this.#set(table, index, this.#packed(root, next) | (bits << NS_PER_TABLE) | TABLE);
      return;
    }
    const run = granuleShift === 12 ? 16 : granuleShift === 14 ? (level === 3 ? 128 : 32) : 32;
    const attributes = this.#attributes() | (level === 3 && !this.#mali ? TABLE : BLOCK);
    // Mali has no contiguous runs, nor have blocks of 4 TiB.
    const runs = !this.#mali && (granuleShift === 12 || level >= 2) && random.chance(0.25);
    const base = this.#output(input, shift, runs ? run : 1);
    if (!runs) {
      this.#set(table, index, this.#packed(root, base) | attributes);
      return;
    }
    const first = index - (index % run);
    // A run that is not whole where a table has fewer entries, or where one of its places is taken, is written without the hint.
    const whole =
      2 ** (root.inputBits - shift) >= run &&
      Array.from({ length: run }, (_, at) => this.#isFree(table, first + at)).every(Boolean);
    if (!whole) {
      this.#set(table, index, this.#packed(root, base + (index % run) * 2 ** shift) | attributes);
      return;
    }
    for (let at = 0; at < run; at++) {
      this.#set(table, first + at, this.#packed(root, base + at * 2 ** shift) | attributes | (1n << 52n));
    }
  }

  /** Output of a leaf, or of the first of a run. */
  #output(input: number, shift: number, run: number): number {
    const size = 2 ** shift * run;
    // A stage 2 moves all by one offset, so that it finds the tables of stage 1 whatever the size of its pages.
    if (this.regime.stage === 2) return input - (input % size) + STAGE2_OFFSET;
    return Math.ceil(OUTPUTS / size) * size + this.#random.below(4) * size + this.#high();
  }

  #attributes(): bigint {
    const random = this.#random;
    const tame = (): boolean => random.chance(this.#tame);
    let bits = 0n;
    // Where hardware manages descriptors, it should find something to do.
    const { hardwareAccessFlag, hardwareDirty } = this.regime;
    if (hardwareAccessFlag ? random.chance(0.6) : tame()) bits |= 1n << 10n;
    bits |= BigInt([0, 2, 3][random.below(3)] as number) << 8n;
    const modifier = random.chance(0.4);
    if (modifier) bits |= 1n << 51n;
    const clean = modifier && hardwareDirty && random.chance(0.5);
    bits |= BigInt(random.below(4)) << 53n;
    if (this.#mali) {
      bits |= BigInt(random.below(8)) << 2n;
      bits |= BigInt(tame() ? 3 : random.below(4)) << 6n;
    } else if (this.regime.stage === 1) {
      bits |= BigInt(random.below(8)) << 2n;
      bits |= BigInt(tame() ? (clean ? 3 : 1) : random.below(4)) << 6n;
      bits |= BigInt(random.below(2)) << 11n;
    } else {
      // Device memory under stage-1 tables only now and then.
      bits |= BigInt(tame() ? 4 + random.below(12) : random.below(4)) << 2n;
      bits |= BigInt(tame() ? (clean ? 1 : 3) : random.below(4)) << 6n;
    }
    return bits;
  }

  #isFree(table: number, index: number): boolean {
    const address = table + index * 8;
    return !this.#written.has(this.#behind === null ? address : address + STAGE2_OFFSET);
  }

  #set(table: number, index: number, descriptor: bigint): void {
    const address = table + index * 8;
    const pa = this.#behind === null ? address : address + STAGE2_OFFSET;
    this.#written.add(pa);
    this.#memory.set(pa, descriptor);
  }
}
