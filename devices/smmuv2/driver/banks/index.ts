/** Context banks: their registers, their faults, and the translations that they are asked for. */
export { ContextBanks } from './context-bank.ts';
export { type ContextFault, type DriverLog, FaultAnswer, FaultHandlers } from './faults.ts';
export { TranslationOperation } from './translation-operation.ts';
