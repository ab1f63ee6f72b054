import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { EventKind, TraceEvent } from '../capture/event.ts';
import { NameTable } from '../capture/names.ts';
import { CaptureNotes } from '../capture/notes.ts';
import { QEMU_LOG } from '../capture/readers/qemu-log/index.ts';
import { QemuLogParser } from '../capture/readers/qemu-log/parser.ts';
import { TextStream } from '../capture/readers/text-stream.ts';
import { CaptureStats } from '../capture/stats.ts';
import { InputError } from '../input-error.ts';

/** Addresses have at most 64 bits in a list; the upper half of the input space begins at 2^63. */
const UPPER = 2n ** 63n;
const LIMIT = 2n ** 52n;

/** An address list: input addresses in the order of their accesses. */
export interface AddressList {
  /** Low 52 bits at most; of the upper half, the bits that its translation tables resolve are a prefix of these. */
  readonly addresses: Float64Array;
  /** 1 where the address is in the upper half (TTBR1); null when none is. */
  readonly upper: Uint8Array | null;
}

/**
 * Reads a list: raw little-endian 64-bit words, gzipped or not, or text with one address per line (decimal or 0x...; empty lines and
 * lines that begin with # are skipped), or a log of QEMU's SMMU, whose translations are the accesses. Of a log with several streams,
 * `FILE#0x40` is the list of the stream 0x40.
 *
 * @throws InputError
 */
export function readAddressList(file: string): AddressList {
  const [, path = file, stream] = /^(.+)#(0x[\da-fA-F]+|\d+)$/.exec(file) ?? [];
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'a directory' : (error as Error).message;
    throw new InputError(file, '', found, 'an address list');
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes);
    } catch (error) {
      throw new InputError(file, '', `damaged gzip data (${(error as Error).message})`, 'a whole gzip file');
    }
  }
  if (bytes.length === 0) throw new InputError(file, '', 'no addresses', 'at least one address');
  if (QEMU_LOG.recognises(bytes.subarray(0, 4096))) {
    return { addresses: accesses(file, bytes, stream === undefined ? null : Number(stream)), upper: null };
  }
  const text = textAddresses(file, bytes);
  if (text !== null) return toList(file, text);
  if (bytes.length % 8 !== 0) {
    throw new InputError(file, `byte ${bytes.length}`, `${bytes.length} bytes`, 'a multiple of 8 bytes, or text');
  }
  const aligned = new Uint8Array(bytes);
  return toList(file, new BigUint64Array(aligned.buffer, 0, bytes.length / 8));
}

/** Addresses that devices accessed, in the order of a log. @param stream of which stream; null for the only one */
function accesses(file: string, bytes: Uint8Array, stream: number | null): Float64Array {
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

/** The addresses of a text list, or null when the bytes are no text. */
function textAddresses(file: string, bytes: Buffer): bigint[] | null {
  for (const byte of bytes.subarray(0, 256)) {
    const printable = byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127);
    if (!printable) return null;
  }
  const addresses: bigint[] = [];
  for (const [number, line] of bytes.toString('latin1').split('\n').entries()) {
    const word = line.trim();
    if (word === '' || word.startsWith('#')) continue;
    if (!/^(0x[\da-fA-F]+|\d+)$/.test(word)) {
      throw new InputError(file, `line ${number + 1}`, `"${word.slice(0, 40)}"`, 'an address, decimal or 0x...');
    }
    addresses.push(BigInt(word));
  }
  if (addresses.length === 0) throw new InputError(file, '', 'no addresses', 'at least one address');
  return addresses;
}

function toList(file: string, words: ArrayLike<bigint> & Iterable<bigint>): AddressList {
  const addresses = new Float64Array(words.length);
  let upper: Uint8Array | null = null;
  let at = 0;
  for (const word of words) {
    if (word >= UPPER) {
      upper ??= new Uint8Array(words.length);
      upper[at] = 1;
      addresses[at] = Number(BigInt.asUintN(48, word));
    } else {
      if (word >= LIMIT) throw new InputError(file, `address ${at}`, `0x${word.toString(16)}`, 'at most 52 bits');
      addresses[at] = Number(word);
    }
    at++;
  }
  return { addresses, upper };
}
