/** One line of a log, without what mail and loggers put before it. */
export interface LogLine {
  /** Its number in the input, from 1. */
  readonly number: number;
  readonly text: string;
}

/** Longest line that is looked at: a log's are far shorter, and patterns must not be run over a megabyte. */
const LONGEST = 4096;

/** What stands before a kernel's message: quoting marks, log levels, time stamps, syslog's host and `kernel:`. */
const PREFIXES: readonly RegExp[] = [
  /^[\s>|│#*]*(?:>|\|)\s*/,
  /^\s+/,
  /^<\d{1,3}>/,
  /^\[\s*(?:\d+\.\d+|T\d+|C\d+)\s*\](?:\s*\[\s*[TC]\d+\s*\])?\s*/,
  /^\[?(?:mon|tue|wed|thu|fri|sat|sun)\w*\s+\w{3}\s+\d+\s+[\d:]+\s+\d{4}\]\s*/i,
  /^\w{3}\s+\d{1,2}\s+\d\d:\d\d:\d\d\s+\S+\s+(?:kernel|systemd\S*|klogd)(?:\[\d+\])?:\s*/,
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\s+(?:\S+\s+kernel(?:\[\d+\])?:\s*)?/,
  /^\(XEN\)\s*/,
  /^(?:emerg|alert|crit|err|warn|notice|info|debug|kern)\s*:\s*(?:(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s*)?/,
];

/** Cuts a log into lines and takes away what stands before the message. */
export function logLines(text: string): LogLine[] {
  return text.split(/\r\n|\n|\r/).map((line, at) => ({ number: at + 1, text: stripped(line.slice(0, LONGEST)) }));
}

function stripped(line: string): string {
  let text = line.replace(/\t/g, ' ');
  // Each may stand before any other, and more than once.
  for (let round = 0; round < 6; round++) {
    const before = text;
    for (const prefix of PREFIXES) text = text.replace(prefix, '');
    if (text === before) break;
  }
  return text.trim();
}

/** A number written in hex as people and cameras write it: `0x`, `Ox`, letters for digits. Null where it is none. */
export function hexOf(text: string): bigint | null {
  const digits = text
    .replace(/^[0oO][xX×]/, '')
    .replace(/[oO]/g, '0')
    .replace(/[lI|]/g, '1')
    .replace(/[\s_]/g, '');
  return /^[0-9a-fA-F]{1,16}$/.test(digits) ? BigInt(`0x${digits}`) : null;
}

/** A hex number of at most 32 bits as a plain number; -1 where it is none. */
export function smallHex(text: string | undefined): number {
  const value = text === undefined ? null : hexOf(text);
  return value === null || value > 0xffff_ffffn ? -1 : Number(value);
}

/** `0x` and lower-case digits, none in front that is zero. */
export function hexText(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}
