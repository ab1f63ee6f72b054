/** What an interrupt handler says of an interrupt, as Linux numbers it (`irqreturn_t`). */
export const IrqReturn = { NONE: 0, HANDLED: 1, WAKE_THREAD: 2 } as const;
export type IrqReturn = (typeof IrqReturn)[keyof typeof IrqReturn];
