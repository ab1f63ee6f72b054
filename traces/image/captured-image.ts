import type { IommuDevice, RegisterMap } from '../../devices/index.ts';
import { Bus, BusView, type PhysicalMemory, type WalkMemory } from '../../emulator/index.ts';
import { hexText } from '../quantity.ts';
import { ImageStreams, type StreamTableImage } from './image-streams.ts';
import { forEachLeafRecord, newLeafScan } from './leaf-list.ts';
import { IMAGE_PAGE_SIZE, type ImageStreamTable } from './memory-image.ts';

const PAGE_WORDS = IMAGE_PAGE_SIZE / 4;

/** An image of a machine's tables: the two files of its folder. */
export interface CapturedImage {
  /** `pt.json`. */
  readonly description: string;
  /** The pages of `pt.pages.bin`, in its order; each view is used up before the next is asked for. */
  readonly pages: Iterable<Uint8Array>;
  readonly pageCount: number;
  /** Streams that are translated. */
  readonly streams: number;
}

/** Memory that notes which pages are read: what a walk of everything reads is what an image must hold. */
class NotingMemory implements StreamTableImage {
  low = 0;
  high = 0;
  readonly folder = 'the machine';
  readonly streamTable: ImageStreamTable | null = null;
  readonly registers: ReadonlyMap<string, bigint>;
  /** Page numbers. */
  readonly visited = new Set<number>();
  readonly #memory: WalkMemory;

  constructor(memory: WalkMemory, registers: ReadonlyMap<string, bigint>) {
    this.#memory = memory;
    this.registers = registers;
  }

  register(name: string): bigint {
    return this.registers.get(name) ?? 0n;
  }

  read(pa: number, bytes: number): boolean {
    const memory = this.#memory;
    if (!memory.read(pa, bytes)) return false;
    this.visited.add(Math.floor(pa / IMAGE_PAGE_SIZE));
    this.low = memory.low;
    this.high = memory.high;
    return true;
  }

  /** Looking changes nothing. */
  replace(): boolean {
    return false;
  }
}

/**
 * Takes an image of the stream table, the context descriptors and the tables that the registers of a device lead to, as the device
 * sees them: on a machine whose walks do not snoop, what the CPU has not yet cleaned to memory is not in it.
 *
 * @param registers the device's, as the `imageRegisters` of its model has them
 */
export function captureImage(device: IommuDevice, registers: RegisterMap, memory: PhysicalMemory): CapturedImage {
  const port = new Bus(memory, null).port('image', BusView.NON_COHERENT);
  const noting = new NotingMemory(port, readableRegisters(device, registers));
  let streams = 0;
  for (const owner of new ImageStreams(noting).translated()) {
    streams++;
    forEachLeafRecord(noting, owner, newLeafScan(), () => {});
  }
  const pages = [...noting.visited].sort((a, b) => a - b).map((page) => page * IMAGE_PAGE_SIZE);
  const regs = Object.fromEntries([...noting.registers].map(([name, value]) => [name, hexText(value)]));
  const description = { regs, pages: pages.map((pa, index) => ({ pa: hexText(pa), off: index * IMAGE_PAGE_SIZE })) };
  return {
    description: `${JSON.stringify(description, null, 1)}\n`,
    pages: pageBytes(memory, pages),
    pageCount: pages.length,
    streams,
  };
}

/** Every register that can be read, by name. */
function readableRegisters(device: IommuDevice, registers: RegisterMap): Map<string, bigint> {
  const values = new Map<string, bigint>();
  const halves = new Uint32Array(2);
  for (const [name, { offset, width, access }] of Object.entries(registers)) {
    if (access === 'w') continue;
    if (width === 64) {
      device.read64(offset, halves);
      values.set(name, (BigInt(halves[1] ?? 0) << 32n) + BigInt(halves[0] ?? 0));
    } else values.set(name, BigInt(device.read32(offset)));
  }
  return values;
}

function* pageBytes(memory: PhysicalMemory, pages: readonly number[]): Generator<Uint8Array> {
  const words = new Uint32Array(PAGE_WORDS);
  for (const pa of pages) {
    for (let word = 0; word < PAGE_WORDS; word++) words[word] = memory.read32(pa + 4 * word);
    yield new Uint8Array(words.buffer);
  }
}
