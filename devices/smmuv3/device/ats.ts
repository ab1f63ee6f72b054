/**
 * PCIe Address Translation Services (Arm IHI 0070, sections 3.9 and 13.6): a device asks the SMMU for translations, keeps them in
 * its own cache, and marks its later accesses as already translated.
 */

/** What the SMMU answers to a translation request. */
export const AtsStatus = {
  SUCCESS: 0,
  /** Unsupported Request: ATS is refused for the stream. */
  UNSUPPORTED: 1,
  /** Completer Abort: the stream's configuration is wrong. */
  ABORT: 2,
} as const;
export type AtsStatus = (typeof AtsStatus)[keyof typeof AtsStatus];

/** The device's end of ATS. */
export interface AtsClient {
  /**
   * CMD_ATC_INV: drops what it holds of `[iova, iova + size)`.
   * @param substreamId -1 for traffic without one, and for every substream at once
   * @returns false when the device does not answer in time
   */
  invalidate(streamId: number, substreamId: number, iova: number, size: number): boolean;
  /** CMD_PRI_RESP to one of its page requests. */
  pageResponse?(streamId: number, substreamId: number, group: number, response: number): void;
}

/** One held translation. */
interface AtcEntry {
  readonly streamId: number;
  readonly substreamId: number;
  readonly iova: number;
  readonly size: number;
  readonly pa: number;
  readonly permissions: number;
}

/**
 * A device's address translation cache: fully associative, first in, first out. Does not model its timing.
 */
export class AddressTranslationCache implements AtsClient {
  /** Lookups that found their page, and those that did not. */
  hits = 0;
  misses = 0;
  /** Physical address and permissions of the last hit. */
  pa = 0;
  permissions = 0;
  /** False: invalidations go unanswered, as with a device that hangs. */
  answers = true;
  readonly #capacity: number;
  #entries: AtcEntry[] = [];

  /** @param capacity most entries, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Looks an address up; sets `pa` and `permissions`. */
  lookup(streamId: number, substreamId: number, iova: number): boolean {
    for (const entry of this.#entries) {
      if (entry.streamId !== streamId || entry.substreamId !== substreamId) continue;
      if (iova < entry.iova || iova >= entry.iova + entry.size) continue;
      this.hits++;
      this.pa = entry.pa + (iova - entry.iova);
      this.permissions = entry.permissions;
      return true;
    }
    this.misses++;
    return false;
  }

  /** Keeps a translation of `size` bytes at `iova`, the result of a successful request. */
  keep(streamId: number, substreamId: number, iova: number, size: number, pa: number, permissions: number): void {
    if (this.#entries.length >= this.#capacity) this.#entries.shift();
    this.#entries.push({ streamId, substreamId, iova, size, pa, permissions });
  }

  invalidate(streamId: number, substreamId: number, iova: number, size: number): boolean {
    if (!this.answers) return false;
    this.#entries = this.#entries.filter((entry) => {
      if (entry.streamId !== streamId) return true;
      if (substreamId >= 0 && entry.substreamId !== substreamId) return true;
      return entry.iova + entry.size <= iova || entry.iova >= iova + size;
    });
    return true;
  }
}
