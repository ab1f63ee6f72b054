import type { CommandName } from '../../spec/index.ts';

/** Kinds of invalidations, in the order in which they are sent: TLBs first, then what devices hold. */
export const InvalidationKind = { ASID: 0, VMID: 1, NESTED: 2, ATS: 3, ATS_ALL: 4 } as const;
export type InvalidationKind = (typeof InvalidationKind)[keyof typeof InvalidationKind];

/** One invalidation that a change of a domain needs. */
export interface Invalidation {
  readonly kind: InvalidationKind;
  /** ASID, VMID or StreamID. */
  readonly id: number;
  readonly substreamId: number;
  /** The command for the whole tag. */
  readonly whole: CommandName | null;
  /** Attachments that need it; 0: nothing does any more. */
  users: number;
}

/**
 * What a change of a domain must invalidate, as Linux 7.3 keeps it (`arm_smmu_invs`): an array sorted by kind and number, each entry with
 * the number of attachments that need it. Sorted, so that all of one kind go out with one CMD_SYNC.
 */
export class InvalidationArray {
  #entries: readonly Invalidation[] = [];

  /** The entries in use, in order. */
  get entries(): readonly Invalidation[] {
    return this.#entries;
  }

  /** An attachment needs these, sorted (`arm_smmu_invs_merge`). Equal ones of one attachment stay apart. */
  add(wanted: readonly Invalidation[]): void {
    const merged: Invalidation[] = [];
    const mine = this.#entries;
    let i = 0;
    for (const one of wanted) {
      while (i < mine.length && order(mine[i] as Invalidation, one) < 0) merged.push(mine[i++] as Invalidation);
      const same = mine[i];
      if (same !== undefined && order(same, one) === 0) {
        same.users++;
        merged.push(same);
        i++;
      } else merged.push({ ...one, users: 1 });
    }
    this.#entries = [...merged, ...mine.slice(i)];
  }

  /** An attachment needs these no longer (`arm_smmu_invs_unref`). @param last called for each that nothing needs any more */
  remove(wanted: readonly Invalidation[], last: (invalidation: Invalidation) => void): void {
    const mine = this.#entries;
    let i = 0;
    for (const one of wanted) {
      while (i < mine.length && order(mine[i] as Invalidation, one) < 0) i++;
      const same = mine[i];
      if (same === undefined || order(same, one) !== 0) continue;
      i++;
      same.users--;
      if (same.users === 0) last(same);
    }
    this.#entries = mine.filter(({ users }) => users > 0);
  }
}

function order(a: Invalidation, b: Invalidation): number {
  return a.kind - b.kind || a.id - b.id || a.substreamId - b.substreamId;
}
