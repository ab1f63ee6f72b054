import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fittingTables } from '../../../apps/cli/terminal/index.ts';

/** Cells of a printed table, line by line. */
const cellsOf = (table: string): string[][] =>
  table
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) => line.split('│').slice(1, -1))
    .map((cells) => cells.map((cell) => stripVTControlCharacters(cell).trim()));

describe('tables that fit', () => {
  it('keep every cell once, each beside the name of its row, in lines that are no wider than asked', () => {
    const cell = fc.integer({ min: 0, max: 1e9 }).map((value) => value.toLocaleString('en'));
    const shape = fc.record({
      rows: fc.array(fc.array(cell, { minLength: 7, maxLength: 7 }), { minLength: 1, maxLength: 4 }),
      columns: fc.integer({ min: 1, max: 7 }),
      most: fc.integer({ min: 30, max: 120 }),
    });
    fc.assert(
      fc.property(shape, ({ rows, columns, most }) => {
        const head = ['name', ...Array.from({ length: columns }, (_, at) => `run ${at}`)];
        const body = rows.map((row, at) => [`row ${at}`, ...row.slice(0, columns)]);
        const tables = fittingTables(head, body, most).map(cellsOf);
        for (const lines of fittingTables(head, body, most).flatMap((table) => table.split('\n'))) {
          expect(lines.length).toBeLessThanOrEqual(most);
        }
        const joined = [head, ...body].map(([name = ''], at) => [
          name,
          ...tables.flatMap((one) => one[at]?.slice(1) ?? []),
        ]);
        expect(joined).toEqual([head, ...body]);
        for (const one of tables) expect(one.map(([name]) => name)).toEqual([head, ...body].map(([name]) => name));
      }),
      { numRuns: 50 },
    );
  });

  it('count what is seen, not codes of colour, and are one where everything fits', () => {
    const green = '\u001B[32m12 *\u001B[39m';
    expect(fittingTables(['', 'a', 'b'], [['x', green, green]], 20)).toHaveLength(1);
    expect(fittingTables(['', 'a', 'b'], [['x', green, green]], Number.POSITIVE_INFINITY)).toHaveLength(1);
    expect(fittingTables(['', 'a', 'b'], [['x', green, green]], 17)).toHaveLength(2);
  });

  it('repeat all names of a row where there is room beside them, and only the first where there is not', () => {
    const head = ['run', 'allocator', 'slots', 'reads', 'walks'];
    const rows = [['r1', 'pool', '16', '1,234', '5,678']];
    expect(fittingTables(head, rows, 40, 3).map(cellsOf)).toEqual([
      [
        ['run', 'allocator', 'slots', 'reads'],
        ['r1', 'pool', '16', '1,234'],
      ],
      [
        ['run', 'walks'],
        ['r1', '5,678'],
      ],
    ]);
    expect(fittingTables(head, rows, 60, 2).map(cellsOf)[0]?.[0]).toEqual(head);
    expect(fittingTables(head, rows, 41, 2).map((table) => cellsOf(table)[0])).toEqual([
      ['run', 'allocator', 'slots', 'reads'],
      ['run', 'allocator', 'walks'],
    ]);
  });
});
