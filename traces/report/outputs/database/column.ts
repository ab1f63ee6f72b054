/**
 * What a column holds: whole numbers of 32 bits, of up to 53 bits (addresses, bytes), reals, truth values, or text. An `optional` one may
 * have nothing in a row; it costs more, so what fills fast has none.
 */
export type ColumnKind = 'int' | 'long' | 'real' | 'flag' | 'text';

export interface ColumnSpec {
  readonly kind: ColumnKind;
  readonly optional?: true;
  /** What it says, with its unit. */
  readonly meaning: string;
}

/** What a Parquet file calls a column, and how it is packed: what suits counters, addresses and times, found by trying. */
export interface ColumnLayout {
  readonly type: 'INT32' | 'INT64' | 'DOUBLE' | 'BOOLEAN' | 'BYTE_ARRAY';
  readonly converted_type?: 'UTF8';
  readonly encoding?: 'PLAIN' | 'DELTA_BINARY_PACKED';
}

export const COLUMN_LAYOUTS: Readonly<Record<ColumnKind, ColumnLayout>> = {
  int: { type: 'INT32', encoding: 'DELTA_BINARY_PACKED' },
  long: { type: 'INT64', encoding: 'PLAIN' },
  real: { type: 'DOUBLE', encoding: 'PLAIN' },
  flag: { type: 'BOOLEAN' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
};

/** Values of one column, of the row group that is being filled. */
export interface Column<V> {
  set(row: number, value: V): void;
  /** The first `rows` values, as the writer takes them. */
  values(rows: number): Int32Array | BigInt64Array | Float64Array | unknown[];
}

class IntColumn implements Column<number> {
  readonly #values: Int32Array;
  constructor(rows: number) {
    this.#values = new Int32Array(rows);
  }
  set(row: number, value: number): void {
    this.#values[row] = value;
  }
  values(rows: number): Int32Array {
    return this.#values.subarray(0, rows);
  }
}

/** Numbers of up to 53 bits are stored as two halves: no bigint is made where they come from. */
class LongColumn implements Column<number> {
  readonly #values: BigInt64Array<ArrayBuffer>;
  readonly #halves: Uint32Array;
  constructor(rows: number) {
    this.#values = new BigInt64Array(rows);
    this.#halves = new Uint32Array(this.#values.buffer);
  }
  set(row: number, value: number): void {
    this.#halves[2 * row] = value >>> 0;
    this.#halves[2 * row + 1] = Math.floor(value / 2 ** 32);
  }
  values(rows: number): BigInt64Array {
    return this.#values.subarray(0, rows);
  }
}

class RealColumn implements Column<number> {
  readonly #values: Float64Array;
  constructor(rows: number) {
    this.#values = new Float64Array(rows);
  }
  set(row: number, value: number): void {
    this.#values[row] = value;
  }
  values(rows: number): Float64Array {
    return this.#values.subarray(0, rows);
  }
}

/** Text, truth values, and whatever may be missing. */
class AnyColumn<V> implements Column<V> {
  readonly #values: unknown[] = [];
  readonly #stored: (value: V) => unknown;
  constructor(stored: (value: V) => unknown) {
    this.#stored = stored;
  }
  set(row: number, value: V): void {
    this.#values[row] = this.#stored(value);
  }
  values(rows: number): unknown[] {
    return this.#values.slice(0, rows);
  }
}

/** What a column takes, by what was declared of it. */
export type ColumnOf<S extends ColumnSpec> = Column<
  | (S['kind'] extends 'text' ? string : S['kind'] extends 'flag' ? boolean : number)
  | (S extends { readonly optional: true } ? null : never)
>;

/** A column for `rows` rows. */
export function makeColumn(spec: ColumnSpec, rows: number): Column<never> {
  const { kind, optional } = spec;
  if (kind === 'long' && optional) {
    return new AnyColumn<number | null>((value) => (value === null ? null : BigInt(value)));
  }
  if (kind === 'text' || kind === 'flag' || optional) return new AnyColumn((value) => value);
  if (kind === 'int') return new IntColumn(rows);
  return kind === 'long' ? new LongColumn(rows) : new RealColumn(rows);
}
