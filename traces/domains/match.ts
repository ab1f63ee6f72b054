import { Coverage } from '../../emulator/index.ts';

/** What the last map or unmap turned out to be. */
export const Match = {
  /** A map where nothing was live; an unmap of one or several whole mappings. */
  WHOLE: 0,
  /** An unmap of a part of one or more mappings. */
  PARTIAL: 1,
  /** An unmap that reaches beyond what is mapped: what was live in it is gone ({@link DomainTracker.parts}). */
  BEYOND: 2,
  /** An unmap of something that no domain holds, or that the kernel said removed nothing. */
  NONE: 3,
  /** A map over live mappings ({@link DomainTracker.parts}): they are forgotten (events were lost, or a new domain took the pointer). */
  REPLACED: 4,
} as const;
export type Match = (typeof Match)[keyof typeof Match];

export function matchOf(coverage: Coverage): Match {
  switch (coverage) {
    case Coverage.WHOLE:
      return Match.WHOLE;
    case Coverage.INSIDE:
      return Match.PARTIAL;
    case Coverage.SOME:
      return Match.BEYOND;
    default:
      return Match.NONE;
  }
}
