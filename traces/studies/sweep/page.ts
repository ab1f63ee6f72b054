import { type HtmlAssets, htmlPage, htmlPlot, htmlTable, htmlText, METRICS, metricLabel } from '../../report/index.ts';
import { effectsOf } from './effects.ts';
import { countsText, type SweepSummary, shownMetrics } from './summary.ts';

/** Rows that a page still opens quickly with; the rest is in summary.csv. */
const ROWS_SHOWN = 5000;

/** A sweep as one HTML page: the front of its two figures, what each thing varied does to them, and the table of all runs. */
export function sweepPage(summary: SweepSummary, assets: HtmlAssets): string {
  const { captures, varied, pareto, rows } = summary;
  const axes = METRICS.filter(({ key }) => pareto.includes(key)).sort(
    (a, b) => pareto.indexOf(a.key) - pareto.indexOf(b.key),
  );
  const shown = shownMetrics(summary);
  const effects = effectsOf(summary, axes);
  const finished = rows.filter(({ status }) => status === 'finished');
  const unfinished = rows.filter(({ status }) => status !== 'finished');
  const title = captures.join(', ');
  const names = varied.map(({ name }) => name);
  const data = {
    axes: axes.map(metricLabel),
    points: finished.map(({ metrics, front }) => [...axes.map(({ key }) => metrics[key] ?? null), front]),
    effects,
  };
  const body = `<header>
<h1>Sweep of ${htmlText(title)}</h1>
<p>${htmlText(countsText(summary))}</p>
</header>
<main>
<section><h2>Front</h2><p>Filled: no other run that refused as little is at least as good in both figures and better in one.</p>
${htmlPlot('front', axes.map(metricLabel).join(' against '))}
</section>
<section><h2>What each variation does</h2><p>Mean, least and most over all values of the others.</p><div class="plots">
${effects.map(({ name, metric }, at) => htmlPlot(`effect-${at}`, htmlText(`${axes.filter(({ key }) => key === metric).map(metricLabel)} by ${name}`))).join('\n')}
</div></section>
<section><h2>Runs</h2>
${htmlTable(
  [...names, ...shown.map(metricLabel), 'front', 'run'],
  finished
    .slice(0, ROWS_SHOWN)
    .map(({ id, settings, metrics, front }) => [
      ...names.map((name) => settings[name] ?? ''),
      ...shown.map(({ key }) => metrics[key] ?? '-'),
      front ? 'yes' : '',
      id,
    ]),
)}
${finished.length > ROWS_SHOWN ? `<p>${finished.length - ROWS_SHOWN} more runs are in summary.csv.</p>` : ''}
</section>
<section><h2>Without a report</h2>
${htmlTable(
  [...names, 'status', 'reason', 'run'],
  unfinished
    .slice(0, ROWS_SHOWN)
    .map(({ id, settings, status, reason }) => [...names.map((name) => settings[name] ?? ''), status, reason, id]),
)}
</section>
</main>`;
  return htmlPage(`Sweep of ${title}`, body, data, assets);
}
