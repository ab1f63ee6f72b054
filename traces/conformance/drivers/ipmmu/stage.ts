import type { RegisterPort } from '../../../../devices/index.ts';
import type { WarningCode } from '../../../../formats/index.ts';
import type { CaseCheck } from '../case-check.ts';
import type { DriverEvent } from '../event.ts';

/** Registers of one context before an interrupt, by name. */
export type FaultRegisters = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What a scenario runs on: a recording that is played back, or a device model. */
export interface Stage {
  readonly port: RegisterPort;
  /** Performs one operation, of which `events` were recorded. */
  operation(name: string, events: readonly DriverEvent[], perform: () => void): void;
  equal(what: string, recorded: unknown, found: unknown): void;
  /** The driver's messages and warnings. */
  log(): void;
  warn(code: WarningCode): void;
  /** The hardware has these faults when the next interrupt comes. */
  faults(registers: FaultRegisters): void;
  /** The user of a domain is asked about a fault. */
  answerFault(iova: number, flags: number): number;
}

/** The recording of a case as a stage. */
export function recordedStage(check: CaseCheck): Stage {
  const { player } = check;
  return {
    port: player,
    operation: (name, events, perform) => check.operation(name, events, perform),
    equal: (what, recorded, found) => check.equal(what, recorded, found),
    log: () => player.log('err'),
    warn: (code) => player.warn(code),
    // They are what is read.
    faults: () => {},
    answerFault: (iova, flags) => Number(player.take('fault_handler', iova, flags)[0]),
  };
}
