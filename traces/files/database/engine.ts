import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../../../formats/index.ts';

/** The package of the engine: large, native, and needed by few, so that it is installed by whoever wants it. */
const PACKAGE = '@duckdb/node-api';

/** Left to itself the engine downloads an extension that a query seems to want: this program asks the network for nothing. */
const OFFLINE = { autoinstall_known_extensions: 'false' };

/** What is used of the engine. */
interface Engine {
  readonly DuckDBInstance: {
    create(path: string, options?: Readonly<Record<string, string>>): Promise<EngineInstance>;
  };
}

export interface EngineInstance {
  connect(): Promise<EngineConnection>;
  closeSync(): void;
}

export interface EngineConnection {
  run(sql: string): Promise<unknown>;
  stream(sql: string): Promise<EngineResult>;
  closeSync(): void;
}

export interface EngineResult {
  deduplicatedColumnNames(): string[];
  /** Rows as plain values, a chunk at a time. */
  yieldRowsJs(): AsyncIterableIterator<unknown[][]>;
}

/**
 * Where the engine is: beside this program, or in the folder that it is started in.
 * @param option what needs it, for the error
 * @throws ConfigError that says how to get it
 */
export function findEngine(option: string): string {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    try {
      return createRequire(from).resolve(PACKAGE);
    } catch {
      // The other place may have it.
    }
  }
  throw new ConfigError(option, 'no DuckDB', `DuckDB, here or beside tablewalk: npm install ${PACKAGE}`);
}

/** Opens a database file, or one in memory. @throws ConfigError without the engine; whatever the engine says */
export async function openEngine(
  option: string,
  path = ':memory:',
  options: Readonly<Record<string, string>> = {},
): Promise<EngineInstance> {
  const place = findEngine(option);
  // A package of the older module form: its exports are in `default` where Node cannot tell their names.
  const loaded = (await import(pathToFileURL(place).href)) as Partial<Engine> & { readonly default?: Engine };
  const engine = loaded.DuckDBInstance ?? loaded.default?.DuckDBInstance;
  if (engine === undefined) throw new ConfigError(option, 'a broken DuckDB', `a whole one: npm install ${PACKAGE}`);
  return engine.create(path, { ...OFFLINE, ...options });
}

/** Text as SQL writes it. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** What the engine has to say, in one line. */
export function engineReason(error: unknown): string {
  const { message } = error as Error;
  // What follows the first line shows the query with a caret.
  return (message ?? String(error)).split('\n')[0] ?? '';
}
