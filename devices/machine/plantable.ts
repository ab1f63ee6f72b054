import { ConfigError } from '../../formats/index.ts';
import type { FormatKey } from '../iommu.ts';
import { type BugHome, PLANTED_BUGS, type PlantedBug, plantedOf } from '../planted-bugs/index.ts';
import type { MachineConfig } from './machine-config.ts';

/** What of a machine decides which bugs change anything in it. */
export interface PlantingGround {
  /** Name of the MMU, and of its driver. */
  readonly mmu: string;
  readonly driver: string;
  readonly format: FormatKey;
}

/** Why a bug changes nothing in a machine, whatever else is configured; null where it does. */
export function whyNotPlanted(bug: PlantedBug, { mmu, driver, format }: PlantingGround): string | null {
  for (const [home, reason] of Object.entries(bug.not ?? {}) as [BugHome, string][]) {
    if (mmu === home || driver.startsWith(home)) return reason;
  }
  const needs = bug.needs ?? [];
  if (needs.includes('stage 1') && format.endsWith('-s2'))
    return 'a stage 2 has neither context descriptors nor memory attributes of its own';
  if (needs.includes('access flag') && format === 'arm-mali-lpae')
    return 'Mali descriptors have no access flag, and blocks at every level';
  return null;
}

/**
 * Refuses bugs that change nothing: the run would be as if there were none.
 * @throws ConfigError naming the first, why, and those of its kind that there can be
 */
export function checkPlantable({ plantedBugs, table }: MachineConfig, mmu: string, driver: string): void {
  const ground = { mmu, driver, format: table.format };
  for (const bug of plantedOf(plantedBugs)) {
    const value = plantedBugs[bug.field as keyof typeof plantedBugs];
    const reason = whyNotPlanted(bug, ground);
    if (reason !== null) {
      const able = (PLANTED_BUGS as readonly PlantedBug[]).filter(
        (one) => one.floor === bug.floor && whyNotPlanted(one, ground) === null,
      );
      const names = able.map(({ name }) => name).join(', ');
      throw new ConfigError(
        `plantedBugs.${bug.field}`,
        value,
        `nothing, since ${reason}; of its kind ${driver} can have ${names}`,
      );
    }
  }
}
