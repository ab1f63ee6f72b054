import { CaptureNotes, CaptureStats, NameTable, TraceEvent } from '../events/index.ts';
import { type Lookup, QemuLogParser, TextStream } from '../readers/index.ts';

/**
 * Reads the whole of an IOMMU's own log.
 * @param use takes every event, which is filled anew for the next, and the lookup in the IOMMU's TLB before it, if there was one since the last
 * @returns what was counted
 */
export function readLog(
  file: string,
  bytes: Uint8Array,
  use: (event: TraceEvent, lookup: Lookup | null) => void,
): CaptureStats {
  const stats = new CaptureStats();
  const notes = new CaptureNotes(file, stats, new NameTable(), false, 'line');
  let parser: QemuLogParser | null = null;
  const log = new TextStream(notes, new TraceEvent(), null, (lines) => {
    parser = new QemuLogParser(lines, notes);
    return parser;
  });
  const take = (): void => {
    while (log.next()) use(log.event, (parser as QemuLogParser | null)?.lookup ?? null);
  };
  log.feed(bytes);
  take();
  log.end();
  take();
  return stats;
}
