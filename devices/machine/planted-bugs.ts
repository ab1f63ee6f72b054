import * as v from 'valibot';
import { ConfigError, type DmaPort, Prng, type TableAllocator, type TableMemory } from '../../formats/index.ts';
import type { FormatKey, InvalidationBug, InvalidationBugs, IommuModel } from '../iommu.ts';

const fraction = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);

/**
 * Bugs to plant into the page-table software, its driver and its cache maintenance, to see the sanitizer find them; all off is correct
 * software. A number is a share of the calls, 0 to 1.
 */
export const PlantedBugsSchema = v.strictObject({
  /** `dma_sync` calls for tables that are left out. */
  dropSync: fraction,
  /** Tables that are not given to `dma_map_single`. */
  skipDmaMap: fraction,
  /** Leaf invalidations that are forgotten. */
  skipInvalidation: fraction,
  /** Each leaf invalidation is made only when the next one is due. */
  lateInvalidation: v.optional(v.boolean(), false),
  /** Walk flushes, after a table went away, that are forgotten. */
  skipWalkFlush: fraction,
  /** Each walk flush is made only when the next one is due: after its tables are freed. */
  lateWalkFlush: v.optional(v.boolean(), false),
  /** Leaf invalidations that drop the whole address space instead of a range. */
  wholeSpace: fraction,
  /** Leaf invalidations that drop walk-cache entries too. */
  needlessWalkFlush: fraction,
  /** Invalidations of an SMMUv3 whose completion is not waited for. */
  skipSync: fraction,
  /** Range invalidations of an SMMUv3 whose hint names another level than that of the leaves. */
  wrongLevel: fraction,
  /** Context descriptors of an SMMUv3 carry another ASID than the domain's. */
  wrongAsid: v.optional(v.boolean(), false),
  /** Context descriptors of an SMMUv3 carry the first domain's ASID. */
  sharedAsid: v.optional(v.boolean(), false),
  /** Context descriptors of an SMMUv3 lead to the table of the domain attached before. */
  wrongTable: v.optional(v.boolean(), false),
  /** Stores of leaves after which the first leaf's memory type is changed in place, without break-before-make. */
  breakBeforeMake: fraction,
  /** Stores of leaves of which the last leads to another address. */
  wrongAddress: fraction,
  /** Stores of leaves of which the last may not be read. */
  lostRead: fraction,
  /** Stores of leaves of which the last is left out. */
  lostPage: fraction,
  /** Tables that hold what was in their memory before, instead of zeros. */
  dirtyTable: fraction,
  /** Operations that run where no memory may be asked for, without a reservation. */
  allocateInRun: fraction,
  /** Tables that are never given back. */
  leak: fraction,
  /** Tables that are given back twice. */
  doubleFree: fraction,
  /** Tables that are given back with twice their size. */
  wrongFree: fraction,
  /** Seed of the choices. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
});
export type PlantedBugsConfig = v.InferOutput<typeof PlantedBugsSchema>;

/** The bugs that a driver's invalidations have. */
export function invalidationBugs(planted: PlantedBugsConfig): InvalidationBugs {
  const { skipInvalidation, skipWalkFlush, lateInvalidation, lateWalkFlush, wholeSpace, needlessWalkFlush } = planted;
  const { skipSync, wrongLevel, wrongAsid, sharedAsid, wrongTable, seed } = planted;
  const leftOut = { skipInvalidation, skipWalkFlush, skipSync };
  const contexts = { wrongAsid, sharedAsid, wrongTable };
  return { ...leftOut, lateInvalidation, lateWalkFlush, wholeSpace, needlessWalkFlush, wrongLevel, ...contexts, seed };
}

/** Those of context descriptors. */
const CONTEXT_BUGS: readonly InvalidationBug[] = ['wrongAsid', 'sharedAsid', 'wrongTable'];

/**
 * Refuses bugs that a driver cannot have: it would run as if it had none.
 * @throws ConfigError naming the first, and those that it can have
 */
export function checkPlantable(
  planted: PlantedBugsConfig,
  model: IommuModel<never>,
  driverName: string,
  format: FormatKey,
): void {
  const able = model.plantable(driverName);
  const { seed: _, ...bugs } = invalidationBugs(planted);
  for (const bug of Object.keys(bugs) as InvalidationBug[]) {
    if (!planted[bug]) continue;
    if (CONTEXT_BUGS.includes(bug) && format.endsWith('-s2')) {
      throw new ConfigError(
        `plantedBugs.${bug}`,
        planted[bug],
        'false with a stage 2, which has no context descriptors',
      );
    }
    if (able.includes(bug)) continue;
    const has = PLANTED_BUGS.filter(({ field }) => able.some((name) => name === field)).map(({ name }) => name);
    throw new ConfigError(
      `plantedBugs.${bug}`,
      planted[bug],
      `nothing: of these bugs ${driverName} can have ${has.join(', ')}`,
    );
  }
}

/** A bug as `--break` names it. */
export interface PlantedBug {
  readonly name: string;
  /** Its field of {@link PlantedBugsSchema}. */
  readonly field: Exclude<keyof PlantedBugsConfig, 'seed'>;
  /** What it is without `=value`: the share of the calls that go wrong, or on. */
  readonly value: number | true;
  readonly about: string;
}

/** Every bug that can be planted. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  { name: 'drop-sync', field: 'dropSync', value: 0.01, about: 'a dma_sync is left out' },
  {
    name: 'skip-dma-map',
    field: 'skipDmaMap',
    value: 0.1,
    about: 'a table is not given to dma_map',
  },
  { name: 'skip-invalidate', field: 'skipInvalidation', value: 0.01, about: 'an unmap does not invalidate' },
  {
    name: 'late-invalidate',
    field: 'lateInvalidation',
    value: true,
    about: 'an unmap invalidates when the next one does',
  },
  {
    name: 'skip-walk-flush',
    field: 'skipWalkFlush',
    value: 1,
    about: 'walk caches keep the way into tables that are freed',
  },
  {
    name: 'late-walk-flush',
    field: 'lateWalkFlush',
    value: true,
    about: 'walk caches are flushed when the next table goes',
  },
  { name: 'whole-space', field: 'wholeSpace', value: 0.01, about: 'an unmap invalidates the whole address space' },
  {
    name: 'needless-walk-flush',
    field: 'needlessWalkFlush',
    value: 0.01,
    about: 'an unmap of leaves flushes walk caches too',
  },
  { name: 'skip-sync', field: 'skipSync', value: 0.01, about: 'no CMD_SYNC follows an invalidation (smmuv3)' },
  { name: 'wrong-asid', field: 'wrongAsid', value: true, about: 'context descriptors have another ASID (smmuv3)' },
  {
    name: 'shared-asid',
    field: 'sharedAsid',
    value: true,
    about: 'context descriptors have the ASID of another domain (smmuv3)',
  },
  {
    name: 'wrong-table',
    field: 'wrongTable',
    value: true,
    about: 'context descriptors lead to the table of another domain (smmuv3)',
  },
  { name: 'wrong-ttl', field: 'wrongLevel', value: 0.01, about: 'a range TLBI has a wrong level hint (smmuv3)' },
  {
    name: 'bbm',
    field: 'breakBeforeMake',
    value: 0.01,
    about: 'a live leaf is changed in place, without break-before-make',
  },
  { name: 'wrong-address', field: 'wrongAddress', value: 0.01, about: 'the last leaf of a map leads elsewhere' },
  { name: 'lost-read', field: 'lostRead', value: 0.01, about: 'the last leaf of a map may not be read' },
  { name: 'lost-page', field: 'lostPage', value: 0.01, about: 'the last leaf of a map is left out' },
  { name: 'dirty-table', field: 'dirtyTable', value: 0.1, about: 'a table is not zeroed before use' },
  { name: 'alloc-in-run', field: 'allocateInRun', value: 0.01, about: 'an operation allocates where it must not' },
  { name: 'leak', field: 'leak', value: 0.01, about: 'a table is never freed' },
  { name: 'double-free', field: 'doubleFree', value: 0.01, about: 'a table is freed twice' },
  { name: 'wrong-free', field: 'wrongFree', value: 0.01, about: 'a table is freed with another size' },
];

/**
 * Reads a list of bugs: `drop-sync=0.05,late-invalidate,bbm`. A share is a number from 0 to 1; without one a bug has its usual share.
 * @throws ConfigError for a name that is none, or a share where the bug has none
 */
export function parsePlantedBugs(list: string): Partial<PlantedBugsConfig> {
  const planted: Record<string, number | boolean> = {};
  for (const item of list.split(',')) {
    const [name = '', share] = item.trim().split('=', 2);
    const found = PLANTED_BUGS.find((one) => one.name === name);
    if (found === undefined) throw new ConfigError('--break', name, PLANTED_BUGS.map((one) => one.name).join(', '));
    const value = Number(share);
    if (share !== undefined && (found.value === true || share === '' || !(value >= 0 && value <= 1))) {
      throw new ConfigError('--break', item, found.value === true ? name : `${name}=, and a share from 0 to 1`);
    }
    planted[found.field] = share === undefined ? found.value : value;
  }
  return planted;
}

/** Bits 4:2 of a stage 1 leaf, or 5:2 of a stage 2 leaf, hold its memory type: this bit changes it. */
const MEMORY_TYPE_BIT = 4;

/** Puts the planted bugs around allocator and memory of the page-table software. Where there are none, nothing is put around. */
export class PlantedBugs {
  readonly #config: PlantedBugsConfig;
  readonly #prng: Prng;

  /** @param seed added to that of `config` */
  constructor(config: PlantedBugsConfig, seed: number) {
    this.#config = config;
    this.#prng = new Prng(config.seed + seed);
  }

  allocator(inner: TableAllocator): TableAllocator {
    const { leak, doubleFree, wrongFree } = this.#config;
    const prng = this.#prng;
    if (leak + doubleFree + wrongFree === 0) return inner;
    return {
      alloc: (cookie, size, gfp) => inner.alloc(cookie, size, gfp),
      free: (cookie, pa, size) => {
        if (prng.chance(leak)) return;
        if (prng.chance(wrongFree)) inner.free(cookie, pa, 2 * size);
        else inner.free(cookie, pa, size);
        if (prng.chance(doubleFree)) inner.free(cookie, pa, size);
      },
    };
  }

  /**
   * Tables of which some are given out as their memory was left.
   * @param memory the CPU's view of them
   */
  unzeroed(inner: TableAllocator, memory: TableMemory): TableAllocator {
    const { dirtyTable } = this.#config;
    const prng = this.#prng;
    if (dirtyTable === 0) return inner;
    return {
      alloc: (cookie, size, gfp) => {
        const pa = inner.alloc(cookie, size, gfp);
        // Allocators zero what they give out: here is what an earlier owner may have left, odd words that look valid among it.
        if (pa >= 0 && prng.chance(dirtyTable)) {
          const at = memory.index(pa);
          for (let word = 0; word < size / 4; word += 16) memory.words[at + word] = 0x0bad_0000 | word | 1;
          memory.written(pa, size);
        }
        return pa;
      },
      free: (cookie, pa, size) => inner.free(cookie, pa, size),
    };
  }

  /** A DMA API that is not told of some tables. */
  dma(inner: DmaPort): DmaPort {
    const { skipDmaMap } = this.#config;
    const prng = this.#prng;
    if (skipDmaMap === 0) return inner;
    const untold = new Set<number>();
    return {
      mapSingle: (pa, size) => {
        if (!prng.chance(skipDmaMap)) return inner.mapSingle(pa, size);
        untold.add(pa);
        return pa;
      },
      unmapSingle: (busAddress, size) => {
        if (!untold.delete(busAddress)) inner.unmapSingle(busAddress, size);
      },
      syncSingleForDevice: (busAddress, size) => inner.syncSingleForDevice(busAddress, size),
    };
  }

  memory(inner: TableMemory): TableMemory {
    const { breakBeforeMake, wrongAddress, lostRead, lostPage } = this.#config;
    const prng = this.#prng;
    let memory = inner;
    if (breakBeforeMake > 0) memory = new OverwritingMemory(memory, breakBeforeMake, prng);
    if (wrongAddress + lostRead + lostPage > 0) memory = new SpoilingMemory(memory, this.#config, prng);
    return memory;
  }

  /** Whether the operation that begins runs where no memory may be asked for. */
  allocatesInRun(): boolean {
    return this.#config.allocateInRun > 0 && this.#prng.chance(this.#config.allocateInRun);
  }
}

/**
 * Whether a descriptor that is stored is a leaf, from its lower half. Page descriptors have type 3, as tables have, of which only
 * leaves have the access flag; Mali has none, and no type 1 but its leaves.
 */
function isLeaf(low: number): boolean {
  return (low & 3) === 1 || ((low & 1) !== 0 && (low & (1 << 10)) !== 0);
}

/** Memory of software that changes the memory type of live leaves. */
class OverwritingMemory implements TableMemory {
  readonly #inner: TableMemory;
  readonly #fraction: number;
  readonly #prng: Prng;

  constructor(inner: TableMemory, share: number, prng: Prng) {
    this.#inner = inner;
    this.#fraction = share;
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
    inner.written(pa, bytes);
    const at = inner.index(pa);
    const low = inner.words[at] as number;
    if (!isLeaf(low) || !this.#prng.chance(this.#fraction)) return;
    inner.words[at] = low ^ MEMORY_TYPE_BIT;
    inner.written(pa, 8);
  }
}

/** Bit 30 of a leaf is an address bit of every page and block, and within every output size. */
const ADDRESS_BIT = 1 << 30;
/** AP[1] of stage 1, without which an unprivileged device has no access; S2AP[0] of stage 2 and Mali, the right to read. */
const READ_BIT = 1 << 6;

/** Memory of software that gets the last leaf of some stores wrong. */
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
    const { wrongAddress, lostRead, lostPage } = this.#config;
    const at = inner.index(pa) + bytes / 4 - 2;
    const low = inner.words[at] as number;
    if (bytes >= 8 && isLeaf(low)) {
      if (this.#prng.chance(wrongAddress)) inner.words[at] = low ^ ADDRESS_BIT;
      if (this.#prng.chance(lostRead)) inner.words[at] = low & ~READ_BIT;
      if (this.#prng.chance(lostPage)) {
        inner.words[at] = 0;
        inner.words[at + 1] = 0;
      }
    }
    inner.written(pa, bytes);
  }
}
