import { ConfigError } from '../../../formats/index.ts';
import { METRICS, type Metric, perhaps } from '../../../traces/index.ts';

/** The metrics that an option names, with commas between, in its order. @throws ConfigError */
export function metricsNamed(option: string, names: string): Metric[] {
  return names.split(',').map((name) => {
    const metric = METRICS.find(({ key }) => key === name);
    if (metric !== undefined) return metric;
    const keys = METRICS.map(({ key }) => key);
    throw new ConfigError(option, name, `${perhaps(name, keys)}names of ${keys.join(', ')}`);
  });
}
