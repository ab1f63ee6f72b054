/** ASCII codes the text readers compare with. */
export const Char = {
  TAB: 0x09,
  LF: 0x0a,
  CR: 0x0d,
  SPACE: 0x20,
  BANG: 0x21,
  QUOTE: 0x22,
  HASH: 0x23,
  OPEN: 0x28,
  CLOSE: 0x29,
  PLUS: 0x2b,
  COMMA: 0x2c,
  MINUS: 0x2d,
  DOT: 0x2e,
  SLASH: 0x2f,
  ZERO: 0x30,
  NINE: 0x39,
  COLON: 0x3a,
  LESS: 0x3c,
  EQUALS: 0x3d,
  GREATER: 0x3e,
  AT: 0x40,
  C: 0x43,
  OPEN_BRACKET: 0x5b,
  CLOSE_BRACKET: 0x5d,
  D: 0x64,
  M: 0x6d,
  P: 0x70,
  S: 0x73,
  U: 0x75,
  X: 0x78,
  OPEN_BRACE: 0x7b,
  CLOSE_BRACE: 0x7d,
} as const;

/** Value of a hexadecimal digit by its ASCII code; -1 for every other byte. */
const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

const TWO_TO_32 = 2 ** 32;

/** No number here, or one that no field may hold. */
export const NOT_A_NUMBER = -1;

/**
 * Reads numbers from bytes without making strings. All text it is given ends with a line feed, and no reader here goes past one,
 * so no read needs a bound of its own.
 */
export class TextCursor {
  bytes: Uint8Array = new Uint8Array(0);
  /** The same bytes, to compare four at a time. */
  view: DataView = new DataView(this.bytes.buffer);
  /** Where the next read starts. */
  at = 0;
  /** Upper and lower half of the last hexadecimal number: exact where a double would not be. */
  high = 0;
  low = 0;

  /** Puts the cursor on the first of these bytes. One array type everywhere keeps the element accesses of all readers monomorphic. */
  open(bytes: Uint8Array): void {
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** True when the four bytes at `at` are `word` (see {@link fourBytes}). */
  isWord(at: number, word: number): boolean {
    return at + 4 <= this.bytes.length && this.view.getUint32(at, true) === word;
  }

  /** Sixteen hexadecimal digits with no seventeenth, as `%016llx` prints them; {@link NOT_A_NUMBER}, and no move, if they are not. */
  hex16(): number {
    const bytes = this.bytes;
    const at = this.at;
    if (at + 16 >= bytes.length) return NOT_A_NUMBER;
    const high = eightDigits(bytes, at);
    const low = eightDigits(bytes, at + 8);
    if (high < 0 || low < 0 || (HEX[bytes[at + 16] as number] as number) >= 0) return NOT_A_NUMBER;
    this.at = at + 16;
    return high * TWO_TO_32 + low;
  }

  skipSpaces(): void {
    const bytes = this.bytes;
    let at = this.at;
    let byte = bytes[at] as number;
    while (byte === Char.SPACE || byte === Char.TAB) byte = bytes[++at] as number;
    this.at = at;
  }

  /** A hexadecimal number without prefix, or {@link NOT_A_NUMBER}: no digit, or more than 64 bits. */
  hex(): number {
    const bytes = this.bytes;
    let at = this.at;
    let digit = HEX[bytes[at] as number] as number;
    if (digit < 0) return NOT_A_NUMBER;
    let high = 0;
    let low = 0;
    let overflow = 0;
    do {
      overflow |= high & 0xf0000000;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
      digit = HEX[bytes[++at] as number] as number;
    } while (digit >= 0);
    this.at = at;
    this.high = high;
    this.low = low;
    if (overflow !== 0) return NOT_A_NUMBER;
    return high === 0 ? low >>> 0 : (high >>> 0) * TWO_TO_32 + (low >>> 0);
  }

  /** A decimal number, or {@link NOT_A_NUMBER}: no digit, or more than a double can hold. Exact up to 2^53. */
  decimal(): number {
    const bytes = this.bytes;
    let at = this.at;
    let digit = (bytes[at] as number) - Char.ZERO;
    if (digit < 0 || digit > 9) return NOT_A_NUMBER;
    let value = 0;
    do {
      value = value * 10 + digit;
      digit = (bytes[++at] as number) - Char.ZERO;
    } while (digit >= 0 && digit <= 9);
    this.at = at;
    return value === Number.POSITIVE_INFINITY ? NOT_A_NUMBER : value;
  }

  /** A number as tracers print it: `0x` and hexadecimal digits, or decimal digits; or {@link NOT_A_NUMBER}. */
  number(): number {
    const bytes = this.bytes;
    if (bytes[this.at] === Char.ZERO && bytes[this.at + 1] === Char.X) {
      this.at += 2;
      return this.hex();
    }
    return this.decimal();
  }

  /** A hexadecimal number with or without `0x`, or {@link NOT_A_NUMBER}. */
  hexadecimal(): number {
    if (this.bytes[this.at] === Char.ZERO && this.bytes[this.at + 1] === Char.X) this.at += 2;
    return this.hex();
  }

  /** A number of up to 64 bits, into {@link high} and {@link low}; false if there is none. */
  wideNumber(): boolean {
    if (this.bytes[this.at] === Char.ZERO && this.bytes[this.at + 1] === Char.X) {
      this.at += 2;
      return this.hex() !== NOT_A_NUMBER;
    }
    const value = this.decimal();
    if (value > Number.MAX_SAFE_INTEGER || value === NOT_A_NUMBER) return false;
    this.high = Math.floor(value / TWO_TO_32);
    this.low = value >>> 0;
    return true;
  }

  /** True, and moved past it, when the text here is `text`. */
  take(text: Uint8Array): boolean {
    const bytes = this.bytes;
    const at = this.at;
    for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text[index]) return false;
    this.at = at + text.length;
    return true;
  }
}

