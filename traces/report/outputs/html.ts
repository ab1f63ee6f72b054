import { cycles, pageSize, share } from '../../quantity.ts';
import type { CpuGroup, Report } from '../report.ts';
import { sentences } from '../terminal.ts';
import { type HtmlAssets, htmlPage, htmlPlot, htmlTable, htmlText, type PageCell } from './page.ts';
import type { SeriesPoints } from './run-series.ts';

/**
 * A report as one HTML page that needs nothing else: it opens from disk and asks the network for nothing. Figures are in the page as text, so
 * that it reads without scripts too; plots and sorting are the scripts'. Everything that a capture may have written is escaped.
 */
export function htmlReport(report: Report, points: SeriesPoints, title: string, assets: HtmlAssets): string {
  const { breakdown, sanitizer, config } = report;
  const data = { points, sizes: breakdown.sizes.map(({ operation, from, cpu }) => [operation, from, cpu.mean]) };
  const body = `<header>
<h1>${htmlText(title)}</h1>
${report.complete ? '' : '<p class="warning">Stopped before the end of the capture.</p>'}
${report.capture.synthetic === true ? '<p class="warning">A declared, synthetic workload: nothing here was measured.</p>' : ''}
${sentences(report)
  .map((sentence) => `<p>${htmlText(sentence)}</p>`)
  .join('\n')}
</header>
<main>
<section><h2>Over time</h2><div class="plots">
${htmlPlot('live', 'Live mappings and table memory')}
${htmlPlot('hits', 'Share of accesses that TLBs served')}
</div></section>
<section><h2>Distributions</h2><div class="plots">
${htmlPlot('latency', 'Translation time by what served the access, cycles')}
${htmlPlot('sizes', 'Mean CPU time by size of the operation, cycles')}
</div></section>
<section><h2>Shares</h2><div class="plots">
${bars(
  'CPU time by domain',
  breakdown.domains.map(({ domain, devices, cpu }) => [domainName(domain, devices), cpu.total]),
)}
${bars(
  'Device time by stream',
  breakdown.streams.map(({ stream, accesses }) => [`stream ${stream}`, accesses.total]),
)}
</div></section>
<section><h2>Findings</h2>
${findings(sanitizer)}
</section>
<section><h2>CPU time by operation</h2>
${htmlTable(
  ['operation', ...CPU_HEAD],
  Object.entries(breakdown.operations).map(([kind, group]) => [kind, ...cpuCells(group)]),
)}
${htmlTable(
  ['operation and size', ...CPU_HEAD],
  breakdown.sizes.map(({ operation, from, cpu }) => [`${operation} from ${pageSize(from)}`, ...cpuCells(cpu)]),
)}
</section>
<section><h2>Where time goes</h2>
${costTable(report, 'cpu', 'CPU')}
${costTable(report, 'device', 'Device')}
</section>
<section><h2>Domains and devices</h2>
${domainTable(report)}
${htmlTable(
  ['stream', 'accesses', 'faults', 'cycles', 'mean', 'p99', 'max'],
  breakdown.streams.map(({ stream, accesses: a }) => [stream, a.count, a.faults, a.total, a.mean, a.p99, a.max]),
)}
</section>
<section><h2>Machine</h2>
${htmlTable(['part', 'value'], machineRows(report))}
<details><summary>The whole configuration</summary><pre>${htmlText(JSON.stringify(config, null, 2))}</pre></details>
</section>
</main>`;
  return htmlPage(title, body, data, assets);
}

function domainName(domain: number, devices: readonly string[]): string {
  return devices.length === 0 ? `domain ${domain}` : devices.join(', ');
}

/** Shares of a whole as bars, the largest first; they need no script. */
function bars(title: string, parts: readonly (readonly [name: string, value: number])[]): string {
  const all = parts.reduce((sum, [, value]) => sum + value, 0);
  const rows = [...parts]
    .filter(([, value]) => value > 0)
    .sort((a, b) => b[1] - a[1])
    .map(
      ([name, value]) =>
        `<tr><td>${htmlText(name)}</td><td class="bar"><i style="--share:${(value / all).toFixed(4)}"></i></td><td class="number">${share(value, all)}</td></tr>`,
    );
  const body = rows.length === 0 ? '<p class="none">None.</p>' : `<table class="bars">${rows.join('\n')}</table>`;
  return `<figure><figcaption>${htmlText(title)}</figcaption>${body}</figure>`;
}

const CPU_HEAD = ['count', 'cycles', 'mean', 'p50', 'p99', 'max', 'most of it'] as const;

function cpuCells({ count: times, total, mean, p50, p99, max, byCause }: CpuGroup): PageCell[] {
  const [cause, most] = Object.entries(byCause).sort((a, b) => b[1] - a[1])[0] ?? ['-', 0];
  return [times, total, mean, p50, p99, max, total === 0 ? '-' : `${cause}, ${share(most, total)}`];
}

function costTable({ costs }: Report, side: 'cpu' | 'device', name: string): string {
  const items = costs.filter((item) => item.side === side);
  const all = items.reduce((sum, item) => sum + item.cycles, 0);
  return htmlTable(
    [`${name} time`, 'count', 'cycles', 'share'],
    items.map((item) => [item.name, item.count, item.cycles, share(item.cycles, all)]),
  );
}

function domainTable({ breakdown: { domains } }: Report): string {
  const cpu = domains.reduce((sum, one) => sum + one.cpu.total, 0);
  const device = domains.reduce((sum, one) => sum + one.accesses.total, 0);
  return htmlTable(
    [
      'domain',
      'devices',
      'origin',
      'operations',
      'CPU cycles',
      'CPU share',
      'accesses',
      'device cycles',
      'device share',
    ],
    domains.map((one) => [
      one.domain,
      one.devices.join(', '),
      one.origin,
      one.cpu.count,
      one.cpu.total,
      share(one.cpu.total, cpu),
      one.accesses.count,
      one.accesses.total,
      share(one.accesses.total, device),
    ]),
  );
}

function findings({ byKind, findings: records, longestWindow, staleWindows }: Report['sanitizer']): string {
  const kinds = Object.entries(byKind);
  if (kinds.length === 0) return '<p class="none">The sanitizer found nothing.</p>';
  const longest = staleWindows === 0 ? '' : `<p>The longest stale window took ${cycles(longestWindow.cycles)}.</p>`;
  return `${htmlTable(['kind', 'times'], kinds)}${longest}${htmlTable(
    ['kind', 'operation', 'line', 'domain', 'IOVA', 'what'],
    records.map(({ kind, operation, line, domain, iova, detail }) => [
      kind,
      operation,
      line ?? '',
      domain,
      iova,
      detail,
    ]),
  )}`;
}

function machineRows({ config, table: format, invalidation, allocation }: Report): PageCell[][] {
  return [
    ['MMU', `${config.iommu.model}, TLBs of ${config.preset}, ${config.clockMHz} MHz`],
    ['table format', `${format.format}, ${format.granule} granule, ias ${format.ias}, oas ${format.oas}`],
    ['table walks', format.coherentWalk ? 'coherent' : 'non-coherent'],
    ['invalidation', invalidation.mode],
    ['tables from', allocation.stack],
  ];
}
