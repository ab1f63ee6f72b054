import { inflate, unzstdWhole } from '../../sources/index.ts';
import type { BinaryReader } from './binary-reader.ts';

/** How the parts of a trace.dat are packed. */
export type Compression = 'none' | 'zlib' | 'zstd';

/** Unpacked, no part of a trace.dat is larger: all format files of a kernel are 3 MB, a chunk of trace data some pages. */
const LARGEST_PART = 2 ** 28;

/** @throws InputError for one that is not known */
export function compressionOf(reader: BinaryReader, name: string): Compression {
  if (name === 'none' || name === 'zlib' || name === 'zstd') return name;
  return reader.fail(`the compression "${name.slice(0, 20)}" (none, zlib and zstd are read)`);
}

/** Unpacks one part that has `size` bytes when unpacked; null if it is damaged. */
export async function inflateWhole(
  compression: Compression,
  packed: Uint8Array,
  size: number,
): Promise<Uint8Array | null> {
  if (size > LARGEST_PART) return null;
  if (compression === 'zstd') return unzstdWhole(packed, size);
  if (compression === 'none') return packed.length === size ? packed : null;
  const bytes = await inflate(packed, size);
  return bytes?.length === size ? bytes : null;
}
