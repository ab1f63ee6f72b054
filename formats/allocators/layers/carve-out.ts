import * as v from 'valibot';
import { ConfigError } from '../../config/index.ts';
import { Gfp, NO_PAGES } from '../../table/index.ts';
import { type AllocatorContext, SYSTEM_PAGE } from '../allocator.ts';
import { Layer } from '../layer.ts';
import { systemBlock } from './page.ts';

export const CarveOutOptionsSchema = v.strictObject({
  /** First byte of the region, a multiple of 4 KiB. Null: the machine finds a place (a stack by itself cannot). */
  base: v.optional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.multipleOf(SYSTEM_PAGE))), null),
  /** Length of the region in bytes, a multiple of 4 KiB. Assumed: 16 MiB, the tables of 8 GiB mapped in small pages. */
  size: v.optional(
    v.pipe(v.number(), v.safeInteger(), v.minValue(SYSTEM_PAGE), v.maxValue(2 ** 36), v.multipleOf(SYSTEM_PAGE)),
    16 << 20,
  ),
});

export type CarveOutOptions = v.InferOutput<typeof CarveOutOptionsSchema>;

/** What the owner of the protected region (a hypervisor, a secure world) is told. */
export interface ProtectedOwner {
  /** Pages change hands from the normal to the protected world; false refuses, and the allocation fails. */
  assign(pa: number, size: number): boolean;
  /** Pages come back to the normal world. */
  takeBack(pa: number, size: number): void;
}

/**
 * Tables from a fixed region that the normal world may not write: a bottom layer. Each table is assigned to the protected owner
 * when it is allocated and taken back when it is freed; both are dear. A table is zeroed before it changes hands.
 */
export class CarveOutAllocator extends Layer {
  readonly kind = 'carve-out';
  readonly below = null;
  readonly #base: number;
  readonly #owner: ProtectedOwner | null;
  /** One byte per page of the region: 1 = in use. */
  readonly #used: Uint8Array;
  /** Page where the next search starts. */
  #next = 0;

  /** @throws ConfigError for a region without a place. */
  constructor(context: AllocatorContext, options: CarveOutOptions, owner: ProtectedOwner | null) {
    super(context);
    if (options.base === null) throw new ConfigError('allocator.carve-out.base', null, 'an address');
    this.#base = options.base;
    this.#owner = owner;
    this.#used = new Uint8Array(options.size / SYSTEM_PAGE);
  }

  alloc(_cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    const { costs } = this.context;
    const block = systemBlock(size);
    const pages = block / SYSTEM_PAGE;
    const page = this.#find(pages);
    this.context.charge(stats, costs.cachePop);
    if (page < 0) {
      stats.failures++;
      return NO_PAGES;
    }
    const pa = this.#base + page * SYSTEM_PAGE;
    if ((gfp & Gfp.ZERO) !== 0) this.context.zero(stats, pa, block);
    this.context.charge(stats, costs.hypervisorAssign * pages);
    if (this.#owner !== null && !this.#owner.assign(pa, block)) {
      stats.failures++;
      return NO_PAGES;
    }
    this.#used.fill(1, page, page + pages);
    this.#next = page + pages;
    stats.gave(1, block);
    stats.wasted(block - size);
    return pa;
  }

  free(_cookie: unknown, pa: number, size: number): void {
    const block = systemBlock(size);
    const page = (pa - this.#base) / SYSTEM_PAGE;
    this.#used.fill(0, page, page + block / SYSTEM_PAGE);
    this.#owner?.takeBack(pa, block);
    const { costs } = this.context;
    this.context.charge(this.stats, costs.cachePush + (costs.hypervisorTakeBack * block) / SYSTEM_PAGE);
    this.stats.took(1, block);
    this.stats.wasted(size - block);
    this.#next = page;
  }

  /** First free aligned run of `pages` pages from the last place on, around the end; -1 when there is none. */
  #find(pages: number): number {
    const used = this.#used;
    // Alignment is of the physical address, which the base need not share.
    const basePage = this.#base / SYSTEM_PAGE;
    const first = (pages - (basePage % pages)) % pages;
    if (first + pages > used.length) return -1;
    const slots = Math.floor((used.length - first) / pages);
    const start = Math.max(0, Math.floor((this.#next - first) / pages)) % slots;
    for (let i = 0; i < slots; i++) {
      const page = first + ((start + i) % slots) * pages;
      let free = true;
      for (let p = page; free && p < page + pages; p++) free = used[p] === 0;
      if (free) return page;
    }
    return -1;
  }
}
