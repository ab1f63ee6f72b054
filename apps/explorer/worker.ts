/** The worker of the page: the session, and nothing else. */
import { LESSONS } from './lessons/index.ts';
import { type Request, Session } from './model/index.ts';

/** What a worker has to talk with, as far as it is used here. */
interface WorkerScope {
  postMessage(message: unknown): void;
  onmessage: ((event: { readonly data: Request }) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const session = new Session(LESSONS, (reply) => scope.postMessage(reply));
scope.onmessage = ({ data }) => void session.take(data);
