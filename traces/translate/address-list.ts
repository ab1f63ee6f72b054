import { isAccessLog, logAccesses } from '../capture/index.ts';
import { InputError } from '../input-error.ts';
import { hexText } from '../quantity.ts';

// Addresses have at most 64 bits in a list. Upper words from which on one is in the upper half of the input space, 2^63, and from
// which on one of the lower half is too large, 2^52.
const UPPER_HIGH = 2 ** 31;
const LIMIT_HIGH = 2 ** 20;

const LINE_FEED = 0x0a;
const HASH = 0x23;
const ZERO = 0x30;
const LETTER_A = 0x61;
const LETTER_X = 0x78;

/** An address list: input addresses in the order of their accesses. */
export interface AddressList {
  /** Low 52 bits at most; of the upper half, the bits that its translation tables resolve are a prefix of these. */
  readonly addresses: Float64Array;
  /** 1 where the address is in the upper half (TTBR1); null when none is. */
  readonly upper: Uint8Array | null;
}

/**
 * Decodes a list: raw little-endian 64-bit words, or text with one address per line (decimal or 0x...; empty lines and lines that begin
 * with # are skipped), or a log of QEMU's SMMU, whose translations are the accesses.
 *
 * @param stream of which stream of a log; null for the only one
 * @throws InputError
 */
export function decodeAddressList(file: string, bytes: Uint8Array, stream: number | null): AddressList {
  if (bytes.length === 0) throw new InputError(file, '', 'no addresses', 'at least one address');
  if (isAccessLog(bytes)) return { addresses: logAccesses(file, bytes, stream), upper: null };
  if (isText(bytes)) return textList(file, bytes);
  if (bytes.length % 8 !== 0) {
    throw new InputError(file, `byte ${bytes.length}`, `${bytes.length} bytes`, 'a multiple of 8 bytes, or text');
  }
  return wordList(file, bytes);
}

/** Whether the bytes begin as text does. */
function isText(bytes: Uint8Array): boolean {
  for (const byte of bytes.subarray(0, 256)) {
    const printable = byte === 9 || byte === LINE_FEED || byte === 13 || (byte >= 32 && byte < 127);
    if (!printable) return false;
  }
  return true;
}

/** Addresses of a list that is filled one after the other: lists have up to hundreds of millions. */
class Addresses {
  count = 0;
  readonly #file: string;
  readonly #addresses: Float64Array;
  #upper: Uint8Array | null = null;

  /** @param most how many there can be */
  constructor(file: string, most: number) {
    this.#file = file;
    this.#addresses = new Float64Array(most);
  }

  /** @param place where it stands in the file */
  add(high: number, low: number, place: (count: number) => string): void {
    const at = this.count++;
    if (high >= UPPER_HIGH) {
      this.#upper ??= new Uint8Array(this.#addresses.length);
      this.#upper[at] = 1;
      this.#addresses[at] = (high % 2 ** 16) * 2 ** 32 + low;
      return;
    }
    const address = high * 2 ** 32 + low;
    if (high >= LIMIT_HIGH) {
      const word = (BigInt(high) << 32n) | BigInt(low);
      throw new InputError(this.#file, place(at), hexText(word), 'at most 52 bits');
    }
    this.#addresses[at] = address;
  }

  list(): AddressList {
    return {
      addresses: this.#addresses.subarray(0, this.count),
      upper: this.#upper?.subarray(0, this.count) ?? null,
    };
  }
}

function wordList(file: string, bytes: Uint8Array): AddressList {
  const { length } = bytes;
  const list = new Addresses(file, length / 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const place = (count: number): string => `address ${count}`;
  for (let at = 0; at < length; at += 8) list.add(view.getUint32(at + 4, true), view.getUint32(at, true), place);
  return list.list();
}

/** Reads the bytes as they are: as a string, a large list would be larger than strings can be. */
function textList(file: string, bytes: Uint8Array): AddressList {
  let lines = 1;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines++;
  const list = new Addresses(file, lines);
  let number = 0;
  const place = (): string => `line ${number}`;
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(LINE_FEED, start);
    let end = feed < 0 ? bytes.length : feed;
    const next = end + 1;
    number++;
    while (start < end && isSpace(bytes[start])) start++;
    while (end > start && isSpace(bytes[end - 1])) end--;
    if (start < end && bytes[start] !== HASH) {
      const word = wordOf(bytes, start, end);
      if (word === null) {
        const found = new TextDecoder('latin1').decode(bytes.subarray(start, Math.min(end, start + 40)));
        throw new InputError(file, place(), JSON.stringify(found), 'an address, decimal or 0x..., of at most 64 bits');
      }
      list.add(word[0], word[1], place);
    }
    start = next;
  }
  if (list.count === 0) throw new InputError(file, '', 'no addresses', 'at least one address');
  return list.list();
}

/** Halves of the word that was read last: one object for all of a list. */
const halves: [high: number, low: number] = [0, 0];

/** The number at [start, end), decimal or 0x..., as two halves; null where there is none, or one of more than 64 bits. */
function wordOf(bytes: Uint8Array, start: number, end: number): typeof halves | null {
  const isHex = bytes[start] === ZERO && bytes[start + 1] === LETTER_X;
  const base = isHex ? 16 : 10;
  let high = 0;
  let low = 0;
  const from = isHex ? start + 2 : start;
  if (from >= end) return null;
  for (let at = from; at < end; at++) {
    const digit = digitOf(bytes[at] as number);
    if (digit >= base) return null;
    low = low * base + digit;
    const carry = Math.floor(low / 2 ** 32);
    low -= carry * 2 ** 32;
    high = high * base + carry;
    if (high >= 2 ** 32) return null;
  }
  halves[0] = high;
  halves[1] = low;
  return halves;
}

/** Value of a hexadecimal digit; 16 of anything else. */
function digitOf(byte: number): number {
  if (byte >= ZERO && byte < ZERO + 10) return byte - ZERO;
  // Bit 5 makes a letter small.
  const letter = (byte | 0x20) - LETTER_A;
  return byte >= 0x41 && letter >= 0 && letter < 6 ? letter + 10 : 16;
}

function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && (byte === 32 || (byte >= 9 && byte <= 13));
}
