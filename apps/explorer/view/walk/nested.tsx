import type { TranslationEvent } from '../../../../traces/browser.ts';
import { currentStep, events, walkTo } from '../store.ts';

interface Cell {
  /** Number of the read, from 1. */
  readonly order: number;
  readonly event: number;
  readonly stage: number;
  readonly level: number;
  readonly fault: boolean;
}

interface Row {
  readonly title: string;
  readonly cells: readonly Cell[];
}

/**
 * A nested walk as the grid that it is: a row for every address that stage 2 translates, its reads from left to right, and at the end the
 * descriptor of stage 1 that was read there.
 */
export function NestedGrid() {
  const rows = rowsOf(events.value);
  const widest = Math.max(5, ...rows.map(({ cells }) => cells.filter(({ stage }) => stage === 2).length + 1));
  if (rows.length === 0) return null;
  return (
    <table class="grid" aria-label="Reads of the nested walk, in order">
      <thead>
        <tr>
          <th scope="col">for</th>
          {Array.from({ length: widest - 1 }, (_, at) => (
            <th scope="col" key={at}>
              S2
            </th>
          ))}
          <th scope="col">S1</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ title, cells }, at) => {
          const second = cells.filter(({ stage }) => stage === 2);
          const first = cells.find(({ stage }) => stage === 1);
          return (
            <tr key={`${at} ${title}`}>
              <th scope="row">{title}</th>
              {Array.from({ length: widest - 1 }, (_, column) => (
                <Place key={column} cell={second[column]} />
              ))}
              <Place cell={first} />
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Place({ cell }: { cell: Cell | undefined }) {
  if (cell === undefined) return <td class="empty" />;
  const { order, event, stage, level, fault } = cell;
  const state = event === currentStep.value ? ' now' : event > currentStep.value ? ' later' : '';
  return (
    <td>
      <button
        type="button"
        class={`${stage === 2 ? 's2' : `l${level}`}${state}${fault ? ' bad' : ''}`}
        aria-label={`read ${order}: stage ${stage} level ${level}`}
        aria-current={event === currentStep.value ? 'step' : undefined}
        onClick={() => walkTo(event)}
      >
        {order}
        <small>L{level}</small>
      </button>
    </td>
  );
}

function rowsOf(list: readonly TranslationEvent[]): Row[] {
  const rows: { title: string; cells: Cell[] }[] = [];
  let order = 0;
  let tables = 0;
  let row: { title: string; cells: Cell[] } | null = null;
  for (const [at, event] of list.entries()) {
    if (event.kind === 'begin' && event.step.stage === 2) {
      row = { title: event.step.purpose === 'table' ? `table ${++tables}` : 'output', cells: [] };
      rows.push(row);
    } else if (event.kind === 'read') {
      if (row === null) {
        row = { title: 'table', cells: [] };
        rows.push(row);
      }
      const { stage, level, outcome } = event.step;
      row.cells.push({ order: ++order, event: at, stage, level, fault: outcome === 'fault' });
      if (stage === 1) row = null;
    }
  }
  return rows;
}
