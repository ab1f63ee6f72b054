import { InputError } from '../../input-error.ts';
import { hexText } from '../../quantity.ts';
import { EventKind } from '../events/index.ts';
import { QEMU_LOG } from '../readers/index.ts';
import { readLog } from './read-log.ts';

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
  const streams = new Set<number>();
  let addresses = new Float64Array(1024);
  let count = 0;
  readLog(file, bytes, (event) => {
    if (event.kind !== EventKind.ACCESS) return;
    streams.add(event.stream);
    if (stream !== null && event.stream !== stream) return;
    if (count === addresses.length) {
      const larger = new Float64Array(2 * count);
      larger.set(addresses);
      addresses = larger;
    }
    addresses[count++] = event.iova;
  });
  const names = [...streams].sort((a, b) => a - b).map((one) => hexText(one));
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
