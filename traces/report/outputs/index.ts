/** A report in the forms that other programs read: text and bytes only, files are for the caller. */
export { type CsvFile, csvCell, csvFiles, csvText } from './csv.ts';
export * from './database/index.ts';
export { htmlReport } from './html.ts';
export { type HtmlAssets, htmlPage, htmlPlot, htmlTable, htmlText } from './page.ts';
export { PerfettoTrace } from './perfetto/index.ts';
export { RunSeries, type SeriesPoints } from './run-series.ts';
export { statsText } from './stats-text.ts';
export { type RunWatcher, watchRun } from './watch-run.ts';
