/** What the driver writes into the SMMU's control registers when it starts to work. */
import type { RegisterPort } from '../../registers/index.ts';
import { ACTLR, BANK, GR0, ID7, SACR, SCR0 } from '../spec/index.ts';
import type { DriverLog } from './banks/index.ts';
import type { Smmuv2Features } from './features.ts';

/** sCR0 of a working SMMU; what Linux does not know is left as it was found. */
export function workingControl(found: number, features: Smmuv2Features, faultsWhenIdle: boolean): number {
  let value =
    found |
    SCR0.GFRE.lowMask |
    SCR0.GFIE.lowMask |
    SCR0.GCFGFRE.lowMask |
    SCR0.GCFGFIE.lowMask |
    SCR0.VMIDPNE.lowMask |
    SCR0.PTM.lowMask;
  value &= ~(SCR0.CLIENTPD.lowMask | SCR0.USFCFG.lowMask | SCR0.FB.lowMask | SCR0.BSU.lowMask);
  if (faultsWhenIdle) value |= SCR0.USFCFG.lowMask;
  if (features.vmid16) value |= SCR0.VMID16EN.lowMask;
  if (features.extendedIds) value |= SCR0.EXIDENABLE.lowMask;
  return value >>> 0;
}

/** Errata settings of MMU-500 (Linux `arm_mmu500_reset`). */
export function setUpMmu500(port: RegisterPort, features: Smmuv2Features, log: DriverLog): void {
  const major = (port.read32(GR0.ID7.offset) & ID7.MAJOR.lowMask) >>> ID7.MAJOR.lsb;
  let value = port.read32(GR0.sACR.offset);
  if (major >= 2) value &= ~SACR.CACHE_LOCK.lowMask;
  value |= SACR.SMTNMB_TLBEN.lowMask | SACR.S2CRB_TLBEN.lowMask;
  port.write32(GR0.sACR.offset, value >>> 0);
  for (let bank = 0; bank < features.contextBanks; bank++) {
    const offset = features.pages.bank(bank) + BANK.ACTLR.offset;
    port.write32(offset, (port.read32(offset) & ~ACTLR.CPRE.lowMask) >>> 0);
    if ((port.read32(offset) & ACTLR.CPRE.lowMask) !== 0) {
      log('warn', 'the prefetcher stays on: sACR.CACHE_LOCK may be set');
    }
  }
}
