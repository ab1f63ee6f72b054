/** Many requests in flight at a time. */
export { type FinishedFlight, FlightEngine, type FlightJob } from './flight-engine.ts';
