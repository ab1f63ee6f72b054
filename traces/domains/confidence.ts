/** What is known of the calls of a capture once their domains are found. */
export interface CallCounts {
  /** Maps and unmaps. */
  readonly calls: number;
  /** Whether any domain had to be inferred. */
  readonly inferred: boolean;
  readonly ambiguous: number;
  readonly contradictions: number;
  readonly unmatchedUnmaps: number;
  readonly replacedMaps: number;
  /** Calls before the first unmatched unmap, and before the first contradiction; infinite where there is none. */
  readonly firstUnmatched: number;
  readonly firstContradiction: number;
  /** Whether one thread made all calls, or the capture does not tell threads and interrupts apart. */
  readonly oneTask: boolean;
  /** Whether the capture says that events were lost. */
  readonly lost: boolean;
  /** Places where lines are missing though it does not say so. */
  readonly holes: number;
}

/**
 * How far the domains can be believed: the capture names them; or they are inferred, and then by the shares of the calls that contradict them and
 * that had several candidates.
 */
export type Confidence = 'named' | 'high' | 'medium' | 'low';

/**
 * The least share of the calls that is in its true domain, by what is said of an inferred one. Three captures with truth hold it, whole and made
 * poorer in nine ways (`npm run bench -- domains` prints it): attach lines, tasks, times, head, tail or lines in between taken away. Two of these
 * thirty do not: after a hole that leaves no contradiction, 83 to 85 % are right and nothing shows it.
 */
export const CALLS_RIGHT: Readonly<Record<Exclude<Confidence, 'named'>, number>> = { high: 0.95, medium: 0.75, low: 0 };

/** What of the calls the capture lacks, as far as it shows: nothing; what was mapped before it began; calls in between. */
export type Missing = 'nothing' | 'start' | 'calls';

/** Calls in doubt that chance may bring, whatever the length of the capture. */
const FEW = 4;
/**
 * Shares of the calls. Whole captures of this repository whose truth is known have none that contradicts, the largest one without has 0.05 %;
 * captures of which every twentieth call was taken away have some percent.
 */
const LOSS = 0.005;
const CONTRADICTED_HIGH = 0.0005;
const AMBIGUOUS_HIGH = 0.1;
const AMBIGUOUS_MEDIUM = 0.4;

export function missingOf(counts: CallCounts): Missing {
  const { calls, contradictions, unmatchedUnmaps, replacedMaps, firstUnmatched, firstContradiction, lost, holes } =
    counts;
  const inDoubt = contradictions + unmatchedUnmaps;
  // A named domain cannot be wrong: one map over another is enough.
  if (lost || holes > 0 || replacedMaps > 0 || (contradictions > FEW && inDoubt > LOSS * calls)) return 'calls';
  // Nothing was guessed wrongly yet, and something unknown goes: it was there before.
  if (firstUnmatched < Math.min(firstContradiction, calls / 2)) return 'start';
  return 'nothing';
}

export function confidenceOf(counts: CallCounts): Confidence {
  const { calls, inferred, ambiguous, contradictions, oneTask } = counts;
  if (!inferred) return 'named';
  if (missingOf(counts) !== 'nothing' || ambiguous > AMBIGUOUS_MEDIUM * calls) return 'low';
  // Of captures with truth 98.6 % of the calls and more were right; with one task for all, 85.6 % in one of three.
  if (oneTask) return 'medium';
  return contradictions > CONTRADICTED_HIGH * calls || ambiguous > AMBIGUOUS_HIGH * calls ? 'medium' : 'high';
}
