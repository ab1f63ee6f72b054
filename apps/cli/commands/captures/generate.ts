/** `tablewalk generate`: captures of declared workloads, for tools to be tried on. */
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import { type GpuCaptureInput, generateGpuCapture, WholeFile } from '../../../../traces/index.ts';

/** Options of `generate gpu` that are whole numbers or shares: name, field, what it is. */
const NUMBERS = [
  ['frames', 'frames', 'frames to draw (default: 60)'],
  ['rate', 'rate', 'frames a second (default: 60)'],
  ['spaces', 'spaces', 'applications, each with an address space (default: 2)'],
  ['width', 'width', 'pixels of the picture (default: 1920)'],
  ['height', 'height', 'rows of the picture (default: 1080)'],
  ['frames-in-flight', 'framesInFlight', 'frames that the CPU may be ahead (default: 2)'],
  ['frame-buffers', 'frameBuffers', 'buffers that each frame maps and gives back (default: 12)'],
  ['textures', 'textures', 'textures of each application (default: 96)'],
  ['sparse-tiles', 'sparseTiles', 'tiles of 64 KiB that each frame makes resident (default: 6)'],
  ['heap-chunks', 'heapChunks', 'most chunks of 2 MiB of the tiler heap (default: 16)'],
  ['resident', 'residentMiB', 'MiB of textures before the oldest are unmapped (default: 48)'],
  ['huge-share', 'hugeShare', 'share of memory in 2 MiB pages, 0 to 1 (default: 0.5)'],
  ['seed', 'seed', 'seed of every choice by chance (default: 1)'],
] as const satisfies readonly (readonly [string, keyof GpuCaptureInput, string])[];

interface GpuFlags extends Readonly<Record<string, string | undefined>> {
  readonly output?: string;
}

export function register(program: Command): void {
  const generate = program.command('generate').description('Write a synthetic capture of a declared workload.');
  const gpu = generate
    .command('gpu')
    .description(
      'Mappings of a GPU as panthor logs them: per-frame buffers, textures under memory pressure, sparse residency, a growing heap.',
    );
  for (const [option, , about] of NUMBERS) gpu.option(`--${option} <n>`, about);
  gpu
    .option('-o, --output <file>', 'where the capture goes (default: standard output)')
    .addHelpText(
      'after',
      '\nThe capture is synthetic, and says so: it measures nothing. The same options give the same bytes.\n\nExit code: 0 written, 2 a wrong option.',
    )
    .action(generateGpu);
}

function generateGpu(flags: GpuFlags): void {
  const input: Record<string, number> = {};
  for (const [option, field] of NUMBERS) {
    const text = flags[option.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    if (text === undefined) continue;
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isNaN(value)) throw new ConfigError(`--${option}`, text, 'a number');
    input[field] = value;
  }
  if (flags.output === undefined) {
    generateGpuCapture(input, (line) => process.stdout.write(line));
    return;
  }
  const file = new WholeFile('--output', flags.output);
  try {
    const { maps, unmaps, evictions } = generateGpuCapture(input, (line) => file.write(line));
    file.commit();
    process.stdout.write(
      `${flags.output}: synthetic capture, ${maps} maps, ${unmaps} unmaps, ${evictions} textures evicted\n`,
    );
  } finally {
    file.abandon();
  }
}
