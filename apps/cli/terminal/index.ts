/** What a command says and how it ends: bars, results as JSON, logs, exit codes. */
export { chainText } from './chain-text.ts';
export { ExitCode, endWith, exitWith } from './exit.ts';
export { fittedHelp } from './fitted-help.ts';
export { fittingTables, tableWidth } from './fitting-table.ts';
export { checkWritable, writeJson } from './json-output.ts';
export { type LogLevel, logLevel, openLog } from './log.ts';
export { watchStreams } from './streams.ts';
export { supervise } from './supervise.ts';
export { columns, wrapped } from './wrapped.ts';
