/** Tables built from a few mappings, drawn. */
export {
  applyEdit,
  buildLayout,
  type DrawnTable,
  type EntryRun,
  type Layout as TableLayout,
  type LayoutEdit,
  type LayoutShape,
  parseEdit,
} from './build.ts';
export { layoutFigures, layoutLines, summaryLine } from './draw.ts';
export { drawTables } from './from-memory.ts';
