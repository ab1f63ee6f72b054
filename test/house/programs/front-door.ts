import { metricsOf, ReplayRun, runConfig } from '../../../traces/front-door.ts';

const run = new ReplayRun(['traces/samples/small-strict.ftrace.txt.gz'], runConfig({ preset: 'gem5' }));
const { walks, meanLatency } = metricsOf(await run.run());
console.log(`${walks} walks, ${meanLatency?.toFixed(1)} cycles for a translation`);
