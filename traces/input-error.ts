import { plainText } from './plain-text.ts';

/** A file that cannot be read as what it should be: names the file, the place in it, what was found, and what is allowed. */
export class InputError extends Error {
  override readonly name = 'InputError';
  /** The file as the user named it; `-` is standard input. */
  readonly file: string;
  /** Where in the file: "line 12, byte 1043", or an empty string when the whole file is meant. */
  readonly position: string;
  /** What was found, as a phrase. */
  readonly found: string;
  /** What is allowed, as a phrase. */
  readonly allowed: string;

  constructor(file: string, position: string, found: string, allowed: string) {
    const text = `${file}: ${position === '' ? '' : `${position}: `}found ${found}, allowed: ${allowed}`;
    // Names in damaged files hold anything; a complaint stays one line, and moves no cursor.
    super(plainText(text));
    this.file = file;
    this.position = position;
    this.found = found;
    this.allowed = allowed;
  }
}
