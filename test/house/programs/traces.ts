import { ConfigError, decodeFaults, metricsOf, ReplayRun, runConfig } from '../../../traces/front-door.ts';

const capture = 'traces/samples/small-strict.ftrace.txt.gz';
for (const mode of ['strict', 'lazy'] as const) {
  const report = await new ReplayRun([capture], runConfig({ invalidation: { mode } })).run();
  const { commands, staleTlbHits } = metricsOf(report);
  console.log(`${mode}: ${commands} commands, ${staleTlbHits} accesses served by what was unmapped`);
}

const [fault] = decodeFaults(
  'arm-smmu-v3 a.iommu: event: F_TRANSLATION client: 0000:01:00.0 sid: 0x11 ssid: 0x0 iova: 0x0',
);
console.log(fault?.name, fault?.suspicions.map(({ name }) => name).join());

try {
  runConfig({ table: { granule: '8k' as '4k' } });
} catch (error) {
  if (error instanceof ConfigError) console.log(error.message);
}
