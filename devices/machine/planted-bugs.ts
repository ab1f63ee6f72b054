import * as v from 'valibot';
import { ConfigError, Prng, type TableAllocator, type TableMemory } from '../../formats/index.ts';
import type { InvalidationBugs } from '../iommu.ts';

const fraction = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);

/**
 * Bugs to plant into the page-table software, its driver and its cache maintenance, to see the sanitizer find them; all off is correct
 * software. A number is a share of the calls, 0 to 1.
 */
export const PlantedBugsSchema = v.strictObject({
  /** `dma_sync` calls for tables that are left out. */
  dropSync: fraction,
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
  /** Stores of leaves after which the first leaf's memory type is changed in place, without break-before-make. */
  breakBeforeMake: fraction,
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
  const { skipInvalidation, skipWalkFlush, lateInvalidation, lateWalkFlush, wholeSpace, needlessWalkFlush, seed } =
    planted;
  return { skipInvalidation, skipWalkFlush, lateInvalidation, lateWalkFlush, wholeSpace, needlessWalkFlush, seed };
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
  {
    name: 'bbm',
    field: 'breakBeforeMake',
    value: 0.01,
    about: 'a live leaf is changed in place, without break-before-make',
  },
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

  memory(inner: TableMemory): TableMemory {
    const { breakBeforeMake } = this.#config;
    return breakBeforeMake === 0 ? inner : new OverwritingMemory(inner, breakBeforeMake, this.#prng);
  }

  /** Whether the operation that begins runs where no memory may be asked for. */
  allocatesInRun(): boolean {
    return this.#config.allocateInRun > 0 && this.#prng.chance(this.#config.allocateInRun);
  }
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
    // Page descriptors have type 3, as tables have: of those, only leaves have the access flag.
    if ((low & 1) === 0 || (low & (1 << 10)) === 0 || !this.#prng.chance(this.#fraction)) return;
    inner.words[at] = low ^ MEMORY_TYPE_BIT;
    inner.written(pa, 8);
  }
}
