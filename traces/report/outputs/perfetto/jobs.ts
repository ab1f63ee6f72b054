import { type CpuJob, CpuWait } from '../../../../devices/index.ts';
import { OPERATION_KIND_NAMES } from '../../../../emulator/index.ts';
import type { TrackWriter } from './track-writer.ts';

/** What a CPU waits for, in the order in which the command queue and the device let it. */
const WAITS: readonly (readonly [CpuWait, string])[] = [
  [CpuWait.LOCK, 'lock'],
  [CpuWait.SPACE, 'room in the queue'],
  [CpuWait.LINE, 'cache lines'],
  [CpuWait.CLAIM, 'claims of the queue'],
  [CpuWait.OWNER, 'who publishes'],
  [CpuWait.DEVICE, 'device, for others'],
];

/**
 * Draws an operation where it ran among those of other CPUs: its own work, what it waited for because of them, and its own wait for the
 * device, one after the other. How long each took is known, not when.
 */
export function drawJob(
  tracks: TrackWriter,
  track: number,
  { kind, operation, start, end, total, polling, pollingSpared, waits, waited }: Readonly<CpuJob>,
  time: (cycle: number) => number,
): void {
  const details = operation > 0 ? { numbers: { operation } } : null;
  tracks.begin(track, time(start), OPERATION_KIND_NAMES[kind] ?? '', details);
  const own = polling - pollingSpared;
  let at = start + total - own - waited;
  const phase = (name: string, cycles: number): void => {
    if (cycles <= 0) return;
    tracks.begin(track, time(at), name, null);
    at += cycles;
    tracks.end(track, time(at));
  };
  for (const [why, name] of WAITS) phase(name, waits[why] as number);
  phase('SYNC wait', own);
  tracks.end(track, time(Math.max(end, at)));
}
