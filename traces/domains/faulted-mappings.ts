import { type DomainInfo, NO_DOMAIN } from './domain.ts';

/** Unmaps that a device may still not have noticed. */
const RECENT = 256;

/**
 * Whose fault it is: a device faults on what its domain holds and does not allow, or on what its domain gave back a moment ago. Since all domains hand
 * out addresses from the same range, only an address that one domain alone can be meant by tells anything.
 */
export class FaultedMappings {
  readonly #starts = new Float64Array(RECENT);
  readonly #ends = new Float64Array(RECENT);
  readonly #domains = new Int32Array(RECENT).fill(NO_DOMAIN);
  #next = 0;

  /** A domain gave a range back. */
  ended(domain: number, start: number, end: number): void {
    this.#starts[this.#next] = start;
    this.#ends[this.#next] = end;
    this.#domains[this.#next] = domain;
    this.#next = (this.#next + 1) % RECENT;
  }

  /** Number of the one domain of a capture that holds or lately held the address; {@link NO_DOMAIN} where that is none or several. */
  holderOf(domains: readonly DomainInfo[], capture: number, iova: number): number {
    let found: number = NO_DOMAIN;
    for (const [at, domain] of domains.entries()) {
      if (domain.capture !== capture || !(domain.live.overlaps(iova, iova + 1) || this.#gaveBack(at, iova))) continue;
      if (found !== NO_DOMAIN) return NO_DOMAIN;
      found = at;
    }
    return found;
  }

  #gaveBack(domain: number, iova: number): boolean {
    for (let at = 0; at < RECENT; at++) {
      if (this.#domains[at] === domain && (this.#starts[at] as number) <= iova && iova < (this.#ends[at] as number)) {
        return true;
      }
    }
    return false;
  }
}
