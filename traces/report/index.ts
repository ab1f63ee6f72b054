/** What is told of a run: one table of figures, findings, and the forms in which they are written. */
export { buildReport } from './build.ts';
export * from './findings.ts';
export { bestOf, looksAlike, METRICS, type Metric, metricLabel, metricsOf, metricText } from './metrics.ts';
export * from './outputs/index.ts';
export * from './report.ts';
export { renderReport, type TerminalOptions } from './terminal.ts';
