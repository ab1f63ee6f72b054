import { count, cycles, pageSize, seconds, share } from '../../quantity.ts';
import { FINDING_MEANINGS } from '../findings.ts';
import type { CpuGroup, Report } from '../report.ts';
import { sentences } from '../sentences.ts';
import { type HtmlAssets, htmlPage, htmlPlot, htmlTable, htmlText, type PageCell } from './page.ts';
import type { SeriesPoints } from './run-series.ts';

/**
 * A report as one HTML page that needs nothing else: it opens from disk and asks the network for nothing. Figures are in the page as text, so
 * that it reads without scripts too; plots and sorting are the scripts'. Everything that a capture may have written is escaped.
 */
export function htmlReport(report: Report, points: SeriesPoints, title: string, assets: HtmlAssets): string {
  const { breakdown, config } = report;
  const data = { points, sizes: breakdown.sizes.map(({ operation, from, cpu }) => [operation, from, cpu.mean]) };
  const body = `<header>
<h1>${htmlText(title)}</h1>
${report.complete ? '' : '<p class="warning">Stopped before the end of the capture.</p>'}
${report.capture.synthetic === true ? '<p class="warning">A declared, synthetic workload: nothing here was measured.</p>' : ''}
${sentences(report)
  .map((sentence) => `<p>${htmlText(sentence)}</p>`)
  .join('\n')}
${remarks(report)}
<dl class="machine">
${machineRows(report)
  .map(([part, value]) => `<div><dt>${htmlText(part)}</dt><dd>${htmlText(value)}</dd></div>`)
  .join('\n')}
</dl>
</header>
<main>
<section><h2>Over time</h2><div class="plots">
${htmlPlot('live', 'Live mappings')}
${htmlPlot('tables', 'Memory of page tables, bytes')}
${htmlPlot('hits', 'Share of accesses that TLBs served')}
${htmlPlot('windows', 'Stale windows: how long TLBs held what was unmapped, cycles')}
</div></section>
<section><h2>Costs</h2><div class="plots">
${htmlPlot('latency', 'Translation time by what served the access, cycles')}
${htmlPlot('sizes', 'Mean CPU time by size of the operation, cycles')}
${bars('CPU time by cause', causes(report))}
${bars(
  'Device time by what served the access',
  report.costs.filter(({ side }) => side === 'device').map(({ name, cycles: spent }) => [name, spent]),
)}
${bars(
  'CPU time by domain',
  breakdown.domains.map(({ domain, devices, cpu }) => [domainName(domain, devices), cpu.total]),
)}
${bars(
  'Device time by device',
  breakdown.streams.map(({ stream, accesses }) => [streamName(points, stream), accesses.total]),
)}
</div></section>
<section><h2>Findings</h2>
${findings(report)}
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
  breakdown.streams.map(({ stream, accesses: a }) => [
    streamName(points, stream),
    a.count,
    a.faults,
    a.total,
    a.mean,
    a.p99,
    a.max,
  ]),
)}
</section>
<section><h2>Configuration</h2>
<details><summary>The whole machine, as JSON</summary><pre>${htmlText(JSON.stringify(config, null, 2))}</pre></details>
</section>
</main>`;
  return htmlPage(title, body, data, assets);
}

/** What a person should know before they believe figures, as the capture and the run show it. */
function remarks({ capture }: Report): string {
  const { refused, damaged, lost, domains, domainsInferred, unmatchedUnmaps } = capture;
  const lines = [
    ...(domainsInferred > 0
      ? [`${domainsInferred} of ${domains} domains are inferred: figures by domain rest on that.`]
      : []),
    ...(refused > 0 ? [`The tables refused ${count(refused)} maps and unmaps, in whole or in part.`] : []),
    ...(unmatchedUnmaps > 0 ? [`${count(unmatchedUnmaps)} unmaps are of a range that no domain holds.`] : []),
    ...(damaged > 0 ? [`${count(damaged)} damaged lines or records were skipped.`] : []),
    ...(lost > 0 ? [`The recorder says that it lost ${count(lost)} events.`] : []),
    ...capture.remarks,
  ];
  if (lines.length === 0) return '';
  return `<ul class="remarks">\n${lines.map((line) => `<li>${htmlText(line)}</li>`).join('\n')}\n</ul>`;
}

