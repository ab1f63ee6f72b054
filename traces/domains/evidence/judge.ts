import { Coverage } from '../../../emulator/index.ts';
import { EventKind, type TraceEvent } from '../../capture/index.ts';
import type { AddressSpace } from './address-space.ts';
import type { Evidence } from './evidence.ts';

/** How likely an unmap takes a part of a mapping, or reaches beyond what is mapped. */
const PARTIAL_UNMAP = Math.exp(-18);
const BEYOND_UNMAP = Math.exp(-25);
/** Chance that an event was lost: so many in so many, until more is known. */
const LOST_FIRST = 0.01;
const LOST_OF = 1000;

const SMALLEST_GRANULE = 4096;
const LARGEST_GRANULE = 65536;

/** Says how likely an event is a domain's, as that stands in a hypothesis, given that it is its turn. */
export class Judge {
  /** Largest page that every size so far is a multiple of. */
  granule = LARGEST_GRANULE;
  /** Maps and unmaps so far: the number of the one under way. */
  calls = 0;
  readonly #evidence: Evidence;
  #cpus = 1;
  #lost = LOST_FIRST;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  /** Another map or unmap. */
  open({ cpu, size }: TraceEvent): void {
    this.calls++;
    if (cpu >= this.#cpus) this.#cpus = cpu + 1;
    while (this.granule > SMALLEST_GRANULE && size % this.granule !== 0) this.granule /= 4;
  }

  /** One more event must have been lost. */
  lost(): void {
    this.#lost++;
  }

  /** Leaves the likelihood in the space, once for all hypotheses that have it. @param end of what is mapped or was unmapped */
  judge(space: AddressSpace, slot: number, event: TraceEvent, end: number): void {
    if (space.stamp === this.calls) return;
    const { iova, size, cpu } = event;
    space.stamp = this.calls;
    space.passTime(event.time, this.#cpus, this.granule);
    if (event.kind === EventKind.MAP) {
      space.judgeMap(iova, size, Math.max(size, event.runEnd - iova), this.granule, Math.max(cpu, 0));
      space.likelihood = this.#evidence.mapLikelihood(slot, space.fit);
      // A mapping in the way must have gone, though its unmap is missing.
      if (space.contradicted) space.likelihood *= this.#lost / (this.calls + LOST_OF);
      return;
    }
    const coverage = space.judgeUnmap(iova, end);
    space.contradicted = coverage !== Coverage.WHOLE;
    if (coverage === Coverage.NONE) space.likelihood = 0;
    else {
      const likelihood = this.#evidence.unmapLikelihood(slot, space);
      space.likelihood =
        coverage === Coverage.WHOLE
          ? likelihood
          : likelihood * (coverage === Coverage.INSIDE ? PARTIAL_UNMAP : BEYOND_UNMAP);
    }
  }
}
