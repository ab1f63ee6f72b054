/** A report in the forms that other programs read: text and bytes only, files are for the caller. */
export { type CsvFile, csvFiles } from './csv.ts';
export { type HtmlAssets, htmlReport } from './html.ts';
export { RunSeries, type SeriesPoints, watchRun } from './run-series.ts';
export { statsText } from './stats-text.ts';
