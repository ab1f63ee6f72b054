import { createServer, type Server, type ServerResponse } from 'node:http';

/** A file that the page opens by itself. */
export interface ServedFile {
  /** As the user named it. */
  readonly name: string;
  /** Its bytes, piece by piece: a file may be large. */
  read(): AsyncIterable<Uint8Array>;
}

export interface ServedPage {
  readonly html: string;
  readonly files: readonly ServedFile[];
}

const LOOPBACK = '127.0.0.1';
/** Names that a browser may call this machine. Any other is a page elsewhere that had its name point here. */
const HOSTS = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

const HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/**
 * Serves the page and the files that it was given, to this machine only, and nothing else.
 *
 * @param port 0 lets the system choose
 * @returns the server, listening, and its address
 */
export async function serveExplorer(
  { html, files }: ServedPage,
  port: number,
): Promise<{ readonly server: Server; readonly address: string }> {
  const list = files.map(({ name }, at) => ({ name, href: `/files/${at}` }));
  const page = html.replace('data-open=""', `data-open="${attributeText(JSON.stringify(list))}"`);
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    request.resume();
    if (!HOSTS.test(headers.host ?? '')) return refuse(response, 403, 'this page is for this machine only');
    if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405, 'GET and HEAD only');
    const [path = ''] = url.split(/[?#]/);
    const [, which] = /^\/files\/(\d{1,3})$/.exec(path) ?? [];
    const file = which === undefined ? undefined : files[Number(which)];
    if (path === '/') {
      response.writeHead(200, { ...HEADERS, 'content-type': 'text/html; charset=utf-8' });
      response.end(method === 'HEAD' ? '' : page);
    } else if (file === undefined) refuse(response, 404, 'nothing here');
    else {
      response.writeHead(200, { ...HEADERS, 'content-type': 'application/octet-stream' });
      if (method === 'HEAD') response.end();
      else void send(file, response);
    }
    return undefined;
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
  const bound = server.address();
  const chosen = typeof bound === 'object' && bound !== null ? bound.port : port;
  return { server, address: `http://${LOOPBACK}:${chosen}/` };
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${why}\n`);
}

/** As fast as the page reads. A file that cannot be read any more ends early, and the reader of the capture says so. */
async function send(file: ServedFile, response: ServerResponse): Promise<void> {
  try {
    for await (const bytes of file.read()) {
      if (response.destroyed) return;
      if (!response.write(bytes))
        await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
    }
    response.end();
  } catch {
    response.destroy();
  }
}

function attributeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