/** Moves the cursor behind the next `byte` of the line; false, with the cursor on the line feed, if there is none. */
export function skipPast(cursor: TextCursor, byte: number): boolean {
  const bytes = cursor.bytes;
  let at = cursor.at;
  while (bytes[at] !== byte) {
    if (bytes[at] === Char.LF) {
      cursor.at = at;
      return false;
    }
    at++;
  }
  cursor.at = at + 1;
  return true;
}

/** Place of `text` in the line that begins at `start`, or -1. */
export function indexInLine(bytes: Uint8Array, start: number, text: Uint8Array): number {
  const first = text[0];
  for (let at = start; bytes[at] !== Char.LF; at++) {
    if (bytes[at] !== first) continue;
    let length = 1;
    while (length < text.length && bytes[at + length] === text[length]) length++;
    if (length === text.length) return at;
  }
  return -1;
}

/** Value of eight hexadecimal digits, or -1 if one of them is none. The loads do not wait for each other. */
function eightDigits(bytes: Uint8Array, at: number): number {
  const a = HEX[bytes[at] as number] as number;
  const b = HEX[bytes[at + 1] as number] as number;
  const c = HEX[bytes[at + 2] as number] as number;
  const d = HEX[bytes[at + 3] as number] as number;
  const e = HEX[bytes[at + 4] as number] as number;
  const f = HEX[bytes[at + 5] as number] as number;
  const g = HEX[bytes[at + 6] as number] as number;
  const h = HEX[bytes[at + 7] as number] as number;
  if ((a | b | c | d | e | f | g | h) < 0) return -1;
  return ((a << 28) | (b << 24) | (c << 20) | (d << 16) | (e << 12) | (f << 8) | (g << 4) | h) >>> 0;
}

/** Four ASCII characters as {@link TextCursor.isWord} compares them. */
export function fourBytes(text: string): number {
  return new DataView(ascii(text).buffer).getUint32(0, true);
}

/** The bytes of an ASCII string, for {@link TextCursor.take}. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
