/** One line of a log, without what mail and loggers put before it. */
export interface LogLine {
  /** Its number in the input, from 1. */
  readonly number: number;
  readonly text: string;
}

/** Longest line that is looked at: a log's are far shorter, and patterns must not be run over a megabyte. */
const LONGEST = 4096;

/** What stands before a kernel's message: quoting marks, log levels, time stamps, the caller, syslog's host and `kernel:`. */
const PREFIXES: readonly RegExp[] = [
  /^[\s>|│#*]*(?:>|\|)\s*/,
  /^[\s`]+/,
  /^<\d{1,3}>/,
  // `dmesg` with seconds, with --delta and --reltime; printk's caller; `dmesg --reltime` where the minute changes.
  /^\[\s*(?:\d+\.\d+(?:\s*<[^>]{0,20}>)?|\+\d+\.\d+|[TC]?\d+)\s*\]\s*/,
  /^\[[A-Z][a-z]{2}\s?\d{1,2} \d\d:\d\d\]\s*/,
  // A camera or a narrow selection loses the bracket.
  /^\[?\s*\d+\.\d{6}\]\s*/,
  // Vendors' kernels: `(2)[123:kworker/2:1]`, `[3:  kworker/3:1:  123]`, `c0 123 (kworker/0:1)`.
  /^(?:\(\d+\))?\[\s*\d+:[^\]]{1,40}\]\s*/,
  /^c\d\s+\d+\s+\([^)]{1,40}\)\s*/,
  // `dmesg -T`, and the journal in every form that it has.
  /^\[?(?:mon|tue|wed|thu|fri|sat|sun)\w*\s+\w{3}\s+\d+\s+[\d:]+\s+\d{4}\]\s*/i,
  /^\S{1,9}\s+\d{1,2}\s+\d\d:\d\d:\d\d(?:[.,]\d+)?\s+(?:\S+\s+(?:kernel|systemd\S*|klogd)(?:\[\d+\])?:\s*)?/,
  /^(?:[a-z]{3}\s+)?\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s\]]*\]?\s+(?:[A-Z]{2,5}\s+(?=\S+\s+kernel))?/i,
  /^\d{9,10}\.\d{6}\s+(?=\S+\s+kernel)/,
  /^\S+\s+kernel(?:\[\d+\])?:\s*/,
  /^kernel(?:\[\d+\])?:\s*/,
  // Terminal programs, and Android's log.
  /^\[?\d\d:\d\d:\d\d(?:[.,:]\d+)?\]?:?\s+/,
  /^\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+(?:\S+\s+)?\d+\s+\d+\s+[VDIWEF]\s+/,
  /^\(XEN\)\s*/,
  /^(?:emerg|alert|crit|err|warn|notice|info|debug|kern)\s*:\s*(?:(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s*)?/,
];

/** Colours and cursor movements of a terminal, and bytes that a serial line makes up. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const NOISE = /\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001b-\u001f\u007f\ufeff\ufffd]/g;

/** Cuts a log into lines and takes away what stands before the message. */
export function logLines(text: string): LogLine[] {
  const raw = text.split(/\r*\n|\r(?!\r*\n)/).map((line) => line.slice(0, LONGEST));
  // Mail may be stored as quoted-printable: `=3D` for an equals sign, and `=` at the end of a line that goes on.
  const quoted = text.includes('=3D');
  const lines: LogLine[] = [];
  for (let at = 0; at < raw.length; at++) {
    const number = at + 1;
    let line = raw[at] as string;
    if (quoted) {
      while (line.endsWith('=') && line.length < LONGEST && at + 1 < raw.length) line = line.slice(0, -1) + raw[++at];
      line = line.replace(/=([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
    }
    lines.push({ number, text: stripped(line) });
  }
  return lines;
}

function stripped(line: string): string {
  let text = line.replace(NOISE, '').replace(/\t/g, ' ');
  // Each may stand before any other, and more than once.
  for (let round = 0; round < 8; round++) {
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
