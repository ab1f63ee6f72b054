import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Coverage, WHOLE_FILE } from './coverage.ts';
import type { Crew } from './crew.ts';
import type { Graph } from './graph.ts';
import { type Mutant, mutated } from './mutant.ts';

export interface Verdict {
  readonly mutant: Mutant;
  /** Not reached: no test that was looked at enters the block. */
  readonly fate: 'killed' | 'survived' | 'not reached';
  /** What killed it: a test, a time limit, the end of the process. */
  readonly by: string;
  readonly ms: number;
}

/** From the lowest up. */
export const FLOORS = ['formats', 'emulator', 'devices', 'traces'];

/** Tries mutants against the tests that enter their blocks. */
export class Trial {
  readonly #graph: Graph;
  readonly #crew: Crew;
  readonly #coverage: Coverage;
  readonly #budget: number;

  /** @param budget milliseconds of tests, as they take without a mutant, that one mutant is worth. */
  constructor(graph: Graph, crew: Crew, coverage: Coverage, budget: number) {
    this.#graph = graph;
    this.#crew = crew;
    this.#coverage = coverage;
    this.#budget = budget;
  }

  async try(mutant: Mutant): Promise<Verdict> {
    const path = resolve(mutant.file);
    const stale = [...this.#graph.importers(mutant.file)].map((file) => resolve(file));
    const texts = { [path]: mutated(readFileSync(mutant.file, 'utf8'), mutant) };
    let left = this.#budget;
    let reached = false;
    let spent = 0;
    for (const ring of this.#rings(mutant)) {
      const usual = new Map<string, number>();
      const tests: { file: string; broken: readonly string[] }[] = [];
      for (const test of ring) {
        const { ms, broken, entered } = await this.#coverage.of(test);
        // What stands in no block runs when its module is loaded.
        if (broken.includes(WHOLE_FILE) || (mutant.block >= 0 && entered[mutant.file]?.includes(mutant.block) !== true))
          continue;
        usual.set(resolve(test), ms);
        tests.push({ file: resolve(test), broken });
      }
      tests.sort((a, b) => (usual.get(a.file) ?? 0) - (usual.get(b.file) ?? 0));
      // The first test runs whatever it costs.
      const chosen = tests.filter(({ file }, index) => {
        const ms = usual.get(file) ?? 0;
        if (ms > left && (reached || index > 0)) return false;
        left -= ms;
        return true;
      });
      if (chosen.length === 0) continue;
      reached = true;
      const limit = (test: string): number => 8_000 + 4 * (usual.get(test) ?? 0);
      const { how, file, failed, ms } = await this.#crew.run({ stale, texts, tests: chosen }, limit);
      spent += ms;
      if (how === 'passed') continue;
      const where = file.slice(process.cwd().length + 1);
      return { mutant, fate: 'killed', by: `${where}: ${how === 'failed' ? failed[0] : how}`, ms: spent };
    }
    return { mutant, fate: reached ? 'survived' : 'not reached', by: '', ms: spent };
  }

  /** The tests that import the file: those of its room, of the room around it, of its floor, of the floor above. */
  #rings({ file }: Mutant): string[][] {
    const room = `test/${dirname(file)}/`;
    const around = `${dirname(room)}/`;
    const floor = file.slice(0, file.indexOf('/'));
    const above = FLOORS[FLOORS.indexOf(floor) + 1] ?? floor;
    const rings = [
      [room],
      around === 'test/' ? [] : [around],
      [`test/${floor}/`],
      [`test/${above}/`, 'test/contract/'],
    ];
    const left = new Set([...this.#graph.importers(file)].filter((one) => one.endsWith('.test.ts')).sort());
    return rings.map((folders) => {
      const ring = [...left].filter((test) => folders.some((folder) => test.startsWith(folder)));
      for (const test of ring) left.delete(test);
      return ring;
    });
  }
}
