import { signal } from '@preact/signals';
import type { CachedTranslation } from '../../../emulator/index.ts';
import type { CacheView } from '../model/index.ts';
import { snapshot } from './store.ts';
import { addressText, bytesText } from './words.ts';

/** Cells that are drawn of one cache. */
const MOST_CELLS = 512;
const chosen = signal('');

/** Every cache as a grid, one cell per way; the sets in which a lookup of the address looks are marked. */
export function Tlbs() {
  const now = snapshot.value;
  if (now === null) return null;
  return (
    <section class="tlb" aria-labelledby="tlb-title">
      <h2 id="tlb-title">TLBs and caches</h2>
      {now.caches.map((cache) => (
        <Cache key={cache.name} cache={cache} />
      ))}
    </section>
  );
}

function Cache({ cache }: { cache: CacheView }) {
  const { name, sets, ways, lookups, misses, entries, probed } = cache;
  const at = new Map(entries.map((entry) => [entry.set * ways + entry.way, entry]));
  const columns = sets === 1 ? Math.min(ways, 16) : ways;
  const cells = Math.min(sets * ways, MOST_CELLS);
  const [kind = '', which = ''] = chosen.value.split('#');
  const picked = kind === name ? at.get(Number(which)) : undefined;
  return (
    <div class="cache">
      <div class="line">
        <h3>{titleOf(cache)}</h3>
        <span class="note">
          {entries.length} of {sets * ways}; {lookups - misses} hits, {misses} misses
        </span>
      </div>
      <div class="cells" style={{ '--columns': columns }} role="group" aria-label={`Entries of the ${name}`}>
        {Array.from({ length: cells }, (_, cell) => {
          const entry = at.get(cell);
          const lit = probed.includes(Math.floor(cell / ways)) && sets > 1 ? ' probed' : '';
          if (entry === undefined) return <i key={cell} class={`cell empty${lit}`} />;
          const key = `${name}#${cell}`;
          return (
            <button
              type="button"
              key={cell}
              class={`cell space${entry.asid % 4}${entry.stale ? ' stale' : ''}${entry.table ? ' table' : ''}${lit}`}
              aria-pressed={chosen.value === key}
              aria-label={entryText(entry)}
              title={entryText(entry)}
              data-mark={entry.stale ? '!' : entry.level >= 0 ? entry.level : entry.size >= 2 ** 21 ? '▬' : ''}
              onClick={() => (chosen.value = chosen.value === key ? '' : key)}
            />
          );
        })}
      </div>
      {sets * ways > MOST_CELLS && <p class="note">the first {MOST_CELLS} cells</p>}
      {picked !== undefined && <p class={picked.stale ? 'bad' : 'note'}>{entryText(picked)}</p>}
    </div>
  );
}

function titleOf({ name, role }: CacheView): string {
  if (role !== 'walk cache') return name;
  const [, stage = '', level = ''] = /S(\d)L(\d)/.exec(name) ?? [];
  return stage === '' ? 'walk cache' : `walk cache, stage ${stage} level ${level}`;
}

function entryText({ iova, size, asid, vmid, table, output, stale, global, upper }: CachedTranslation): string {
  const tags = [
    asid >= 0 ? `ASID ${asid}` : '',
    vmid > 0 ? `VMID ${vmid}` : '',
    global ? 'global' : '',
    upper ? 'TTBR1' : '',
  ];
  const tag = tags.filter((text) => text !== '').join(', ');
  const what = size === 0 ? 'stream' : `${bytesText(size)} at`;
  const target = output === 0 && size === 0 ? '' : ` → ${table ? 'table ' : ''}${addressText(output)}`;
  return `${what} ${addressText(iova)}${target}${tag === '' ? '' : ` (${tag})`}${stale ? ': should be gone' : ''}`;
}
