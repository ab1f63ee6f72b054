/** Bugs that can be planted, in one table, and what they do to the software that has them. */
export {
  BUG_NEEDS,
  type BugFloor,
  type BugHome,
  type BugNeed,
  findsOf,
  PLANTED_BUGS,
  type PlantedBug,
  type ShareField,
  type SwitchField,
} from './catalogue.ts';
export {
  NO_BUGS,
  type PlantedBugsConfig,
  PlantedBugsSchema,
  parsePlantedBugs,
  plantedOf,
  settingsFor,
} from './config.ts';
export { PlantedBugs } from './planted-bugs.ts';
export { type RegisterBugs, SpoiledPort } from './register-writes.ts';
