import type { Logger } from 'pino';

/** What a run tells on the way: a pino logger fits. Nothing on a hot path logs; what is off costs a call that does nothing. */
export type Log = Pick<Logger, 'error' | 'warn' | 'info' | 'debug'>;

const nothing = (): void => {};

/** Tells nobody. */
export const SILENT: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
