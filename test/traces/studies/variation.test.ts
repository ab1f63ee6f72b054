import { describe, expect, it } from 'vitest';
import { parseVariation } from '../../../traces/index.ts';

const names = {
  fieldOf: (option: string) => (option === 'allocator' ? 'table.allocator' : null),
  options: ['allocator'],
};
const valuesOf = (text: string): readonly string[] => parseVariation(text, names).values;

describe('--vary', () => {
  it.each([
    ['seed=1..4', ['1', '2', '3', '4']],
    ['seed=4..64*2', ['4', '8', '16', '32', '64']],
    ['seed=0..100+40', ['0', '40', '80']],
    ['plantedBugs.dropSync=0..0.3+0.1', ['0', '0.1', '0.2', '0.3']],
    ['seed=1,5..6,9', ['1', '5', '6', '9']],
    [
      'allocator=page,pool:low=2:high=8..32*2',
      ['page', 'pool:low=2:high=8', 'pool:low=2:high=16', 'pool:low=2:high=32'],
    ],
    ['dma.mapErrorAt=[],[1,2]', ['[]', '[1,2]']],
  ])('takes %s', (text, values) => {
    expect(valuesOf(text)).toEqual(values);
  });

  it('knows a field by the name of its option', () => {
    expect(parseVariation('allocator=page', names)).toEqual({
      name: 'allocator',
      field: 'table.allocator',
      values: ['page'],
    });
  });

  it.each([
    'seed',
    '=1,2',
    'seed=',
    'seed=1,',
    'seed=1,1',
    'seed=1..3,2',
    'seed=4..1',
    'seed=0..8*2',
    'seed=1..9*1',
    'seed=1..9+0',
    'seed=0..1e7',
    'seed=1..2000000',
    'sead=1,2',
  ])('refuses %s', (text) => {
    expect(() => valuesOf(text)).toThrow('--vary: found');
  });
});
