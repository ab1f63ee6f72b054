import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { COLUMN_LAYOUTS, type Column, type ColumnOf, type ColumnSpec, makeColumn } from './column.ts';

/** The columns of a table by name, in order. */
export type TableSpec = Readonly<Record<string, ColumnSpec>>;

/** Rows that are gathered before they are written: a row group of the file. */
const ROWS = 65_536;

/** Where a table goes, and what packs its pages. */
export interface ParquetSink {
  readonly write: (bytes: Uint8Array) => void;
  /** RFC 1952; pages are stored as they are without it. */
  readonly gzip?: (bytes: Uint8Array) => Uint8Array;
}

/**
 * One table as a Parquet file, written group by group while rows come, so that memory holds one group at most:
 *
 *     const table = new ParquetTable(OPERATIONS, sink);
 *     const row = table.row();
 *     table.columns.iova.set(row, iova);
 *     table.end();
 */
export class ParquetTable<S extends TableSpec> {
  readonly columns: { readonly [K in keyof S]: ColumnOf<S[K]> };
  /** Rows so far. */
  count = 0;
  readonly #list: readonly { readonly name: string; readonly spec: ColumnSpec; readonly column: Column<never> }[];
  readonly #bytes = new ByteWriter(2 ** 20);
  readonly #sink: ParquetSink;
  readonly #writer: ParquetWriter;
  #row = 0;

  constructor(spec: S, sink: ParquetSink) {
    this.#list = Object.entries(spec).map(([name, one]) => ({ name, spec: one, column: makeColumn(one, ROWS) }));
    this.columns = Object.fromEntries(this.#list.map(({ name, column }) => [name, column])) as unknown as {
      readonly [K in keyof S]: ColumnOf<S[K]>;
    };
    this.#sink = sink;
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      createdBy: 'tablewalk',
      codec: sink.gzip === undefined ? 'UNCOMPRESSED' : 'GZIP',
      // Bounds of pages cost more than all the rest, and nobody looks for a single row.
      statistics: false,
      ...(sink.gzip === undefined ? {} : { compressors: { GZIP: sink.gzip } }),
      schema: [
        { name: 'root', num_children: this.#list.length },
        ...this.#list.map(({ name, spec: one }) => {
          const { encoding: _encoding, ...element } = COLUMN_LAYOUTS[one.kind];
          return { name, ...element, repetition_type: one.optional ? ('OPTIONAL' as const) : ('REQUIRED' as const) };
        }),
      ],
    });
  }

  /** Begins a row. @returns its place in the columns, every one of which must be set */
  row(): number {
    if (this.#row === ROWS) this.#flush();
    this.count++;
    return this.#row++;
  }

  /** Writes what is left; the file is whole then. */
  end(): void {
    if (this.#row > 0) this.#flush();
    this.#writer.finish();
    this.#hand();
  }

  #flush(): void {
    const rows = this.#row;
    this.#row = 0;
    this.#writer.write({
      columnData: this.#list.map(({ name, spec, column }) => {
        const { encoding } = COLUMN_LAYOUTS[spec.kind];
        return {
          name,
          data: column.values(rows),
          offsetIndex: false,
          // Only text gains from a dictionary.
          ...(encoding === undefined ? {} : { encoding }),
        };
      }),
      rowGroupSize: ROWS,
    });
    this.#hand();
  }

  /** Hands out what the writer holds. */
  #hand(): void {
    this.#sink.write(this.#bytes.getBytes());
    this.#bytes.index = 0;
  }
}
