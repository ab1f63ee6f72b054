import { sizeText } from '../../quantity.ts';
import { type HtmlAssets, htmlPage, htmlPlot, htmlTable, htmlText } from '../../report/index.ts';
import type { CacheCurve, CurvePoint, MissCurveReport } from './miss-curves.ts';

/** A line of a plot: hit rates by entries. */
interface Line {
  readonly label: string;
  readonly points: readonly CurvePoint[];
}

/** Owners that a plot can still tell apart; the rest is in the table. */
const OWNERS_SHOWN = 6;

/** Miss curves as one HTML page: a plot of all caches, and for each cache its streams, page sizes, ways and other policies. */
export function missCurvePage(report: MissCurveReport, assets: HtmlAssets): string {
  const { sources, caches, sample } = report;
  const title = sources.join(', ');
  const plots = [
    { id: 'all', title: 'Every cache', lines: caches.map(({ name, points }) => ({ label: name, points })) },
    ...caches.flatMap((cache, at) => plotsOf(cache, `cache-${at}`)),
  ];
  const body = `<header>
<h1>Hit rates of all sizes: ${htmlText(title)}</h1>
<p>LRU, fully associative, with the invalidations of the run; each cache with the others as configured.
${sample < 1 ? `Estimated from ${htmlText(String(Number((100 * sample).toPrecision(3))))} % of the pages, with its standard error.` : 'Exact, from one run.'}</p>
</header>
<main>
<section><h2>Every cache</h2>
${htmlPlot('all', 'Hit rate by entries')}
</section>
${caches.map((cache, at) => sectionOf(cache, `cache-${at}`, sample < 1)).join('\n')}
</main>`;
  return htmlPage(`Hit rates of ${title}`, body, { plots: plots.map(({ id, lines }) => dataOf(id, lines)) }, assets);
}

function plotsOf(cache: CacheCurve, id: string): { id: string; title: string; lines: readonly Line[] }[] {
  const { name, points, owners, pageSizes, policies, sets } = cache;
  const whole: Line = { label: name, points };
  const most = owners.toSorted((a, b) => b.lookups - a.lookups).slice(0, OWNERS_SHOWN);
  const some = [
    {
      id: `${id}-owners`,
      title: `${name} by stream or address space`,
      lines: most.map(({ owner, points: own }) => ({ label: owner, points: own })),
    },
    {
      id: `${id}-pages`,
      title: `${name}, if all pages were of one size`,
      lines: [
        { label: 'as mapped', points },
        ...pageSizes.map(({ pageSize, points: own }) => ({ label: sizeText(pageSize), points: own })),
      ],
    },
    {
      id: `${id}-policies`,
      title: `${name}, other policies`,
      lines: [
        { ...whole, label: 'lru' },
        ...policies.map(({ policy, points: own }) => ({ label: `${policy}, simulated`, points: own })),
      ],
    },
    {
      id: `${id}-sets`,
      title: `${name} by sets and ways`,
      lines: [
        { ...whole, label: 'full' },
        ...sets.map(({ sets: count, hitRates }) => ({
          label: `${count} sets`,
          points: hitRates.map((hitRate, way) => ({ entries: count * (way + 1), hitRate, error: 0 })),
        })),
      ],
    },
  ];
  return some.filter(({ lines }) => lines.length > 1);
}

function sectionOf(cache: CacheCurve, id: string, sampled: boolean): string {
  const { name, entries, lookups, points, owners } = cache;
  const plots = plotsOf(cache, id).map((plot) => htmlPlot(plot.id, htmlText(plot.title)));
  const head = ['entries', 'hit rate, %', ...(sampled ? ['error, %'] : [])];
  const rows = points.map(({ entries: size, hitRate, error }) => [
    size,
    100 * hitRate,
    ...(sampled ? [100 * error] : []),
  ]);
  return `<section><h2>${htmlText(name)}</h2>
<p>${lookups.toLocaleString('en')} lookups; configured with ${entries.toLocaleString('en')} entries.</p>
${plots.length > 0 ? `<div class="plots">\n${plots.join('\n')}\n</div>` : ''}
<details><summary>Figures</summary>
${htmlTable(head, rows)}
${owners.length > 1 ? ownersTable(owners) : ''}
</details></section>`;
}

function ownersTable(owners: CacheCurve['owners']): string {
  const sizes = owners[0]?.points.map(({ entries }) => entries) ?? [];
  return htmlTable(
    ['whose', 'lookups', ...sizes.map((size) => `${size}, %`)],
    owners.map(({ owner, lookups, points }) => [owner, lookups, ...points.map(({ hitRate }) => 100 * hitRate)]),
  );
}

/** Lines over one common axis, as uPlot takes them. */
function dataOf(id: string, lines: readonly Line[]): { id: string; labels: string[]; columns: (number | null)[][] } {
  const sizes = [...new Set(lines.flatMap(({ points }) => points.map(({ entries }) => entries)))].sort((a, b) => a - b);
  const columns = lines.map(({ points }) => {
    const at = new Map(points.map(({ entries, hitRate }) => [entries, hitRate]));
    return sizes.map((size) => at.get(size) ?? null);
  });
  return { id, labels: lines.map(({ label }) => label), columns: [sizes, ...columns] };
}
