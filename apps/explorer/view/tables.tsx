import { signal } from '@preact/signals';
import type { DrawnTable, EntryRun } from '../../../traces/browser.ts';
import type { SpaceView, TreeView } from '../model/index.ts';
import { act, ask, entry, snapshot } from './store.ts';
import { Structure } from './walk/structure.tsx';
import { addressText, bytesText, levelClass, roughBytes } from './words.ts';

/** Tables that are opened, as `stage address`. */
const opened = signal<ReadonlySet<string>>(new Set());
/** Runs that an opened table lists. */
const MOST_RUNS = 40;

/** Every table of the address space as a strip of its entries, those on the way of the address marked. */
export function Tables() {
  const now = snapshot.value;
  if (now === null) return null;
  const space = now.spaces.find(({ number }) => number === now.space);
  return (
    <section class="tables" aria-labelledby="tables-title">
      <div class="line">
        <h2 id="tables-title">Tables</h2>
        {now.spaces.length > 1 && (
          <select
            aria-label="Address space"
            value={now.space}
            onChange={({ currentTarget }) => act(`space ${currentTarget.value}`)}
          >
            {now.spaces.map(({ number, title }) => (
              <option key={number} value={number}>
                {number}: {title}
              </option>
            ))}
          </select>
        )}
        {space !== undefined && <span class="note">{tagText(space)}</span>}
      </div>
      {space?.trees.map((tree) => (
        <Tree key={tree.stage} tree={tree} way={space.way} several={space.trees.length > 1} />
      ))}
      <Descriptor />
    </section>
  );
}

function tagText({ title, asid, vmid }: SpaceView): string {
  return [title, asid > 0 ? `ASID ${asid}` : '', vmid > 0 ? `VMID ${vmid}` : '']
    .filter((text) => text !== '')
    .join(', ');
}

function Tree({ tree, way, several }: { tree: TreeView; way: SpaceView['way']; several: boolean }) {
  const { stage, tables, tableCount, tableBytes, mappedBytes, leaves } = tree;
  const sizes = Object.entries(leaves).map(([size, count]) => `${count} × ${bytesText(Number(size))}`);
  const left = tableCount - tables.length;
  return (
    <div class="tree">
      {several && <h3>{stage === 1 ? 'Stage 1, in IPAs' : 'Stage 2'}</h3>}
      <p class="note">
        {tableCount} {tableCount === 1 ? 'table' : 'tables'}, {bytesText(tableBytes)}, for {roughBytes(mappedBytes)}
        {sizes.length > 0 ? ` in ${sizes.join(', ')}` : ' mapped'}
      </p>
      <ul class="plain">
        {tables.map((table) => (
          <Table key={table.pa} tree={tree} table={table} way={way} />
        ))}
      </ul>
      {left > 0 && <p class="note">and {left} more, which are not on the way of the address</p>}
    </div>
  );
}

function Table({ tree, table, way }: { tree: TreeView; table: DrawnTable; way: SpaceView['way'] }) {
  const { stage, entryBytes } = tree;
  const { pa, level, bytes, iova, runs } = table;
  const key = `${stage} ${pa}`;
  const open = opened.value.has(key);
  const count = bytes / entryBytes;
  const used = way.find((one) => one.stage === stage && within(one.address, pa, bytes));
  const index = used?.index ?? -1;
  const listed = runs.filter(({ kind }) => kind !== 'invalid');
  return (
    <li class={`table ${levelClass(stage, level)}${index >= 0 ? ' onway' : ''}`} style={{ '--depth': level }}>
      <button type="button" class="head" aria-expanded={open} onClick={() => toggle(key)}>
        <b>L{level}</b> <span class="mono">{addressText(pa)}</span>
        <span class="note">
          {' '}
          from <span class="mono">{addressText(iova)}</span>
          {index >= 0 ? `, entry ${index} of ${count}` : ''}
        </span>
      </button>
      <Strip tree={tree} table={table} index={index} />
      {open && (
        <ul class="runs plain">
          {listed.length === 0 && <li class="note">{count} entries, all invalid</li>}
          {listed.slice(0, MOST_RUNS).map((run) => (
            <li key={run.first}>
              <button type="button" onClick={() => ask({ kind: 'entry', stage, table: pa, index: run.first })}>
                <Run run={run} />
              </button>
            </li>
          ))}
          {listed.length > MOST_RUNS && <li class="note">and {listed.length - MOST_RUNS} more runs</li>}
        </ul>
      )}
    </li>
  );
}

function Run({ run }: { run: EntryRun }) {
  const { first, count, kind, iova, pa, size } = run;
  return (
    <>
      <span class="mono">
        [{first}
        {count > 1 ? `–${first + count - 1}` : ''}]
      </span>{' '}
      <span class="mono">{addressText(iova)}</span> {kind === 'table' ? 'table at' : '→'}{' '}
      <span class="mono">{addressText(pa)}</span>
      {kind === 'leaf' && <span class="note"> {count > 1 ? `${count} × ${bytesText(size)}` : bytesText(size)}</span>}
    </>
  );
}

/** Each entry has its place; what follows alike is one block. A click asks for the descriptor under it. */
function Strip({ tree, table, index }: { tree: TreeView; table: DrawnTable; index: number }) {
  const { stage, entryBytes } = tree;
  const { pa, level, bytes, runs } = table;
  const count = bytes / entryBytes;
  const click = (event: MouseEvent): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const at = Math.floor(((event.clientX - box.left) / box.width) * count);
    ask({ kind: 'entry', stage, table: pa, index: Math.max(0, Math.min(at, count - 1)) });
  };
  return (
    <div class="strip" onClick={click} aria-hidden="true">
      {runs
        .filter(({ kind }) => kind !== 'invalid')
        .map((run) => (
          <i
            key={run.first}
            class={run.kind === 'table' ? `to-table ${levelClass(stage, level + 1)}` : 'leaf'}
            style={{ left: `${(100 * run.first) / count}%`, width: `${(100 * run.count) / count}%` }}
            title={`${run.kind === 'table' ? 'table' : 'leaf'}: ${addressText(run.iova)}, ${bytesText(run.size)} each`}
          />
        ))}
      {index >= 0 && <i class="here" style={{ left: `${(100 * index) / count}%`, width: `${100 / count}%` }} />}
    </div>
  );
}

/** The descriptor that was clicked. */
function Descriptor() {
  const shown = entry.value;
  if (shown === null) return null;
  const { stage, level, index, pa, iova, covers, structure, newer } = shown;
  return (
    <div class={`descriptor ${levelClass(stage, level)}`}>
      <div class="line">
        <h3>
          L{level} entry {index}
        </h3>
        <span class="note">
          at <span class="mono">{addressText(pa)}</span>, for <span class="mono">{addressText(iova)}</span>,{' '}
          {bytesText(covers)}
        </span>
        <button type="button" aria-label="Close the descriptor" onClick={() => (entry.value = null)}>
          ×
        </button>
      </div>
      <Structure structure={structure} />
      {newer !== null && (
        <p class="bad">
          The CPU has <span class="mono">{addressText(newer)}</span> there, in its cache only.
        </p>
      )}
    </div>
  );
}

function within(address: number, start: number, bytes: number): boolean {
  return address >= start && address < start + bytes;
}

function toggle(key: string): void {
  const next = new Set(opened.value);
  if (!next.delete(key)) next.add(key);
  opened.value = next;
}
