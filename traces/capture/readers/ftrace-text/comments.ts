/** Lines that begin with a number sign: what the tracer and the recording script say of the capture. */

import type { CaptureStats } from '../../events/index.ts';
import { ascii, Char, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';

const ENTRIES = ascii('# entries-in-buffer/entries-written:');
const NOTE = /^# (?:HZ: (\d+)|IOMMU group \d+: (DMA|DMA-FQ)\b(?!-))/;

/** Events that the ring buffer overwrote, by `# entries-in-buffer/entries-written: 140/2852`; 0 if the line says nothing of it. */
export function overwrittenBefore(cursor: TextCursor): number {
  if (!cursor.take(ENTRIES)) return 0;
  cursor.skipSpaces();
  const kept = cursor.decimal();
  if (kept === NOT_A_NUMBER || cursor.bytes[cursor.at] !== Char.SLASH) return 0;
  cursor.at++;
  return Math.max(0, cursor.decimal() - kept);
}

/** What a script of `tablewalk record-script` notes of its machine at the top: `# HZ: 250`, `# IOMMU group 3: DMA-FQ 0000:01:00.0`. */
export function takeNote(line: string, stats: CaptureStats): void {
  const [, hz, type] = NOTE.exec(line) ?? [];
  if (hz !== undefined) stats.hz = Number(hz);
  else if (type === 'DMA') stats.groups.strict++;
  else if (type === 'DMA-FQ') stats.groups.lazy++;
}
