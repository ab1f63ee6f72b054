import { InvalidArgumentError } from 'commander';
import pino, { type Logger } from 'pino';

/** Levels of `--log-level`, quietest first. */
const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Parses `--log-level`. */
export function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((one) => one === text);
  if (level === undefined) throw new InvalidArgumentError(`allowed: ${LOG_LEVELS.join(', ')}.`);
  return level;
}

/** A log on standard error, one JSON object per line, so that it never mixes with a report. */
export function openLog(level: LogLevel): Logger {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
