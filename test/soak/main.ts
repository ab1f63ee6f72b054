/**
 * `npm run soak -- [TARGET...] [--minutes N] [--seed S] [--input FILE]`: random inputs for everything that takes input, as long as one
 * likes. A finding is made small and saved; `--input` tries a saved one again.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failure, soak } from './soak.ts';
import type { Parts, Target } from './target.ts';
import { TARGETS } from './targets/index.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
    folder: { type: 'string' },
    help: { type: 'boolean' },
  },
});

/** Room for the longest name and a gap. */
const NAME_WIDTH = Math.max(...TARGETS.map(({ name }) => name.length)) + 2;

const HELP = `npm run soak -- [TARGET...] [--minutes N] [--seed S] [--folder DIR]   random inputs for N minutes per target (default 1)
npm run soak -- TARGET --input FILE                                  one saved input again

Targets (default all):
${TARGETS.map(({ name, about }) => `  ${name.padEnd(NAME_WIDTH)}${about}`).join('\n')}
`;

const chosen = positionals.length === 0 ? TARGETS : TARGETS.filter(({ name }) => positionals.includes(name));
const unknown = positionals.find((name) => !TARGETS.some((one) => one.name === name));
const minutes = Number(values.minutes);
const first = Number(values.seed);
if (values.help === true || unknown !== undefined || !(minutes > 0) || !Number.isSafeInteger(first)) {
  process.stdout.write(unknown === undefined ? HELP : `no target ${unknown}\n\n${HELP}`);
  process.exitCode = values.help === true ? 0 : 2;
} else if (values.input === undefined) {
  await soakAll();
} else {
  const [target] = chosen;
  if (target !== undefined) await again(target, values.input);
}

async function soakAll(): Promise<void> {
  let folder = values.folder ?? '';
  let found = 0;
  for (const target of chosen) {
    const start = Date.now();
    const end = start + minutes * 60_000;
    const { tried, findings } = await soak(target, first, (_, sofar) => Date.now() < end && sofar < 10);
    const seconds = ((Date.now() - start) / 1000).toFixed(0);
    process.stdout.write(
      `${target.name.padEnd(NAME_WIDTH)}${tried.toLocaleString('en').padStart(12)} inputs${seconds.padStart(6)} s  ${findings.length} findings, seeds ${first} to ${first + tried - 1}\n`,
    );
    found += findings.length;
    for (const { seed, parts, what } of findings) {
      if (folder === '') folder = mkdtempSync(join(tmpdir(), 'tablewalk-soak-'));
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `${target.name}-${seed}`);
      writeFileSync(file, saved(parts));
      process.stdout.write(
        `  seed ${seed}: ${what.split('\n').join('\n    ')}\n    ${parts.length} parts left; again: npm run soak -- ${target.name} --input ${file}\n`,
      );
    }
  }
  process.exitCode = found === 0 ? 0 : 1;
}

/** Bytes as they are, everything else as JSON. */
function saved(parts: Parts): Uint8Array | string {
  return parts instanceof Uint8Array ? parts : JSON.stringify({ soak: parts });
}

async function again(target: Target, file: string): Promise<void> {
  const bytes = new Uint8Array(readFileSync(file));
  const text = new TextDecoder().decode(bytes);
  const parts: Parts = text.startsWith('{"soak":') ? (JSON.parse(text) as { soak: unknown[] }).soak : bytes;
  const what = await failure(target, parts);
  process.stdout.write(what === '' ? 'nothing found\n' : `${what}\n`);
  process.exitCode = what === '' ? 0 : 1;
}
