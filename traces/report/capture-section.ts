import { GRANULES } from '../../devices/index.ts';
import { type CaptureStats, remarks } from '../capture/index.ts';
import type { Replayer } from '../replay/index.ts';
import type { CaptureSection, RecordedSection } from './report.ts';

/** What was read, what was inferred of it, and what a reader must be told beside the figures. */
export function captureSection(stats: CaptureStats, replayer: Replayer, until: number): CaptureSection {
  const { tracker } = replayer;
  return {
    events: replayer.events,
    maps: replayer.maps,
    unmaps: replayer.unmaps,
    other: replayer.events - replayer.maps - replayer.unmaps,
    damaged: stats.damaged,
    lost: stats.lostEvents,
    ...(stats.synthetic ? { synthetic: true as const } : {}),
    unmatchedUnmaps: tracker.unmatchedUnmaps,
    refused: replayer.refusals.count,
    refusals: replayer.refusals.kept,
    partialUnmaps: tracker.partialUnmaps,
    liveAtEnd: tracker.liveRanges,
    liveBytesAtEnd: tracker.liveBytes,
    domains: tracker.used,
    domainsInferred: tracker.inferred,
    recorded: recordedSection(stats, replayer),
    domainConfidence: tracker.confidence,
    missing: tracker.missing,
    holes: tracker.holes,
    contradictions: tracker.contradictions,
    contradictionLines: tracker.contradictionLines,
    ambiguous: tracker.ambiguous,
    bytesMapped: tracker.bytesMapped,
    bytesUnmapped: tracker.bytesUnmapped,
    clock: stats.clock,
    firstTime: replayer.firstTime,
    lastTime: replayer.lastTime,
    remarks: [...remarks(stats), ...runRemarks(replayer, until)],
    damage: stats.damage.map(({ file, line, reason }) => ({ file, line, reason })),
  };
}

/** What the capture's own notes say comes before what its addresses show. */
function recordedSection({ groups }: CaptureStats, { recorded }: Replayer): RecordedSection {
  const { verdict, chances, taken } = recorded.evidence();
  if (groups.lazy > 0 !== groups.strict > 0) {
    return { mode: groups.lazy > 0 ? 'lazy' : 'strict', basis: 'said', chances, taken };
  }
  return { mode: verdict, basis: verdict === 'unknown' ? 'none' : 'inferred', chances, taken };
}

/** What the run says of the capture: a granule that it may have been recorded with, and an end that was asked for and never came. */
function runRemarks({ commonGranule, operations, config, lastTime, tracker }: Replayer, until: number): string[] {
  const said: string[] = [];
  const { contradictions, contradictionLines } = tracker;
  if (contradictions > 0) {
    const one = contradictions === 1;
    const lines = `${one ? 'line' : 'lines'} ${contradictionLines.slice(0, SHOWN_LINES).join(', ')}${contradictions > SHOWN_LINES ? ', ...' : ''}`;
    said.push(
      `${contradictions.toLocaleString('en')} ${one ? 'call contradicts' : 'calls contradict'} the inferred domains, or the capture lost events (${lines}): ` +
        'what they ask for was repaired before it was played, so that no warning, fault or finding comes from them.',
    );
  }
  const what = MISSING[tracker.missing];
  if (what !== '') said.push(what);
  for (const { line, time, calls } of tracker.holes) {
    said.push(
      `Lines are missing before line ${line} (at ${time.toFixed(6)}): ${calls} calls from there on fit only if others were lost. What is in their way is taken for gone.`,
    );
  }
  const granule = Object.entries(GRANULES).find(([, log2]) => 2 ** log2 === commonGranule)?.[0];
  const larger = commonGranule > 2 ** GRANULES[config.table.granule];
  if (granule !== undefined && larger && operations >= TELLING_OPERATIONS) {
    said.push(
      `Every address and size is a multiple of ${granule}: a kernel with that granule may have recorded it (--granule ${granule}).`,
    );
  }
  if (Number.isFinite(until))
    said.push(`--until ${until} is after the last event (${lastTime}): all of it was replayed.`);
  return said;
}

const MISSING = {
  nothing: '',
  start:
    'The capture begins after mappings were made (the tail of a ring buffer, or recording begun late): unmaps of them match nothing and are left out.',
  calls:
    'Calls seem to be missing from the capture (a buffer overrun, or one task or CPU recorded only): what is live, the number of inferred domains and what rests on them are guesses, and no driver need be wrong.',
} as const;

/** Lines of contradictions that a remark names. */
const SHOWN_LINES = 5;

/** Maps and unmaps that are enough to tell a granule by. */
const TELLING_OPERATIONS = 32;
