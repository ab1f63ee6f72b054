/** Databases of a run: written as Parquet or DuckDB files, and asked in SQL. */
export { DatabaseOutput } from './output.ts';
export { Database, type SqlCell, type SqlResult } from './query.ts';