/** What each cause is called where shares are drawn. */
const CAUSE_TEXTS: Readonly<Record<string, string>> = {
  allocation: 'table memory',
  edit: 'table edits',
  sync: 'cache maintenance',
  command: 'invalidation: commands',
  wait: 'invalidation: waits',
  events: 'fault handling',
  bind: 'VM_BIND jobs',
  iova: 'addresses of the DMA API',
};

function causes({ breakdown }: Report): [name: string, cycles: number][] {
  const groups = Object.values(breakdown.operations);
  return Object.entries(CAUSE_TEXTS).map(([cause, name]) => [
    name,
    groups.reduce((sum, { byCause }) => sum + (byCause[cause] ?? 0), 0),
  ]);
}

function streamName({ streamNames }: SeriesPoints, stream: number): string {
  const device = streamNames[stream];
  const name = `stream 0x${stream.toString(16)}`;
  return device === undefined ? name : `${name}, ${device}`;
}

function domainName(domain: number, devices: readonly string[]): string {
  return devices.length === 0 ? `domain ${domain}` : devices.join(', ');
}

/** Bars of one figure. */
const MOST_BARS = 12;

/** Shares of a whole as bars, the largest first, the smallest together; they need no script. */
function bars(title: string, parts: readonly (readonly [name: string, value: number])[]): string {
  const all = parts.reduce((sum, [, value]) => sum + value, 0);
  const sorted = parts.filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]);
  const few = sorted.length <= MOST_BARS ? sorted : sorted.slice(0, MOST_BARS - 1);
  const others = sorted.slice(few.length);
  const rest = others.reduce((sum, [, value]) => sum + value, 0);
  const rows = [...few, ...(others.length > 0 ? [[`${others.length} others`, rest] as const] : [])].map(
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

/** The kinds with their first finding each, and all that were kept folded away. */
function findings({ sanitizer: { byKind, findings: records, windows } }: Report): string {
  const kinds = Object.entries(byKind);
  if (kinds.length === 0) return '<p class="none">The sanitizer found nothing.</p>';
  const meanings: Readonly<Record<string, string>> = FINDING_MEANINGS;
  const { p50, p99, max } = windows.cycles;
  const lengths =
    windows.count === 0
      ? ''
      : `<p>${count(windows.count)} stale windows: half were shorter than ${cycles(p50)}, 99 of 100 than ${cycles(p99)}; the longest took ${cycles(max)}, ${seconds(windows.seconds.max)}.</p>`;
  return `${htmlTable(
    ['kind', 'times', 'what it means', 'first: line', 'IOVA', 'what was found'],
    kinds.map(([kind, times]) => {
      const first = records.find((one) => one.kind === kind);
      return [kind, times, meanings[kind] ?? '', first?.line ?? '', first?.iova ?? '', first?.detail ?? ''];
    }),
  )}${lengths}<details><summary>${records.length} findings with their lines</summary>${htmlTable(
    ['kind', 'line', 'operation', 'time, s', 'CPU', 'domain', 'devices', 'IOVA', 'what'],
    records.map(({ kind, operation, line, time, cpu, domain, devices, iova, detail }) => [
      kind,
      line ?? '',
      operation,
      time === undefined ? '' : time.toFixed(6),
      cpu ?? '',
      domain,
      devices?.join(', ') ?? '',
      iova,
      detail,
    ]),
  )}</details>`;
}

function machineRows({ config, table: format, invalidation, allocation }: Report): [part: string, value: string][] {
  return [
    ['MMU', `${config.iommu.model}, TLBs of ${config.preset}, ${config.clockMHz} MHz`],
    ['table format', `${format.format}, ${format.granule} granule, ias ${format.ias}, oas ${format.oas}`],
    ['table walks', format.coherentWalk ? 'coherent' : 'non-coherent'],
    ['invalidation', invalidation.mode],
    ['tables from', allocation.stack],
    ['CPU prices', config.cpu],
    ['device accesses', config.access.pattern],
  ];
}
