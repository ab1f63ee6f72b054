/** What a translation costs the host: by path, and on the reference's address lists with preset gem5, one request in flight. */
import { join } from 'node:path';
import { featuresOf, StreamContexts } from '../devices/index.ts';
import {
  AccessFlag,
  Bus,
  BusView,
  FlightEngine,
  Mmu,
  PhysicalMemory,
  PRESETS,
  TranslationRequest,
} from '../emulator/index.ts';
import { loadImage, readAddressList, streamTableOf } from '../traces/index.ts';
import type { Benchmark } from './harness.ts';

const VECTORS = join('test', 'vectors', 'gem5');
/** Page maps of the image: 64 MiB in 4K pages from here. */
const PAGES_BASE = 0x7f00_0000_0000;
const ITEMS = 1 << 18;

/** Keeps results alive, so that no loop is optimised away. */
const sink = new Float64Array(1);

/** An MMU of preset gem5 that reads the reference's tables over the bus. */
function machine(): Mmu {
  const image = loadImage(join(VECTORS, 'image'));
  const memory = new PhysicalMemory({ banks: [{ base: 0, size: 2 ** 31, node: 0 }] });
  for (const pa of image.pages) {
    const words = image.pageWords(pa);
    if (words !== undefined) memory.load(pa, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  }
  const port = new Bus(memory, null).port('smmu', BusView.NON_COHERENT);
  const idr = (n: number): number => Number(image.register(`IDR${n}`) & 0xffff_ffffn);
  const contexts = new StreamContexts(port, featuresOf([idr(0), idr(1), idr(2), idr(3), idr(4), idr(5)]));
  contexts.table = streamTableOf(image);
  contexts.lenient = true;
  return new Mmu(PRESETS.gem5, port, contexts);
}

const request = new TranslationRequest().ask(0, 0, -1, 0, AccessFlag.PRIVILEGED, 0);

function translateAll(mmu: Mmu, addresses: Float64Array): void {
  let now = 0;
  for (let at = 0; at < addresses.length; at++) {
    request.iova = addresses[at] as number;
    request.start = now;
    mmu.translate(request);
    now = request.completion;
  }
  sink[0] = now;
}

/** The least a translation can be: a flat array of page offsets. */
const flat = new Float64Array(1 << 18);
function leastWork(addresses: Float64Array): void {
  let sum = 0;
  for (let at = 0; at < addresses.length; at++) {
    const iova = addresses[at] as number;
    sum += iova + (flat[((iova | 0) >>> 12) & 0x3ffff] as number);
  }
  sink[0] = sum;
}

function row(name: string, addresses: Float64Array, mmu: Mmu): Benchmark {
  return {
    name,
    unit: 'translation',
    items: addresses.length,
    work: () => translateAll(mmu, addresses),
    baseline: () => leastWork(addresses),
  };
}

/** Addresses that go round `pages` pages of 4 KiB. */
function around(pages: number): Float64Array {
  return Float64Array.from({ length: ITEMS }, (_, at) => PAGES_BASE + (at % pages) * 4096);
}

function listOf(name: string): Float64Array {
  return readAddressList(join(VECTORS, 'lists', `${name}.u64.gz`)).addresses.subarray(0, ITEMS);
}

/** The rows of this file. */
export function mmuBenchmarks(): Benchmark[] {
  const mmu = machine();
  const inFlight = listOf('b_rand4k').slice(0, ITEMS / 8);
  return [
    row('micro-TLB hit, one page', around(1), mmu),
    row('micro-TLB hit, 16 pages in turn', around(16), mmu),
    row('main TLB hit', around(64), mmu),
    row('a_seq4k: sequential, 4K pages', listOf('a_seq4k'), mmu),
    row('b_rand4k: random, a walk with one read in 88 %', listOf('b_rand4k'), mmu),
    row('d_rand2m_1g: random, a walk in 94 %', listOf('d_rand2m_1g'), mmu),
    {
      name: 'b_rand4k with 64 in flight (event engine)',
      unit: 'translation',
      items: inFlight.length,
      work: () => {
        const job = { addresses: inFlight, streamId: 0, flags: AccessFlag.PRIVILEGED, outstanding: 64, ids: 16 };
        sink[0] = new FlightEngine(mmu).run(job);
      },
      baseline: () => leastWork(inFlight),
    },
  ];
}

/** Bytes that the heap has grown by after ten million translations, garbage collected; needs --expose-gc. */
export function heapGrowth(): number {
  const collect = (globalThis as { gc?: () => void }).gc;
  const mmu = machine();
  const addresses = listOf('b_rand4k');
  translateAll(mmu, addresses);
  collect?.();
  const before = process.memoryUsage().heapUsed;
  for (let done = 0; done < 1e7; done += addresses.length) translateAll(mmu, addresses);
  collect?.();
  return process.memoryUsage().heapUsed - before;
}
