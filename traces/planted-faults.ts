import * as v from 'valibot';
import { Prng, type TableAllocator, type TableMemory } from '../formats/index.ts';

const fraction = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);

/**
 * Faults of the page-table software itself, to see the sanitizer find them; all 0 is correct software. Faults of the driver's
 * invalidations are in `driver.bugs`, dropped syncs in `dma.dropSyncFraction`.
 */
export const FaultsSchema = v.strictObject({
  /** Fraction of tables that are never given back, 0 to 1. */
  leak: fraction,
  /** Fraction of tables that are given back twice. */
  doubleFree: fraction,
  /** Fraction of tables that are given back with twice their size. */
  wrongFree: fraction,
  /** Fraction of stores of leaves after which the first leaf's memory type is changed in place, without break-before-make. */
  breakBeforeMake: fraction,
  /** Fraction of operations that run where no memory may be asked for, without a reservation. */
  allocateInRun: fraction,
  /** Seed of the choices. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
});
export type FaultsConfig = v.InferOutput<typeof FaultsSchema>;

/** Bits 4:2 of a stage 1 leaf, or 5:2 of a stage 2 leaf, hold its memory type: this bit changes it. */
const MEMORY_TYPE_BIT = 4;

/** Puts the configured faults around allocator and memory of the page-table software. Where there are none, nothing is put around. */
export class PlantedFaults {
  readonly #config: FaultsConfig;
  readonly #prng: Prng;

  constructor(config: FaultsConfig, seed: number) {
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
