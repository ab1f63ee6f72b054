import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Crew } from './crew.ts';
import type { Graph } from './graph.ts';
import { blocks, noting, parse } from './syntax.ts';

/** What one test file does with the product as it is. */
export interface Measured {
  /** Of the test file and all that it imports. */
  readonly hash: string;
  readonly ms: number;
  /** Tests that fail here though the product is right: they need vitest's own process. */
  readonly broken: readonly string[];
  /** Blocks that are entered, by file. */
  readonly entered: Readonly<Record<string, readonly number[]>>;
}

/** What stands in `broken` when no test of the file can be used. */
export const WHOLE_FILE = 'the file';
/** Test files that take longer are not used. */
const SLOW = 180_000;
/** Made once; a test file is measured again when it, or something that it imports, changes. */
const KEPT = 'dist/mutants-coverage.json';

/** Which test enters which block of the product, and how long it takes; measured when it is asked for. */
export class Coverage {
  readonly #graph: Graph;
  readonly #crew: Crew;
  readonly #say: (line: string) => void;
  readonly #known = new Map<string, Measured>(Object.entries(read()));
  readonly #checked = new Set<string>();
  readonly #texts = new Map<string, string>();
  /** The product's files with a note in every block, and the number of each file's first block. */
  readonly #noted = new Map<string, string>();
  readonly #first = new Map<string, number>();
  #blocks = 0;

  constructor(graph: Graph, crew: Crew, say: (line: string) => void) {
    this.#graph = graph;
    this.#crew = crew;
    this.#say = say;
    for (const file of graph.files) this.#texts.set(file, readFileSync(file, 'utf8'));
  }

  async of(test: string): Promise<Measured> {
    const known = this.#known.get(test);
    if (known !== undefined && this.#checked.has(test)) return known;
    const hash = createHash('sha256');
    for (const file of [...this.#graph.reached(test)].sort()) hash.update(this.#texts.get(file) ?? '');
    const digest = hash.digest('hex');
    const now = known?.hash === digest ? known : await this.#measure(test, digest);
    this.#known.set(test, now);
    this.#checked.add(test);
    if (now !== known) write(this.#known);
    return now;
  }

  async #measure(test: string, hash: string): Promise<Measured> {
    if (this.#noted.size === 0) this.#note();
    const stale = [...this.#graph.reached(test)];
    const texts: Record<string, string> = {};
    for (const file of stale) {
      const text = this.#noted.get(file);
      if (text !== undefined) texts[resolve(file)] = text;
    }
    const job = {
      stale: stale.map((file) => resolve(file)),
      texts,
      tests: [{ file: resolve(test), broken: [] }],
      blocks: this.#blocks,
    };
    const { how, failed, ms, entered } = await this.#crew.run(job, () => SLOW);
    const broken = how === 'passed' || how === 'failed' ? failed : [WHOLE_FILE];
    const told = broken.length === 0 ? '' : `, not used: ${how === 'timeout' ? 'it is slow' : broken.join('; ')}`;
    this.#say(`measured ${test}: ${(ms / 1000).toFixed(1)} s${told}`);
    return { hash, ms, broken, entered: byFile(entered, this.#first) };
  }

  #note(): void {
    for (const [file, text] of this.#texts) {
      if (file.startsWith('test/')) continue;
      this.#noted.set(file, noting(text, this.#blocks));
      const count = blocks(parse(text), text).length;
      if (count > 0) this.#first.set(file, this.#blocks);
      this.#blocks += count;
    }
  }
}

function byFile(entered: readonly number[], first: ReadonlyMap<string, number>): Record<string, number[]> {
  const starts = [...first].sort(([, a], [, b]) => b - a);
  const found: Record<string, number[]> = {};
  for (const index of entered) {
    const [file, from] = starts.find(([, start]) => start <= index) ?? ['', 0];
    found[file] ??= [];
    found[file]?.push(index - from);
  }
  return found;
}

function read(): Record<string, Measured> {
  try {
    return JSON.parse(readFileSync(KEPT, 'utf8')) as Record<string, Measured>;
  } catch {
    return {};
  }
}

function write(known: ReadonlyMap<string, Measured>): void {
  mkdirSync(dirname(KEPT), { recursive: true });
  writeFileSync(KEPT, JSON.stringify(Object.fromEntries(known)));
}
