/** Why an address was, or was not, mapped: the history of a capture's mappings, asked. */
export { type Answer, answer, type DomainAnswer, type Question, wasMapped } from './answer.ts';
export { type AnsweredFault, answerFault, captureFaults, type FaultQuestion, logFaults } from './answered-faults.ts';
export { type MappingDifference, mappingDifferences } from './difference.ts';
export { couldBeHuge, type HistoryFigures, historyFigures, livingAt } from './figures.ts';
export { type CaptureFault, type HistorySource, type Mapping, MappingHistory, type Moment } from './history.ts';
export { type LazyWindow, lazyWindow } from './lazy-window.ts';
export { answerLines, answerRecord } from './lines.ts';
export { type TableGrowth, type TableMemoryPoint, tableGrowth } from './table-growth.ts';
