import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { CachedTranslation } from '../../../emulator/index.ts';
import type { CacheView } from '../model/index.ts';
import { snapshot } from './store.ts';
import { addressText, bytesText } from './words.ts';

/** A cache of more cells is drawn as a picture: thousands of elements would be slow to follow a capture. */
const MOST_CELLS = 64;
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
  const columns = sets === 1 ? Math.min(ways, 8) : ways;
  const cells = sets * ways;
  const [kind = '', which = ''] = chosen.value.split('#');
  const picked = kind === name ? at.get(Number(which)) : undefined;
  return (
    <div class="cache">
      <div class="line">
        <h3>{titleOf(cache)}</h3>
        <span class="note">
          {entries.length} of {sets * ways}, {lookups - misses} {lookups - misses === 1 ? 'hit' : 'hits'}, {misses}{' '}
          {misses === 1 ? 'miss' : 'misses'}
        </span>
      </div>
      {cells > MOST_CELLS ? (
        <Picture cache={cache} at={at} />
      ) : (
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
      )}
      {picked !== undefined && <p class={picked.stale ? 'bad' : 'note'}>{entryText(picked)}</p>}
    </div>
  );
}

const CELL = 5;
const WIDE = 44;
const SPACE_COLOURS = ['--l2', '--l1', '--l3', '--l0'];

/** A large cache, one square for each entry, set by set from the left. Pointing at one tells its tag. */
function Picture({ cache, at }: { cache: CacheView; at: ReadonlyMap<number, CachedTranslation> }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { sets, ways, probed, entries, name } = cache;
  const total = sets * ways;
  const rows = Math.ceil(total / WIDE);
  useEffect(() => {
    const { current } = canvas;
    const context = current?.getContext('2d') ?? null;
    if (current === null || context === null) return;
    const style = getComputedStyle(current);
    const colour = (variable: string): string => style.getPropertyValue(variable).trim();
    context.clearRect(0, 0, current.width, current.height);
    const lit = new Set(probed);
    const square = (cell: number, fill: string): void => {
      context.fillStyle = fill;
      context.fillRect((cell % WIDE) * CELL, Math.floor(cell / WIDE) * CELL, CELL - 1, CELL - 1);
    };
    const [faint, ink, bad] = [colour('--line'), colour('--ink'), colour('--bad')];
    for (let cell = 0; cell < total; cell++) square(cell, sets > 1 && lit.has(Math.floor(cell / ways)) ? ink : faint);
    for (const { set, way, asid, stale } of entries) {
      square(set * ways + way, stale ? bad : colour(SPACE_COLOURS[Math.max(0, asid) % 4] ?? '--l1'));
    }
  }, [cache]);
  const point = (event: MouseEvent): void => {
    const { current } = canvas;
    if (current === null) return;
    const scale = current.width / current.clientWidth;
    const cell = Math.floor((event.offsetY * scale) / CELL) * WIDE + Math.floor((event.offsetX * scale) / CELL);
    const entry = at.get(cell);
    current.title = entry === undefined ? `set ${Math.floor(cell / ways)}: empty` : entryText(entry);
  };
  const stale = entries.filter((entry) => entry.stale).length;
  return (
    <canvas
      ref={canvas}
      width={WIDE * CELL}
      height={rows * CELL}
      role="img"
      aria-label={`${name}: ${entries.length} of ${total} entries are in use, ${stale} should be gone`}
      onMouseMove={point}
    />
  );
}

function titleOf({ name, role }: CacheView): string {
  if (role === 'configuration cache') return 'configurations';
  if (role !== 'walk cache') return name;
  const [, stage = '', level = ''] = /S(\d)L(\d)/.exec(name) ?? [];
  return stage === '' ? 'walk cache' : `walk cache S${stage} L${level}`;
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
