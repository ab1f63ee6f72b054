import * as v from 'valibot';
import { NO_PAGES } from '../../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';

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
export class AccountingAllocator extends UpperLayer {
  readonly kind = 'accounting';
  readonly #limitBytes: number;
  readonly #accounts = new Map<unknown, OwnerAccount>();
  #last: OwnerAccount | null = null;

  constructor(context: AllocatorContext, below: AllocatorLayer, options: AccountingOptions) {
    super(context, below);
    this.#limitBytes = options.limitBytes;
  }

  /** One account per owner, in the order in which owners appeared. */
  accounts(): OwnerAccount[] {
    return [...this.#accounts.values()];
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    const account = this.#accountOf(cookie);
    this.context.charge(stats, this.context.costs.account);
    if (this.#limitBytes > 0 && account.bytes + size > this.#limitBytes) {
      account.refused++;
      stats.failures++;
      const detail = `owner has ${account.bytes} bytes of ${this.#limitBytes} and asked for ${size} more`;
      this.context.report('over-limit', -1, size, detail);
      return NO_PAGES;
    }
    const pa = this.pass(cookie, size, gfp);
    if (pa < 0) return NO_PAGES;
    account.tables++;
    account.bytes += size;
    account.totalTables++;
    account.totalBytes += size;
    if (account.tables > account.peakTables) account.peakTables = account.tables;
    if (account.bytes > account.peakBytes) account.peakBytes = account.bytes;
    return pa;
  }

  override free(cookie: unknown, pa: number, size: number): void {
    const account = this.#accountOf(cookie);
    account.tables--;
    account.bytes -= size;
    this.context.charge(this.stats, this.context.costs.account);
    super.free(cookie, pa, size);
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
