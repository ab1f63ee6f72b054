import type { CaptureForm } from '../form.ts';
import { PerfettoReader } from './reader.ts';

/** The tag of a packet: field 1, with its length behind. */
const PACKET = 0x0a;
/** Fields of a packet have numbers below this. */
const LARGEST_FIELD = 1024;
const WIRE_TYPES: readonly number[] = [0, 1, 2, 5];

/** What Perfetto's `traced` writes (protobuf), of which the ftrace events are read. */
export const PERFETTO: CaptureForm = {
  name: 'Perfetto trace',
  // A text may begin with a line feed as well, but what follows is then no field, or printable.
  recognises: (first) => first[0] === PACKET && isNoText(first.subarray(0, 64)) && isPacket(first),
  open: ({ blocks, notes }) => Promise.resolve(new PerfettoReader(blocks, notes.ofRecords())),
};

/** Control characters, or what is no UTF-8: packed packets may have only the latter. */
function isNoText(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < 9)) return true;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return false;
  } catch {
    return true;
  }
}

/** Whether the packet's length is followed by a field. */
function isPacket(first: Uint8Array): boolean {
  let at = 1;
  while (at < 6 && (first[at] ?? 0) >= 0x80) at++;
  at++;
  let tag = 0;
  for (let shift = 0; shift < 21; shift += 7) {
    const byte = first[at++] ?? 0;
    tag |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return tag >>> 3 > 0 && tag >>> 3 < LARGEST_FIELD && WIRE_TYPES.includes(tag & 7);
}
