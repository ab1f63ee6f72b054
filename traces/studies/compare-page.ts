import {
  type HtmlAssets,
  htmlPage,
  htmlText,
  looksAlike,
  METRICS,
  type Metric,
  metricLabel,
  metricText,
} from '../report/index.ts';
import { type CompareReport, unfinishedWork } from './compare.ts';

/**
 * A comparison as one HTML page: a row for each figure, a column for each run, with a bar for its share of the row's largest, what it differs
 * from the first by, and a star where it is best. Rows in which all runs are alike are folded away.
 */
export function comparePage(report: CompareReport, assets: HtmlAssets): string {
  const { captures, columns, varied, synthetic, complete } = report;
  const title = captures.join(', ');
  const differ: string[] = [];
  const alike: string[] = [];
  for (const metric of METRICS) {
    const values = columns.map(({ metrics }) => metrics[metric.key] ?? null);
    if (values.every((value) => value === null)) continue;
    const row = rowHtml(metric, values, report.best[metric.key] ?? []);
    (values.every((value) => looksAlike(metric, value, values[0] ?? null)) ? alike : differ).push(row);
  }
  const refused = columns.map(unfinishedWork);
  const uneven = refused.some((one) => one !== refused[0]);
  const head = columns
    .map(({ settings }) => varied.map(({ name }) => `<span>${htmlText(settings[name] ?? '')}</span>`).join(''))
    .map((name) => `<th scope="col">${name}</th>`)
    .join('');
  const names = varied.map(({ name }) => `<span>${htmlText(name)}</span>`).join('');
  const table = (rows: readonly string[]): string =>
    `<div class="wide"><table class="compare"><thead><tr><th scope="col">${names}</th>${head}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table></div>`;
  const body = `<header>
<h1>Comparison of ${htmlText(title)}</h1>
${complete ? '' : '<p class="warning">Stopped before the end: combinations are missing.</p>'}
${synthetic ? '<p class="warning">A declared, synthetic workload: nothing here was measured.</p>' : ''}
${uneven ? '<p class="warning">Some columns refused more maps and unmaps than others: they did less work and get no star.</p>' : ''}
<p>${columns.length} runs of the same captures. Percentages are against the first column; * marks the best of a row.</p>
</header>
<main>
<section><h2>What differs</h2>
${differ.length === 0 ? '<p class="none">No figure differs.</p>' : table(differ)}
</section>
<section><h2>What is the same</h2>
${alike.length === 0 ? '<p class="none">None.</p>' : `<details><summary>${alike.length} figures</summary>${table(alike)}</details>`}
</section>
<section><h2>Machine</h2>
<details><summary>What all runs have in common</summary><pre>${htmlText(JSON.stringify(report.config, null, 2))}</pre></details>
</section>
</main>`;
  return htmlPage(`Comparison of ${title}`, body, {}, assets);
}

function rowHtml(metric: Metric, values: readonly (number | null)[], best: readonly number[]): string {
  const most = Math.max(...values.map((value) => Math.abs(value ?? 0)));
  const [first = null] = values;
  const cells = values.map((value, at) => {
    if (value === null) return '<td class="number">-</td>';
    const share = most === 0 ? 0 : Math.abs(value) / most;
    const isBest = best.includes(at);
    const isChanged = first !== null && first !== 0 && !looksAlike(metric, value, first);
    const change = isChanged ? changeText(value / first - 1) : '';
    return `<td class="number${isBest ? ' best' : ''}" style="--share:${share.toFixed(3)}">${metricText(metric, value)}${isBest ? ' *' : ''}${change}</td>`;
  });
  return `<tr><th scope="row" title="${htmlText(metric.meaning)}">${htmlText(metricLabel(metric))}</th>${cells.join('')}</tr>`;
}

function changeText(change: number): string {
  return `<small>${change > 0 ? '+' : '−'}${(100 * Math.abs(change)).toFixed(Math.abs(change) < 0.1 ? 1 : 0)} %</small>`;
}
