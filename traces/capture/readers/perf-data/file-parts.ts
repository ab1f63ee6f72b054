import { InputError } from '../../../input-error.ts';
import { type Block, MemoryAccess, type RandomAccess } from '../../sources/index.ts';
import type { EventFormat } from '../event-format.ts';
import { readTracingData } from '../trace-dat/index.ts';
import { type Attribute, idText, LEAST_ATTRIBUTE, readAttribute, u64 } from './attributes.ts';

/** Bytes of a file read at a time. */
const BATCH = 262_144;
/** The formats of all events of a kernel are 3 MB. */
export const LARGEST_TRACING_DATA = 2 ** 28;
const FEATURE_TRACING_DATA = 1;
const MOST_ATTRIBUTES = 65_536;

/** The formats and attributes of a file, which stand apart from its records; a pipe has them among the records. */
export interface FileParts {
  readonly formats: readonly EventFormat[];
  readonly attributes: readonly (readonly [ids: readonly string[], attribute: Attribute])[];
}

/** Reads the parts of a perf.data file that stand apart, and finds its records. @throws InputError */
export async function readFileParts(
  file: string,
  access: RandomAccess,
): Promise<{ readonly parts: FileParts; readonly records: AsyncGenerator<Block> }> {
  const fail = (found: string): never => {
    throw new InputError(file, '', found, 'a whole perf.data, as perf record writes it');
  };
  const at = async (offset: number, length: number): Promise<DataView> => {
    const bytes = (await access.read(offset, length)).slice();
    return bytes.length < length ? fail('the end of the file in its header') : new DataView(bytes.buffer);
  };
  const header = await at(0, 104);
  const attributeSize = u64(header, 16);
  const [attributesAt, attributesSize, dataAt, dataSize] = [24, 32, 40, 48].map((offset) => u64(header, offset)) as [
    number,
    number,
    number,
    number,
  ];
  // perf writes the size when it ends; 0 is left by one that was killed.
  if (dataSize === 0) fail('no data (perf record did not end by itself)');
  const count = attributesSize / attributeSize;
  if (!(attributeSize >= LEAST_ATTRIBUTE + 16 && attributeSize <= 4096 && count <= MOST_ATTRIBUTES)) {
    fail('impossible sizes in its header');
  }
  const attributes: [string[], Attribute][] = [];
  for (let index = 0; index < Math.floor(count); index++) {
    const view = await at(attributesAt + index * attributeSize, attributeSize);
    const idsAt = u64(view, attributeSize - 16);
    const idsSize = Math.min(u64(view, attributeSize - 8), 8 * MOST_ATTRIBUTES);
    const ids = await at(idsAt, idsSize);
    attributes.push([
      Array.from({ length: Math.floor(idsSize / 8) }, (_, id) => idText(ids, 8 * id)),
      readAttribute(view, 0),
    ]);
  }
  const formats: EventFormat[] = [];
  const features = header.getUint32(72, true);
  if (((features >>> FEATURE_TRACING_DATA) & 1) === 1) {
    // The sections of the features follow the data, in the order of their bits.
    const section = await at(dataAt + dataSize + 16 * (features & 1), 16);
    const place = u64(section, 0);
    const size = u64(section, 8);
    if (size > LARGEST_TRACING_DATA) fail(`event formats of ${size} bytes`);
    const bytes = (await access.read(place, size)).slice();
    formats.push(...(await readTracingData(file, new MemoryAccess([bytes]))).formats);
  }
  return { parts: { formats, attributes }, records: blocksOf(access, dataAt, dataSize) };
}

async function* blocksOf(access: RandomAccess, start: number, size: number): AsyncGenerator<Block> {
  try {
    let at = start;
    while (at < start + size) {
      const bytes = await access.read(at, Math.min(BATCH, start + size - at));
      if (bytes.length === 0) {
        yield { bytes: new Uint8Array(0), damage: 'the file ends before its data does' };
        return;
      }
      yield { bytes, damage: '' };
      at += bytes.length;
    }
  } finally {
    await access.close();
  }
}

/** The records of a pipe: everything behind its header. */
export async function* withoutHeader(blocks: AsyncGenerator<Block>, header: number): AsyncGenerator<Block> {
  let left = header;
  try {
    for await (const { bytes, damage } of blocks) {
      const dropped = Math.min(left, bytes.length);
      left -= dropped;
      yield { bytes: bytes.subarray(dropped), damage };
    }
  } finally {
    await blocks.return(undefined);
  }
}
