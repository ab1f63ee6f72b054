/** What the first bytes of a file say it is. */
export interface FileKind {
  /** `text` for everything that may be trace text. */
  readonly kind: 'text' | 'gzip' | 'unsupported';
  /** As a phrase for an error message. */
  readonly name: string;
  /** What the user can do about an unsupported one. */
  readonly advice: string;
}

const TEXT: FileKind = { kind: 'text', name: 'text', advice: '' };
const GZIP: FileKind = { kind: 'gzip', name: 'gzip', advice: '' };

function unsupported(name: string, advice: string): FileKind {
  return { kind: 'unsupported', name, advice };
}

/** Magic numbers at offset 0. Sources: trace-cmd.dat(5), perf.data file format, and the formats' own specifications. */
const MAGICS: readonly (readonly [readonly number[], FileKind])[] = [
  [[0x1f, 0x8b], GZIP],
  [
    [0x17, 0x08, 0x44, ...codes('tracing')],
    unsupported('a trace.dat of trace-cmd', 'convert it with `trace-cmd report`'),
  ],
  [codes('PERFILE2'), unsupported('a perf.data of perf record', 'convert it with `perf script`')],
  [codes('2ELIFREP'), unsupported('a big-endian perf.data of perf record', 'convert it with `perf script`')],
  [[0x28, 0xb5, 0x2f, 0xfd], unsupported('zstd-compressed data', 'decompress it with `zstd -d`')],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], unsupported('xz-compressed data', 'decompress it with `xz -d`')],
  [codes('BZh'), unsupported('bzip2-compressed data', 'decompress it with `bzip2 -d`')],
  [codes('PK\u0003\u0004'), unsupported('a zip archive', 'unpack it')],
  [[0x7f, ...codes('ELF')], unsupported('an ELF file', 'give a capture')],
  [[0xff, 0xfe], unsupported('UTF-16 text', 'convert it to UTF-8')],
  [[0xfe, 0xff], unsupported('UTF-16 text', 'convert it to UTF-8')],
];

/** How far {@link fileKind} looks for binary data. */
const SAMPLE = 4096;
/** Headers that the tracer writes even when the records behind them are binary (trace option `bin`). */
const TRACE_HEADER = codes('# tracer:');

/** Tells what a file is from its first bytes. */
export function fileKind(first: Uint8Array): FileKind {
  for (const [magic, kind] of MAGICS) {
    if (startsWith(first, magic)) return kind;
  }
  if (startsWith(first, TRACE_HEADER)) return TEXT;
  const sample = first.subarray(0, SAMPLE);
  let control = 0;
  for (const byte of sample) {
    const isControl = byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b;
    if (isControl || byte === 0x7f) control++;
  }
  // A stray NUL in a line is a damaged line; a tenth of the bytes is another kind of file.
  return control * 10 > sample.length ? unsupported('binary data', 'give trace text') : TEXT;
}

/** What a capture may be, for error messages. */
export const SUPPORTED =
  'ftrace text (trace, trace_pipe), `trace-cmd report`, `perf script` or `perf trace` text, plain or gzip-compressed';

function codes(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, index) => bytes[index] === byte);
}
