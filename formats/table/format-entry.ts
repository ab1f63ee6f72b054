/** What a format is to the registry. */
import type { ConfigError } from '../config/index.ts';
import type { AdjustedConfig, IoPgtable, Machine } from './io-pgtable.ts';
import type { WarningCode } from './warnings.ts';

/** A configuration after a format has looked at it. */
export interface ConfigCheck {
  /** The configuration with defaults filled in and sizes narrowed, as far as it came. */
  readonly config: AdjustedConfig;
  /** Why it is refused, or null. */
  readonly refusal: ConfigError | null;
  /** What Linux warns of when it refuses. */
  readonly warning?: WarningCode;
}

/** One row of the registry. */
export interface FormatEntry {
  /** Sum of {@link FormatCapability} bits. */
  readonly capabilities: number;
  /** Narrows a configuration, and says whether the format takes it. */
  check(config: AdjustedConfig): ConfigCheck;
  /** Makes a table from a configuration that {@link check} accepted. */
  create(config: AdjustedConfig, machine: Machine, cookie: unknown): IoPgtable;
}
