/** Commands that show how tables, walks and drivers work. */
export * as explain from './explain.ts';
export * as explorer from './explorer.ts';
export * as layout from './layout.ts';
export * as scenario from './scenario.ts';
export * as walk from './walk.ts';
