import type { Prng, TableMemory } from '../../formats/index.ts';
import type { PlantedBugsConfig } from './config.ts';

/** Bits 4:2 of a stage 1 leaf, or 5:2 of a stage 2 leaf, hold its memory type: this bit changes it. */
const MEMORY_TYPE_BIT = 1 << 2;
/** Bit 30 of a leaf is an address bit of every page and block, and within every output size. */
const ADDRESS_BIT = 1 << 30;
/** Bits 47:32 of an address, in the upper half. */
const HIGH_ADDRESS = 0xffff;
/** AP[1] of stage 1, without which an unprivileged device has no access; S2AP[0] of stage 2 and Mali, the right to read. */
const READ_BIT = 1 << 6;
const ACCESS_FLAG = 1 << 10;
/** Type 3 is a page, type 1 a block. */
const PAGE_TYPE = 3;
const BLOCK_TYPE = 1;

/**
 * Whether a descriptor that is stored is a leaf, from its lower half. Page descriptors have type 3, as tables have, of which only
 * leaves have the access flag; Mali has none, and no type 1 but its leaves.
 */
function isLeaf(low: number): boolean {
  return (low & 3) === BLOCK_TYPE || ((low & 1) !== 0 && (low & ACCESS_FLAG) !== 0);
}

/** Memory of software that gets descriptors wrong: what is stored is spoiled before anybody sees it. */
class SpoilingMemory implements TableMemory {
  readonly #inner: TableMemory;
  readonly #config: PlantedBugsConfig;
  readonly #prng: Prng;

  constructor(inner: TableMemory, config: PlantedBugsConfig, prng: Prng) {
    this.#inner = inner;
    this.#config = config;
    this.#prng = prng;
  }

  get words(): Uint32Array {
    return this.#inner.words;
  }

  index(pa: number): number {
    return this.#inner.index(pa);
  }

  written(pa: number, bytes: number): void {
    const inner = this.#inner;
    const at = inner.index(pa) + bytes / 4 - 2;
    if (bytes >= 8 && isLeaf(inner.words[at] as number)) this.#spoil(at);
    inner.written(pa, bytes);
    if (this.#config.breakBeforeMake > 0) this.#overwrite(pa);
  }

  /** The last leaf of a store goes wrong. */
  #spoil(at: number): void {
    const { words } = this.#inner;
    const { wrongAddress, shortAddress, lostRead, lostPage, lostAccessFlag, wrongType, wrongMemory } = this.#config;
    const prng = this.#prng;
    let low = words[at] as number;
    let high = words[at + 1] as number;
    if (prng.chance(wrongAddress)) low ^= ADDRESS_BIT;
    if (prng.chance(shortAddress)) high &= ~HIGH_ADDRESS;
    if (prng.chance(lostRead)) low &= ~READ_BIT;
    if (prng.chance(wrongMemory)) low ^= MEMORY_TYPE_BIT;
    if ((low & 3) === PAGE_TYPE && prng.chance(wrongType)) low = (low & ~3) | BLOCK_TYPE;
    if (prng.chance(lostAccessFlag)) low &= ~ACCESS_FLAG;
    if (prng.chance(lostPage)) {
      low = 0;
      high = 0;
    }
    words[at] = low;
    words[at + 1] = high;
  }

  /** The first leaf of a store, which is live by now, changes its memory type. */
  #overwrite(pa: number): void {
    const inner = this.#inner;
    const at = inner.index(pa);
    const low = inner.words[at] as number;
    if (!isLeaf(low) || !this.#prng.chance(this.#config.breakBeforeMake)) return;
    inner.words[at] = low ^ MEMORY_TYPE_BIT;
    inner.written(pa, 8);
  }
}

/** Memory with the planted bugs; `inner` where none is planted. */
export function spoiledMemory(inner: TableMemory, config: PlantedBugsConfig, prng: Prng): TableMemory {
  const { wrongAddress, shortAddress, lostRead, lostPage, lostAccessFlag, wrongType, wrongMemory } = config;
  const spoils = wrongAddress + shortAddress + lostRead + lostPage + lostAccessFlag + wrongType + wrongMemory;
  return spoils + config.breakBeforeMake === 0 ? inner : new SpoilingMemory(inner, config, prng);
}
