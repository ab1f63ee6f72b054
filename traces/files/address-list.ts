import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { isAccessLog, type LogSums, logStreams } from '../capture/index.ts';
import { InputError } from '../input-error.ts';
import { type AddressList, decodeAddressList } from '../translate/index.ts';

/** Bytes that a list or log may have: 2^28 addresses of 8. Few compressed bytes can stand for very many. */
const MOST_BYTES = 2 ** 31;

/**
 * Reads a list: raw little-endian 64-bit words, gzipped or not, or text with one address per line (decimal or 0x...; empty lines and
 * lines that begin with # are skipped), or a log of QEMU's SMMU, whose translations are the accesses. Of a log with several streams,
 * `FILE#0x40` is the list of the stream 0x40.
 *
 * @throws InputError
 */
export function readAddressList(file: string): AddressList {
  const [, path = file, stream] = /^(.+)#(0x[\da-fA-F]+|\d+)$/.exec(file) ?? [];
  return decodeAddressList(
    file,
    readUnpacked(file, path, 'an address list'),
    stream === undefined ? null : Number(stream),
  );
}

const QEMU_LOG = 'a QEMU `-trace smmu*` log, plain or gzipped';

/** Sums by stream of a log of QEMU's SMMU; `-` is standard input. @throws InputError */
export function readLogStreams(file: string): LogSums {
  const bytes = readUnpacked(file, file, QEMU_LOG);
  if (!isAccessLog(bytes)) {
    throw new InputError(file, '', bytes.length === 0 ? 'an empty file' : 'another kind of file', QEMU_LOG);
  }
  return logStreams(file, bytes);
}

/** @param allowed what the file should be, for messages */
function readUnpacked(file: string, path: string, allowed: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'a directory' : (error as Error).message;
    throw new InputError(file, '', found, allowed);
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw new InputError(file, '', 'more than 2 GiB when unpacked', `${allowed} of at most that`);
      }
      throw new InputError(file, '', `damaged gzip data (${(error as Error).message})`, 'a whole gzip file');
    }
  }
  return bytes;
}
