/** Forms that are recognised in order to say what to do with them. */
export interface RefusedForm {
  readonly name: string;
  /** What the user can do about it. */
  readonly advice: string;
}

/** Magic numbers at offset 0, as the formats' own specifications have them. */
const MAGICS: readonly (readonly [readonly number[], RefusedForm])[] = [
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], { name: 'xz-compressed data', advice: 'decompress it with `xz -d`' }],
  [codes('BZh'), { name: 'bzip2-compressed data', advice: 'decompress it with `bzip2 -d`' }],
  [[0x04, 0x22, 0x4d, 0x18], { name: 'lz4-compressed data', advice: 'decompress it with `lz4 -d`' }],
  [[0x78, 0x01], { name: 'zlib-compressed data', advice: 'decompress it with `pigz -dz`' }],
  [[0x78, 0x9c], { name: 'zlib-compressed data', advice: 'decompress it with `pigz -dz`' }],
  [[0x78, 0xda], { name: 'zlib-compressed data', advice: 'decompress it with `pigz -dz`' }],
  [codes('PK\u0003\u0004'), { name: 'a zip archive', advice: 'unpack it' }],
  [[0x7f, ...codes('ELF')], { name: 'an ELF file', advice: 'give a capture' }],
  [codes('2ELIFREP'), { name: 'a big-endian perf.data of perf record', advice: 'convert it with `perf script`' }],
  [[0xff, 0xfe], { name: 'UTF-16 text', advice: 'convert it to UTF-8' }],
  [[0xfe, 0xff], { name: 'UTF-16 text', advice: 'convert it to UTF-8' }],
];
/** A tar archive has its magic behind the first member's name. */
const TAR_AT = 257;
const TAR = codes('ustar');

/** Texts of the tracer that hold no events. */
const TEXTS: readonly (readonly [RegExp, RefusedForm])[] = [
  [
    /^name: \S+\nID: \d+\nformat:/,
    { name: 'the format of trace events (events/*/format)', advice: 'give the trace itself' },
  ],
  [
    /^entries: \d+\noverrun: \d+/,
    { name: 'the statistics of a trace buffer (per_cpu/*/stats)', advice: 'give the trace itself' },
  ],
  [/^(?:.*\n){0,3}TRACE:\r?\nx[^ -~]/, { name: 'compressed output of atrace', advice: 'record it without -z' }],
];

/** How far {@link refusedForm} looks for binary data. */
const SAMPLE = 4096;
/** Headers that the tracer writes even when the records behind them are binary (trace option `bin`). */
const TRACE_HEADER = codes('# tracer:');

/** What a file is that no reader takes, or null for text. */
export function refusedForm(first: Uint8Array): RefusedForm | null {
  for (const [magic, form] of MAGICS) {
    if (startsWith(first, magic)) return form;
  }
  if (startsWith(first.subarray(TAR_AT), TAR)) return { name: 'a tar archive', advice: 'unpack it' };
  if (startsWith(first, TRACE_HEADER)) return null;
  const sample = first.subarray(0, SAMPLE);
  const text = new TextDecoder('latin1').decode(sample);
  for (const [start, form] of TEXTS) {
    if (start.test(text)) return form;
  }
  // What is no UTF-8, and what no text has.
  let control = 0;
  for (const letter of new TextDecoder().decode(sample)) if (letter === '\ufffd') control++;
  for (const byte of sample) {
    const isControl = byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b;
    if (isControl || byte === 0x7f) control++;
  }
  // A stray NUL in a line, or a name in another encoding, is a damaged line; a tenth of the bytes is another kind of file.
  return control * 10 > sample.length ? { name: 'binary data', advice: 'give a capture' } : null;
}

/** The codes of an ASCII string, for {@link startsWith}. */
export function codes(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}

export function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, index) => bytes[index] === byte);
}
