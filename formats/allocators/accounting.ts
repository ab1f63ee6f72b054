import * as v from 'valibot';
import { NO_PAGES } from '../table/index.ts';
import { type AllocatorContext, type AllocatorLayer, allocOneByOne, freeOneByOne } from './allocator.ts';
import { AllocatorStats } from './stats.ts';

export const AccountingOptionsSchema = v.strictObject({
  /** The most bytes one owner may have allocated at once. 0: no limit. */
  limitBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
});

export type AccountingOptions = v.InferOutput<typeof AccountingOptionsSchema>;

/** What one owner has and had. */
export interface OwnerAccount {
  /** The cookie. */
  readonly owner: unknown;
  tables: number;
  bytes: number;
  peakTables: number;
  peakBytes: number;
  /** Tables and bytes ever allocated. */
  totalTables: number;
  totalBytes: number;
  /** Requests refused because of the limit. */
  refused: number;
}

/** Counts tables and bytes per owner and refuses what goes over an owner's limit, before the layer below is asked. */
export class AccountingAllocator implements AllocatorLayer {
  readonly kind = 'accounting';
  readonly below: AllocatorLayer;
  readonly stats = new AllocatorStats();
  readonly #context: AllocatorContext;
  readonly #limitBytes: number;
  readonly #accounts = new Map<unknown, OwnerAccount>();
  #last: OwnerAccount | null = null;

  constructor(context: AllocatorContext, below: AllocatorLayer, options: AccountingOptions) {
    this.#context = context;
    this.below = below;
    this.#limitBytes = options.limitBytes;
  }

  /** One account per owner, in the order in which owners appeared. */
  accounts(): OwnerAccount[] {
    return [...this.#accounts.values()];
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    const account = this.#accountOf(cookie);
    this.#context.charge(stats, this.#context.costs.account);
    if (this.#limitBytes > 0 && account.bytes + size > this.#limitBytes) {
      account.refused++;
      stats.failures++;
      const detail = `owner has ${account.bytes} bytes of ${this.#limitBytes} and asked for ${size} more`;
      this.#context.report('over-limit', -1, size, detail);
      return NO_PAGES;
    }
    stats.systemCalls++;
    const pa = this.below.alloc(cookie, size, gfp);
    if (pa < 0) {
      stats.failures++;
      return NO_PAGES;
    }
    stats.gave(1, size);
    account.tables++;
    account.bytes += size;
    account.totalTables++;
    account.totalBytes += size;
    if (account.tables > account.peakTables) account.peakTables = account.tables;
    if (account.bytes > account.peakBytes) account.peakBytes = account.bytes;
    return pa;
  }

  free(cookie: unknown, pa: number, size: number): void {
    const account = this.#accountOf(cookie);
    account.tables--;
    account.bytes -= size;
    this.#context.charge(this.stats, this.#context.costs.account);
    this.stats.took(1, size);
    this.below.free(cookie, pa, size);
  }

  allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    return allocOneByOne(this, cookie, size, count, gfp, out, at);
  }

  freeBulk(cookie: unknown, size: number, count: number, pages: Float64Array, at: number): void {
    freeOneByOne(this, cookie, size, count, pages, at);
  }

  shrink(): number {
    return 0;
  }

  #accountOf(cookie: unknown): OwnerAccount {
    const last = this.#last;
    if (last !== null && last.owner === cookie) return last;
    let account = this.#accounts.get(cookie);
    if (account === undefined) {
      account = {
        owner: cookie,
        tables: 0,
        bytes: 0,
        peakTables: 0,
        peakBytes: 0,
        totalTables: 0,
        totalBytes: 0,
        refused: 0,
      };
      this.#accounts.set(cookie, account);
    }
    this.#last = account;
    return account;
  }
}
