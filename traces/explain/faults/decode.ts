import type { ExplainedFault, FaultDraft } from './fault.ts';
import { logLines } from './log-lines.ts';
import { maliFaults } from './mali.ts';
import { otherFaults } from './others.ts';
import { smmuv2Faults } from './smmuv2.ts';
import { smmuv3Faults } from './smmuv3.ts';
import { suspect } from './suspicions.ts';

/**
 * Finds the fault reports in a log, whole or damaged: with time stamps or without, quoted, wrapped, with other lines between. Where the
 * kernel printed its own decoding it is the oracle: a disagreement is a suspicion of its own.
 *
 * Does not: follow tables or captures (see `why`), decode DART, AMD and Intel reports.
 */
export function decodeFaults(text: string): ExplainedFault[] {
  const lines = logLines(text);
  const faults: FaultDraft[] = [
    ...smmuv3Faults(lines),
    ...smmuv2Faults(lines),
    ...maliFaults(lines),
    ...otherFaults(lines),
  ];
  for (const fault of faults) suspect(fault);
  return faults.sort((a, b) => (a.lines[0] ?? 0) - (b.lines[0] ?? 0));
}
