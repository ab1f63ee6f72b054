import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InputError } from '../../input-error.ts';
import { DATABASE_TABLE_NAMES, DATABASE_VIEWS } from '../../report/index.ts';
import { reasonOf } from '../whole-file.ts';
import { type EngineConnection, type EngineInstance, engineReason, openEngine, sqlText } from './engine.ts';

/** What a query can answer with, in a cell: whole numbers beyond 53 bits are bigints, and what is no plain value is text. */
export type SqlCell = string | number | bigint | boolean | null;

export interface SqlResult {
  readonly columns: readonly string[];
  /** Rows, some at a time: a result may be larger than memory. @throws InputError for what goes wrong on the way */
  rows(): AsyncGenerator<readonly (readonly SqlCell[])[]>;
}

const ALLOWED = 'a folder or a .duckdb file that --db wrote, or a Parquet file';

/**
 * A database that `--db` wrote, open for queries; nothing in it changes.
 *
 *     const database = await Database.open('run.duckdb');
 *     const { columns, rows } = await database.query('select count(*) from operations');
 *     database.close();
 */
export class Database {
  readonly #path: string;
  readonly #instance: EngineInstance;
  readonly #connection: EngineConnection;

  private constructor(path: string, instance: EngineInstance, connection: EngineConnection) {
    this.#path = path;
    this.#instance = instance;
    this.#connection = connection;
  }

  /** @throws InputError for what is no database, ConfigError without the engine */
  static async open(path: string): Promise<Database> {
    const form = formOf(path);
    let instance: EngineInstance;
    try {
      instance =
        form === 'file' ? await openEngine('sql', path, { access_mode: 'READ_ONLY' }) : await openEngine('sql');
    } catch (error) {
      if (form !== 'file' || (error as Error).name === 'ConfigError') throw error;
      throw new InputError(path, '', engineReason(error), ALLOWED);
    }
    const database = new Database(path, instance, await instance.connect());
    if (form === 'parquet') await database.#view(viewName(path), path);
    if (form === 'folder') await database.#viewFolder();
    return database;
  }

  /** @throws InputError with what the engine says of the query */
  async query(sql: string): Promise<SqlResult> {
    try {
      const result = await this.#connection.stream(sql);
      const columns = result.deduplicatedColumnNames();
      return { columns, rows: () => this.#rows(result.yieldRowsJs()) };
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  async *#rows(chunks: AsyncIterable<unknown[][]>): AsyncGenerator<SqlCell[][]> {
    try {
      for await (const chunk of chunks) yield chunk.map((row) => row.map(cellOf));
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  async #viewFolder(): Promise<void> {
    for (const table of DATABASE_TABLE_NAMES) await this.#view(table, join(this.#path, `${table}.parquet`));
    for (const { name, sql } of DATABASE_VIEWS) await this.#connection.run(`create view "${name}" as ${sql}`);
  }

  async #view(name: string, path: string): Promise<void> {
    try {
      await this.#connection.run(`create view "${name}" as from read_parquet(${sqlText(path)})`);
    } catch (error) {
      this.close();
      throw new InputError(path, '', engineReason(error), ALLOWED);
    }
  }

  #refusal(error: unknown): InputError {
    return new InputError(this.#path, '', engineReason(error), "a query of DuckDB's SQL");
  }
}

type Form = 'folder' | 'file' | 'parquet';

/** By content: a folder with our tables, or what the first bytes of a file say. */
function formOf(path: string): Form {
  let start: string;
  try {
    if (statSync(path).isDirectory()) {
      if (existsSync(join(path, 'operations.parquet'))) return 'folder';
      throw new InputError(path, '', 'a folder without operations.parquet', ALLOWED);
    }
    const bytes = Buffer.alloc(12);
    const file = openSync(path, 'r');
    readSync(file, bytes);
    closeSync(file);
    start = bytes.toString('latin1');
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(path, '', reasonOf(error), ALLOWED);
  }
  if (start.startsWith('PAR1')) return 'parquet';
  // A DuckDB file has a checksum before its name.
  if (start.slice(8) === 'DUCK') return 'file';
  throw new InputError(path, '', 'something else', ALLOWED);
}

/** A single Parquet file is queried under its own name. */
function viewName(path: string): string {
  return basename(path, '.parquet').replaceAll('"', '');
}

function cellOf(value: unknown): SqlCell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  if (value instanceof Date) return value.toISOString();
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
}
