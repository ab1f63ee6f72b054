import { isAccessLog, logAccesses } from '../capture/index.ts';
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
 * Decodes a list: raw little-endian 64-bit words, or text with one address per line (decimal or 0x...; empty lines and lines that begin
 * with # are skipped), or a log of QEMU's SMMU, whose translations are the accesses.
 *
 * @param stream of which stream of a log; null for the only one
 * @throws InputError
 */
export function decodeAddressList(file: string, bytes: Uint8Array, stream: number | null): AddressList {
  if (bytes.length === 0) throw new InputError(file, '', 'no addresses', 'at least one address');
  if (isAccessLog(bytes)) return { addresses: logAccesses(file, bytes, stream), upper: null };
  const text = textAddresses(file, bytes);
  if (text !== null) return toList(file, text);
  if (bytes.length % 8 !== 0) {
    throw new InputError(file, `byte ${bytes.length}`, `${bytes.length} bytes`, 'a multiple of 8 bytes, or text');
  }
  const aligned = new Uint8Array(bytes);
  return toList(file, new BigUint64Array(aligned.buffer, 0, bytes.length / 8));
}

/** The addresses of a text list, or null when the bytes are no text. */
function textAddresses(file: string, bytes: Uint8Array): bigint[] | null {
  for (const byte of bytes.subarray(0, 256)) {
    const printable = byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127);
    if (!printable) return null;
  }
  const addresses: bigint[] = [];
  for (const [number, line] of new TextDecoder('latin1').decode(bytes).split('\n').entries()) {
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
