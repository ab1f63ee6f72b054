import { InputError } from '../../input-error.ts';
import { CaptureNotes, CaptureStats, EventKind, NameTable, TraceEvent } from '../events/index.ts';
import { QEMU_LOG, QemuLogParser, TextStream } from '../readers/index.ts';

/** Whether bytes are the beginning of a log that holds what devices accessed. */
export function isAccessLog(first: Uint8Array): boolean {
  return QEMU_LOG.recognises(first.subarray(0, 4096));
}

/**
 * Addresses that devices accessed, in the order of a log.
 * @param stream of which stream; null for the only one
 * @throws InputError when the log has none, or several streams and none was named
 */
export function logAccesses(file: string, bytes: Uint8Array, stream: number | null): Float64Array {
  const notes = new CaptureNotes(file, new CaptureStats(), new NameTable(), false, 'line');
  const log = new TextStream(notes, new TraceEvent(), null, (lines) => new QemuLogParser(lines, notes));
  const streams = new Set<number>();
  let addresses = new Float64Array(1024);
  let count = 0;
  const take = (): void => {
    while (log.next()) {
      const { event } = log;
      if (event.kind !== EventKind.ACCESS) continue;
      streams.add(event.stream);
      if (stream !== null && event.stream !== stream) continue;
      if (count === addresses.length) {
        const larger = new Float64Array(2 * count);
        larger.set(addresses);
        addresses = larger;
      }
      addresses[count++] = event.iova;
    }
  };
  log.feed(bytes);
  take();
  log.end();
  take();
  const names = [...streams].sort((a, b) => a - b).map((one) => `0x${one.toString(16)}`);
  if (stream === null && streams.size > 1) {
    throw new InputError(
      file,
      '',
      `translations of the streams ${names.join(', ')}`,
      `one stream: ${file}#${names[0]}`,
    );
  }
  if (count === 0)
    throw new InputError(file, '', 'no translations', `those of the streams ${names.join(', ') || '(none)'}`);
  return addresses.subarray(0, count);
}
