import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigError } from '../../../formats/index.ts';
import {
  DATABASE_TABLE_NAMES,
  DATABASE_TABLES,
  DATABASE_VIEWS,
  type DatabaseTable,
  type ParquetSink,
} from '../../report/index.ts';
import { makeFolder } from '../folder.ts';
import { finished, removeUnlessFinished } from '../unfinished.ts';
import { checkOutput, reasonOf, WholeFile } from '../whole-file.ts';
import { engineReason, findEngine, openEngine, sqlText } from './engine.ts';

/** Pages are packed quickly rather than well: a run shall not wait for it. */
const GZIP = { level: 1 } as const;

const ALLOWED = 'a folder for Parquet files, or a file that ends in .duckdb';
/** A folder that is called like this is hardly what was meant. */
const OTHER_FORMS = /\.(?:db|sqlite3?|parquet|csv|json|sql)$/i;

/**
 * A database where an option says: a folder of Parquet files, one for each table, or with a name that ends in `.duckdb` one DuckDB file with
 * tables, views and comments. Files are written while rows come and put in place when all are whole.
 */
export class DatabaseOutput {
  readonly #option: string;
  readonly #path: string;
  readonly #inputs: readonly string[];
  /** Where the Parquet files are written. */
  readonly #folder: string;
  readonly #isFile: boolean;
  readonly #files: WholeFile[] = [];

  /** @throws ConfigError for a place that cannot be written, or without the engine that a `.duckdb` needs */
  constructor(option: string, path: string, inputs: readonly string[] = []) {
    this.#option = option;
    this.#path = path;
    this.#inputs = inputs;
    this.#isFile = path.endsWith('.duckdb');
    if (path === '-') throw new ConfigError(option, path, ALLOWED);
    if (this.#isFile) {
      checkOutput(option, path, inputs);
      findEngine(option);
      this.#folder = this.#made(() => mkdtempSync(join(dirname(path), `.${basename(path)}.`)));
      removeUnlessFinished(this.#folder);
    } else {
      if (OTHER_FORMS.test(path)) throw new ConfigError(option, path, ALLOWED);
      makeFolder(option, path);
      this.#folder = path;
    }
  }

  /** Where the file of a table goes. */
  sink(table: DatabaseTable): ParquetSink {
    const file = new WholeFile(this.#option, join(this.#folder, `${table}.parquet`), this.#inputs);
    this.#files.push(file);
    return { write: (bytes) => file.write(bytes), gzip: (bytes) => gzipSync(bytes, GZIP) };
  }

  /** All tables are whole: puts the database in its place. @throws ConfigError if that cannot be done */
  async commit(): Promise<void> {
    for (const file of this.#files) file.commit();
    if (this.#isFile) await this.#load();
    this.abandon();
  }

  /** Removes what is not in its place yet. */
  abandon(): void {
    for (const file of this.#files) file.abandon();
    if (this.#isFile && finished(this.#folder)) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Makes one file of the Parquet files. */
  async #load(): Promise<void> {
    const written = join(this.#folder, 'whole.duckdb');
    try {
      const instance = await openEngine(this.#option, written);
      const connection = await instance.connect();
      // One transaction: each of its own would wait for the disk.
      await connection.run('begin');
      for (const table of DATABASE_TABLE_NAMES) {
        const source = sqlText(join(this.#folder, `${table}.parquet`));
        await connection.run(`create table "${table}" as from read_parquet(${source})`);
        for (const [column, { meaning }] of Object.entries(DATABASE_TABLES[table])) {
          await connection.run(`comment on column "${table}"."${column}" is ${sqlText(meaning)}`);
        }
      }
      for (const { name, sql, meaning } of DATABASE_VIEWS) {
        await connection.run(`create view "${name}" as ${sql}`);
        await connection.run(`comment on view "${name}" is ${sqlText(meaning)}`);
      }
      await connection.run('commit');
      await connection.run('checkpoint');
      connection.closeSync();
      instance.closeSync();
    } catch (error) {
      this.abandon();
      if (error instanceof ConfigError) throw error;
      throw new ConfigError(this.#option, this.#path, `a file that can be written (${engineReason(error)})`);
    }
    this.#made(() => renameSync(written, this.#path));
  }

  #made<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new ConfigError(this.#option, this.#path, `a file that can be written (${reasonOf(error)})`);
    }
  }
}
