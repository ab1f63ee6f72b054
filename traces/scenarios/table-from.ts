import { ConfigError, type IoPgtable, TableMemoryError } from '../../formats/index.ts';

/**
 * The table that `make` makes.
 * @throws ConfigError naming the allocator when it has no memory for the first level
 */
export function tableFrom(allocator: string, make: () => IoPgtable): IoPgtable {
  try {
    return make();
  } catch (error) {
    if (error instanceof TableMemoryError)
      throw new ConfigError('allocator', allocator, 'one with room for a first-level table');
    throw error;
  }
}
