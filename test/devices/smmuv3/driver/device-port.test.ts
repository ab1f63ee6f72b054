import { describe, expect, it } from 'vitest';
import { DevicePort } from '../../../../devices/smmuv3/driver/index.ts';
import { runConfig } from '../../../../traces/index.ts';
import { machineWith } from '../machine.ts';

describe('DevicePort', () => {
  it.each([500, 2000])('counts the microseconds that a driver waits in cycles of a clock of %i MHz', (clockMHz) => {
    const { smmu, memory } = machineWith();
    const port = new DevicePort(smmu, memory, runConfig({ clockMHz }).driver);
    port.delay(3);
    expect([port.now, port.time]).toEqual([3 * clockMHz, 3]);
    port.sleep(1, 10);
    expect([port.now, port.time]).toEqual([13 * clockMHz, 13]);
    port.waitForEvent();
    expect(port.time).toBe(113);
  });
});
