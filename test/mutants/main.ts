/**
 * `npm run mutants -- [PATH...] [--sample N] [--seed S] [--budget SECONDS] [--again] [--list]`: changes the product one small step at a time and runs
 * the tests that enter the changed block. A change that no test notices is a gap in the tests, or makes no difference (`accepted.ts`).
 * Nothing is written but two files in `dist/`: which test enters which block, and what lived.
 *
 * Stryker would be the tool of choice, but 10.1 wants Node 22, runs tests in threads, and changes modules in vitest's module runner, while
 * our tests leave the product's modules to Node (`test/native.mjs`).
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ACCEPTED } from './accepted.ts';
import { Coverage } from './coverage.ts';
import { Crew } from './crew.ts';
import { Graph } from './graph.ts';
import { type Mutant, mutantsOf, nameOf, sample } from './mutant.ts';
import { met, report } from './report.ts';
import { FLOORS, Trial, type Verdict } from './trial.ts';

/** Where tests reach the product by importing it. */
const TESTED = [...FLOORS, 'contract'];

const LIVED = 'dist/mutants-lived.json';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '150' },
    seed: { type: 'string', default: '1' },
    budget: { type: 'string', default: '20' },
    again: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run mutants -- [PATH...] [--sample N] [--seed S] [--budget SECONDS] [--again] [--list]

  PATH       files or folders of ${FLOORS.join(', ')} (default all)
  --sample   mutants per floor (default 150), chosen by seed
  --budget   seconds of tests that one mutant is worth (default 20), the nearest tests first
  --again    only those that lived in the runs before
  --list     print the mutants, try none
`;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.endsWith('.d.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();
}

const size = Number(values.sample);
const seed = Number(values.seed);
const budget = Number(values.budget);
const paths = positionals.map((path) => path.replace(/\/$/, ''));
const product = FLOORS.flatMap((floor) => filesIn(floor, '.ts'));
const within = (file: string, path: string): boolean => file === path || file.startsWith(`${path}/`);
const unknown = paths.find((path) => !product.some((file) => within(file, path)));
if (values.help || unknown !== undefined || !(size > 0) || !(budget > 0) || !Number.isSafeInteger(seed)) {
  say(unknown === undefined ? HELP : `no file of the product is ${unknown}\n\n${HELP}`);
  process.exitCode = values.help ? 0 : 2;
} else {
  const all = product
    .filter((file) => paths.length === 0 || paths.some((path) => within(file, path)))
    .flatMap((file) => mutantsOf(file));
  const lived = readLived();
  const drawn = values.again ? all.filter((mutant) => lived.has(nameOf(mutant))) : all;
  const chosen = FLOORS.flatMap((floor) =>
    sample(
      drawn.filter(({ file }) => within(file, floor)),
      size,
      seed,
    ),
  );
  if (values.list) for (const { file, line, change } of chosen) say(`${file}:${line}  ${change}`);
  else await tryAll(chosen, all);
}

async function tryAll(chosen: readonly Mutant[], all: readonly Mutant[]): Promise<void> {
  const crew = new Crew();
  const verdicts: Verdict[] = [];
  const finish = (): void => {
    crew.end();
    writeLived(verdicts);
    for (const line of report(verdicts, all, ACCEPTED)) say(line);
    process.exitCode = met(verdicts, all, ACCEPTED) ? 0 : 1;
  };
  process.once('SIGINT', () => {
    finish();
    process.exit(130);
  });
  process.once('SIGTERM', () => {
    crew.end();
    process.exit(143);
  });
  const tests = TESTED.flatMap((folder) => filesIn(`test/${folder}`, '.test.ts'));
  const graph = await Graph.of(tests);
  const trial = new Trial(graph, crew, new Coverage(graph, crew, say), budget * 1000);
  try {
    for (const [index, mutant] of chosen.entries()) {
      const verdict = await trial.try(mutant);
      verdicts.push(verdict);
      const { fate, by, ms } = verdict;
      const told = `${mutant.file}:${mutant.line}  ${mutant.change}  ${fate}${by === '' ? '' : ` by ${by}`}`;
      say(`${index + 1}/${chosen.length} ${told} (${(ms / 1000).toFixed(1)} s)`);
    }
  } finally {
    finish();
  }
}

/** The names of the mutants that lived when they were tried last. */
function readLived(): Set<string> {
  try {
    return new Set(JSON.parse(readFileSync(LIVED, 'utf8')) as string[]);
  } catch {
    return new Set();
  }
}

function writeLived(verdicts: readonly Verdict[]): void {
  const lived = readLived();
  for (const { mutant, fate } of verdicts) {
    if (fate === 'killed') lived.delete(nameOf(mutant));
    else lived.add(nameOf(mutant));
  }
  mkdirSync('dist', { recursive: true });
  writeFileSync(LIVED, JSON.stringify([...lived], null, 1));
}
