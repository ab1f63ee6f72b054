import { build } from 'esbuild';

/** Who imports whom, of all that the given files reach. Paths are relative to the project. */
export class Graph {
  readonly #imports = new Map<string, string[]>();

  static async of(entries: readonly string[]): Promise<Graph> {
    const { metafile } = await build({
      stdin: { contents: entries.map((file) => `import './${file}';`).join('\n'), resolveDir: process.cwd() },
      bundle: true,
      write: false,
      metafile: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    });
    const graph = new Graph();
    for (const [file, { imports }] of Object.entries(metafile.inputs)) {
      if (file === '<stdin>') continue;
      graph.#imports.set(
        file,
        imports.filter(({ external }) => external !== true).map(({ path }) => path),
      );
    }
    return graph;
  }

  get files(): string[] {
    return [...this.#imports.keys()];
  }

  /** The file and all that it imports, directly or not. */
  reached(file: string): Set<string> {
    return this.#from(file, (one) => this.#imports.get(one) ?? []);
  }

  /** The file and all that import it, directly or not. */
  importers(file: string): Set<string> {
    const of = new Map<string, string[]>();
    for (const [one, imports] of this.#imports) for (const to of imports) of.set(to, [...(of.get(to) ?? []), one]);
    return this.#from(file, (one) => of.get(one) ?? []);
  }

  #from(file: string, next: (file: string) => readonly string[]): Set<string> {
    const seen = new Set([file]);
    for (const one of seen) for (const other of next(one)) seen.add(other);
    return seen;
  }
}
