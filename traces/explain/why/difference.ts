/** What of a capture's mappings is another at two times. */
import type { Mapping, MappingHistory } from './history.ts';

export interface MappingDifference {
  readonly domain: number;
  /** Mapped at the second time and not at the first, in the order of addresses. */
  readonly come: readonly Mapping[];
  /** Mapped at the first time and not at the second. */
  readonly gone: readonly Mapping[];
  /** The same mapping at both. */
  readonly kept: number;
  /** Mappings that came and went in between, and are in neither. */
  readonly between: number;
}

/** The differences of each domain that had a mapping at either time or in between. */
export function mappingDifferences(history: MappingHistory, from: number, to: number): MappingDifference[] {
  return history.devices
    .map((_devices, domain) => {
      const come: Mapping[] = [];
      const gone: Mapping[] = [];
      let kept = 0;
      let between = 0;
      for (const one of history.mappings) {
        if (one.domain !== domain || one.made.time > to || (one.gone !== null && one.gone.time <= from)) continue;
        const before = one.made.time <= from;
        const after = one.gone === null || one.gone.time > to;
        if (before && after) kept++;
        else if (before) gone.push(one);
        else if (after) come.push(one);
        else between++;
      }
      const byAddress = (a: Mapping, b: Mapping): number => a.start - b.start;
      return { domain, come: come.sort(byAddress), gone: gone.sort(byAddress), kept, between };
    })
    .filter(({ come, gone, kept, between }) => come.length + gone.length + kept + between > 0);
}
