/** A run as a database of tables, in Parquet. */
export type { ParquetSink } from './parquet-table.ts';
export { READY_QUERIES, type ReadyQuery } from './ready-queries.ts';
export { type DatabaseOptions, DatabaseRecorder } from './recorder.ts';
export { DATABASE_SCHEMA, DATABASE_TABLE_NAMES, DATABASE_TABLES, type DatabaseTable } from './tables.ts';
export { DATABASE_VIEWS, type DatabaseView } from './views.ts';
