/** What a line is, or where a word of it ends, by a look at its bytes. */

import { ascii, Char, fourBytes, indexInLine, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';

const TYPE = ascii('type: ');
const MAP_ = fourBytes('map:');
/** ` as=`: a GPU driver's map names an address space where an IOMMU's names an IOVA. */
export const AS_FIELD = fourBytes(' as=');
/** Bell and what follows it up to carriage return may stand in what a program prints. */
const FIRST_CONTROL_OF_TEXT = 0x07;
const LONGEST_NAME = 64;

/** `334 0 50127635056 type: 1124`: an event whose fields the trace option raw, hex or bin left out. */
export function isTypeOnly(bytes: Uint8Array, start: number): boolean {
  let at = indexInLine(bytes, start, TYPE);
  if (at < 0) return false;
  at += TYPE.length;
  const digits = at;
  while ((bytes[at] as number) >= Char.ZERO && (bytes[at] as number) <= Char.NINE) at++;
  return at > digits && (bytes[at] === Char.LF || bytes[at] === Char.CR);
}

/** Whether `map: as=` or `unmap: as=` begins here, or behind one name and its colon. */
export function isGpuCall(cursor: TextCursor, start: number): boolean {
  const { bytes } = cursor;
  let at = start;
  for (let word = 0; word < 2; word++) {
    const begin = bytes[at] === Char.U && bytes[at + 1] === 0x6e ? at + 2 : at;
    if (cursor.isWord(begin, MAP_) && cursor.isWord(begin + 4, AS_FIELD)) return true;
    while ((bytes[at] as number) > Char.SPACE) at++;
    if (bytes[at - 1] !== Char.COLON) return false;
    while (bytes[at] === Char.SPACE) at++;
  }
  return false;
}

/** Passes the period, a number that `perf script` may print in front of an event's name; no name begins with a digit. */
export function skipPeriod(cursor: TextCursor, start: number): boolean {
  cursor.at = start;
  if (cursor.decimal() === NOT_A_NUMBER || cursor.bytes[cursor.at] !== Char.SPACE) return false;
  cursor.skipSpaces();
  return true;
}

/** Whether the line begins with a byte that no text has; zeros alone are what a block of a file that was never written reads as. */
export function isBinary(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < start + LONGEST_NAME && bytes[at] !== Char.LF; at++) {
    const byte = bytes[at] as number;
    if (byte > 0 && byte < FIRST_CONTROL_OF_TEXT) return true;
  }
  return false;
}

/** Whether the word that begins here has its colon. */
export function endsInColon(bytes: Uint8Array, start: number): boolean {
  let at = start;
  while ((bytes[at] as number) > Char.SPACE && bytes[at] !== Char.COLON) at++;
  return bytes[at] === Char.COLON;
}

/** The name that begins here, for people. */
export function wordAt(bytes: Uint8Array, start: number): string {
  let end = start;
  while (end < start + LONGEST_NAME && (bytes[end] as number) > Char.SPACE) end++;
  return String.fromCharCode(...bytes.subarray(start, end)).replace(/[:(].*$/, '');
}
