import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../formats/index.ts';
import { explainFields, FIELD_DOCS, nearest, readRunConfig, runConfig, setField } from '../../../traces/index.ts';

/** Dotted names of everything in a configuration that is no object. */
function fieldsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([key, one]) => fieldsOf(one, path === '' ? key : `${path}.${key}`));
}

/** A part of a configuration with one field set as `--set` does it. */
function withField(assignment: string): unknown {
  const input = {};
  setField(input, assignment);
  return input;
}

describe('explaining the configuration', () => {
  it('knows every field that there is, and no other', () => {
    // A driver is named only where one is asked for.
    expect(new Set([...fieldsOf(runConfig()), 'iommu.driver'])).toEqual(new Set(FIELD_DOCS.keys()));
  });

  it('says of a price what it is on this CPU, and who has published it', () => {
    const [field] = explainFields(runConfig({ cpu: 'kunpeng920', clockMHz: 500 }), 'editCosts.mapCall');
    expect(field).toMatchObject({ field: 'editCosts.mapCall', value: 25.9, unit: 'cycles' });
    expect(field?.source).toMatch(/^51\.8 ns of cpu kunpeng920 .*map_pages series/);
    expect(explainFields(runConfig(), 'driver.cost.command')[0]?.source).toMatch(/assumed$/);
  });

  it('names the preset that a size is of, and says when a value was given instead', () => {
    expect(explainFields(runConfig(), 'mmu.walkSlots')[0]?.source).toContain('Arm 100310');
    expect(explainFields(runConfig({ mmu: { walkSlots: 3 } }), 'mmu.walkSlots')[0]?.source).toBe('given for this run');
  });

  it('lists all fields below a name, and finds one by its last part', () => {
    expect(explainFields(runConfig(), 'editCosts')).toHaveLength(4);
    expect(explainFields(runConfig(), 'walkSlots').map(({ field }) => field)).toEqual(['mmu.walkSlots']);
  });

  it('guesses what a name that is none may mean', () => {
    expect(() => explainFields(runConfig(), 'mmu.walkSlot')).toThrow(/perhaps mmu\.walkSlots/);
    expect(() => readRunConfig({ mmu: { walkSlot: 3 } })).toThrow(/perhaps walkSlots is meant/);
    expect(() => explainFields(runConfig(), 'xyzzy')).toThrow(ConfigError);
    expect(nearest('granual', ['granule', 'ias'])).toBe('granule');
    expect(nearest('xyzzy', ['granule', 'ias'])).toBe(null);
  });
});

describe('numbers as people write them', () => {
  it.each(['4k', '4K', '4096', '0x1000'])('%s is a granule', (granule) => {
    expect(readRunConfig(withField(`table.granule=${granule}`)).table.granule).toBe('4k');
  });

  it.each(['4K', '4kb', '4KiB', '4096', '0x1000'])('%s is a size of an access', (size) => {
    expect(readRunConfig(withField(`access.accessSize=${size}`)).access.accessSize).toBe(4096);
  });
});
