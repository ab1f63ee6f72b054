/** Opening a file of conformance vectors as lines: plain or gzip, told apart by content, with memory for one line at a time. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InputError } from '../input-error.ts';

const GZIP_MAGIC = [0x1f, 0x8b];
const ALLOWED = 'a file of conformance cases (.jsonl or .jsonl.gz)';

/**
 * The lines of `file`.
 * @throws InputError when it cannot be read, or is a gzip file that is cut off or damaged.
 */
export async function* openVectors(file: string): AsyncGenerator<string> {
  const compressed = await isGzip(file);
  const bytes = createReadStream(file);
  let source: Readable = bytes;
  if (compressed) {
    const gunzip = createGunzip();
    bytes.on('error', (error) => gunzip.destroy(error));
    source = bytes.pipe(gunzip);
  }
  let count = 0;
  try {
    for await (const line of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
      count++;
      yield line;
    }
  } catch (error) {
    // The consumer's errors do not come here: they end the generator by its return.
    throw new InputError(file, `after line ${count}`, reason(error), ALLOWED);
  } finally {
    // A reader that stopped early leaves the streams open, and nobody to hear of what is damaged behind that place.
    source.on('error', () => {});
    source.destroy();
    bytes.destroy();
  }
}

async function isGzip(file: string): Promise<boolean> {
  const start = new Uint8Array(GZIP_MAGIC.length);
  try {
    const handle = await open(file);
    try {
      await handle.read(start, 0, start.length, 0);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new InputError(file, '', reason(error), ALLOWED);
  }
  return GZIP_MAGIC.every((byte, i) => start[i] === byte);
}

/** What the system said, in words. */
function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return 'no such file';
    case 'EISDIR':
      return 'a directory';
    case 'EACCES':
      return 'a file that may not be read';
    case 'Z_BUF_ERROR':
      return 'a gzip file that is cut off';
    case 'Z_DATA_ERROR':
      return 'a damaged gzip file';
    default:
      return message;
  }
}
